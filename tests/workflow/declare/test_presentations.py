"""Presentations: what is shown, what answers are kept, the form of the wire, and what is wrong with a presentation."""

from __future__ import annotations

import contextlib
import json
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.json_values import OBJECTS, VALUES, nested

from interlock.workflow.declare.presentations import MAX_FIELDS, WrongInput, checked, faults_in, schema_of, shown
from interlock_protocol.limits import MAX_FAULTS
from interlock_protocol.requirements import Choice, UserInputField

APPROVAL: dict[str, Any] = {
    "type": "form",
    "title": "Approval Required",
    "description": "Please review the request details and provide your decision.",
    "fields": [
        {"name": "approved", "type": "boolean", "label": "Approve this request?", "required": True},
        {
            "name": "amount",
            "type": "number",
            "label": "Approved Amount",
            "default": "${workflow_data.amount}",
            "min": 0,
            "max": 100000,
        },
        {
            "name": "notes",
            "type": "string",
            "label": "Notes",
            "multiline": True,
            "placeholder": "Add any notes or conditions...",
        },
        {
            "name": "priority",
            "type": "select",
            "label": "Priority",
            "options": [
                {"value": "low", "label": "Low"},
                {"value": "medium", "label": "Medium"},
                {"value": "high", "label": "High"},
            ],
            "default": "medium",
        },
    ],
}
CHOICE: dict[str, Any] = {
    "type": "choice",
    "title": "Select Action",
    "message": "How would you like to proceed with this request?",
    "options": [
        {"value": "approve", "label": "Approve", "description": "Approve the request as submitted"},
        {"value": "reject", "label": "Reject", "description": "Reject the request"},
    ],
}
MESSAGE: dict[str, Any] = {
    "type": "message",
    "title": "Processing",
    "message": "Waiting for external system response. This may take a few minutes.",
    "show_progress": True,
}
VISIT: dict[str, Any] = {
    "type": "form",
    "fields": [
        {"name": "code", "type": "string", "maxLength": 3},
        {"name": "seats", "type": "number", "min": 1, "max": 9, "step": 2},
        {"name": "day", "type": "date", "minDate": "2026-01-01", "maxDate": "2026-12-31"},
        {"name": "papers", "type": "file", "accept": ".pdf,image/*", "maxSize": 1048576},
    ],
}


def form(**field: Any) -> dict[str, Any]:
    return {"type": "form", "fields": [{"name": "x", "type": "string", **field}]}


def wrong(presentation: Any, given: Any, **choices: Any) -> dict[str, str]:
    with pytest.raises(WrongInput) as error:
        checked(presentation, given, **choices)
    faults = {str(each["field"]): str(each["error"]) for each in error.value.faults}
    assert len(faults) == len(error.value.faults), "one entry for each wrong field"
    assert all(sentence.endswith(".") for sentence in faults.values())
    return faults


# --- showing ---


@pytest.mark.parametrize("presentation", [APPROVAL, CHOICE, MESSAGE, VISIT])
def test_what_the_documents_show_has_no_faults_and_is_shown_as_it_is(presentation: Any) -> None:
    assert list(faults_in(presentation, "p")) == []
    assert shown(presentation, {"workflow_data": {"amount": "${workflow_data.amount}"}}) == (
        presentation if presentation is not APPROVAL else shown(APPROVAL, {})
    )


def test_templates_are_filled_in_and_a_default_keeps_its_type() -> None:
    asked = {**APPROVAL, "title": "$${workflow_data.amount}", "description": "${workflow_data.amount}"}
    filled: Any = shown(asked, {"workflow_data": {"amount": 5000}})
    assert filled["title"] == "$5000"
    assert filled["description"] == "5000"
    assert filled["fields"][1]["default"] == 5000
    assert asked["fields"][1]["default"] == "${workflow_data.amount}"


