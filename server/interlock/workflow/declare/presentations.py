"""Presentations: what a person is shown where a state machine halts, and the check of what they answer.

Laws:
- A presentation is a form, a choice, or a message. A choice is answered like a form with one field, `choice`. So is a
  halt where a transition is selected; what it shows may have other fields. Any object answers a message.
- An answer has only the fields of the form, each of its own type. Every wrong field is reported, not only the first;
  unknown ones up to the limit of an answer. Null means that a field isn't given; then its default counts.
- A required text isn't empty.
- A template may stand for any property but `type`, `name` and `fields`. Its value is made to fit: where a text belongs,
  it becomes one; any other value that doesn't fit its property, or a default that doesn't fit its field, is left out.

Source: `docs/machines.md`, "Halting"; `docs/protocol.md`, "Requirements" (`user_input_schema`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final

from interlock.workflow.declare import templates
from interlock.workflow.declare.checks import (
    Fault,
    first_of,
    inside,
    instead,
    listed,
    quoted,
    type_in_words,
    unknown_in,
)
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.form_models import WrongField
from interlock.workflow.declare.presentation_fields import (
    COMMON,
    FLAG,
    MAX_OPTIONS,
    OPTION,
    OPTIONS,
    PROPERTIES,
    TEXT,
    Kind,
    contradiction,
    is_blank,
    kept,
    misfit,
    property_of,
    values_of,
)
from interlock.workflow.declare.values import check_name
from interlock_protocol.errors import InterlockError
from interlock_protocol.faults import shortened
from interlock_protocol.limits import MAX_FAULTS
from interlock_protocol.requirements import Choice
from interlock_protocol.types import FieldType, JsonObject, JsonValue

MAX_FIELDS: Final = 50
CHOICE: Final = "choice"
"""The name of the field that answers a choice."""

ROOTS: Final = frozenset({"workflow_data", "input", "context"})
"""What a template in a presentation may begin with."""

_FIELDS: Final = Kind("a list of fields", lambda value: isinstance(value, list))
_COMMON: Final[Mapping[str, Kind]] = {"type": TEXT, "title": TEXT, "description": TEXT}

TYPES: Final[Mapping[str, Mapping[str, Kind]]] = {
    "form": {**_COMMON, "fields": _FIELDS},
    "choice": {**_COMMON, "message": TEXT, "options": OPTIONS},
    "message": {**_COMMON, "message": TEXT, "show_progress": FLAG},
}
"""The properties of each type of presentation."""

_NEEDED: Final = {"form": "fields", "choice": "options", "message": "message"}


class WrongInput(InterlockError, ValueError):  # noqa: N818 - what is wrong is the input
    """An answer doesn't fit what was asked.

    Attributes:
        faults: `{"field": name, "error": sentence}` for each wrong field.
    """

    def __init__(self, faults: list[WrongField]) -> None:
        super().__init__("; ".join(f"{each['field']}: {each['error']}" for each in faults))
        self.faults = faults


# ── Showing ─────────────────────────────────────────────────────────────────────────────────────────────


def shown(presentation: JsonObject, roots: Mapping[str, JsonValue]) -> JsonObject:
    """A presentation with its templates filled in: what a client shows, and what an answer is checked by.

    Args:
        presentation: one without faults.
        roots: what the first names of templates stand for.
    """
    filled = templates.expand(presentation, roots)
    if not isinstance(filled, dict):
        return {}
    fitted = _fitted(filled, TYPES.get(str(filled.get("type")), {}))
    needed = _NEEDED.get(str(filled.get("type")))
    if needed is not None and needed not in fitted:
        fitted[needed] = "" if needed == "message" else []
    if isinstance(fields := fitted.get("fields"), list):
        fitted["fields"] = [_fitted_field(each) for each in fields if isinstance(each, dict)]
    return fitted


def _fitted_field(field: JsonObject) -> JsonObject:
    fitted = _fitted(field, {**COMMON, **PROPERTIES.get(str(field.get("type")), {})})
    if "default" in fitted and (is_blank(fitted["default"]) or misfit(fitted, fitted["default"]) is not None):
        del fitted["default"]
    return fitted


def _fitted(given: JsonObject, kinds: Mapping[str, Kind]) -> JsonObject:
    """The properties that fit their kinds; a text is made of what should be one."""
    fitted: JsonObject = {}
    for name, value in given.items():
        kind = kinds.get(name)
        if kind is OPTIONS:
            fitted[name] = _fitted_options(value)
        elif kind is TEXT and value is not None:
            fitted[name] = templates.written(value)
        elif kind is None or kind.fits(value):
            fitted[name] = value
    return fitted


def _fitted_options(options: JsonValue) -> list[JsonValue]:
    """The options that can be selected: each value is a text that isn't empty, and there once."""
    given = options if isinstance(options, list) else []
    by_value: dict[JsonValue, JsonValue] = {}
    for option in islice(given, MAX_OPTIONS):
        fitted = _fitted(option, OPTION) if isinstance(option, dict) else {}
        if value := fitted.get("value"):
            by_value.setdefault(value, fitted)
    return list(by_value.values())


