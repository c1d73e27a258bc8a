"""The forms in which a secret may come back from where it was sent: as it is, in a URL or as its host, in JSON, in
base64.

Law: whatever secret it is (stored, in the environment, an integration's), and whoever was given it (a request, a
script), these are the texts that are struck out.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus


def encodings_of(secret: str) -> frozenset[str]:
    """Return the texts that reveal a secret, and so have to be struck out (`port.struck`) where it was used."""
    return frozenset({secret, secret.lower(), *_in_urls(secret), *_in_json(secret), *_in_base64(secret.encode())})


def revealing(secrets: Iterable[str]) -> frozenset[str]:
    """Return the texts that reveal any of these secrets."""
    return frozenset[str]().union(*map(encodings_of, secrets))


def _in_urls(secret: str) -> Iterator[str]:
    in_scripts = quote(secret, safe="!*'()")  # as `encodeURIComponent` has it
    for text in (quote(secret, safe=""), quote(secret), quote_plus(secret), in_scripts):
        yield text
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def _in_json(secret: str) -> Iterator[str]:
    for is_ascii in (True, False):
        yield json.dumps(secret, ensure_ascii=is_ascii)[1:-1]


def _in_base64(secret: bytes) -> Iterator[str]:
    """The digits that depend on the secret alone, wherever it stands among the bytes: so it is also found inside of a
    longer text, such as `user:secret`."""
    for offset in range(3):
        first, end = -(-offset * 8 // 6), (offset + len(secret)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(bytes(offset) + secret).decode()[first:end]
