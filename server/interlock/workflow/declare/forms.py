"""Forms: the fields a person fills in, and the check of the values.

Laws:
- No coercion: an int passes for a float, a bool never passes for an int, and no other type passes for another.
- Every wrong field is reported, not only the first; unknown names only up to the limit of an answer.
- Values are checked against the stored schema; the validators of a pydantic model run last.
- What a model makes of an answer is logged (`made_of`): any value that it generates is generated once.
- A secret has no default and no allowed values: no part of it is ever shown.

Source: `docs/protocol.md`, "Decisions".
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import islice
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_core import to_json

from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.form_models import Misfit, WrongField, fields_of_model, instance_of, written_of
from interlock.workflow.declare.values import check_name, check_text, declared, leads_back
from interlock_protocol.faults import shortened
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
        description: the explanation shown to the person.
        required: whether a value must be given (a default counts as given).
        allowed_values: the only accepted values, if given.
        default: the value if none is given.
        secret: the value is shown to nobody, and stays sealed until the step, which gets it as a `SecretStr`, has used
            it. The field's type is str.
    """

    name: str
    field_type: FieldType = "str"
    _: KW_ONLY
    description: str | None = None
    required: bool = True
    allowed_values: Sequence[JsonValue] | None = None
    default: JsonValue = None
    secret: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise DeclarationError("A UserInputField needs a name: a text that isn't empty.")
        check_name(self.name, "The name of a UserInputField")
        check_text(self.description, f"Field {self.name!r}: the description")
        if self.field_type not in PYTHON_TYPES:
            can = ", ".join(PYTHON_TYPES)
            raise DeclarationError(f"Field {self.name!r}: field_type {self.field_type!r} isn't one of: {can}.")
        if self.allowed_values is not None and (isinstance(self.allowed_values, str) or not self.allowed_values):
            raise DeclarationError(
                f"Field {self.name!r}: allowed_values is a list with at least one value; leave it out to allow any."
            )
        if self.allowed_values is not None:
            allowed = declared(list(self.allowed_values), f"Field {self.name!r}: allowed_values")
            object.__setattr__(self, "allowed_values", allowed)
        object.__setattr__(self, "default", declared(self.default, f"Field {self.name!r}: the default"))
        if self.secret and (self.field_type != "str" or self.allowed_values is not None or self.default is not None):
            raise DeclarationError(f"Field {self.name!r}: a secret is a str without allowed_values and default.")
        for value in [*(self.allowed_values or ()), *([] if self.default is None else [self.default])]:
            if not _has_type(value, self.field_type):
                raise DeclarationError(f"Field {self.name!r}: {value!r} isn't a {self.field_type}.")
        if self.default is not None and not _is_allowed(self.default, self.allowed_values):
            raise DeclarationError(f"Field {self.name!r}: the default {self.default!r} isn't an allowed value.")

    def to_wire(self) -> dict[str, Any]:
        """The field's form on the wire, nulls included."""
        return {
            "name": self.name,
            "field_type": self.field_type,
            "description": self.description,
            "required": self.required,
            "allowed_values": None if self.allowed_values is None else list(self.allowed_values),
            "default": self.default,
            "value": None,
            **({"secret": True} if self.secret else {}),
        }


def fields_of(schema: type[BaseModel] | Sequence[UserInputField]) -> tuple[UserInputField, ...]:
    """The fields of a form declared as a pydantic model or as a list.

    Raises:
        DeclarationError: two fields have one name, no answer could fit, or it is neither a model nor a list.
    """
    fields = _fields_of(schema)
    names = [field.name for field in fields]
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(f"Two fields are called {name!r}; each field needs a name of its own.")
    return fields