# ── Answering ───────────────────────────────────────────────────────────────────────────────────────────


def checked(presentation: JsonObject | None, given: JsonObject, *, choices: Sequence[Choice] = ()) -> JsonObject:
    """What is kept of an answer: the fields given, and the defaults of those that aren't.

    Args:
        presentation: as `shown` returned it; None shows nothing.
        choices: the transitions to select from, if one is to be selected.

    Raises:
        WrongInput: a field is wrong.
    """
    fields = _asked(presentation, choices)
    if fields is None:
        return dict(given)
    names = {field["name"] for field in fields}
    unknown = (shortened(name) for name in given if name not in names)
    wrong: list[WrongField] = [
        {"field": name, "error": f"There is no field {name!r} in this form; leave it out."}
        for name in islice(unknown, MAX_FAULTS)
    ]
    accepted: JsonObject = {}
    for field in fields:
        name = str(field["name"])
        value = given.get(name)
        value = field.get("default") if value is None else value
        if (sentence := _wrong(field, value)) is not None:
            wrong.append({"field": name, "error": sentence})
        elif value is not None:
            accepted[name] = kept(field, value)
    if wrong:
        raise WrongInput(wrong)
    return accepted


def _wrong(field: JsonObject, value: JsonValue) -> str | None:
    if is_blank(value) and field.get("required") is True:
        return "This field is required; give a value."
    return None if value is None else misfit(field, value)


def _asked(presentation: JsonObject | None, choices: Sequence[Choice]) -> list[JsonObject] | None:
    """The fields that an answer may have; None if anything answers."""
    given = presentation or {}
    fields: list[JsonObject] = []
    if given.get("type") == "form" and isinstance(declared := given.get("fields"), list):
        fields = [each for each in declared if isinstance(each, dict) and isinstance(each.get("name"), str)]
    elif given.get("type") == "choice" and not choices:
        return [_choice(given.get("options"))]
    elif not choices:
        return None
    if not choices:
        return fields
    return [*(each for each in fields if each["name"] != CHOICE), _choice([_option(each) for each in choices])]


def _choice(options: JsonValue) -> JsonObject:
    return {"name": CHOICE, "type": "select", "required": True, "options": options}


def _option(choice: Choice) -> JsonValue:
    given = {"value": choice.key, "label": choice.label, "description": choice.description}
    return {name: text for name, text in given.items() if text is not None}


# ── The form of the wire ────────────────────────────────────────────────────────────────────────────────

_WIRE_TYPES: Final[Mapping[str, FieldType]] = {"number": "float", "boolean": "bool", "file": "list"}

_WIRE_NAMES: Final = {
    "multiline": "multiline",
    "placeholder": "placeholder",
    "maxLength": "max_length",
    "min": "min",
    "max": "max",
    "step": "step",
    "options": "options",
    "minDate": "min_date",
    "maxDate": "max_date",
    "accept": "accept",
    "maxSize": "max_size",
}
"""What the properties of a field are called in `user_input_schema[]`."""


