"""Parsing what a person types into the values of a form.

Laws:
- Pure: text in, a value or a sentence (`ValueError`) out.
- No type is guessed from the text: the field has a type, and the server has the last word.
- An empty line means the default; `""` stands for an empty text.
- A value that the wire can't carry (a number of more than 64 bits, NaN, half a surrogate pair) is rejected, like a
  value of the wrong type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

from interlock_protocol.codec import event_body
from interlock_protocol.requirements import UserInputField
from interlock_protocol.types import JsonValue

_Value = TypeVar("_Value", bound=JsonValue)
Verdict: TypeAlias = Literal["yes", "no", "edit"]

EMPTY: Final = '""'
_YES: Final = frozenset({"y", "yes", "true", "t", "1", "on"})
_NO: Final = frozenset({"n", "no", "false", "f", "0", "off"})
_INT: Final = re.compile(r"[+-]?\d+")
_LONGEST_INT: Final = 100  # characters; a longer one isn't parsed


@dataclass(frozen=True)
class Left:
    """The result when nothing was typed and there is no default: the field stays as it is."""


LEFT: Final = Left()


def yes_or_no(text: str) -> bool:
    """Parse the answer to a yes-or-no question."""
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise ValueError("Please answer y or n.")
    return word in _YES


def verdict(text: str) -> Verdict:
    """Parse the answer to a question about something that may be edited."""
    if text.strip().lower() in ("e", "edit"):
        return "edit"
    try:
        return "yes" if yes_or_no(text) else "no"
    except ValueError:
        raise ValueError("Please answer y, n, or e to edit it.") from None


def given(text: str) -> str:
    """Parse a text that must not be left out."""
    if not text.strip():
        raise ValueError(f"Please give it; {EMPTY} is an empty one.")
    return "" if text.strip() == EMPTY else text


def field_value(field: UserInputField, text: str, *, default: JsonValue = None) -> JsonValue | Left:
    """Parse the value of one field.

    Args:
        default: the value for an empty line, instead of the field's own default; the previous try's answer.
    """
    if field.secret and text:
        return carried(text)  # spaces may be part of it
    text = text.strip()
    if not text:
        return _without_answer(field, default if default is not None else field.default)
    if field.allowed_values:
        return _one_of(field.allowed_values, _named(field, text))
    return carried(_typed(field.field_type, "" if text == EMPTY and field.field_type == "str" else text))


def object_or_nothing(text: str) -> dict[str, JsonValue]:
    """Parse a JSON object; an empty line is an empty one."""
    return _object(text) if text.strip() else {}


def is_numbered(labels: Sequence[str]) -> bool:
    """Return True if a menu may number its items, which it may not if an item itself looks like a number."""
    return not any(_INT.fullmatch(label) for label in labels)


def picked(labels: Sequence[str], text: str) -> int:
    """Return the position of the item that `text` names by its label or its number."""
    text = text.strip()
    if text in labels:
        return labels.index(text)
    same = [index for index, label in enumerate(labels) if label.lower() == text.lower()]
    if len(same) == 1:
        return same[0]
    if is_numbered(labels) and _INT.fullmatch(text) and 1 <= int(text) <= len(labels):
        return int(text) - 1
    raise ValueError(f"Please choose one of: {', '.join(labels)}.")


def all_picked(labels: Sequence[str], text: str) -> list[int]:
    """Return the positions of the comma-separated items in `text`, without duplicates."""
    if text.strip() in labels:
        return [labels.index(text.strip())]
    chosen = [picked(labels, part) for part in text.split(",") if part.strip()]
    if not chosen:
        raise ValueError(f"Please choose at least one of: {', '.join(labels)}.")
    return list(dict.fromkeys(chosen))


def shown(value: JsonValue) -> str:
    """A value as a person would type it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_text(value: JsonValue) -> str:
    """A value as a person would edit it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def like(value: JsonValue, text: str) -> JsonValue:
    """Parse the edited text of `as_text(value)`."""
    if isinstance(value, str):
        return text
    return from_json_text(text)


def from_json_text(text: str) -> JsonValue:
    """Parse a JSON text."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("That is nested too deep.") from None
    except ValueError as error:
        raise ValueError(f"That isn't JSON: {error}.") from None
    return carried(value)


def carried(value: _Value) -> _Value:
    """Return the value itself, if the wire can carry it."""
    try:
        event_body({"value": value})
    except ValueError as error:
        raise ValueError(f"That can't be sent: {error}.") from None
    return value


def _no_constant(word: str) -> None:
    raise ValueError(f"it has no {word}")


def _without_answer(field: UserInputField, default: JsonValue) -> JsonValue | Left:
    if default is not None:
        return default
    if field.required:
        raise ValueError(f"{field.name} is required.")
    return LEFT


def _named(field: UserInputField, text: str) -> str:
    """The value of the option that has this label; else the text itself, which may be a value."""
    if any(text == value for value in field.allowed_values or ()):
        return text
    named = [each.value for each in field.options or () if each.label and each.label.lower() == text.lower()]
    return named[0] if len(named) == 1 else text


def _one_of(allowed: Sequence[JsonValue], text: str) -> JsonValue:
    return allowed[picked([shown(value) for value in allowed], text)]


def _typed(field_type: str, text: str) -> JsonValue:
    if field_type == "int":
        if not _INT.fullmatch(text):
            raise ValueError("Please enter a whole number.")
        if len(text) > _LONGEST_INT:
            raise ValueError("Please enter a whole number that fits into 64 bits.")
        return int(text)
    if field_type == "float":
        return _number(text)
    if field_type == "bool":
        return yes_or_no(text)
    if field_type == "list":
        return _list(text)
    if field_type == "dict":
        return _object(text)
    return text


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("Please enter a number.") from None
    if number - number != 0:
        raise ValueError("Please enter a finite number.")
    return number


def _list(text: str) -> list[JsonValue]:
    if not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    value = from_json_text(text)
    if not isinstance(value, list):
        raise ValueError('Please enter a list: JSON such as ["a", "b"], or a, b.')
    return value


def _object(text: str) -> dict[str, JsonValue]:
    value = from_json_text(text)
    if not isinstance(value, dict):
        raise ValueError('Please enter a JSON object, such as {"key": "value"}.')
    return value