@pytest.mark.parametrize(
    ("field", "left"),
    [
        ({"type": "number", "default": "${input.text}"}, {"type": "number"}),
        ({"type": "number", "default": "${input.gone}"}, {"type": "number"}),
        ({"type": "number", "max": 3, "default": "${input.number}"}, {"type": "number", "max": 3}),
        ({"type": "number", "min": "${input.text}", "max": "${input.number}"}, {"type": "number", "max": 5}),
        ({"type": "string", "maxLength": "${input.number}"}, {"type": "string", "maxLength": 5}),
        ({"type": "string", "maxLength": "${input.gone}"}, {"type": "string"}),
        ({"type": "string", "label": "${input.number}"}, {"type": "string", "label": "5"}),
        ({"type": "string", "label": "${input.gone}"}, {"type": "string"}),
        (
            {"type": "date", "minDate": "${input.day}", "maxDate": "${input.text}"},
            {"type": "date", "minDate": "2026-01-31"},
        ),
        ({"type": "boolean", "default": "${input.flag}"}, {"type": "boolean", "default": True}),
        (
            {"type": "select", "options": "${input.options}", "default": "a"},
            {"type": "select", "options": [{"value": "a"}, {"value": "5", "label": "5"}], "default": "a"},
        ),
        ({"type": "select", "options": "${input.gone}", "default": "a"}, {"type": "select", "options": []}),
    ],
)
def test_what_templates_come_to_is_made_to_fit_or_left_out(field: Any, left: Any) -> None:
    options = [{"value": "a"}, "b", {"label": "c"}, {"value": 5, "label": 5}, {"value": "a", "label": "twin"}]
    roots: Any = {"input": {"text": "t", "number": 5, "day": "2026-01-31", "flag": True, "options": options}}
    assert list(faults_in({"type": "form", "fields": [{"name": "x", **field}]}, "p")) == []
    filled: Any = shown(form(**field), roots)
    assert filled["fields"] == [{"name": "x", **left}]


@pytest.mark.parametrize(("of_type", "needed"), [("form", []), ("choice", []), ("message", "")])
def test_what_a_presentation_needs_is_always_shown(of_type: str, needed: Any) -> None:
    key = {"form": "fields", "choice": "options", "message": "message"}[of_type]
    assert shown({"type": of_type, key: "${input.gone}"}, {"input": {}})[key] == needed


# --- answers ---


def test_an_answer_is_kept_with_the_defaults_of_what_is_left_out() -> None:
    asked = shown(APPROVAL, {"workflow_data": {"amount": 5000}})
    assert checked(asked, {"approved": False}) == {"approved": False, "amount": 5000, "priority": "medium"}
    assert checked(asked, {"approved": True, "amount": None, "notes": "", "priority": "low"}) == {
        "approved": True,
        "amount": 5000,
        "notes": "",
        "priority": "low",
    }


def test_every_wrong_field_has_one_entry() -> None:
    assert wrong(shown(APPROVAL, {}), {"amount": -1, "notes": 7, "priority": "urgent", "status": "paid"}) == {
        "approved": "This field is required; give a value.",
        "amount": "This must be at least 0.",
        "notes": "This must be a text, not a number.",
        "priority": "This must be one of: low, medium, high.",
        "status": "There is no field 'status' in this form; leave it out.",
    }


