"""Secrets that people type into forms: what seals them, and opens them again.

Laws:
- What is sealed says nothing of the secret to whoever has no key: neither what it is, nor whether two are the same.
- A seal is good only for what it was made for (`about`): copied elsewhere, it doesn't open.
- Where a secret stood, `STRUCK` stands: in events, requirements, audits and snapshots.

Source: `docs/workflows.md`, "Secrets".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, TypedDict

from interlock_protocol.types import JsonValue

STRUCK: Final = "••••"
"""What is shown in place of a secret."""

SHORTEST: Final = 4
"""What is shorter is found in any text, and isn't struck out of it."""


class Sealed(TypedDict):
    """A secret, sealed. `value` opens with the key; `tag` tells only whether another one is the same."""

    value: str
    tag: str


class SecretUnreadable(Exception):  # noqa: N818 - the name is what clients see
    """A sealed secret can't be opened with the keys that the server has."""


class Vault(Protocol):
    """Seals secrets, and opens them."""

    def seal(self, value: JsonValue, about: str) -> Sealed:
        """A secret, sealed for one purpose."""

    def is_same(self, value: JsonValue, about: str, tag: str) -> bool:
        """Whether `value` is what was sealed with this tag."""

    def opened(self, sealed: str, about: str) -> JsonValue:
        """What was sealed.

        Raises:
            SecretUnreadable: it was sealed with another key, or for something else.
        """


def struck(value: JsonValue, secrets: Iterable[str]) -> JsonValue:
    """`value` without these secrets, at any depth."""
    known = sorted({each for each in secrets if len(each) >= SHORTEST}, key=len, reverse=True)
    return _struck(value, known) if known else value


def _struck(value: JsonValue, secrets: list[str]) -> JsonValue:
    if isinstance(value, str):
        for each in secrets:
            value = value.replace(each, STRUCK)
        return value
    if isinstance(value, list):
        return [_struck(each, secrets) for each in value]
    if isinstance(value, dict):
        return {str(_struck(key, secrets)): _struck(each, secrets) for key, each in value.items()}
    return value
