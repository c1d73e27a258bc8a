"""What the events of a pause tell: each kind's own event has what its `StepPaused` has, and a review how it went."""

from __future__ import annotations

from typing import Any

import pytest
from tests.testing.agents import Clerk

from interlock import Choose, Loop, Parallel, Review, Router, Step, StepOutput, Workflow
from interlock.testing import Run, running
from interlock.workflow.declare.agents import Tool, ToolRequest

FAILED = StepOutput("half a draft", success=False, error="two sources are missing")
NOT_OF_THE_PAUSE = {"event", "created_at", "event_index", "epoch", "step_output", "success", "error"}


def step(name: str, output: Any, **options: Any) -> Step:
    return Step(name, lambda _: output, **options)


def before_its_pause(run: Run, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The event of this kind, and the `StepPaused` after it."""
    index = next(index for index, event in enumerate(run.events) if event["event"] == kind)
    return run.events[index], run.events[index + 1]


@pytest.mark.parametrize(
    ("kind", "node"),
    [
        (
            "RouterPaused",
            Router("way", choices=[step("a", 1), step("b", 2)], human_review=Choose("Which?", timeout=90)),
        ),
        ("StepOutputReview", step("draft", FAILED, human_review=Review("Good?", timeout=90, on_timeout="approve"))),
        ("StepOutputReview", Loop("rounds", steps=[step("draft", 1)], max_iterations=2, human_review=Review("Again?"))),
        ("StepOutputReview", Router("way", choices=[step("a", 1)], selector=lambda _: "a", human_review=Review("Ok?"))),
    ],
    ids=["route", "output", "iteration", "router's output"],
)
async def test_event_of_a_kind_has_what_its_pause_has(kind: str, node: Any) -> None:
    async with running(Workflow("asks", steps=[node])) as run:
        await run.paused()
        own, paused = before_its_pause(run, kind)
        assert own["event"] == kind
        assert {key: own.get(key) for key in paused if key not in NOT_OF_THE_PAUSE} == {
            key: value for key, value in paused.items() if key not in NOT_OF_THE_PAUSE
        }


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (step("draft", "whole", human_review=Review()), (True, None)),
        (step("draft", FAILED, human_review=Review()), (False, "two sources are missing")),
        (step("draft", StepOutput("", success=False), human_review=Review()), (False, None)),
        (
            Loop("rounds", steps=[step("one", "ok"), step("two", FAILED)], max_iterations=2, human_review=Review()),
            (False, "two sources are missing"),
        ),
        (
            Loop("rounds", steps=[step("one", FAILED), step("two", "ok")], max_iterations=2, human_review=Review()),
            (True, None),
        ),
        (
            Loop(
                "rounds",
                steps=[Parallel("both", [step("one", FAILED), step("two", "ok")])],
                max_iterations=2,
                human_review=Review(),
            ),
            (False, "two sources are missing"),
        ),
    ],
    ids=["success", "failure", "failure without a word", "container's last fails", "earlier one fails", "branch fails"],
)
async def test_review_tells_whether_the_output_is_a_success(node: Any, said: tuple[bool, str | None]) -> None:
    async with running(Workflow("reviewed", steps=[node])) as run:
        pause = await run.paused()
        event, _ = before_its_pause(run, "StepOutputReview")
        await run.until("WorkflowRunOutput")
        (requirement,) = next(each for each in run.events if each["event"] == "WorkflowRunOutput")["step_requirements"]
        for told in (event, requirement):
            assert (told["success"], told.get("error")) == said
        assert (pause.success, pause.error) == said


async def test_a_tool_decision_names_whose_tool_it_was() -> None:
    clerk = Clerk([[ToolRequest(Tool("call-1", "delete", {"id": 42}))]])
    async with running(Workflow("tidy", steps=[Step("tidy", agent=clerk)])) as run:
        pause = await run.paused()
        await pause.confirm()
        await run.completed()
        asked = next(event for event in run.events if event["event"] == "StepExecutorPaused")
        decided = next(event for event in run.events if event["event"] == "StepExecutorContinued")
        names = ("executor_id", "executor_name", "executor_type", "executor_run_id")
        assert {name: decided.get(name) for name in names} == {name: asked.get(name) for name in names}
        assert decided["executor_id"]