@pytest.mark.parametrize(
    ("field", "fits", "unfit"),
    [
        ({"type": "string"}, ["", "a", "5", "\U0001f600"], [5, True, [], {}]),
        ({"type": "string", "maxLength": 2}, ["ab", "\U0001f600\U0001f600"], ["abc"]),
        ({"type": "boolean"}, [True, False], [0, 1, "true", []]),
        ({"type": "number"}, [0, -1, 0.5, 2**70, 1e300], [True, False, "1", [], float("nan"), float("inf")]),
        ({"type": "number", "min": 0, "max": 10}, [0, 10, 9.5], [-1, 10.0000001, -0.1]),
        ({"type": "number", "step": 0.1}, [0.3, 0.7, 1, -0.1, 0], [0.35, 1e-9]),
        ({"type": "number", "min": 0.05, "step": 0.1}, [0.05, 0.35], [0.3, 1]),
        ({"type": "number", "min": 1, "step": 2}, [1, 3, 5.0, 2**60 + 1], [2, 0, 2**60]),
        ({"type": "number", "step": 1e-300}, [1e300, 5], []),
        ({"type": "select", "options": [{"value": "a"}, {"value": "1"}]}, ["a", "1"], ["b", "", 1, True, ["a"]]),
        ({"type": "select", "options": []}, [], ["a"]),
        ({"type": "date"}, ["2026-01-31", "2024-02-29", "0001-01-01"], ["2026-02-29", "2026-1-31", "20260131"]),
        ({"type": "date"}, [], ["2026-W01-1", "0000-01-01", "2026-01-31T00:00", "\uff12026-01-01", "", 20260131]),
        ({"type": "date", "minDate": "2026-01-02", "maxDate": "2026-01-03"}, ["2026-01-02", "2026-01-03"], []),
        ({"type": "date", "minDate": "2026-01-02", "maxDate": "2026-01-03"}, [], ["2026-01-01", "2026-01-04"]),
        ({"type": "file"}, ["file_1", ["file_1"], ["a", "b", "c", "d", "e"]], ["", [""], [1], 1, {}, list("abcdef")]),
    ],
)
def test_each_type_takes_its_own_values_only(field: Any, fits: list[Any], unfit: list[Any]) -> None:
    for value in fits:
        kept = [value] if field["type"] == "file" and isinstance(value, str) else value
        assert checked(form(**field), {"x": value}) == {"x": kept}
    for value in unfit:
        assert wrong(form(**field), {"x": value}).keys() == {"x"}


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ({"maxLength": 2}, "abc", "This has 3 characters, and at most 2 are allowed; shorten it."),
        ({"type": "number", "step": 0.1}, 0.35, "This must be a multiple of 0.1."),
        ({"type": "number", "min": 1, "step": 2}, 2, "This must be 1 plus a multiple of 2."),
        ({"type": "number", "max": 2**80}, 2**81, "This must be at most a number of 81 bits."),
        ({"type": "number"}, "5", "This must be a number, not a text."),
        ({"type": "boolean"}, None, "This field is required; give a value."),
        ({"type": "date", "minDate": "2026-01-02"}, "2026-01-01", "This must be 2026-01-02 or later."),
        ({"type": "date"}, "2026-02-30", "This must be a date such as 2026-01-31, and a day of the calendar."),
        ({"type": "file"}, list("abcdef"), "These are 6 files, and at most 5 are allowed; leave some out."),
        ({"type": "select", "options": [{"value": "a"}]}, "b", "This must be one of: a."),
    ],
)
def test_a_wrong_value_gets_a_sentence(field: Any, value: Any, sentence: str) -> None:
    assert wrong(form(required=True, **field), {"x": value}) == {"x": sentence}


def test_numbers_of_any_length_are_judged() -> None:
    asked = form(type="number", min=10**5000, step=10**4999)
    assert checked(asked, {"x": 10**5001}) == {"x": 10**5001}
    assert wrong(asked, {"x": 1}).keys() == {"x"}
    assert list(faults_in(form(type="number", min=10**5000, default=1, step=10**5000), "p")) != []


@pytest.mark.parametrize(("of_type", "blank"), [("string", ""), ("file", []), ("number", None), ("boolean", None)])
def test_what_is_required_may_not_be_blank(of_type: str, blank: Any) -> None:
    asked = form(type=of_type, required=True)
    assert wrong(asked, {"x": blank}) == wrong(asked, {}) == {"x": "This field is required; give a value."}


def test_a_choice_is_one_field() -> None:
    assert checked(CHOICE, {"choice": "approve"}) == {"choice": "approve"}
    assert wrong(CHOICE, {}) == {"choice": "This field is required; give a value."}
    assert wrong(CHOICE, {"choice": "escalate", "amount": 1}).keys() == {"choice", "amount"}


