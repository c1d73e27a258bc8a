"""The forms in which a secret may come back from where it was sent: as it is, in a URL or as its host, in JSON, in
HTML, in base64; also without the white space around it, which no header has.

Law: whatever secret it is (stored, in the environment, an integration's), and whoever was given it (a request, a
script), these are the texts that are struck out.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 8
"""The minimum length of a secret: a shorter one is guessed, and found by chance in what is struck out."""


def encodings_of(secret: str) -> frozenset[str]:
    """Return the texts that reveal a secret, and so have to be struck out (`port.struck`) where it was used."""
    inner = secret.strip()
    whole = (secret,) if inner == secret or len(inner) < SHORTEST else (secret, inner)
    return frozenset(form for text in whole for form in _forms(text))


def revealing(secrets: Iterable[str]) -> frozenset[str]:
    """Return the texts that reveal any of these secrets."""
    return frozenset[str]().union(*map(encodings_of, secrets))


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, secret.lower())
    yield from _in_urls(secret)
    yield from _in_json(secret)
    yield from _in_html(secret)
    yield from _in_base64(secret.encode())


def _in_urls(secret: str) -> Iterator[str]:
    in_scripts = quote(secret, safe="!*'()")  # as `encodeURIComponent` has it
    for text in (quote(secret, safe=""), quote(secret), quote_plus(secret), in_scripts):
        yield text
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def _in_json(secret: str) -> Iterator[str]:
    for is_ascii in (True, False):
        text = json.dumps(secret, ensure_ascii=is_ascii)[1:-1]
        yield from (text, text.replace("/", "\\/"))
        for letters in _ESCAPED:
            escaped = re.sub(f"[{letters}]", lambda found: f"\\u{ord(found[0]):04x}", text)
            yield from (escaped, re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda found: found[0].upper(), escaped))


_ESCAPED: Final = ("<>&", "<>&'=", "<>&'+`")
"""What libraries escape in JSON though they needn't, for the sake of HTML."""


def _in_html(secret: str) -> Iterator[str]:
    text = html.escape(secret)
    yield from (text, html.escape(secret, quote=False))
    yield text.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield text.replace("&#x27;", "&#39;")


def _in_base64(secret: bytes) -> Iterator[str]:
    """The digits that depend on the secret alone, wherever it stands among the bytes: so it is also found inside of a
    longer text, such as `user:secret`."""
    for offset in range(3):
        first, end = -(-offset * 8 // 6), (offset + len(secret)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(bytes(offset) + secret).decode()[first:end]