def _fields_of(schema: type[BaseModel] | Sequence[UserInputField]) -> tuple[UserInputField, ...]:
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return tuple(
            UserInputField(
                each.name,
                each.field_type,
                description=each.description,
                required=each.required,
                allowed_values=each.allowed_values,
                default=each.default,
                secret=each.secret,
            )
            for each in fields_of_model(schema)
        )
    if isinstance(schema, str | type) or not isinstance(schema, Sequence):
        raise DeclarationError(f"A form is a pydantic model or a list of UserInputField, not {schema!r}.")
    for field in schema:
        if not isinstance(field, UserInputField):
            raise DeclarationError(f"A form is a pydantic model or a list of UserInputField; {field!r} isn't one.")
    return tuple(schema)


def _has_type(value: JsonValue, field_type: str) -> bool:
    if isinstance(value, bool):
        return field_type == "bool"
    return isinstance(value, PYTHON_TYPES.get(field_type, ()))


def check_input(
    schema: Sequence[Mapping[str, Any]], values: Mapping[str, JsonValue], model: type[BaseModel] | None = None
) -> tuple[dict[str, JsonValue], list[WrongField]]:
    """Check what a person filled in against the stored schema.

    Args:
        schema: the requirement's `user_input_schema`.
        values: the given values; null means "not given".
        model: the form's pydantic model, whose validators run last.

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
        try:
            instance_of(model, accepted, secrets_among(schema, accepted))
        except Misfit as misfit:
            wrong = misfit.wrong
    return accepted, wrong


def made_of(
    schema: Sequence[Mapping[str, Any]], accepted: dict[str, JsonValue], model: type[BaseModel]
) -> dict[str, JsonValue]:
    """What is logged of an accepted answer: what its model makes of it, including any values that the model generates.

    Every later read gets the same. A part that can't be written and read back stays as it was given, and the model
    processes it again on each read.

    Raises:
        Misfit: the model doesn't accept it.
    """
    instance = instance_of(model, accepted, secrets_among(schema, accepted))
    for spared in ((), accepted):
        for by_alias in (True, False):
            with contextlib.suppress(Exception):  # whatever an author's type does here, the answer was accepted
                written = written_of(instance, accepted, by_alias=by_alias)
                made = {**accepted, **{name: value for name, value in written.items() if name not in spared}}
                if not check_input(schema, made)[1] and leads_back(model, made, instance):
                    return made
    return accepted


def secrets_among(schema: Sequence[Mapping[str, Any]], values: Mapping[str, JsonValue]) -> list[str]:
    """The secrets among the values filled in."""
    return [str(values[field["name"]]) for field in schema if field.get("secret") and field["name"] in values]


def answer_of(
    model: type[BaseModel] | None, values: Mapping[str, JsonValue], secrets: Mapping[str, JsonValue]
) -> BaseModel | dict[str, Any]:
    """The value that a step gets for a filled-in form: an instance of its model, or a dict.

    Args:
        values: the accepted values.
        secrets: the secrets among them, as they were given.

    Raises:
        Misfit: the model no longer accepts it.
    """
    if model is not None:
        return instance_of(model, {**values, **secrets}, [str(each) for each in secrets.values()])
    return {**values, **{name: SecretStr(str(value)) for name, value in secrets.items()}}


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
    """Equality in JSON's sense, at every depth, however deep: without Python's `True == 1`."""
    left: list[tuple[JsonValue, JsonValue]] = [(one, other)]
    while left:
        one, other = left.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            left.extend((value, other[key]) for key, value in one.items())
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            left.extend(zip(one, other, strict=True))
        elif one != other or isinstance(one, bool) != isinstance(other, bool):
            return False
    return True


def canonical(value: JsonValue) -> JsonValue:
    """The normal form of a value, equal for all values that are the same: keys sorted, whole numbers as integers."""
    if isinstance(value, dict):
        return {key: canonical(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [canonical(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def digest(value: JsonValue) -> str:
    """A hash that is equal for all values that are the same, and only for those."""
    return hashlib.blake2b(to_json(canonical(value)), digest_size=16).hexdigest()


def _name_of(value: JsonValue) -> str:
    return {"NoneType": "null"}.get(type(value).__name__, f"a {type(value).__name__}")
