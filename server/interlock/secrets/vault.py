"""The server's vault, with keys kept outside the database.

Laws:
- The first key seals, and every key opens, so that keys can be rotated while sealed secrets exist.
- The message about an invalid key doesn't repeat it.

Source: https://github.com/fernet/spec; `docs/settings.md`, `INTERLOCK_SECRETS_KEYS`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic_core import from_json, to_json

from interlock.secrets.port import Sealed, SecretUnreadable
from interlock_protocol.types import JsonValue

_TAGS = b"interlock: whether two secrets are the same"


class KeyedVault:
    """Seals with the first key, and opens with any key.

    Args:
        keys: Fernet keys, each 32 bytes in URL-safe base64.

    Raises:
        ValueError: there is no key, or one isn't valid.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("there is no key")
        self._first = Fernet(keys[0])
        self._fernet = MultiFernet([Fernet(each) for each in keys])
        self._tag_keys = [hmac.digest(each.encode(), _TAGS, hashlib.sha256) for each in keys]

    def __repr__(self) -> str:
        return "<KeyedVault>"

    def seal(self, value: JsonValue, about: str) -> Sealed:
        data = _data(value, about)
        return {"value": self._fernet.encrypt(data).decode(), "tag": _tag(self._tag_keys[0], data)}

    def is_same(self, value: JsonValue, about: str, tag: str) -> bool:
        data = _data(value, about)
        return any(hmac.compare_digest(_tag(key, data), tag) for key in self._tag_keys)

    def rotated(self, sealed: str) -> str:
        """Return a sealed secret as the first key seals it; as it is if that key has sealed it.

        Raises:
            SecretUnreadable: it was sealed with none of the keys.
        """
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            try:
                return self._fernet.rotate(sealed).decode()
            except InvalidToken:
                raise SecretUnreadable(
                    "a stored secret was sealed with none of the keys in INTERLOCK_SECRETS_KEYS: add the one it was"
                    " sealed with, or set the secret again"
                ) from None
        return sealed

    def opened(self, sealed: str, about: str) -> JsonValue:
        try:
            purpose, value = from_json(self._fernet.decrypt(sealed))
        except (InvalidToken, ValueError):
            purpose, value = None, None
        if purpose != about:
            raise SecretUnreadable(
                "a secret that was typed in can't be opened any more: add the key that it was sealed with to "
                "INTERLOCK_SECRETS_KEYS, or have it typed in again"
            )
        opened: JsonValue = value
        return opened


def new_key() -> str:
    """Generate a random key."""
    return Fernet.generate_key().decode()


def is_key(text: str) -> bool:
    """Return True if a text is a valid key."""
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def _data(value: JsonValue, about: str) -> bytes:
    return to_json([about, value])


def _tag(key: bytes, data: bytes) -> str:
    return hmac.new(key, data, hashlib.sha256).hexdigest()