def test_a_message_or_nothing_is_answered_by_any_object() -> None:
    given: dict[str, Any] = {"a": [1], "b": None}
    assert checked(MESSAGE, given) == checked(None, given) == given
    assert checked(MESSAGE, given) is not given


SELECTION = [Choice(key="approve", label="Yes", description="Approve the order"), Choice(key="reject")]


@pytest.mark.parametrize("presentation", [None, MESSAGE, CHOICE])
def test_a_transition_is_selected_by_its_key(presentation: Any) -> None:
    assert checked(presentation, {"choice": "reject"}, choices=SELECTION) == {"choice": "reject"}
    assert wrong(presentation, {"choice": "escalate"}, choices=SELECTION).keys() == {"choice"}
    (field,) = schema_of(presentation, choices=SELECTION)
    assert field["allowed_values"] == ["approve", "reject"]
    assert field["options"] == [
        {"value": "approve", "label": "Yes", "description": "Approve the order"},
        {"value": "reject"},
    ]


def test_a_transition_is_selected_beside_a_form() -> None:
    given: dict[str, Any] = {"x": "a", "choice": "reject"}
    assert checked(form(), given, choices=SELECTION) == given
    assert [field["name"] for field in schema_of(form(), choices=SELECTION)] == ["x", "choice"]


def test_the_answer_to_a_flood_of_names_is_bounded() -> None:
    given: dict[str, Any] = {"n" * 1000 + str(index): 1 for index in range(10_000)}
    with pytest.raises(WrongInput) as error:
        checked(shown(APPROVAL, {}), given)
    assert len(error.value.faults) == MAX_FAULTS + 1
    assert len(json.dumps(error.value.faults)) < 20_000


# --- the form of the wire ---


def test_the_wire_has_a_form_for_clients_that_know_no_presentations() -> None:
    rest = {"required": False, "allowed_values": None, "default": None, "value": None, "description": None}
    assert schema_of(shown(APPROVAL, {"workflow_data": {"amount": 5000}})) == [
        {**rest, "name": "approved", "field_type": "bool", "description": "Approve this request?", "required": True},
        {
            **rest,
            "name": "amount",
            "field_type": "float",
            "description": "Approved Amount",
            "default": 5000,
            "min": 0,
            "max": 100000,
        },
        {
            **rest,
            "name": "notes",
            "field_type": "str",
            "description": "Notes",
            "multiline": True,
            "placeholder": "Add any notes or conditions...",
        },
        {
            **rest,
            "name": "priority",
            "field_type": "str",
            "description": "Priority",
            "allowed_values": ["low", "medium", "high"],
            "default": "medium",
            "options": APPROVAL["fields"][3]["options"],
        },
    ]
    assert schema_of(VISIT) == [
        {**rest, "name": "code", "field_type": "str", "max_length": 3},
        {**rest, "name": "seats", "field_type": "float", "min": 1, "max": 9, "step": 2},
        {
            **rest,
            "name": "day",
            "field_type": "str",
            "format": "date",
            "min_date": "2026-01-01",
            "max_date": "2026-12-31",
        },
        {
            **rest,
            "name": "papers",
            "field_type": "list",
            "format": "file",
            "accept": ".pdf,image/*",
            "max_size": 1048576,
        },
    ]
    assert schema_of(MESSAGE) == schema_of(None) == []
    assert [field["name"] for field in schema_of(CHOICE)] == ["choice"]


@pytest.mark.parametrize("presentation", [APPROVAL, VISIT, CHOICE])
def test_what_is_on_the_wire_is_what_the_protocol_reads(presentation: Any) -> None:
    for field in schema_of(shown(presentation, {})):
        assert UserInputField.model_validate(field).to_wire() == field


# --- properties ---

