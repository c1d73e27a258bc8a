"""Times as `/api/v1` writes and reads them: ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from interlock.http.v1.bodies import invalid


def shown(ms: int) -> str:
    """Milliseconds since 1970 as `2026-01-20T12:00:00.000Z`."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown_or_none(ms: int | None) -> str | None:
    """The same, or None."""
    return None if ms is None else shown(ms)


def read(text: str | None, field: str) -> int | None:
    """Milliseconds since 1970 of a time in ISO 8601; without an offset it is UTC.

    Raises:
        ApiError: `invalid_request`.
    """
    if text is None:
        return None
    try:
        # In a query, the + of an offset arrives as a space.
        time = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        example: dict[str, Any] = {"field": field, "error": "must be a time such as 2026-01-20T12:00:00Z"}
        raise invalid([example]) from None
