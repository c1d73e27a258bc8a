"""Sealing and opening the secrets that people type into forms.

Laws:
- Without a key, a sealed secret reveals nothing: neither its value, nor whether two secrets are equal.
- A sealed secret is bound to one purpose (`about`): used elsewhere, it doesn't open.
- Events, requirements, audits and snapshots have `STRUCK` in place of a secret.

Source: `docs/workflows.md`, "Secrets".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


class Striker:
    """Strikes secrets out of texts. It takes about as long for many of them as for `_FEW`.

    Args:
        secrets: what is struck out; what is shorter than `SHORTEST` isn't.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first, because one may be part of another.
        self._secrets = sorted({each for each in secrets if len(each) >= SHORTEST}, key=len, reverse=True)
        self._digits = [each for each in self._secrets if each.isascii() and each.isdigit()]
        self._begin = frozenset(each[:SHORTEST] for each in self._secrets) if len(self._secrets) > _FEW else None

    def text(self, text: str) -> str:
        """Return a text with `STRUCK` in place of the secrets."""
        for each in self._found(text):
            text = text.replace(each, STRUCK)
        return text

    def value(self, value: JsonValue) -> JsonValue:
        """Return a value without the secrets, at any depth."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(each) for key, each in value.items()}
        if self._digits and isinstance(value, int | float):
            return STRUCK if any(each in str(value) for each in self._digits) else value
        return value

    def _found(self, text: str) -> Sequence[str]:
        """The secrets that a text may have, by how they begin."""
        if self._begin is None:
            return self._secrets
        begins = {text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1)} & self._begin
        return [each for each in self._secrets if each[:SHORTEST] in begins] if begins else ()


_FEW: Final = 64
"""Up to how many secrets are looked for one by one."""


def struck(value: JsonValue, secrets: Iterable[str]) -> JsonValue:
    """Return `value` with these secrets replaced by `STRUCK`, at any depth."""
    return Striker(secrets).value(value) if secrets else value