NUMBERS = st.integers(-20, 20) | st.decimals(-2, 2, places=2).map(float)
DAYS = st.dates(date(2025, 12, 25), date(2026, 1, 5)).map(str)
IDS = st.sampled_from(["file_1", "file_2", ""])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.fixed_dictionaries({}, optional={"maxLength": st.integers(1, 3), "multiline": st.booleans()}),
    "number": st.fixed_dictionaries(
        {}, optional={"min": NUMBERS, "max": NUMBERS, "step": st.sampled_from([1, 2, 0.1, 0.25, 3])}
    ),
    "boolean": st.just({}),
    "select": st.lists(st.sampled_from("abc"), min_size=1, unique=True).map(
        lambda each: {"options": [{"value": value} for value in each]}
    ),
    "date": st.fixed_dictionaries({}, optional={"minDate": DAYS, "maxDate": DAYS}),
    "file": st.fixed_dictionaries({}, optional={"accept": st.just(".pdf"), "maxSize": st.integers(1, 100)}),
}
GIVEN = VALUES | NUMBERS | DAYS | IDS | st.lists(IDS, max_size=6) | st.text("abc", max_size=4) | st.just("2026-02-30")


@st.composite
def forms(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
    fields = []
    for name in names:
        of_type = draw(st.sampled_from(sorted(FIELDS)))
        common = draw(st.fixed_dictionaries({}, optional={"required": st.booleans(), "default": GIVEN}))
        fields.append({"name": name, "type": of_type, **common, **draw(FIELDS[of_type])})
    return {"type": "form", "fields": fields}


def fits(field: dict[str, Any], value: Any) -> bool:
    """The rules, said another way."""
    match field["type"], value:
        case "string", str():
            return bool(len(value) <= field.get("maxLength", 1000))
        case "boolean", bool():
            return True
        case "number", bool():
            return False
        case "number", int() | float():
            low, high = field.get("min", -(10**40)), field.get("max", 10**40)
            with localcontext(prec=400):
                rest = Decimal(str(value)) - Decimal(str(field.get("min", 0)))
                is_step = "step" not in field or rest % Decimal(str(field["step"])) == 0
            return bool(low <= value <= high and is_step)
        case "select", str():
            return {"value": value} in field["options"]
        case "date", str():
            try:
                day = date(*map(int, value.split("-")))
            except (TypeError, ValueError):
                return False
            return bool(field.get("minDate", "0") <= str(day) == value <= field.get("maxDate", "9"))
        case "file", str() | list():
            ids = [value] if isinstance(value, str) else value
            return len(ids) <= 5 and all(isinstance(each, str) and each != "" for each in ids)
    return False


@given(forms(), st.dictionaries(st.sampled_from("abcdx"), GIVEN, max_size=5))
def test_an_answer_is_accepted_as_the_model_says(asked: Any, given: Any) -> None:
    asked = shown(asked, {})
    expected: dict[str, Any] = {}
    unfit = {name for name in given if name not in {field["name"] for field in asked["fields"]}}
    for field in asked["fields"]:
        name, value = field["name"], given.get(field["name"])
        value = field.get("default") if value is None else value
        is_missing = value in (None, "", []) and field.get("required")
        if is_missing or (value is not None and not fits(field, value)):
            unfit.add(name)
        elif value is not None:
            expected[name] = [value] if field["type"] == "file" and isinstance(value, str) else value
    if unfit:
        assert wrong(asked, given).keys() == unfit
    else:
        assert checked(asked, given) == expected
        assert checked(asked, expected) == expected


@given(forms())
def test_a_form_without_faults_is_shown_as_it_is_and_its_defaults_answer_it(asked: Any) -> None:
    faults = list(faults_in(asked, "p"))
    defaults = [field["name"] for field in asked["fields"] if field.get("default") not in (None, "", [])]
    assume(not faults)
    filled: Any = shown(asked, {})
    assert [field["name"] for field in filled["fields"] if "default" in field] == defaults
    free = {**filled, "fields": [{**field, "required": False} for field in filled["fields"]]}
    assert checked(free, {}).keys() == set(defaults)


WORDS = st.sampled_from(
    ["type", "form", "choice", "message", "title", "fields", "options", "name", "value", "label", "default", "required"]
) | st.sampled_from(
    ["string", "number", "min", "step", "select", "date", "minDate", "file", "maxLength", "${input.a}", "${"]
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    VALUES | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS, inner, max_size=4)
        | st.fixed_dictionaries({"type": WORDS, "fields": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"type": WORDS, "name": WORDS, "options": inner, "default": inner, "min": inner})
    ),
    max_leaves=20,
)


