"""The fields of a presentation's form: the six types, their properties, and what fits them.

Laws:
- No coercion: a field takes values of its own type only, and true isn't a number. Files may be given as one id or as a
  list of ids; a list is kept.
- Numbers are judged exactly, as their decimals are written: 0.3 is three steps of 0.1. Steps count from `min`, or 0.
- A date is a day that the calendar has, written `YYYY-MM-DD`. Characters are Unicode's code points.
- Judging a value never raises: a property that doesn't fit its kind is as if it weren't there.

Source: `docs/machines.md`, "Halting".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from interlock.workflow.declare.checks import type_in_words
from interlock.workflow.declare.conditions import is_number
from interlock_protocol.faults import shortened
from interlock_protocol.limits import MAX_LIST, MAX_NAME, MIB
from interlock_protocol.types import JsonObject, JsonValue

MAX_FILES: Final = 5
MAX_FILE_BYTES: Final = 10 * MIB

MAX_OPTIONS: Final = MAX_LIST
"""How many options there may be to select from."""

_SHOWN_OPTIONS: Final = 20
"""How many options a sentence lists."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a property may be.

    Attributes:
        words: what that is, in the sentence `This must be {words}.`
        fits: whether a value is that.
    """

    words: str
    fits: Callable[[object], bool]


def is_finite(value: object) -> bool:
    """Return True for a number that isn't infinite."""
    return isinstance(value, int | float) and is_number(value) and (isinstance(value, int) or math.isfinite(value))


def is_date(value: object) -> bool:
    """Return True for a date of the calendar, as `YYYY-MM-DD`."""
    if not isinstance(value, str) or _DATE.fullmatch(value) is None:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_whole(value: object, least: int, most: float = math.inf) -> bool:
    return isinstance(value, int | float) and is_finite(value) and value % 1 == 0 and least <= value <= most


TEXT: Final = Kind("a text", lambda value: isinstance(value, str))
FLAG: Final = Kind("true or false", lambda value: isinstance(value, bool))
OPTIONS: Final = Kind(
    'a list of options such as {"value": "low", "label": "Low"}', lambda value: isinstance(value, list)
)
_NUMBER: Final = Kind("a number", is_finite)
_STEP: Final = Kind("a number over 0", lambda value: isinstance(value, int | float) and is_finite(value) and value > 0)
_LENGTH: Final = Kind("a whole number of at least 1", lambda value: _is_whole(value, 1))
_DATE_KIND: Final = Kind("a date such as 2026-01-31", is_date)
_SIZE: Final = Kind(
    f"a whole number of bytes, from 1 to {MAX_FILE_BYTES}", lambda value: _is_whole(value, 1, MAX_FILE_BYTES)
)
_ANYTHING: Final = Kind("anything", lambda _: True)

COMMON: Final[Mapping[str, Kind]] = {
    "name": TEXT,
    "type": TEXT,
    "label": TEXT,
    "required": FLAG,
    "default": _ANYTHING,
}

PROPERTIES: Final[Mapping[str, Mapping[str, Kind]]] = {
    "string": {"multiline": FLAG, "placeholder": TEXT, "maxLength": _LENGTH},
    "number": {"min": _NUMBER, "max": _NUMBER, "step": _STEP},
    "boolean": {},
    "select": {"options": OPTIONS},
    "date": {"minDate": _DATE_KIND, "maxDate": _DATE_KIND},
    "file": {"accept": TEXT, "maxSize": _SIZE},
}
"""The properties of each type of field, beside the common ones."""

OPTION: Final[Mapping[str, Kind]] = {"value": TEXT, "label": TEXT, "description": TEXT}


def values_of(options: JsonValue) -> list[JsonValue]:
    """The values of a list of options."""
    each = options if isinstance(options, list) else []
    return [option["value"] for option in each if isinstance(option, dict) and isinstance(option.get("value"), str)]


def property_of(field: JsonObject, name: str) -> JsonValue:
    """The value of a property of a field; None where it has none, or one that doesn't fit its kind."""
    kind = {**COMMON, **PROPERTIES.get(str(field.get("type")), {})}.get(name)
    value = field.get(name)
    return value if kind is not None and kind.fits(value) else None


# ── Values ──────────────────────────────────────────────────────────────────────────────────────────────