def schema_of(presentation: JsonObject | None, *, choices: Sequence[Choice] = ()) -> list[JsonObject]:
    """The same as a `user_input_schema`, for clients that know no presentations; empty if anything answers.

    Args:
        presentation: as `shown` returned it; None shows nothing.
        choices: the transitions to select from, if one is to be selected.
    """
    return [_on_wire(field) for field in _asked(presentation, choices) or ()]


def _on_wire(field: JsonObject) -> JsonObject:
    of_type = str(field.get("type"))
    extras = {wire: property_of(field, name) for name, wire in _WIRE_NAMES.items() if name in field}
    return {
        "name": field["name"],
        "field_type": _WIRE_TYPES.get(of_type, "str"),
        "description": property_of(field, "label"),
        "required": field.get("required") is True,
        "allowed_values": values_of(field.get("options")) if of_type == "select" else None,
        "default": kept(field, field.get("default")),
        "value": None,
        **({"format": of_type} if of_type in ("date", "file") else {}),
        **{wire: value for wire, value in extras.items() if value is not None},
    }


# ── Faults ──────────────────────────────────────────────────────────────────────────────────────────────

_TYPE_SYNONYMS: Final = {
    **dict.fromkeys(("text", "str", "textarea", "email", "url"), "string"),
    **dict.fromkeys(("int", "integer", "float", "decimal", "currency"), "number"),
    **dict.fromkeys(("bool", "checkbox", "toggle", "switch"), "boolean"),
    **dict.fromkeys(("choice", "dropdown", "enum", "radio"), "select"),
    **dict.fromkeys(("datetime", "day"), "date"),
    **dict.fromkeys(("upload", "attachment", "image"), "file"),
}

_EXAMPLE: Final = '{"type": "form", "fields": [{"name": "approved", "type": "boolean"}]}'


def faults_in(presentation: object, at: str) -> Iterator[Fault]:
    """All that is wrong with a presentation, its templates included.

    Args:
        at: the path of the presentation in its definition.
    """
    return first_of(chain(_faults(presentation, at), templates.faults_in(presentation, at, ROOTS)), at)


def _faults(presentation: object, at: str) -> Iterator[Fault]:
    if not isinstance(presentation, dict):
        yield Fault(at, f"A presentation is an object such as {_EXAMPLE}, not {type_in_words(presentation)}.")
        return
    of_type = presentation.get("type")
    kinds = TYPES.get(of_type) if isinstance(of_type, str) else None
    if kinds is None:
        yield _unknown_type("presentation", presentation, TYPES, at)
        return
    needed = _NEEDED[str(of_type)]
    yield from unknown_in(presentation, kinds, at, f"A presentation of the type {quoted(of_type)}")
    if needed not in presentation:
        yield Fault(at, f'A presentation of the type {quoted(of_type)} needs "{needed}"; add {kinds[needed].words}.')
    yield from _unfit(presentation, kinds, at)
    if of_type == "choice":
        yield from _faults_of_options(presentation, at)
    if of_type == "form" and isinstance(fields := presentation.get("fields"), list):
        yield from _faults_of_fields(fields, inside(at, "fields"))


def _unknown_type(what: str, given: JsonObject, known: Collection[str], at: str) -> Fault:
    if "type" not in given:
        return Fault(at, f'This {what} has no "type"; use {listed(known)}.')
    synonyms = _TYPE_SYNONYMS if what == "field" else None
    word = given["type"]
    return Fault(inside(at, "type"), f"There is no {what} of the type {quoted(word)}; {instead(word, known, synonyms)}")


def _unfit(given: JsonObject, kinds: Mapping[str, Kind], at: str) -> Iterator[Fault]:
    """Faults for the properties that don't fit their kinds; what is a text with a template may come to fit."""
    for name, kind in kinds.items():
        value = given.get(name)
        may_fit = kind is not _FIELDS and isinstance(value, str) and templates.paths_in(value)
        if name in given and not may_fit and not kind.fits(value):
            yield Fault(inside(at, name), f"This must be {kind.words}; change it.")