@given(ANYTHING, OBJECTS)
def test_nothing_raises_whatever_it_is_given(presentation: Any, given: Any) -> None:
    faults = list(faults_in(presentation, "p"))
    assert all(fault.path.startswith("p") and fault.message.endswith((".", "?")) for fault in faults)
    if isinstance(presentation, dict):
        filled = shown(presentation, {"input": given})
        assert isinstance(schema_of(filled), list)
        with contextlib.suppress(WrongInput):
            assert isinstance(checked(filled, given), dict)


# --- faults ---


def faults(presentation: Any) -> list[tuple[str, str]]:
    return [(fault.path, fault.message) for fault in faults_in(presentation, "p")]


@pytest.mark.parametrize(
    ("presentation", "path", "words"),
    [
        ("form", "p", "A presentation is an object such as"),
        ({}, "p", 'has no "type"; use form, choice or message'),
        ({"type": "from", "fields": []}, "p.type", 'did you mean "form"?'),
        ({"type": 7}, "p.type", "use form, choice or message"),
        ({"type": ["form"]}, "p.type", "use form, choice or message"),
        ({"type": "form"}, "p", 'needs "fields"'),
        ({"type": "choice"}, "p", 'needs "options"'),
        ({"type": "message"}, "p", 'needs "message"'),
        ({"type": "form", "fields": {}}, "p.fields", "must be a list of fields"),
        ({"type": "form", "fields": "${input.fields}"}, "p.fields", "must be a list of fields"),
        ({"type": "form", "fields": [], "titel": "x"}, "p.titel", 'did you mean "title"?'),
        ({"type": "message", "message": "x", "show_progress": "yes"}, "p.show_progress", "must be true or false"),
        ({"type": "message", "message": 5}, "p.message", "must be a text"),
        ({"type": "message", "message": "x", "title": "${workflowdata.a}"}, "p.title", 'did you mean "workflow_data"?'),
        ({"type": "message", "message": "${secrets.KEY}"}, "p.message", 'There is no "secrets" here'),
        ({"type": "form", "fields": ["name"]}, "p.fields[0]", "A field is an object"),
        ({"type": "form", "fields": [{"type": "string"}]}, "p.fields[0]", 'has no "name"'),
        ({"type": "form", "fields": [{"name": "x"}]}, "p.fields[0]", 'has no "type"; use string, number'),
        (form(name=""), "p.fields[0].name", "neither empty nor a template"),
        (form(name="${input.a}"), "p.fields[0].name", "neither empty nor a template"),
        (form(name="a\x00"), "p.fields[0].name", "control character"),
        (form(name="a" * 257), "p.fields[0].name", "at most 256"),
        (form(type="strng"), "p.fields[0].type", 'did you mean "string"?'),
        (form(type="checkbox"), "p.fields[0].type", 'did you mean "boolean"?'),
        (form(type={}), "p.fields[0].type", "There is no field of the type"),
        (form(maxlength=3), "p.fields[0].maxlength", 'did you mean "maxLength"?'),
        (form(type="number", maxLength=3), "p.fields[0].maxLength", 'Only a field of the type "string"'),
        (form(required="yes"), "p.fields[0].required", "must be true or false"),
        (form(label=3), "p.fields[0].label", "must be a text"),
        (form(maxLength=0), "p.fields[0].maxLength", "a whole number of at least 1"),
        (form(maxLength=1.5), "p.fields[0].maxLength", "a whole number of at least 1"),
        (form(type="number", min=True), "p.fields[0].min", "must be a number"),
        (form(type="number", max=float("inf")), "p.fields[0].max", "must be a number"),
        (form(type="number", step=0), "p.fields[0].step", "a number over 0"),
        (form(type="number", min=2, max=1), "p.fields[0].max", '"max" is below "min"'),
        (form(type="date", minDate="2026-02-30"), "p.fields[0].minDate", "a date such as"),
        (form(type="date", minDate="today"), "p.fields[0].minDate", "a date such as"),
        (form(type="date", minDate="2026-01-02", maxDate="2026-01-01"), "p.fields[0].maxDate", 'below "minDate"'),
        (form(type="file", accept=[".pdf"]), "p.fields[0].accept", "must be a text"),
        (form(type="file", maxSize=10 * 1024 * 1024 + 1), "p.fields[0].maxSize", "from 1 to 10485760"),
        (form(type="select"), "p.fields[0]", 'needs "options"'),
        (form(type="select", options=[]), "p.fields[0].options", "between 1 and 1000"),
        (form(type="select", options={}), "p.fields[0].options", "must be a list of options"),
        (form(type="select", options=["a"]), "p.fields[0].options[0]", "An option is an object"),
        (form(type="select", options=[{"label": "A"}]), "p.fields[0].options[0]", 'needs a "value"'),
        (form(type="select", options=[{"value": 1}]), "p.fields[0].options[0].value", "must be a text"),
        (form(type="select", options=[{"value": "a", "text": "A"}]), "p.fields[0].options[0].text", "An option has no"),
        (form(type="select", options=[{"value": "a"}] * 2), "p.fields[0].options[1].value", "Another option before"),
        (form(type="select", options=[{"value": "a"}], default="b"), "p.fields[0].default", "one of: a."),
        (form(default=5), "p.fields[0].default", "The default doesn't fit"),
        (form(default="abc", maxLength=2), "p.fields[0].default", "at most 2"),
        (form(type="number", default="5"), "p.fields[0].default", "must be a number"),
        (form(type="number", default=5, max=4), "p.fields[0].default", "at most 4"),
        (form(type="boolean", default="true"), "p.fields[0].default", "must be true or false"),
        (form(type="date", default="2026-02-30"), "p.fields[0].default", "a day of the calendar"),
        (form(type="file", default=5), "p.fields[0].default", "the id of a file"),
        ({"type": "choice", "options": [{"value": "a"}, {"value": "a"}]}, "p.options[1].value", "Another option"),
        ({"type": "choice", "options": []}, "p.options", "between 1 and 1000"),
    ],
)
def test_a_fault_has_its_path_and_says_what_to_do(presentation: Any, path: str, words: str) -> None:
    (told,) = faults(presentation)[:1]
    assert told[0] == path
    assert words in told[1]


