"""What a webhook's receiver checks: the headers of one attempt, in both families, over one body.

Laws:
- Everything here is pure. A signature is of the attempt's time, so that a receiver can refuse what comes late.
- `X-Interactor-Signature` is keyed with a secret's text as it stands; `webhook-signature` with the bytes that it is
  base64 of, with or without `whsec_` before it. A secret that is no base64 keys both with its text.
- While a secret is being replaced, `webhook-signature` carries a signature of each, and `X-Interactor-Signature` is
  still of the oldest: its receivers know one secret only.
- Of two attempts of one delivery, the body and the ids are the same.

Source: `docs/webhooks.md`; https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import binascii
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from interlock_protocol.limits import KIB

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
SHORTEST_SECRET: Final = 32
"""The minimum length of a secret that somebody chooses, in characters, with its prefix."""

LONGEST_SECRET: Final = KIB

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_PRINTABLE: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Signed:
    """What is signed and told of a delivery, besides its body.

    Attributes:
        sequence: the delivery's number among those of its run to this receiver, from 1 on.
        retry: the number of attempts before this one.
        at: the time of the attempt, in seconds since 1970.
    """

    delivery_id: str
    event: str
    sequence: int
    retry: int
    at: int


def new_secret() -> str:
    """Make up a secret."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Return True if a text may be a secret: of a proper length, in printable ASCII without spaces."""
    return SHORTEST_SECRET <= len(text) <= LONGEST_SECRET and _PRINTABLE.fullmatch(text) is not None


@lru_cache(maxsize=1_000)
def key_of(secret: str) -> bytes:
    """Return what a secret keys `webhook-signature` with."""
    text = secret.removeprefix(PREFIX)
    if _BASE64.fullmatch(text):
        try:
            return b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def headers(signed: Signed, body: bytes, keys: Sequence[str]) -> Mapping[str, str]:
    """Return the headers of an attempt.

    Args:
        keys: the secrets that count, the latest first.
    """
    at, delivery_id = str(signed.at), signed.delivery_id
    standard = f"{delivery_id}.{at}.".encode() + body
    mine = hmac.digest(keys[-1].encode(), f"{at}.".encode() + body, "sha256")
    return {
        "Content-Type": "application/json",
        "X-Interactor-Event": signed.event,
        "X-Interactor-Signature": f"sha256={mine.hex()}",
        "X-Interactor-Delivery": delivery_id,
        "X-Interactor-Timestamp": at,
        "X-Interactor-Retry-Count": str(signed.retry),
        "X-Interlock-Sequence": str(signed.sequence),
        "webhook-id": delivery_id,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(f"v1,{_standard(key, standard)}" for key in keys),
    }


def _standard(secret: str, signed: bytes) -> str:
    return b64encode(hmac.digest(key_of(secret), signed, "sha256")).decode()
