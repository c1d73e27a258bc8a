"""What a person types, as the values that a form asks for.

Laws:
- Pure: text in, a value or a sentence (`ValueError`) out.
- No type is guessed from the text: the field says it, and the server has the last word.
- Nothing typed means the default; `""` is how to say an empty text.
- What the wire can't carry (a number of more than 64 bits, NaN, half a surrogate pair) is no value, as a wrong
  type isn't one.
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
_LONGEST_INT: Final = 100  # characters; what is longer isn't looked at


@dataclass(frozen=True)
class Left:
    """Nothing was typed, and there is no default: it is left as it is."""


LEFT: Final = Left()


def yes_or_no(text: str) -> bool:
    """The answer to a yes-or-no question."""
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise ValueError("Please answer y or n.")
    return word in _YES


def verdict(text: str) -> Verdict:
    """The answer to a question about something that may be changed."""
    if text.strip().lower() in ("e", "edit"):
        return "edit"
    try:
        return "yes" if yes_or_no(text) else "no"
    except ValueError:
        raise ValueError("Please answer y, n, or e to edit it.") from None


def given(text: str) -> str:
    """A text that may be anything but nothing."""
    if not text.strip():
        raise ValueError(f"Please give it; {EMPTY} is an empty one.")
    return "" if text.strip() == EMPTY else text


def field_value(field: UserInputField, text: str, *, default: JsonValue = None) -> JsonValue | Left:
    """The value of one field.

    Args:
        default: what nothing typed means, instead of the field's own; the last try's answer.
    """
    if field.secret and text:
        return carried(text)  # spaces may belong to it
    text = text.strip()
    if not text:
        return _without_answer(field, default if default is not None else field.default)
    if field.allowed_values:
        return _one_of(field.allowed_values, text)
    return carried(_typed(field.field_type, "" if text == EMPTY and field.field_type == "str" else text))


def is_numbered(labels: Sequence[str]) -> bool:
    """Whether a menu may number its items: not when an item looks like a number itself."""
    return not any(_INT.fullmatch(label) for label in labels)


def picked(labels: Sequence[str], text: str) -> int:
    """The position of the item that `text` names, by its label or its number."""
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
    """The positions of the items that `text` names, with commas between them, each once."""
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
    """What `as_text(value)` has been changed into."""
    if isinstance(value, str):
        return text
    return from_json_text(text)


def from_json_text(text: str) -> JsonValue:
    """The value that a JSON text stands for."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("That is nested too deep.") from None
    except ValueError as error:
        raise ValueError(f"That isn't JSON: {error}.") from None
    return carried(value)


def carried(value: _Value) -> _Value:
    """The value itself, if the wire can carry it."""
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
