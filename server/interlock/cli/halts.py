"""What a halt of a state machine asks in a terminal.

Laws:
- Pure. The fields are those of `user_input_schema`, and the presentation says what fits each of them; the check is the
  server's own, made before anything is sent.
- A halt without a form takes what its `accepts` describes, or any object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from interlock.cli.input_schema import fields_of
from interlock.workflow.declare.presentation_fields import misfit
from interlock_client import Pause
from interlock_protocol.requirements import UserInputField
from interlock_protocol.types import JsonObject, JsonValue

_KINDS: Final = {"float": "number", "bool": "y/n", "list": "list", "str": "text"}
_EXACT: Final = 2**53
"""Whole floats below this are the whole numbers that they look like."""


def is_halt(pause: Pause) -> bool:
    """Return True if a pause is a halt of a state machine."""
    return pause.halt_id is not None


def takes_anything(pause: Pause) -> bool:
    """Return True for a halt without a form, a choice or a message, which takes any object."""
    return is_halt(pause) and not pause.fields and _presented(pause) is None and not asked_by_schema(pause)


def is_message(pause: Pause) -> bool:
    """Return True for a halt that only tells something."""
    shown = _presented(pause)
    return shown is not None and shown.get("type") == "message" and not pause.fields


def is_at_work(pause: Pause) -> bool:
    """Return True if a message says that something else is at work meanwhile."""
    return (_presented(pause) or {}).get("show_progress") is True


def asked_by_schema(pause: Pause) -> Sequence[UserInputField]:
    """The fields of `accepts`; none if it has no properties."""
    return fields_of(pause.accepts) if isinstance(pause.accepts, dict) else ()


def judged(pause: Pause, field: UserInputField, value: JsonValue) -> JsonValue:
    """The value as it is sent, if it fits its field.

    Raises:
        ValueError: it doesn't; a sentence says why.
    """
    declared = _declared(pause).get(field.name)
    if declared is None:
        return value
    if declared.get("type") == "number" and isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if (sentence := misfit(declared, value)) is not None:
        raise ValueError(sentence)
    return value


def kind_of(field: UserInputField) -> str:
    """What a field takes, in few words: `number, 0 to 100`."""
    bounds = _bounds(field.min, field.max) or _bounds(field.min_date, field.max_date)
    if field.format == "file":
        kind = "paths of files, with commas"
        bounds = field.accept
    elif field.allowed_values:
        kind = "one of these"
    else:
        kind = field.format or _KINDS.get(field.field_type, field.field_type)
        bounds = bounds or (None if field.max_length is None else f"at most {field.max_length} characters")
    return f"{kind}, {bounds}" if bounds else kind


def _bounds(least: object, most: object) -> str | None:
    if least is None and most is None:
        return None
    if most is None:
        return f"{least} or more"
    return f"up to {most}" if least is None else f"{least} to {most}"


def _presented(pause: Pause) -> JsonObject | None:
    return pause.presentation if isinstance(pause.presentation, dict) else None


def _declared(pause: Pause) -> Mapping[str, JsonObject]:
    """The fields of the presentation, by their names."""
    fields: Any = (_presented(pause) or {}).get("fields")
    each = fields if isinstance(fields, list) else []
    return {field["name"]: field for field in each if isinstance(field, dict) and isinstance(field.get("name"), str)}
