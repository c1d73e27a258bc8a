"""The header `Prefer: wait=N`: how long a caller waits for an instance to halt or end.

Law: what isn't understood is ignored, as the standard wants.

Source: RFC 7240, section 4.3.
"""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request

from interlock.http.v1.request_ids import add_header

MAX_WAIT_SECONDS: Final = 30
"""How long an answer takes at most, and without the header."""

_WAIT: Final = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:[;,]|$)", re.IGNORECASE)


def wait_of(prefer: str | None) -> int | None:
    """How many seconds the caller waits; None if the header doesn't say it."""
    found = _WAIT.search(prefer or "")
    return None if found is None else min(int(found[1]), MAX_WAIT_SECONDS)


def wait(request: Request, prefer: str | None) -> int:
    """How many seconds the caller waits; the answer will say that their wish was granted."""
    seconds = wait_of(prefer)
    if seconds is None:
        return MAX_WAIT_SECONDS
    add_header(request, "Preference-Applied", f"wait={seconds}")
    return seconds
