"""The fields of settings: what each is for, and what to write, in words."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import Field

DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
"""The schemes of a database's URL, each with what SQLAlchemy calls it."""

MOST_RETRIES: Final = 20
MOST_RETRY_SECONDS: Final = 7 * 24 * 60 * 60
"""How many attempts a webhook's delivery may have, and how long one may come after the one before."""

LIMIT: Final = "a number of times in a time, such as 600/minute or 100/10 seconds, or off"


def setting(default: Any, about: str, write: str, **rules: Any) -> Any:
    """A field; `write` completes "INTERLOCK_X must be …" for every value that it can't take."""
    return Field(default=default, description=about, json_schema_extra={"write": write}, **rules)


def count(default: int, about: str, **rules: Any) -> Any:
    """A whole number from 1 upwards."""
    return setting(default, about, f"a whole number from 1 upwards, such as {default}", ge=1, **rules)


def seconds(default: float, about: str) -> Any:
    """A time, in seconds."""
    write = f"a number of seconds greater than 0, such as {default:g}"
    return setting(default, about, write, gt=0, allow_inf_nan=False)


def listed(value: Any) -> list[str] | None:
    """The texts of a list: one of JSON, or with commas between them. None if it is something else."""
    if isinstance(value, str) and (found := _json_list(value)) is not None:
        value = found
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        return None
    return [item.strip() for item in items if item.strip()]


def _json_list(text: str) -> Any:
    """Return the list that a text is in JSON, or None; an IPv6 address also begins with a bracket."""
    try:
        return json.loads(text) if text.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        return None


def retries_in(value: Any) -> tuple[float, ...] | None:
    """The times after which something is tried, of which the first is now; None if it is something else."""
    try:
        times = tuple(map(float, value.split(",") if isinstance(value, str) else value))
    except (TypeError, ValueError):
        return None
    is_bounded = len(times) <= MOST_RETRIES and all(0 <= each <= MOST_RETRY_SECONDS for each in times)
    return times if times[:1] == (0,) and is_bounded else None
