"""The state of a run as one frame."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.simulation import Agent, Simulation, says

from interlock import Confirm, Parallel, Step, StepInput, Workflow
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock.workflow.run.snapshots import run_output


def fails(_: StepInput) -> None:
    raise RuntimeError("broken")


STEP = Step("s", says("s"), human_review=Confirm())
ERROR = Step("e", fails, on_error="pause")
TOOLS = Step("t", agent=Agent([[ToolRequest(Tool("c1", "rm"))]]))


def paused(*branches: Any) -> Simulation:
    return Simulation(Workflow("w", steps=[Parallel("p", branches)])).run()


@pytest.mark.parametrize(("node", "kind"), [(STEP, "step"), (ERROR, "error"), (TOOLS, "executor")])
def test_pause_tells_its_kind(node: Any, kind: str) -> None:
    last = paused(node).last
    assert (last["status"], last["pause_kind"], last["paused_step_name"]) == ("PAUSED", kind, node.name)


def test_errors_have_a_list_of_their_own() -> None:
    last = paused(STEP, ERROR, TOOLS).last
    assert [each["step_name"] for each in last["step_requirements"]] == ["s", "t"]
    assert [each["step_name"] for each in last["error_requirements"]] == ["e"]


def test_first_that_was_asked_names_the_pause() -> None:
    last = paused(ERROR, STEP).last
    assert (last["paused_step_name"], last["pause_kind"], last["paused_step_index"]) == ("s", "step", 1)


def test_run_that_waits_for_nobody_has_no_requirements() -> None:
    run = paused(STEP).answer("s", confirmed=True)
    output = run_output("w", run.state)
    assert not {"step_requirements", "error_requirements", "pause_kind"} & set(output)
