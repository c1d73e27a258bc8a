"""The part of a file that a request asks for: one range of bytes.

Laws:
- What isn't one range in bytes, or is for another state of the file, is as if it weren't asked: the whole is given.

Source: RFC 9110, sections 13.1.5 and 14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

Span: TypeAlias = tuple[int, int]
"""From a byte on to before another."""

NO_SPAN: Final[Span] = (0, 0)
"""None of the bytes that are asked for exists."""

_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


def span_of(headers: Mapping[str, str], size: int, tag: str) -> Span | None:
    """The span that these headers ask for; None for the whole.

    Args:
        tag: the entity tag of the file.
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", tag) != tag:
        return None
    first, last = match.groups()
    if not first:
        return None if not last else (max(0, size - int(last)), size) if int(last) and size else NO_SPAN
    if last and int(last) < int(first):
        return None
    begin, end = int(first), size if not last else min(int(last) + 1, size)
    return (begin, end) if begin < end else NO_SPAN