def _faults_of_fields(fields: Sequence[JsonValue], at: str) -> Iterator[Fault]:
    if len(fields) > MAX_FIELDS:
        yield Fault(at, f"This form has {len(fields)} fields, and at most {MAX_FIELDS} are allowed; leave some out.")
    if not fields:
        yield Fault(at, "This form asks for nothing; add a field, or use a message.", is_warning=True)
    first: dict[object, int] = {}
    for index, field in enumerate(fields[:MAX_FIELDS]):
        where = inside(at, index)
        if not isinstance(field, dict):
            yield Fault(where, f"A field is an object with a name and a type, not {type_in_words(field)}.")
            continue
        yield from _faults_of_field(field, where)
        name = field.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            twin = inside(at, first[name])
            yield Fault(inside(where, "name"), f"{twin} is called {quoted(name)}, too; give each a name of its own.")


def _faults_of_field(field: JsonObject, at: str) -> Iterator[Fault]:
    yield from _faults_of_name(field, at)
    of_type = field.get("type")
    own = PROPERTIES.get(of_type) if isinstance(of_type, str) else None
    if own is None:
        yield _unknown_type("field", field, PROPERTIES, at)
        return
    kinds = {**COMMON, **own}
    yield from _unknown_in_field(field, kinds, at)
    yield from _unfit({name: value for name, value in field.items() if name not in ("name", "type")}, kinds, at)
    if of_type == "select":
        yield from _faults_of_options(field, at)
    # What templates come to isn't known yet, and limits nothing.
    literal = {name: value for name, value in field.items() if not templates.paths_in(value)}
    is_clear = of_type != "select" or bool(values_of(literal.get("options")))
    if is_clear and (fault := contradiction(literal)) is not None:
        yield Fault(inside(at, fault[0]), fault[1])


def _faults_of_name(field: JsonObject, at: str) -> Iterator[Fault]:
    name = field.get("name")
    if "name" not in field:
        yield Fault(at, 'This field has no "name"; add one, under which its value is kept.')
    elif not isinstance(name, str) or not name or "${" in name:
        yield Fault(inside(at, "name"), "The name of a field is a text as it is, neither empty nor a template.")
    else:
        try:
            check_name(name, "The name of a field")
        except DeclarationError as error:
            yield Fault(inside(at, "name"), str(error))


def _unknown_in_field(field: JsonObject, kinds: Mapping[str, Kind], at: str) -> Iterator[Fault]:
    """Faults for the properties that a field of its type doesn't have; another type may have them."""
    owners = {name: of_type for of_type, own in PROPERTIES.items() for name in own}
    foreign = {name: owners[name] for name in field if name not in kinds and name in owners}
    for name, owner in foreign.items():
        yield Fault(inside(at, name), f"Only a field of the type {quoted(owner)} has {quoted(name)}; leave it out.")
    rest = {name: value for name, value in field.items() if name not in foreign}
    yield from unknown_in(rest, kinds, at, f"A field of the type {quoted(field['type'])}")


def _faults_of_options(given: JsonObject, at: str) -> Iterator[Fault]:
    """What is wrong with the options of a select or of a choice."""
    options = given.get("options")
    where = inside(at, "options")
    if "options" not in given:
        if given.get("type") == "select":
            yield Fault(at, 'A field of the type "select" needs "options"; add a list of what can be selected.')
        return
    if not isinstance(options, list):
        return
    if not options or len(options) > MAX_OPTIONS:
        yield Fault(where, f"There are {len(options)} options here; give between 1 and {MAX_OPTIONS}.")
    first: dict[str, int] = {}
    for index, option in enumerate(options[:MAX_OPTIONS]):
        yield from _faults_of_option(option, inside(where, index))
        value = option.get("value") if isinstance(option, dict) else None
        if isinstance(value, str) and first.setdefault(value, index) != index:
            yield Fault(inside(where, index, "value"), "Another option before has this value; give each its own.")


def _faults_of_option(option: JsonValue, at: str) -> Iterator[Fault]:
    if not isinstance(option, dict):
        yield Fault(at, f'An option is an object such as {{"value": "low"}}, not {type_in_words(option)}.')
        return
    yield from unknown_in(option, OPTION, at, "An option")
    yield from _unfit(option, OPTION, at)
    if "value" not in option or option["value"] == "":
        yield Fault(at, 'An option needs a "value" that isn\'t empty; add what is kept if it is selected.')
