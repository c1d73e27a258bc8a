"""JSON in one form, for what is hashed: equal values have equal bytes, on every machine and in every language.

Law: keys are sorted by code points, nothing is between the parts, and what isn't ASCII is escaped.

Source: `docs/audit.md`, "How it is made".
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """The one text of a JSON value. What only looks like JSON has one, too: the codec refuses it, not this."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def sha256_of(value: Any) -> str:
    """The SHA-256 of a JSON value, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
