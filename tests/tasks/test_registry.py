"""The built-in types: their schemas, their marks, and the reviews that ask people."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from interlock import Step
from interlock.tasks.builtin import BUILT_IN
from interlock.workflow.declare.interactions import Interaction
from interlock.workflow.declare.task_types import TaskType, faults_in_inputs
from interlock.workflow.declare.widgets import Widget

each_type = pytest.mark.parametrize("type_", BUILT_IN.values(), ids=[*BUILT_IN])
ROOTS = frozenset({"input", "tasks", "context"})


@each_type
def test_every_type_says_of_each_field_what_it_is_called_and_has_schemas_that_are_valid(type_: TaskType) -> None:
    told = json.loads(json.dumps(type_.described()))
    for schema in (told["input_schema"], told["output_schema"]):
        Draft202012Validator.check_schema(schema)
    assert told["input_schema"]["additionalProperties"] is False
    for name, field in type_.fields.items():
        assert field["title"], name
    assert told["description"].endswith(".")
    assert (type_.run is not None) == (type_.kind == "call")
    assert (type_.review is not None) == (type_.kind == "human")


def test_all_that_were_promised_are_there() -> None:
    assert set(BUILT_IN) == {
        *("http", "script", "condition", "map", "delay", "set", "prompt", "email", "send_tweet", "slack_message"),
        *("github_issue", "approval", "form", "choice", "review", "widget", "signal"),
    }


ASKED: dict[str, dict[str, Any]] = {
    "approval": {
        "message": "Pay ${tasks.A.output.sum}?",
        "assignees": ["group:ops"],
        "policy": "majority",
        "timeout": 60,
    },
    "form": {"message": "Where to?", "fields": [{"name": "city", "type": "string", "required": True}]},
    "choice": {
        "message": "How?",
        "options": ["train", {"value": "truck", "label": "Truck"}],
        "multiple": True,
        "max": 2,
    },
    "review": {"message": "Is it good?", "context": "${tasks.A.output}", "priority": "high"},
    "widget": {"bundle": "map", "props": {"at": "${input.at}"}, "ports": {"picked": "done"}},
}


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_of_people_is_a_review_that_a_step_can_have(name: str) -> None:
    type_ = BUILT_IN[name]
    assert [*faults_in_inputs(type_, ASKED[name], "inputs", ROOTS)] == []
    assert type_.review is not None
    review = type_.review(type_.read(ASKED[name]))
    step = Step("ask", lambda given: given.interaction, human_review=review)
    assert isinstance(review, Interaction | Widget)
    assert step.asks(type(review)) is review


def test_the_modes_of_what_is_asked() -> None:
    reviews: dict[str, Any] = {name: BUILT_IN[name].review for name in ASKED}
    specs = {name: review(BUILT_IN[name].read(ASKED[name])) for name, review in reviews.items()}
    assert specs["approval"].spec == {"mode": "confirm"}
    assert specs["form"].spec == {"mode": "input", "fields": ASKED["form"]["fields"]}
    assert specs["choice"].spec["mode"] == "multi_select"
    assert specs["choice"].spec["options"] == [{"value": "train"}, {"value": "truck", "label": "Truck"}]
    assert [each["value"] for each in specs["review"].spec["options"]] == ["approve", "changes", "reject"]
    assert specs["widget"].ports == {"picked": "done"}


@pytest.mark.parametrize(
    ("name", "inputs", "wrong"),
    [
        ("http", None, ["inputs.url"]),
        ("http", [], ["inputs"]),
        ("http", {"url": 1, "adress": ""}, ["inputs.adress", "inputs.url"]),
        ("http", {"url": "${nothing.x}"}, ["inputs.url"]),
        ("email", {"to": [1, "${input.who}"], "subject": "s", "text": "t"}, []),  # who knows what it will be
        ("email", {"to": [1], "subject": "s", "text": "t"}, ["inputs.to[0]"]),
        ("approval", {"message": "?", "timeout": "${input.seconds}"}, ["inputs.timeout"]),
        ("approval", {"message": "?", "policy": "majority"}, ["inputs"]),
        ("choice", {"message": "?", "options": ["a", {"valu": "b"}]}, ["inputs.options[1].valu"]),
        ("choice", {"message": "?", "options": ["a", "a"]}, ["inputs"]),
        ("form", {"message": "?", "fields": [{"name": "a", "type": "strin"}]}, ["inputs"]),
        ("widget", {"bundle": "map"}, ["inputs"]),
        ("map", {"items": "${input.list}", "graph": {}, "at_once": 0}, ["inputs.at_once"]),
        ("signal", {"topic": "not a topic"}, ["inputs.topic"]),
        ("github_issue", {"repository": "${input.repo}", "title": "t"}, []),
        ("github_issue", {"repository": "no", "title": "t"}, ["inputs.repository"]),
    ],
)
def test_all_that_is_wrong_with_inputs_is_told_with_its_path(name: str, inputs: Any, wrong: list[str]) -> None:
    faults = [*faults_in_inputs(BUILT_IN[name], inputs, "inputs", ROOTS)]
    assert [each.path for each in faults] == wrong
    assert all(each.message.endswith((".", "?")) for each in faults)


def test_what_is_left_open_is_no_fault() -> None:
    assert [*faults_in_inputs(BUILT_IN["http"], {}, "inputs", ROOTS, open_fields={"url"})] == []
    assert [*faults_in_inputs(BUILT_IN["approval"], {}, "inputs", ROOTS, open_fields={"message"})] == []


def test_a_field_that_is_used_as_written_is_marked_and_keeps_its_dollars() -> None:
    assert BUILT_IN["script"].fixed == ("code",)
    assert BUILT_IN["http"].encoded == ("url",)
    assert "timeout" in BUILT_IN["approval"].fixed
    code = {"code": "return {a: `${anything}`}"}
    assert [*faults_in_inputs(BUILT_IN["script"], code, "inputs", ROOTS)] == []
