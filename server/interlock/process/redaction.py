"""What must not be read, taken out of what is written.

Laws:
- What the settings say is secret is taken out wherever it stands: tokens, keys, passwords in addresses, as they are and
  as they are written in an address.
- What looks like a secret is taken out too, whosever it is: a password in an address, a bearer's token, a JSON Web
  Token.
- It is the last defence, not the first: nothing that is secret should come here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from interlock.auth.token_list import parse_tokens
from interlock.settings import Settings

CONCEALED: Final = "***"

_SHORTEST: Final = 4
"""What is shorter is found in any text, and can't have been meant to keep anybody out."""

_LIKE_SECRETS: Final = (
    (re.compile(r"(?<=://)[^\s/@]*:[^\s/]*@"), f"{CONCEALED}@"),  # to the last @: a password may have one in it
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), CONCEALED),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), rf"\1{CONCEALED}"),
    (re.compile(r"(?i)([?&](?:token|access_token|ticket|password|secret)=)[^\s&#\"']+"), rf"\1{CONCEALED}"),
)


class Redactor:
    """Takes out of texts what is secret.

    Args:
        secrets: these, besides what looks like one.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: one may be a part of another.
        known = sorted({each for each in secrets if len(each) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    @classmethod
    def of(cls, settings: Settings) -> Redactor:
        """For a server with these settings."""
        return cls(_secrets(settings))

    def __repr__(self) -> str:
        return "<Redactor>"

    def __call__(self, text: str) -> str:
        """The text without what is secret."""
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
    for url in (settings.database_url, settings.redis_url):
        if url is not None:
            yield from _passwords(url)


def _passwords(url: str) -> Iterator[str]:
    """What an address holds that opens something, as it stands there and as it is meant."""
    parts = urlsplit(url)
    given = [parts.password, *(value for name, value in parse_qsl(parts.query) if "password" in name)]
    for password in filter(None, given):
        yield from (password, unquote(password), quote(unquote(password), safe=""))
