"""Sealing and opening the secrets that people type into forms.

Laws:
- Without a key, a sealed secret reveals nothing: neither its value, nor whether two secrets are equal.
- A sealed secret is bound to one purpose (`about`): used elsewhere, it doesn't open.
- Events, requirements, audits and snapshots have `STRUCK` in place of a secret.

Source: `docs/workflows.md`, "Secrets".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, TypedDict

from interlock_protocol.types import JsonValue

STRUCK: Final = "••••"
"""The text shown in place of a secret."""

SHORTEST: Final = 4
"""The minimum length of a secret that is struck out: a shorter one would match in any text."""


class Sealed(TypedDict):
    """A sealed secret. `value` opens with the key; `tag` only tells, to the key's holder, whether another is equal."""

    value: str
    tag: str


class SecretUnreadable(Exception):  # noqa: N818 - clients see this name
    """A sealed secret can't be opened with the keys that the server has."""


class Vault(Protocol):
    """Seals and opens secrets."""

    def seal(self, value: JsonValue, about: str) -> Sealed:
        """Seal a secret for one purpose."""

    def is_same(self, value: JsonValue, about: str, tag: str) -> bool:
        """Return True if `value` equals the secret with this tag."""

    def opened(self, sealed: str, about: str) -> JsonValue:
        """Open a sealed secret.

        Raises:
            SecretUnreadable: it was sealed with another key, or for another purpose.
        """


def struck(value: JsonValue, secrets: Iterable[str]) -> JsonValue:
    """Return `value` with these secrets replaced by `STRUCK`, at any depth."""
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
