"""`interlock.testing`: what it promises to those who test their workflows with it."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import interlock.testing
from interlock import Ask, Choose, Condition, Confirm, Loop, Parallel, Router, Step, StepInput, StepOutput, Workflow
from interlock.testing import ALL_SCOPES, ErrorCode, Refusal, Unexpected, running
from interlock_protocol.errors import ProtocolMisuse


class Order(BaseModel):
    fruit: str
    crates: int = 1


def order(step_input: StepInput) -> str:
    wanted: Order = step_input.user_input
    return f"{wanted.crates} x {wanted.fruit}"


def ship(step_input: StepInput) -> dict[str, Any]:
    return {"shipped": step_input.previous_step_content}


GROCER = Workflow(
    "grocer",
    steps=[
        Step("order", order, human_review=Ask(Order, "What shall it be?")),
        Step("ship", ship, human_review=Confirm("Ship it?", on_reject="cancel")),
    ],
)


def test_public_names_are_these() -> None:
    assert sorted(interlock.testing.__all__) == [
        "ALL_SCOPES",
        "ErrorCode",
        "Pause",
        "Refusal",
        "Run",
        "StepRun",
        "Unexpected",
        "running",
    ]


# ── A run from start to end ─────────────────────────────────────────────────────────────────────────────


async def test_run_is_answered_and_completed() -> None:
    async with running(GROCER, message="hello") as run:
        asked = await run.paused()
        assert (asked.kind, asked.step_name, asked.message) == ("user_input", "order", "What shall it be?")
        assert [(field.name, field.field_type, field.required) for field in asked.fields] == [
            ("fruit", "str", True),
            ("crates", "int", False),
        ]
        await asked.submit(fruit="apples", crates=3)
        confirmation = await run.paused("ship")
        assert confirmation.requirement is not None
        assert confirmation.requirement.step_input == {"input": "hello", "previous_step_content": "3 x apples"}
        await confirmation.confirm()
        assert await run.completed() == {"shipped": "3 x apples"}
        assert (run.status, run.content, run.error, run.pending) == ("COMPLETED", {"shipped": "3 x apples"}, None, ())


async def test_events_are_those_a_client_gets() -> None:
    async with running(Workflow("one", steps=[Step("only", lambda _: "done")]), session_id="s", user="ada") as run:
        await run.completed()
        assert [(event["event_index"], event["epoch"], event["event"]) for event in run.events] == [
            (0, 1, "WorkflowStarted"),
            (1, 1, "StepStarted"),
            (2, 1, "StepCompleted"),
            (3, 1, "WorkflowCompleted"),
        ]
        assert {(event["run_id"], event["session_id"]) for event in run.events} == {(run.run_id, "s")}
        assert (run.session_id, run.events[0]["user_id"]) == ("s", "ada")


async def test_events_are_a_copy() -> None:
    async with running(Workflow("one", steps=[Step("only", lambda _: "done")])) as run:
        await run.completed()
        run.events.clear()
        assert len(run.events) == 4


async def test_routes_are_chosen() -> None:
    router = Router("way", [Step("slow", lambda _: 1), Step("fast", lambda _: 2)], human_review=Choose("Which way?"))
    async with running(Workflow("routes", steps=[router])) as run:
        pause = await run.paused()
        assert [choice.key for choice in pause.choices] == ["slow", "fast"]
        await pause.choose("fast")
        assert await run.completed() == 2
        assert run.steps("slow") == []


async def test_failure_is_awaited_with_its_sentence() -> None:
    def break_down(_: StepInput) -> None:
        raise ValueError("no fuel")

    async with running(Workflow("car", steps=[Step("drive", break_down)])) as run:
        assert await run.failed() == "no fuel"
        assert (run.status, run.error) == ("ERROR", "no fuel")
        assert run.events[-1]["error_type"] == "ValueError"


async def test_rejection_and_cancellation_are_awaited_with_their_reason() -> None:
    async with running(Workflow("w", steps=[Step("s", ship, human_review=Confirm(on_reject="cancel"))])) as run:
        await (await run.paused()).reject("too dear")
        assert await run.cancelled() == "too dear"
    async with running(GROCER) as run:
        await run.paused()
        await run.cancel("closing time")
        assert await run.cancelled() == "closing time"
        await run.cancel("again is fine")


async def test_rejection_may_choose_what_happens() -> None:
    async with running(Workflow("w", steps=[Step("s", ship, human_review=Confirm(on_reject="cancel"))])) as run:
        await (await run.paused()).reject(on_reject="skip")
        assert await run.completed() is None
        assert run.steps("s")[0].status == "skipped"


# ── Steps ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_visit_of_a_step_is_told() -> None:
    async def count(step_input: StepInput) -> AsyncIterator[str]:
        yield "number "
        yield str(step_input.iteration)

    loop = Loop("again", [Step("count", count)], max_iterations=2)
    async with running(Workflow("loops", steps=[loop])) as run:
        await run.completed()
        first, second = run.steps("count")
        assert (first.path, first.visit, first.streamed) == (("again", 1, "count"), 1, ["number ", "1"])
        assert (second.path, second.visit, second.content) == (("again", 2, "count"), 2, "number 2")
        assert [event["event"] for event in first.events] == [
            "StepStarted",
            "RunResponseContentEvent",
            "RunResponseContentEvent",
            "StepCompleted",
        ]
        assert [(step.name, step.status) for step in run.steps()] == [
            ("again", "completed"),
            *[("count", "completed")] * 2,
        ]


async def test_steps_say_how_they_stand() -> None:
    def fail(_: StepInput) -> None:
        raise RuntimeError("broken")

    async with running(GROCER) as run:
        await run.paused()
        assert [step.status for step in run.steps("order")] == ["waiting"]
        assert run.steps("ship") == []
        await run.cancel()
        await run.cancelled()
        assert [(step.status, step.attempt) for step in run.steps("order")] == [("unfinished", 0)]
    async with running(Workflow("w", steps=[Step("s", fail)])) as run:
        await run.failed()
        assert [step.status for step in run.steps()] == ["failed"]


async def test_stopped_run_is_completed() -> None:
    steps = [Step("one", lambda _: StepOutput("enough", stop=True)), Step("two", ship)]
    async with running(Workflow("stops", steps=steps)) as run:
        assert await run.completed() == "enough"
        assert run.steps("two") == []


# ── Several people ──────────────────────────────────────────────────────────────────────────────────────

BOTH = Workflow(
    "both",
    steps=[
        Parallel(
            "signatures",
            [
                Step("ours", lambda _: "signed", human_review=Confirm("Sign?")),
                Step("theirs", lambda _: "signed", human_review=Confirm("Sign?", assignees=["bob", "group:board"])),
            ],
        )
    ],
)


async def test_pause_of_one_step_is_asked_for_among_several() -> None:
    async with running(BOTH) as run:
        with pytest.raises(Unexpected, match=r"There are 2 such pauses \(step 'ours' \(confirmation\), step 'theirs'"):
            await run.paused()
        assert [pause.step_name for pause in run.pending] == ["ours", "theirs"]
        await (await run.paused("ours")).confirm()
        await (await run.as_user("bob").paused()).confirm()
        assert await run.completed() == {"ours": "signed", "theirs": "signed"}


async def test_admin_decides_on_behalf_of_an_assignee() -> None:
    async with running(BOTH, user="alice") as run:
        theirs = await run.as_user("root", scopes=ALL_SCOPES).paused("theirs")
        await theirs.on_behalf_of("bob", "He is ill.").confirm()
        (said,) = [event for event in run.events if event["event"] == "StepContinued"]
        assert (said["resolved_by"], said["on_behalf_of"], said["reason"]) == ("root", "bob", "He is ill.")


async def test_only_assignees_may_decide_and_of_what_names_nobody_admins() -> None:
    async with running(BOTH, user="alice") as run:
        await run.paused("theirs")
        for stranger, code in ((run, ErrorCode.FORBIDDEN), (run.as_user("eve"), ErrorCode.RUN_NOT_FOUND)):
            with pytest.raises(Refusal) as refused:
                await (await stranger.paused("theirs")).confirm()
            assert refused.value.code is code
        with pytest.raises(Refusal, match="on_behalf_of"):
            await (await run.as_user("root", scopes=ALL_SCOPES).paused("theirs")).confirm()
        await (await run.as_user("carol", groups=["board"]).paused("theirs")).confirm()
        await (await run.as_user("root", scopes=ALL_SCOPES).paused("ours")).confirm()
        await run.completed()
        deciders = [event["resolved_by"] for event in run.events if event["event"] == "StepContinued"]
        assert deciders == ["carol", "root"]


async def test_pause_may_be_decided_while_another_branch_runs() -> None:
    go = asyncio.Event()

    async def wait(_: StepInput) -> str:
        await go.wait()
        return "went"

    parallel = Parallel("p", [Step("slow", wait), Step("asks", lambda _: "said", human_review=Confirm())])
    async with running(Workflow("w", steps=[parallel])) as run:
        pause = await run.paused("asks")
        assert run.status == "RUNNING"
        await pause.confirm()
        await run.until("StepCompleted", step="asks")
        go.set()
        assert await run.completed() == {"slow": "went", "asks": "said"}


# ── Refusals and mistakes ───────────────────────────────────────────────────────────────────────────────


async def test_refused_decision_leaves_the_pause_as_it_was() -> None:
    async with running(GROCER) as run:
        asked = await run.paused()
        with pytest.raises(Refusal, match="crates: This must be a") as refused:
            await asked.submit(fruit="apples", crates="three")
        assert refused.value.code is ErrorCode.INVALID_DECISION
        assert await run.paused() == asked


async def test_second_decision_is_a_repetition_or_a_conflict() -> None:
    async with running(GROCER) as run:
        asked = await run.paused()
        await asked.submit(fruit="apples")
        await asked.submit(fruit="apples", crates=1)
        with pytest.raises(Refusal) as refused:
            await asked.submit(fruit="pears")
        assert refused.value.code is ErrorCode.CONFLICT
        assert refused.value.details["decision"] == {"user_input": {"fruit": "apples", "crates": 1}}


async def test_answer_that_doesnt_fit_the_pause_is_a_bug_of_the_test() -> None:
    async with running(GROCER) as run:
        asked = await run.paused()
        with pytest.raises(ProtocolMisuse, match=r"confirm\(\) doesn't answer a pause of the kind 'user_input'"):
            await asked.confirm()


async def test_waiting_for_the_end_of_a_paused_run_fails_at_once() -> None:
    async with running(GROCER, deadline=60) as run:
        await run.paused()
        with pytest.raises(Unexpected) as unexpected:
            await run.completed()
        assert str(unexpected.value) == (
            "The end as COMPLETED can't come before somebody decides. The run is PAUSED. It waits at step 'order'"
            " (user_input). Its last events: WorkflowStarted, StepPaused order, WorkflowRunOutput."
        )
        with pytest.raises(Unexpected, match="A pause of step 'ship' can't come before somebody decides"):
            await run.paused("ship")


async def test_waiting_for_a_run_that_has_ended_fails_at_once() -> None:
    def fail(_: StepInput) -> None:
        raise RuntimeError("broken")

    async with running(Workflow("w", steps=[Step("s", fail)]), deadline=60) as run:
        with pytest.raises(Unexpected, match="A pause can't come any more: the run has ended as ERROR: broken"):
            await run.paused()
        with pytest.raises(Unexpected, match="2 times StepError of step 's' can't come any more"):
            await run.until("StepError", step="s", count=2)


async def test_wait_ends_at_its_deadline() -> None:
    async def hang(_: StepInput) -> None:
        await asyncio.Event().wait()

    async with running(Workflow("w", steps=[Step("stuck", hang)]), deadline=0.1) as run:
        with pytest.raises(Unexpected, match=r"A pause didn't come in 0\.1 s\. .* StepStarted stuck\."):
            await run.paused()


async def test_pause_has_no_answer_after_the_end() -> None:
    async with running(GROCER) as run:
        asked = await run.paused()
        await run.cancel()
        with pytest.raises(Refusal) as refused:
            await asked.submit(fruit="apples")
        assert refused.value.code is ErrorCode.RUN_FINISHED


# ── Deaths of the process ───────────────────────────────────────────────────────────────────────────────


async def test_paused_run_outlives_its_server() -> None:
    async with running(GROCER) as run:
        before = (await run.paused()).requirement
        await run.restart()
        again = await run.paused()
        assert again.requirement == before
        await again.submit(fruit="apples")
        await run.restart()
        await (await run.paused()).confirm()
        assert await run.completed() == {"shipped": "1 x apples"}
        assert [event["event_index"] for event in run.events] == list(range(len(run.events)))


async def test_step_that_was_broken_off_begins_again() -> None:
    async def say(step_input: StepInput) -> AsyncIterator[str]:
        yield f"try {step_input.attempt}"
        if step_input.attempt == 1:
            await asyncio.Event().wait()
        yield ", done"

    async with running(Workflow("w", steps=[Step("s", say)])) as run:
        await run.until("RunResponseContentEvent", step="s")
        await run.restart()
        assert await run.completed() == "try 2, done"
        (step,) = run.steps("s")
        assert (step.attempt, step.streamed) == (2, ["try 2", ", done"])
        recovered = await run.until("WorkflowRecovered")
        assert recovered["interrupted_steps"] == [step.events[0]["step_id"]]


async def test_idempotency_key_is_the_same_in_both_tries() -> None:
    keys: list[str] = []

    async def charge(step_input: StepInput) -> str:
        keys.append(step_input.idempotency_key)
        if step_input.attempt == 1:
            await asyncio.Event().wait()
        return "charged"

    async with running(Workflow("w", steps=[Step("s", charge)])) as run:
        await run.until("StepStarted")
        await run.restart()
        await run.completed()
        assert len(set(keys)) == 1


async def test_thread_is_told_and_left_behind() -> None:
    told = threading.Event()

    def work(step_input: StepInput) -> str:
        while step_input.attempt == 1 and not step_input.is_cancelled():
            told.wait(0.005)
        told.set()
        return f"try {step_input.attempt}"

    async with running(Workflow("w", steps=[Step("s", work)])) as run:
        await run.until("StepStarted")
        await run.restart()
        assert await run.completed() == "try 2"
        assert told.is_set()


async def test_finished_run_is_still_there_after_a_restart() -> None:
    async with running(Workflow("w", steps=[Step("s", lambda _: "done")])) as run:
        await run.completed()
        await run.restart()
        assert await run.completed() == "done"
        assert len(run.events) == 4


# ── What it leaves alone, and behind ────────────────────────────────────────────────────────────────────


async def test_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", "nonsense")
    async with running(Workflow("w", steps=[Step("s", lambda _: "done")])) as run:
        assert await run.completed() == "done"


async def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tasks = asyncio.all_tasks()

    async def test_that_fails() -> None:
        async with running(GROCER) as run:
            await run.paused()
            assert len(_inside(tmp_path)) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await test_that_fails()
    assert _inside(tmp_path) == []
    assert asyncio.all_tasks() == tasks


async def test_runs_of_two_blocks_know_nothing_of_each_other() -> None:
    async with running(GROCER) as one, running(GROCER) as other:
        await (await one.paused()).submit(fruit="apples")
        assert (await other.paused()).step_name == "order"


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir())


class Leaves(BaseException):
    """Neither an Exception nor one of Python's own."""


@pytest.mark.parametrize("error", [Leaves, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("in_thread", [False, True])
async def test_whatever_a_step_raises_is_its_failure(error: type[BaseException], in_thread: bool) -> None:
    async def raises(_: StepInput) -> None:
        raise error

    def raises_in_a_thread(_: StepInput) -> None:
        raise error

    step = raises_in_a_thread if in_thread else raises
    for node in (Step("step", step), Condition("condition", step, steps=[say_done])):
        async with running(Workflow("leaves", steps=[node])) as run:
            await run.failed()
            assert run.events[-1]["error_type"] == error.__name__


def say_done(_: StepInput) -> str:
    return "done"


async def test_output_that_no_client_could_take_is_refused() -> None:
    async with running(Workflow("huge", steps=[Step("huge", lambda _: "x" * (33 * 2**20))])) as run:
        assert "at most 32 MiB" in await run.failed()
