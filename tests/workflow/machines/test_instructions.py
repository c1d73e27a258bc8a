"""What a halted machine says, where a model is to write it."""

from __future__ import annotations

from typing import Any

from tests.workflow.simulation import Simulation

from interlock import Workflow
from interlock.definitions.machine_json import compiled
from interlock.workflow.activities import Instruct, Script
from interlock_protocol.types import JsonObject

DEFINITION: JsonObject = {
    "name": "order",
    "initial_state": "receive",
    "states": {
        "receive": {
            "type": "action",
            "logic": {"type": "script", "code": "return input"},
            "transitions": [{"target": "await_approval"}],
        },
        "await_approval": {
            "type": "halting",
            "description": "An order waits for approval.",
            "halting_instructions": {
                "type": "ai",
                "config": {"prompt": "Summarize the order.", "model": "test", "include_data_paths": ["order", "risk"]},
            },
            "transition_mode": "selection",
            "transitions": [{"key": "approve", "to": "done"}, {"key": "reject", "to": "done"}],
        },
        "done": {"type": "terminal"},
    },
}


def halted(text: str | None) -> tuple[Any, list[Instruct]]:
    """The options of the halt, and what the model was asked, if it writes this text."""
    asked: list[Instruct] = []

    def logic(activity: Script | Instruct) -> Any:
        if isinstance(activity, Script):
            return activity.input["input"]
        asked.append(activity)
        return text

    workflow: Workflow = compiled(DEFINITION, version_id="v_1")
    run = Simulation(workflow, {"order": {"id": 123}, "risk": 23, "card": "4111"}, logic=logic).run()
    run.reload()
    assert run.refolded() == run.state
    return next(iter(run.state.requirements.values())).facts["halted_options"], asked


def test_a_model_is_shown_only_the_data_that_is_named_and_its_text_is_told() -> None:
    options, asked = halted("Order 123 is ready.")
    assert asked == [Instruct("Summarize the order.", {"order": {"id": 123}, "risk": 23}, "test")]
    assert (options["instruction"], options["generated"]) == ("Order 123 is ready.", True)
    assert options["include_data"] == ["order", "risk"]


def test_without_a_text_the_halt_tells_what_the_state_is_for_and_its_data() -> None:
    options, _ = halted(None)
    assert options["generated"] is False
    assert options["instruction"] == 'An order waits for approval.\norder: {"id":123}\nrisk: 23'
    assert [each["key"] for each in options["choices"]] == ["approve", "reject"]
