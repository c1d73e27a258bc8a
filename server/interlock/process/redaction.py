"""Redacting secrets in texts that are about to be written.

Laws:
- Secrets from the settings are redacted wherever they appear: tokens, keys, and passwords in URLs, both plain and
  URL-encoded.
- So are the secrets of workflows that this process has opened, however they are written (`secrets/known.py`).
- Whatever looks like a secret is redacted, too: a password in a URL, a bearer token, a JSON Web Token.
- This is the last line of defence, not the first: no secret should get here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from interlock.auth.token_list import parse_tokens
from interlock.outgoing.channels import channels_in
from interlock.secrets.known import Known
from interlock.settings import Settings

CONCEALED: Final = "***"

_SHORTEST: Final = 4
"""The minimum length of a secret that is redacted: a shorter one would match in any text, and protects nothing."""

_LIKE_SECRETS: Final = (
    (re.compile(r"(?<=://)[^\s/@]*:[^\s/]*@"), f"{CONCEALED}@"),  # up to the last @: a password may contain one
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), CONCEALED),
    (re.compile(r"\b(rt|cs)_[\w-]{40,}"), CONCEALED),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), rf"\1{CONCEALED}"),
    (re.compile(r"(?i)([?&](?:token|access_token|ticket|password|secret|code|state)=)[^\s&#\"']+"), rf"\1{CONCEALED}"),
)


class Redactor:
    """Redacts secrets in texts.

    Args:
        secrets: known secrets, in addition to whatever looks like one.
        opened: the secrets of workflows that were opened.
    """

    def __init__(self, secrets: Iterable[str] = (), opened: Known | None = None) -> None:
        self._opened = opened
        # The longest first, because one may be part of another.
        known = sorted({each for each in secrets if len(each) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    @classmethod
    def of(cls, settings: Settings, opened: Known | None = None) -> Redactor:
        """Return the redactor for a server with these settings."""
        return cls(_secrets(settings), opened)

    def __repr__(self) -> str:
        return "<Redactor>"

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        if self._opened is not None:
            text = self._opened.strike(text)
        for pattern, instead in _LIKE_SECRETS:
            text = pattern.sub(instead, text)
        return text if self._known is None else self._known.sub(CONCEALED, text)


def _secrets(settings: Settings) -> Iterator[str]:
    if settings.tokens is not None:
        yield from parse_tokens(settings.tokens.get_secret_value())
    if settings.jwt_secret is not None:
        key = settings.jwt_secret.get_secret_value()
        yield from (key, key.strip())
    if settings.secrets_keys is not None:
        yield from settings.secrets_keys.get_secret_value().replace(",", " ").split()
    if settings.notifiers is not None:
        for channel in channels_in(settings.notifiers.get_secret_value()).values():
            yield from channel.secrets()
    for url in (settings.database_url, settings.redis_url):
        if url is not None:
            yield from _passwords(url)


def _passwords(url: str) -> Iterator[str]:
    """Yield the passwords in a URL: as written, decoded, and encoded."""
    parts = urlsplit(url)
    given = [parts.password, *(value for name, value in parse_qsl(parts.query) if "password" in name)]
    for password in filter(None, given):
        yield from (password, unquote(password), quote(unquote(password), safe=""))
