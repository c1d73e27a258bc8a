"""What is wrong with a message, field by field, in words for people.

Laws:
- A fault names a field and what is expected there; never what was received.
- Only the wire's words: no class names, no library's jargon.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from interlock_protocol.limits import MAX_FAULTS

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
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}


def field_faults(error: ValidationError) -> list[dict[str, str]]:
    """Each wrong field once, e.g. `{"field": "step_requirements[0].id", "error": "must be a string"}`."""
    faults: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_input=False):
        faults.setdefault(_path(fault["loc"]), _words(fault["type"], fault.get("ctx", {})))
        if len(faults) == MAX_FAULTS:
            break
    return [{"field": field, "error": words} for field, words in faults.items()]


def _path(location: tuple[str | int, ...]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def _words(kind: str, context: dict[str, Any]) -> str:
    return _WORDS.get(kind, "isn't valid").format_map(context)
