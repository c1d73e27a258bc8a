"""Pydantic models as forms: the fields to ask for, and the model's verdict on an answer.

Laws:
- A form asks for a model as its own JSON schema describes it, and the model always reads an answer as JSON: strict
  models accept a date as text, as the form does.
- A field that no answer could ever fit is refused when it is declared, by name.
- Whatever a validator raises is a fault of the answer, at its field; only `Misfit` is raised to callers.
- Secrets are redacted from a validator's message before it is cut.
- A default that can't be written as JSON and read back isn't shown: if left out, the model fills it in itself.

Source: `docs/workflows.md`, "Ask".
"""

from __future__ import annotations

import contextlib
import dataclasses
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel, RootModel, Secret, SecretBytes, SecretStr, TypeAdapter
from pydantic import ValidationError as Invalid
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticUndefined, core_schema, from_json, to_json

from interlock.secrets.port import struck
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.shapes import allowed_in, resolved, type_of, type_of_values
from interlock.workflow.declare.values import dumped_as, legible, read, told, wire
from interlock_protocol.faults import first_errors, shortened
from interlock_protocol.types import FieldType, JsonValue

Model = type[BaseModel]
WrongField = dict[str, JsonValue]

MAX_SENTENCE = 1000
"""How much of a validator's message is reported."""

_SECRETS = (SecretStr, SecretBytes, Secret)
_UNASKABLE = "x-unaskable"
_SCALARS = (str, int, float, bool)


@dataclasses.dataclass(frozen=True, slots=True)
class ModelField:
    """A field of a model, as a form asks for it."""

    name: str
    field_type: FieldType
    description: str | None
    required: bool
    allowed_values: list[JsonValue] | None
    default: JsonValue
    secret: bool


class Misfit(ValueError):  # noqa: N818 - what doesn't fit is the answer
    """A model doesn't accept an answer.

    Attributes:
        wrong: `{"field": path, "error": sentence}` each; the path is empty for the answer as a whole.
    """

    def __init__(self, wrong: list[WrongField]) -> None:
        super().__init__("; ".join(": ".join(filter(None, (str(each["field"]), str(each["error"])))) for each in wrong))
        self.wrong = wrong


# ── The fields ──────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(256)
def fields_of_model(model: Model) -> tuple[ModelField, ...]:
    """The fields that a form asks for to make an instance of `model`.

    Raises:
        DeclarationError: no answer could ever fit a field, or this can't be determined.
    """
    place = f"The form {model.__name__}"
    if model is BaseModel:
        return ()
    if issubclass(model, RootModel):
        raise DeclarationError(f"{place} is a RootModel, which is one bare value; make it a field of a model.")
    shapes, defs = _shapes_of(model, place)
    by_alias, by_name = _taken_by(model)
    fields = []
    for name, info in model.model_fields.items():
        where = f"{place}, field {name!r}"
        wire_name = _wire_name(name, info, by_alias=by_alias, by_name=by_name)
        if wire_name is None:
            raise DeclarationError(f"{where}: a form can't follow an AliasPath; use a plain alias.")
        fields.append(_field(wire_name, info, shapes.get(name, {}), defs, where))
    return tuple(fields)


