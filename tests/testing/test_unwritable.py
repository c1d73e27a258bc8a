"""What can't be written down ends its run, wherever it stands, with an error that says so: it isn't tried for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from interlock import Ask, Confirm, CustomEvent, Parallel, Review, Router, Step, StepInput, UserInputField, Workflow
from interlock.engine.driving import rows
from interlock.engine.driving import writer as writer
from interlock.testing import Run, running
from interlock.workflow.declare.agents import AgentPause, AgentStream, Tool, ToolRequest
from interlock_protocol.codec import event_body
from interlock_protocol.limits import MAX_PENDING_BYTES, MIB
from interlock_protocol.types import RunStatus
from interlock_protocol.values import NotWire, encoded

LARGE = MAX_PENDING_BYTES // 2 + 1000


async def streams(_: StepInput) -> AsyncIterator[Any]:
    yield CustomEvent("progress", 1)
    yield "text"


class Asks:
    id = name = "asks"
    type = "agent"

    async def run(self, _: StepInput, stream: AgentStream) -> AgentPause:
        stream.tool_started(Tool("1", "look"))
        return AgentPause([ToolRequest(Tool("2", "send"))], {"messages": []})

    async def resume(self, *_: Any) -> str:
        return "sent"


def broken(_: StepInput) -> None:
    raise ValueError("no")


EVERYTHING = Workflow(
    "w",
    steps=[
        Router("router", [streams], selector=lambda _: "streams"),
        Parallel("both", [Step("one", lambda _: 1), Step("two", lambda _: 2)]),
        Step("flaky", broken, on_error="skip"),
        Step("reviewed", lambda _: "x", human_review=[Confirm("?"), Review("Right?")]),
        Step("filled", lambda _: "x", human_review=Ask([UserInputField("x", default="y")])),
        Step("agent", agent=Asks()),
    ],
)


async def through(run: Run) -> RunStatus:
    """Approve whatever is asked, to the end."""
    followed = run._followed
    while not run.status.is_final:
        await followed.until(
            lambda: run.status.is_final or run.status is RunStatus.PAUSED or None, "a pause, or the end", patient=True
        )
        for pause in () if run.status.is_final else run.pending:
            await approve(pause)
    return run.status


async def approve(pause: Any) -> None:
    match pause.kind:
        case "user_input":
            await pause.submit(x="y")
        case "executor_input":
            await pause.approve(pause.tools[0])
        case _:
            await pause.confirm()


async def test_without_a_fault_it_completes() -> None:
    async with running(EVERYTHING) as run:
        assert await through(run) is RunStatus.COMPLETED


@pytest.mark.parametrize(
    "name",
    [
        "RouterExecutionStarted",
        "StepStarted",
        "CustomEvent",
        "ParallelExecutionStarted",
        "ParallelExecutionCompleted",
        "StepCompleted",
        "StepError",
        "StepSkipped",
        "StepOutputReview",
        "StepPaused",
        "StepExecutorPaused",
        "ToolCallStarted",
        "WorkflowRunOutput",
        "WorkflowCompleted",
    ],
)
async def test_event_that_cannot_be_written_ends_the_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = event_body

    def refuses(event: Any) -> bytes:
        if event["event"] == name:
            raise NotWire("it is odd", [name])
        return write(event)

    monkeypatch.setattr(writer, "event_body", refuses)
    monkeypatch.setattr("interlock.engine.work.stream.event_body", refuses)
    async with running(EVERYTHING) as run:
        assert await through(run) is RunStatus.ERROR
        assert "it is odd" in (run.error or "")
        assert run.events[-1]["event"] == "WorkflowError"


async def test_input_that_cannot_be_written_ends_the_run_that_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that an earlier version has let in."""
    write = event_body

    def refuses(event: Any) -> bytes:
        if "input" in event:
            raise NotWire("it is odd", ["input"])
        return write(event)

    monkeypatch.setattr(writer, "event_body", refuses)
    async with running(EVERYTHING) as run:
        assert await run.failed() == "input: it is odd"
        assert [event["event"] for event in run.events] == ["WorkflowStarted", "WorkflowError"]


@pytest.mark.parametrize("part", ["requirement", "state", "output"])
async def test_private_part_that_cannot_be_written_ends_the_run(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = encoded

    def refuses(private: Any) -> bytes:
        if part in private:
            raise NotWire("it is odd", [part])
        return write(private)

    monkeypatch.setattr(writer, "encoded", refuses)
    async with running(EVERYTHING) as run:
        assert await through(run) is RunStatus.ERROR
        assert f"{part}: it is odd" in (run.error or "")


@pytest.mark.parametrize("error", [ValueError("it is odd"), RecursionError("it is odd")])
async def test_state_that_cannot_be_written_ends_the_run(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_: Any) -> bytes:
        raise error

    monkeypatch.setattr(rows, "dump", refuses)
    async with running(EVERYTHING) as run:
        await run._followed.until(lambda: run.status.is_final or None, "the end", patient=True)
        assert "it is odd" in (run.error or "")
        await run.restart()  # the log has it all
        assert (await run._server.engine.runs.state(run.run_id)).status is RunStatus.ERROR


async def test_what_waits_is_never_more_than_one_frame_takes() -> None:
    outputs = [Step(f"s{number}", lambda _: "x" * LARGE, human_review=Review()) for number in range(2)]
    async with running(Workflow("w", steps=[Parallel("p", outputs)]), deadline=60) as run:
        assert "what waits for people in a run is at most 48 MiB as JSON" in await run.failed()


async def test_what_was_decided_makes_room_for_what_comes() -> None:
    outputs = [Step(f"s{number}", lambda _: "x" * LARGE, human_review=Review()) for number in range(2)]
    async with running(Workflow("w", steps=[*outputs, Step("last", lambda _: "done")]), deadline=60) as run:
        for _ in outputs:
            await (await run.paused()).confirm()
        assert await run.completed() == "done"


async def test_end_that_is_larger_than_clients_take_is_an_error() -> None:
    outputs = [Step(f"s{number}", lambda _: "x" * LARGE) for number in range(3)]
    async with running(Workflow("w", steps=[Parallel("p", outputs)]), deadline=60) as run:
        assert "an event is at most 56 MiB as JSON" in await run.failed()


@pytest.mark.parametrize("output", ["漢" * (12 * MIB), "\x00" * (6 * MIB), [0.25] * (7 * MIB)], ids=len)
async def test_output_is_bounded_by_what_it_becomes(output: Any) -> None:
    async with running(Workflow("w", steps=[Step("s", lambda _: output)]), deadline=60) as run:
        assert "a step's output is at most 32 MiB as JSON" in await run.failed()
