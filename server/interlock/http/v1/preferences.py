"""The header `Prefer: wait=N`: how long a caller waits for an instance to halt or end.

Laws:
- What isn't understood is ignored, as the standard wants: a preference never makes a request wrong.
- More than the server waits is as much as it waits; `Preference-Applied` says how much that was.

Source: RFC 7240, sections 2 and 4.3.
"""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request

from interlock.http.v1.request_ids import add_header

MAX_WAIT_SECONDS: Final = 30
"""How long an answer takes at most, and without the header."""

_PREFERENCE: Final = re.compile(
    r"""(?:^|,)\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?P<value>"(?:[^"\\]|\\.)*"|[^\s,;"]*)\s*)?(?=[;,]|$)
        (?:;(?:"(?:[^"\\]|\\.)*"|[^,"])*)?(?=,|$)""",
    re.VERBOSE,
)
"""A preference, its value, and parameters that none of ours has."""


def wait_of(prefer: str | None, most: int = MAX_WAIT_SECONDS) -> int | None:
    """How many seconds the caller waits; None if the header doesn't say it, or what it says is no number of seconds.

    Of several the first counts, whatever it says.
    """
    found = (match for match in _PREFERENCE.finditer(prefer or "") if match["name"].lower() == "wait")
    value = next((match["value"] or "" for match in found), "").strip('"')
    if not (value.isascii() and value.isdecimal()):
        return None
    return min(int(value.lstrip("0")[:9] or "0"), most)


def wants_no_wait(prefer: str | None) -> bool:
    """Return True if the caller wants an answer at once, and names no time to wait before."""
    names = {match["name"].lower() for match in _PREFERENCE.finditer(prefer or "")}
    return "respond-async" in names and "wait" not in names


def wait(request: Request, prefer: str | None, most: int = MAX_WAIT_SECONDS) -> int:
    """How many seconds the caller waits; the answer will say that their wish was granted."""
    seconds = wait_of(prefer, most)
    if seconds is None:
        return most
    add_header(request, "Preference-Applied", f"wait={seconds}")
    return seconds