def _shapes_of(model: Model, place: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The JSON schemas of a model's fields, by their names, and the definitions that these refer to."""
    try:
        model.model_rebuild()
        schema = model.model_json_schema(by_alias=False, schema_generator=_Schemas)
    except Exception as error:  # a model that can't be described can't be asked for
        raise DeclarationError(f"{place} can't be asked for: {sentence(str(error).splitlines()[0])}") from error
    defs = schema.get("$defs", {})
    return resolved(schema, defs).get("properties", {}), defs


class _Schemas(GenerateJsonSchema):
    """Marks what JSON can't express, instead of failing or leaving it out."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {_UNASKABLE: "no JSON fits its type"}

    def is_subclass_schema(self, schema: core_schema.IsSubclassSchema) -> JsonSchemaValue:
        return {_UNASKABLE: "a class isn't JSON"}

    def generator_schema(self, schema: core_schema.GeneratorSchema) -> JsonSchemaValue:
        return {_UNASKABLE: "its items would be looked at only when they are used; use a list"}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        values = [each.value for each in schema["members"]]
        if not any(isinstance(each, _SCALARS) for each in values):
            return {_UNASKABLE: "none of its values is a text, a number or a boolean"}
        made = super().enum_schema(schema)
        return {**made, "enum": [each for each in made.get("enum", ()) if isinstance(each, _SCALARS)]}

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        readable = [each for each in schema["expected"] if each is None or isinstance(each, _SCALARS)]
        if not readable:
            return {_UNASKABLE: "none of its values is a text, a number or a boolean"}
        return super().literal_schema({**schema, "expected": readable})


def _field(name: str, info: FieldInfo, shape: Mapping[str, Any], defs: Mapping[str, Any], where: str) -> ModelField:
    if (reason := _why_unaskable(shape, defs)) is not None:
        raise DeclarationError(f"{where}: a form can't ask for it: {reason}.")
    shape = _askable(shape, defs)
    secret = any(_is_secret(each) for each in _ways(info.annotation))
    if not secret and _holds_secret(info.annotation, set()):
        raise DeclarationError(f"{where}: a secret inside of it can't be hidden; make it a field of its own.")
    allowed, field_type = allowed_in(shape, defs), type_of(shape, defs)
    if allowed is not None and len(allowed) > 1 and field_type is None:
        raise DeclarationError(f"{where}: its values {allowed!r} are of several types; a form asks for one.")
    if field_type is None:
        raise DeclarationError(f"{where}: nothing but null fits it; leave it out of the form.")
    default = None if secret else _shown_default(info, field_type, allowed)
    required = info.is_required()
    return ModelField(name, field_type, info.description, required, None if secret else allowed, default, secret)


def _why_unaskable(shape: Any, defs: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> str | None:
    """Why no answer could fit, if a part of it isn't JSON; of several alternatives, one that fits is enough."""
    if not isinstance(shape, Mapping):
        return None
    if _UNASKABLE in shape:
        return str(shape[_UNASKABLE])
    reference = str(shape.get("$ref", "")).removeprefix("#/$defs/")
    if reference in defs and reference not in seen:
        return _why_unaskable(defs[reference], defs, seen | {reference})
    ways = shape.get("anyOf") or shape.get("oneOf") or ()
    reasons = [_why_unaskable(each, defs, seen) for each in ways if each.get("type") != "null"]
    if reasons and all(reasons):
        return reasons[0]
    for inner in _needed(shape):
        if (reason := _why_unaskable(inner, defs, seen)) is not None:
            return reason
    return None


def _askable(shape: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema without the alternatives that no answer could fit."""
    for keyword in ("anyOf", "oneOf"):
        if keyword in shape:
            return {**shape, keyword: [each for each in shape[keyword] if _why_unaskable(each, defs) is None]}
    return shape


def _needed(shape: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas of the parts that every value of this schema must have."""
    properties = shape.get("properties", {})
    yield from (properties[name] for name in shape.get("required", ()) if name in properties)
    yield shape.get("items")
    yield from shape.get("prefixItems", ())
    yield shape.get("additionalProperties")


def _shown_default(info: FieldInfo, field_type: FieldType, allowed: list[JsonValue] | None) -> JsonValue:
    """The default as JSON, if the field would read the same back from it; else None."""
    if info.default is PydanticUndefined or info.default is None:
        return None
    with contextlib.suppress(Exception):  # whatever an author's type does here, the default need not be shown
        adapter = _adapter(info)
        data = adapter.dump_json(info.default, by_alias=True, warnings=False)
        value: JsonValue = from_json(data)
        if adapter.validate_json(data) == info.default and _fits(value, field_type, allowed):
            return value
    return None


def _adapter(info: FieldInfo) -> TypeAdapter[Any]:
    """The adapter that reads and writes one field by itself."""
    annotation: Any = info.annotation
    return TypeAdapter(Annotated[annotation, *info.metadata] if info.metadata else annotation)


def _fits(value: JsonValue, field_type: FieldType, allowed: list[JsonValue] | None) -> bool:
    return type_of_values([value]) in (field_type, "int" if field_type == "float" else field_type) and (
        allowed is None or value in allowed
    )


# ── Names ───────────────────────────────────────────────────────────────────────────────────────────────


def _taken_by(model: Model) -> tuple[bool, bool]:
    """Return whether the model accepts values by their aliases, and by the names of its fields."""
    config = model.model_config
    by_alias = config.get("validate_by_alias")
    by_name = config.get("validate_by_name") or config.get("populate_by_name")
    return by_alias is not False, bool(by_name)


def _wire_name(name: str, info: FieldInfo, *, by_alias: bool, by_name: bool) -> str | None:
    """The name under which the model accepts the value: its alias, if it has one; None if a form can't express it."""
    alias = info.validation_alias
    if alias is None or not by_alias:
        return name
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    plain = (_plain_alias(each) for each in choices)
    return next((each for each in plain if each is not None), name if by_name else None)


def _plain_alias(alias: str | AliasPath) -> str | None:
    if isinstance(alias, str):
        return alias
    only = alias.path[0] if len(alias.path) == 1 else None
    return only if isinstance(only, str) else None


# ── Secrets ─────────────────────────────────────────────────────────────────────────────────────────────


def _ways(annotation: Any) -> Iterator[Any]:
    """The types that a value may have."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _ways(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _ways(each)
    elif hasattr(annotation, "__value__"):
        yield from _ways(annotation.__value__)
    else:
        yield annotation


def _is_secret(annotation: Any) -> bool:
    found = get_origin(annotation) or annotation
    return isinstance(found, type) and issubclass(found, _SECRETS)


def _holds_secret(annotation: Any, seen: set[Any]) -> bool:
    """Return True if a value of this type may contain a secret."""
    for each in _ways(annotation):
        if _is_secret(each):
            return True
        inner = [*get_args(each), *_types_of_fields(get_origin(each) or each)]
        for part in inner:
            if id(part) not in seen:
                seen.add(id(part))
                if _holds_secret(part, seen):
                    return True
    return False


def _types_of_fields(found: Any) -> list[Any]:
    if isinstance(found, type) and issubclass(found, BaseModel):
        return [info.annotation for info in found.model_fields.values()]
    if isinstance(found, type):
        return [each for each in getattr(found, "__annotations__", {}).values() if not isinstance(each, str)]
    return []


# ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────


def instance_of(model: Model, values: JsonValue, secrets: Collection[str] = ()) -> BaseModel:
    """Make an instance of `model` from an answer, whose values may be under the names of fields, or their aliases.

    Args:
        secrets: the secrets among the values, which no fault repeats.

    Raises:
        Misfit: the model doesn't accept it, or one of its validators raised anything.
    """
    try:
        return read(model, values)
    except BaseException as error:  # SystemExit too: code that checks an answer must not end other runs' work
        raise misfit_of(model, values, error, secrets) from None


def written_of(instance: BaseModel, given: Mapping[str, JsonValue], *, by_alias: bool) -> dict[str, JsonValue]:
    """The values of an instance as JSON, under the names that its form uses.

    Values that weren't given and equal their default are left out; so are secrets.

    Raises:
        NotWire: the instance can't be written.
    """
    dumped: Any = wire(dumped_as(instance, by_alias=by_alias))
    found = {}
    for (name, info), asked in zip(type(instance).model_fields.items(), fields_of_model(type(instance)), strict=True):
        key = info.serialization_alias if by_alias and info.serialization_alias is not None else name
        is_drawn = info.default_factory is not None or getattr(instance, name) != info.default
        if key in dumped and not asked.secret and (asked.name in given or is_drawn):
            found[asked.name] = dumped[key]
    return found


def misfit_of(model: Model, values: JsonValue, error: BaseException, secrets: Collection[str] = ()) -> Misfit:
    """The fault of values that `model` doesn't accept, wherever they come from.

    Args:
        error: the exception that the model raised.
        secrets: values to redact.
    """
    if not isinstance(error, Invalid):
        return Misfit([{"field": _culprit(model, values, error), "error": _broke(error, secrets)}])
    try:
        found = first_errors(error)
    except Exception:  # an author's exception may fail to describe itself
        return Misfit([{"field": "", "error": "This isn't accepted."}])
    return Misfit(
        [{"field": _field_at(each["loc"], secrets), "error": sentence(each["msg"], secrets)} for each in found]
    )


def _field_at(location: Iterable[int | str], secrets: Collection[str]) -> str:
    parts = (legible(shortened(str(struck(str(part), secrets)))) for part in location)
    return ".".join(parts)


def sentence(said: str, secrets: Collection[str] = ()) -> str:
    """The message of a model's fault, without the name of the exception that its author raised.

    Args:
        secrets: values to redact before the message is cut: half a secret couldn't be recognized.
    """
    said = said.removeprefix("Value error, ").removeprefix("Assertion failed, ") or "This isn't accepted"
    said = legible(str(struck(said, secrets)), MAX_SENTENCE)
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _broke(error: BaseException, secrets: Collection[str]) -> str:
    """The message for a check that broke down."""
    name, text = type(error).__name__, told(error)
    what = str(struck(name if text == name else f"{name}: {text}", secrets))
    return sentence(f"This can't be checked ({what[: MAX_SENTENCE // 2]}); give another value")


def _culprit(model: Model, values: JsonValue, error: BaseException) -> str:
    """The field whose validator raised: found by its function, else by checking each field alone."""
    if not isinstance(values, Mapping):
        return ""
    raised_in = _functions_in(error)
    names = {
        name: given
        for name, info in model.model_fields.items()
        for given in (name, _wire_name(name, info, by_alias=True, by_name=True))
        if given in values
    }
    decorators = model.__pydantic_decorators__
    if any(_code(each.func) in raised_in for each in decorators.model_validators.values()):
        return ""
    for decorator in decorators.field_validators.values():
        code = _code(decorator.func)
        if code in raised_in:
            fields = decorator.info.fields
            checked = [name for each, name in names.items() if each in fields or "*" in fields]
            at_hand = raised_in[code].values()
            return next((name for name in checked if _is_among(values[name], at_hand)), (checked or [""])[0])
    return next(
        (name for each, name in names.items() if _breaks(model.model_fields[each], values[name])),
        "",
    )


def _functions_in(error: BaseException) -> dict[types.CodeType | None, Mapping[str, Any]]:
    """The functions that an exception passed through, each with its local variables."""
    found: dict[types.CodeType | None, Mapping[str, Any]] = {}
    trace = error.__traceback__
    while trace is not None:
        found[trace.tb_frame.f_code] = trace.tb_frame.f_locals
        trace = trace.tb_next
    return found


def _is_among(value: JsonValue, at_hand: Iterable[Any]) -> bool:
    return any(type(each) is type(value) and each == value for each in at_hand)


def _code(function: Callable[..., Any]) -> types.CodeType | None:
    """The code of a validator, which may be a bound method."""
    code: types.CodeType | None = getattr(getattr(function, "__func__", function), "__code__", None)
    return code


def _breaks(info: FieldInfo, value: JsonValue) -> bool:
    try:
        _adapter(info).validate_json(to_json(value))
    except Invalid:
        return False
    except BaseException:
        return True
    return False