def is_blank(value: JsonValue) -> bool:
    """Return True for what a person leaves who fills in nothing: null, an empty text, an empty list."""
    return value is None or value == "" or value == []


def kept(field: JsonObject, value: JsonValue) -> JsonValue:
    """What is kept of a value that fits a field: of a file, always a list."""
    return [value] if field.get("type") == "file" and isinstance(value, str) else value


def misfit(field: JsonObject, value: JsonValue) -> str | None:
    """Why a value doesn't fit a field, as a sentence; None if it does."""
    judge = _JUDGES.get(str(field.get("type")))
    return "This field has a type that nobody knows; leave it out." if judge is None else judge(field, value)


def _not(words: str, value: JsonValue) -> str:
    return f"This must be {words}, not {type_in_words(value)}."


def _string(field: JsonObject, value: JsonValue) -> str | None:
    if not isinstance(value, str):
        return _not("a text", value)
    most = property_of(field, "maxLength")
    if isinstance(most, int | float) and len(value) > most:
        return f"This has {len(value)} characters, and at most {int(most)} are allowed; shorten it."
    return None


def _number(field: JsonObject, value: JsonValue) -> str | None:
    if not isinstance(value, int | float) or not is_finite(value):
        return _not("a number", value)
    least, most, step = (property_of(field, name) for name in ("min", "max", "step"))
    if isinstance(least, int | float) and value < least:
        return f"This must be at least {_digits(least)}."
    if isinstance(most, int | float) and value > most:
        return f"This must be at most {_digits(most)}."
    start = least if isinstance(least, int | float) else 0
    if isinstance(step, int | float) and (_exact(value) - _exact(start)) % _exact(step) != 0:
        return f"This must be {'' if start == 0 else f'{_digits(start)} plus '}a multiple of {_digits(step)}."
    return None


def _exact(number: float) -> Fraction:
    """A number as it is written in decimals."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def _digits(number: float) -> str:
    is_long = isinstance(number, int) and number.bit_length() > 64
    return f"a number of {int(number).bit_length()} bits" if is_long else str(number)


def _boolean(_: JsonObject, value: JsonValue) -> str | None:
    return None if isinstance(value, bool) else _not("true or false", value)


def _select(field: JsonObject, value: JsonValue) -> str | None:
    options = values_of(field.get("options"))
    if isinstance(value, str) and value in options:
        return None
    if not options:
        return "There is nothing to select here; leave it out."
    shown = ", ".join(shortened(str(each)) for each in options[:_SHOWN_OPTIONS])
    return f"This must be one of: {shown}{', …' if len(options) > _SHOWN_OPTIONS else ''}."


def _date(field: JsonObject, value: JsonValue) -> str | None:
    if not isinstance(value, str):
        return _not(_DATE_KIND.words, value)
    if not is_date(value):
        return f"This must be {_DATE_KIND.words}, and a day of the calendar."
    least, most = property_of(field, "minDate"), property_of(field, "maxDate")
    if isinstance(least, str) and value < least:
        return f"This must be {least} or later."
    if isinstance(most, str) and value > most:
        return f"This must be {most} or earlier."
    return None


def _file(_: JsonObject, value: JsonValue) -> str | None:
    ids = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) and 0 < len(each) <= MAX_NAME for each in ids):
        return "This must be the id of a file, or a list of ids."
    if len(ids) > MAX_FILES:
        return f"These are {len(ids)} files, and at most {MAX_FILES} are allowed; leave some out."
    return None


_JUDGES: Final[Mapping[str, Callable[[JsonObject, JsonValue], str | None]]] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "select": _select,
    "date": _date,
    "file": _file,
}

# ── Contradictions ──────────────────────────────────────────────────────────────────────────────────────


def contradiction(field: JsonObject) -> tuple[str, str] | None:
    """The property of a field that no value could fit, and why, as a sentence; None if there is none."""
    for least, most in (("min", "max"), ("minDate", "maxDate")):
        low, high = property_of(field, least), property_of(field, most)
        if low is not None and high is not None and low > high:  # type: ignore[operator]
            return most, f'Nothing fits: "{most}" is below "{least}"; swap or change them.'
    default = field.get("default")
    sentence = None if is_blank(default) else misfit(field, default)
    return None if sentence is None else ("default", f"The default doesn't fit the field. {sentence}")
