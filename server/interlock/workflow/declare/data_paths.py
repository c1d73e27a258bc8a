"""Paths into data, such as `order.lines[0].price`, as conditions and templates have them.

Laws:
- A path is a row of names with dots between them; a name may be followed by indexes in brackets, from 0. Names have
  letters, digits, `_` and `-`. Nothing else is a path, and nothing is ever computed.
- A name leads to the value of an object's key, an index to an element of a list, and anything else to nothing: a path
  that leads nowhere is missing, which isn't the same as null. Looking one up never raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, cast

from interlock_protocol.types import JsonValue, PathPart

MAX_PATH: Final = 1024
"""How many characters a path may have."""

_INDEX = r"\[[0-9]{1,9}\]"
_NAME = rf"[\w-]++(?:{_INDEX})*+"
_PATH = re.compile(rf"{_NAME}(?:\.{_NAME})*+")
_PART = re.compile(r"([\w-]++)|\[([0-9]+)\]")


class Missing(Enum):
    """There is nothing at a path."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

Found: TypeAlias = JsonValue | Literal[Missing.MISSING]


def parts_of(path: object) -> tuple[PathPart, ...] | None:
    """The names and indexes of a path, of which the first is a name; None if it isn't a path."""
    if not isinstance(path, str) or len(path) > MAX_PATH or _PATH.fullmatch(path) is None:
        return None
    return tuple(name or int(index) for name, index in _PART.findall(path))


def found(value: Found | Mapping[str, JsonValue], parts: tuple[PathPart, ...]) -> Found:
    """What these names and indexes lead to, from `value`."""
    here: Any = value
    for part in parts:
        is_there = part in here if isinstance(here, Mapping) else isinstance(here, list) and _is_index(part, here)
        if not is_there:
            return MISSING
        here = here[part]
    return cast("JsonValue", here)


def _is_index(part: PathPart, of: list[JsonValue]) -> bool:
    return isinstance(part, int) and part < len(of)
