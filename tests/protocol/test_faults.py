"""Faults of a message: the field, and what was expected there."""

import pytest
from pydantic import BaseModel, ValidationError

from interlock_protocol.faults import field_faults
from interlock_protocol.limits import MAX_FAULTS
from interlock_protocol.messages import CLIENT_MESSAGES
from interlock_protocol.messages.client import Name, Namespace
from interlock_protocol.namespaces import NAMESPACE


class Sample(BaseModel):
    numbers: list[int]


def faults_of(model: type[BaseModel], value: object) -> list[dict[str, str]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    return field_faults(caught.value)


def test_path_leads_to_the_field() -> None:
    assert faults_of(Sample, {"numbers": [1, None]}) == [{"field": "numbers[1]", "error": "must be an integer"}]


def test_number_of_faults_is_bounded() -> None:
    assert len(faults_of(Sample, {"numbers": [None] * 1000})) == MAX_FAULTS


def test_unforeseen_fault_has_words_too() -> None:
    assert faults_of(Sample, {"numbers": ["hunter2"]}) == [{"field": "numbers[0]", "error": "isn't valid"}]


@pytest.mark.parametrize("model", CLIENT_MESSAGES.values(), ids=lambda model: model.__name__)
@pytest.mark.parametrize("value", [5, "", "x" * 5000, "\0", [None], {}, 0.5, -1], ids=lambda value: repr(value)[:8])
def test_every_fault_of_a_client_message_has_its_own_words(model: type[BaseModel], value: object) -> None:
    fields = {name: value for name in model.model_fields if name != "action"}
    for fault in faults_of(model, {**fields, "request_id": 5}):
        assert fault["error"] != "isn't valid"
        assert fault["field"].split("[")[0].split(".")[0] in model.model_fields


def test_fault_of_a_pattern_says_which() -> None:
    class Named(BaseModel):
        namespace: Namespace
        name: Name

    assert faults_of(Named, {"namespace": "a/b", "name": "\0"}) == [
        {"field": "namespace", "error": f"must match {NAMESPACE}"},
        {"field": "name", "error": "must not contain the character NUL"},
    ]
