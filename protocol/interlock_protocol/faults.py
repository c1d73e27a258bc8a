"""The faults of an invalid message, field by field, in words for people.

Laws:
- A fault names a field and what is expected there; never what was received.
- It uses the protocol's terms only: no class names, and no library's jargon.
- At most `MAX_FAULTS` faults are named, and no more objects are created than that takes.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from interlock_protocol.limits import MAX_COUNTED_FAULTS, MAX_FAULTS, MAX_QUOTED

NO_NUL: Final = r"^[^\x00]*$"
"""The pattern of texts that may be anything that every store takes."""

_WORDS = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must not contain the character NUL",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "greater_than_equal": "must be at least {ge}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "float_type": "must be a number",
    "too_many_faults": "has {count} faults",
    "too_long": "must have at most {max_length} elements",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "told": "{words}",
}


def first_errors(error: ValidationError) -> list[ErrorDetails]:
    """Return pydantic's first `MAX_FAULTS` errors, without the input.

    If there are more than `MAX_COUNTED_FAULTS`, the result is a single one with their number: pydantic can only convert
    all errors to objects, and millions would take seconds.
    """
    if (count := error.error_count()) > MAX_COUNTED_FAULTS:
        return [
            {"type": "too_many_faults", "loc": (), "msg": f"has {count} faults", "input": None, "ctx": {"count": count}}
        ]
    return error.errors(include_url=False, include_input=False)[:MAX_FAULTS]


def field_faults(error: ValidationError) -> list[dict[str, str]]:
    """Return each wrong field once, e.g. `{"field": "step_requirements[0].id", "error": "must be a string"}`."""
    faults: dict[str, str] = {}
    for fault in first_errors(error):
        faults.setdefault(_path(fault["loc"]), _words(fault["type"], fault.get("ctx", {})))
    return [{"field": field, "error": words} for field, words in faults.items()]


def shortened(text: str) -> str:
    """Shorten a client's text for use in a sentence."""
    return text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1]}…"


def _path(location: tuple[str | int, ...]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def _words(kind: str, context: dict[str, Any]) -> str:
    if kind == "string_pattern_mismatch" and context.get("pattern") != NO_NUL:
        return f"must match {context.get('pattern')}"
    return _WORDS.get(kind, "isn't valid").format_map(context)