def test_two_fields_with_one_name_are_a_fault() -> None:
    asked = {"type": "form", "fields": [{"name": "x", "type": "string"}, {"name": "x", "type": "date"}]}
    assert faults(asked) == [
        ("p.fields[1].name", 'p.fields[0] is called "x", too; give each a name of its own.'),
    ]


def test_fifty_fields_are_allowed_and_more_are_not() -> None:
    fields = [{"name": f"f{index}", "type": "string"} for index in range(MAX_FIELDS + 1)]
    assert faults({"type": "form", "fields": fields[:-1]}) == []
    assert faults({"type": "form", "fields": fields}) == [
        ("p.fields", "This form has 51 fields, and at most 50 are allowed; leave some out.")
    ]


def test_all_faults_are_told() -> None:
    asked = {
        "type": "form",
        "titel": 1,
        "fields": [{"name": "x", "type": "string", "default": 1}, {"type": "date", "min": 1}],
    }
    assert [path for path, _ in faults(asked)] == ["p.titel", "p.fields[0].default", "p.fields[1]", "p.fields[1].min"]


def test_an_empty_form_is_warned_of() -> None:
    (warning,) = faults_in({"type": "form", "fields": []}, "p")
    assert warning.is_warning


def test_a_flood_of_faults_is_bounded() -> None:
    option = {f"k{index}": 1 for index in range(100)}
    assert len(faults({"type": "choice", "options": [option] * 1000})) == 201
    assert len(faults({"type": "form", "fields": [nested(50_000)] * 5})) > 0
