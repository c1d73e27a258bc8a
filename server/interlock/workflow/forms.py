"""Forms: the fields a person fills in, and the check of what was filled in.

Laws:
- No coercion: an int passes for a float, a bool never passes for an int, and nothing else passes for anything.
- Every wrong field is reported, not only the first; of unknown names, as many as an answer names.
- The check is against the stored schema; a pydantic model's own validators are asked as well, last.

Source: `docs/protocol.md`, "Decisions".
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import islice
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from interlock.workflow.errors import DeclarationError
from interlock.workflow.values import check_name, check_text, declared
from interlock_protocol.faults import first_errors, shortened
from interlock_protocol.limits import MAX_FAULTS
from interlock_protocol.types import FieldType, JsonValue

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}


@dataclass(frozen=True, slots=True)
class UserInputField:
    """One field of a form.

    Args:
        name: the key of its value in `step_input.user_input`.
        field_type: one of str, int, float, bool, list, dict.
        description: what to tell the person.
        required: whether a value must be given (a default counts as given).
        allowed_values: the only values that are accepted, where given.
        default: the value when none is given.
    """

    name: str
    field_type: FieldType = "str"
    _: KW_ONLY
    description: str | None = None
    required: bool = True
    allowed_values: Sequence[JsonValue] | None = None
    default: JsonValue = None

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise DeclarationError("A UserInputField needs a name: a text that isn't empty.")
        check_name(self.name, "The name of a UserInputField")
        check_text(self.description, f"Field {self.name!r}: the description")
        object.__setattr__(self, "default", declared(self.default, f"Field {self.name!r}: the default"))
        if self.allowed_values is not None:
            allowed = declared(list(self.allowed_values), f"Field {self.name!r}: allowed_values")
            object.__setattr__(self, "allowed_values", allowed)
        if self.field_type not in PYTHON_TYPES:
            can = ", ".join(PYTHON_TYPES)
            raise DeclarationError(f"Field {self.name!r}: field_type {self.field_type!r} isn't one of: {can}.")
        for value in [*(self.allowed_values or ()), *([] if self.default is None else [self.default])]:
            if not _has_type(value, self.field_type):
                raise DeclarationError(f"Field {self.name!r}: {value!r} isn't a {self.field_type}.")
        if self.default is not None and not _is_allowed(self.default, self.allowed_values):
            raise DeclarationError(f"Field {self.name!r}: the default {self.default!r} isn't an allowed value.")

    def to_wire(self) -> dict[str, Any]:
        """The field as it travels, nulls included."""
        return {
            "name": self.name,
            "field_type": self.field_type,
            "description": self.description,
            "required": self.required,
            "allowed_values": None if self.allowed_values is None else list(self.allowed_values),
            "default": self.default,
            "value": None,
        }


def fields_of(schema: type[BaseModel] | Sequence[UserInputField]) -> tuple[UserInputField, ...]:
    """The fields of a form declared as a pydantic model or as a list.

    Raises:
        DeclarationError: two fields of one name, or something that is neither.
    """
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return tuple(_field_of(_wire_name(name, info), info) for name, info in schema.model_fields.items())
    if isinstance(schema, type) or not isinstance(schema, Sequence):
        raise DeclarationError(f"A form is a pydantic model or a list of UserInputField, not {schema!r}.")
    fields = tuple(schema)
    for field in fields:
        if not isinstance(field, UserInputField):
            raise DeclarationError(f"A form is a pydantic model or a list of UserInputField; {field!r} isn't one.")
    names = [field.name for field in fields]
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(f"Two fields are called {name!r}; each field needs a name of its own.")
    return fields


def _wire_name(name: str, info: FieldInfo) -> str:
    """The name under which the model takes the value: its alias, where it has one."""
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        alias = next((each for each in alias.choices if isinstance(each, str)), None)
    if isinstance(alias, AliasPath):
        raise DeclarationError(f"Field {name!r}: a form can't follow an AliasPath; use a plain alias.")
    return alias or name


def _field_of(name: str, info: FieldInfo) -> UserInputField:
    field_type, allowed = _wire_type(info.annotation)
    default = None
    if info.default is not PydanticUndefined:
        default = declared(info.default, f"Field {name!r}: the default")
    return UserInputField(
        name,
        field_type,
        description=info.description,
        required=info.is_required(),
        allowed_values=allowed,
        default=default,
    )


def _wire_type(annotation: Any) -> tuple[FieldType, list[JsonValue] | None]:
    """The nearest type of the wire; what it can't express, the model's validators check."""
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return _wire_type(get_args(annotation)[0])
    if origin is Literal:
        values = list(get_args(annotation))
        return _type_of_values(values), values
    if origin in (Union, types.UnionType):
        members = [each for each in get_args(annotation) if each is not type(None)]
        return _wire_type(members[0]) if len(members) == 1 else ("str", None)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        values = [member.value for member in annotation]
        return _type_of_values(values), values
    return _plain_type(origin or annotation), None


def _plain_type(annotation: Any) -> FieldType:
    if not isinstance(annotation, type):
        return "str"
    for python_type, wire_type in _PLAIN:
        if issubclass(annotation, python_type):
            return wire_type
    return "str"


_PLAIN: tuple[tuple[type, FieldType], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (str, "str"),
    (BaseModel, "dict"),
    (Mapping, "dict"),
    (list, "list"),
    (tuple, "list"),
    (set, "list"),
    (frozenset, "list"),
)


def _type_of_values(values: Sequence[Any]) -> FieldType:
    kinds = {_plain_type(type(value)) for value in values}
    return kinds.pop() if len(kinds) == 1 else "str"


def _has_type(value: JsonValue, field_type: str) -> bool:
    if isinstance(value, bool):
        return field_type == "bool"
    return isinstance(value, PYTHON_TYPES.get(field_type, ()))


WrongField = dict[str, JsonValue]


def check_input(
    schema: Sequence[Mapping[str, Any]], values: Mapping[str, JsonValue], model: type[BaseModel] | None = None
) -> tuple[dict[str, JsonValue], list[WrongField]]:
    """Check what a person filled in against the stored schema.

    Args:
        schema: the requirement's `user_input_schema`.
        values: the given values; null means "not given".
        model: the pydantic model that was asked for, whose validators are asked last.

    Returns:
        The values with defaults filled in, and what is wrong: `{"field": name, "error": sentence}` each.
    """
    known = {field["name"] for field in schema}
    unknown = (shortened(name) for name in values if name not in known)
    wrong: list[WrongField] = [
        {"field": name, "error": f"There is no field {name!r} in this form; leave it out."}
        for name in islice(unknown, MAX_FAULTS)
    ]
    accepted: dict[str, JsonValue] = {}
    for field in schema:
        value = values.get(field["name"])
        if value is None:
            value = field.get("default")
        if value is not None:
            accepted[field["name"]] = value
        if sentence := _wrong(field, value):
            wrong.append({"field": field["name"], "error": sentence})
    if not wrong and model is not None:
        wrong = _wrong_for_model(model, accepted)
    return accepted, wrong


def _wrong(field: Mapping[str, Any], value: JsonValue) -> str | None:
    if value is None:
        return "This field is required; give a value." if field.get("required") else None
    if not _has_type(value, field["field_type"]):
        return f"This must be a {field['field_type']}, not {_name_of(value)}."
    allowed = field.get("allowed_values")
    if allowed is not None and not _is_allowed(value, allowed):
        return f"This must be one of: {', '.join(map(str, allowed))}."
    return None


def _is_allowed(value: JsonValue, allowed: Sequence[JsonValue] | None) -> bool:
    return allowed is None or any(is_same(value, each) for each in allowed)


def is_same(one: JsonValue, other: JsonValue) -> bool:
    """Equality as JSON has it, at every depth: without Python's `True == 1`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _name_of(value: JsonValue) -> str:
    return {"NoneType": "null"}.get(type(value).__name__, f"a {type(value).__name__}")


def _wrong_for_model(model: type[BaseModel], values: Mapping[str, JsonValue]) -> list[WrongField]:
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        return [
            {"field": ".".join(shortened(str(part)) for part in each["loc"]), "error": _sentence(each["msg"])}
            for each in first_errors(error)
        ]
    return []


def _sentence(said: str) -> str:
    """What a model said is wrong, without the name of the exception that its author raised."""
    said = said.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return said if said.endswith((".", "!", "?")) else f"{said}."
