"""Events as dicts: their types say of each field what the models say, and what is on the wire has that."""

from __future__ import annotations

from types import UnionType
from typing import get_args, get_type_hints

import pytest

from interlock_protocol import typed
from interlock_protocol.messages import RUN_EVENTS, RunEvent
from interlock_protocol.requirements import (
    Choice,
    ErrorRequirement,
    ExecutorRequirement,
    StepRequirement,
    Tolerant,
    ToolExecution,
    UserInputField,
)
from interlock_protocol.typed_source import PLACE

PARTS: tuple[type[Tolerant], ...] = (
    Choice,
    ErrorRequirement,
    ExecutorRequirement,
    StepRequirement,
    ToolExecution,
    UserInputField,
)


def written(model: type[Tolerant]) -> set[str]:
    """The fields that are there whatever is said: those that are asked for, and those whose default isn't null."""
    return {
        name
        for name, field in model.model_fields.items()
        if field.is_required() or name in model.always or field.get_default(call_default_factory=True) is not None
    }


@pytest.mark.parametrize("model", [*RUN_EVENTS.values(), *PARTS], ids=lambda model: model.__name__)
def test_every_field_and_whether_it_is_required_is_the_models(model: type[Tolerant]) -> None:
    made = getattr(typed, model.__name__)
    place = PLACE if issubclass(model, RunEvent) else frozenset()
    assert made.__required_keys__ | made.__optional_keys__ == model.model_fields.keys() - place
    assert made.__required_keys__ == written(model) - place


def test_every_run_event_has_its_type_and_says_its_name() -> None:
    assert isinstance(typed.Event, UnionType)
    named = {get_args(get_type_hints(each)["event"])[0]: each.__name__ for each in get_args(typed.Event)}
    assert named == {name: model.__name__ for name, model in RUN_EVENTS.items()}
