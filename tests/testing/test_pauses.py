"""Every kind of pause, by real workflows: what a person is asked, and what each answer does."""

from __future__ import annotations

from typing import Any

import pytest
from tests.testing.agents import Clerk

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    ErrorReview,
    Loop,
    Parallel,
    Review,
    Router,
    Step,
    StepInput,
    StepOutput,
    UserInputField,
    Workflow,
)
from interlock.testing import ErrorCode, Refusal, Run, running
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock_protocol.errors import ProtocolMisuse


def say(text: Any) -> Any:
    return lambda _: text


def events_named(run: Run, *names: str) -> list[str]:
    return [event["event"] for event in run.events if event["event"] in names]


# ── Reviews of an output ────────────────────────────────────────────────────────────────────────────────


def draft(step_input: StepInput) -> str:
    if step_input.rejection_feedback is None:
        return "first draft"
    return f"{step_input.previous_output}, {step_input.rejection_feedback}"


def reviewed(review: Review, executor: Any = draft) -> Workflow:
    after = Step("after", lambda step_input: f"after {step_input.previous_step_content}")
    return Workflow("reviewed", steps=[Step("draft", executor, human_review=review), after])


async def test_approved_output_is_the_output() -> None:
    async with running(reviewed(Review("Is it right?"))) as run:
        pause = await run.paused()
        assert (pause.kind, pause.message, pause.output) == ("output_review", "Is it right?", "first draft")
        assert (pause.retry_count, pause.max_retries, pause.allowed_on_reject) == (0, 3, ("skip", "cancel", "retry"))
        await pause.confirm()
        assert await run.completed() == "after first draft"
        assert events_named(run, "StepOutputReview", "StepPaused", "WorkflowRunOutput", "StepCompleted") == [
            "StepOutputReview",
            "StepPaused",
            "WorkflowRunOutput",
            "StepCompleted",
            "StepCompleted",
        ]


async def test_edited_output_takes_the_place_of_the_output() -> None:
    async with running(reviewed(Review())) as run:
        pause = await run.paused()
        with pytest.raises(Refusal, match="The output is a string") as refused:
            await pause.confirm(edited_output={"not": "a string"})
        assert refused.value.code is ErrorCode.INVALID_DECISION
        await pause.confirm(edited_output="a better one")
        assert await run.completed() == "after a better one"
        assert run.steps("draft")[0].content == "a better one"


async def test_output_is_sent_back_with_feedback_as_often_as_allowed() -> None:
    async with running(reviewed(Review(on_reject="retry", max_retries=2))) as run:
        await (await run.paused()).reject("more")
        again = await run.paused()
        assert (again.output, again.retry_count) == ("first draft, more", 1)
        await again.reject("and more")
        last = await run.paused()
        assert last.output == "first draft, more, and more"
        await last.reject("no")
        assert "max_retries is 2" in (await run.cancelled() or "")
        assert run.steps("draft")[0].attempt == 3


async def test_rejected_output_is_skipped_or_cancels() -> None:
    async with running(reviewed(Review(on_reject="cancel"))) as run:
        await (await run.paused()).reject("no good", "skip")
        assert await run.completed() == "after None"
    async with running(reviewed(Review(on_reject="cancel"))) as run:
        await (await run.paused()).reject("no good")
        assert await run.cancelled() == "no good"


async def test_only_what_the_predicate_names_is_reviewed() -> None:
    def count(step_input: StepInput) -> StepOutput:
        return StepOutput(int(str(step_input.input)))

    def is_large(output: StepOutput) -> bool:
        return bool(output.content > 10)

    workflow = reviewed(Review(when=is_large), count)
    async with running(workflow, message="3") as run:
        assert await run.completed() == "after 3"
        other = await run.again(message="30")
        assert (await other.paused()).output == 30


async def test_step_under_review_isn_t_run_again_by_a_restart() -> None:
    tries: list[int] = []

    def once(step_input: StepInput) -> str:
        tries.append(step_input.attempt)
        return "costly"

    async with running(reviewed(Review(), once)) as run:
        await run.paused()
        await run.restart()
        pause = await run.paused()
        assert pause.output == "costly"
        await pause.confirm()
        assert await run.completed() == "after costly"
        assert tries == [1]


async def test_chosen_route_is_reviewed_and_chosen_again() -> None:
    router = Router(
        "way",
        [Step("slow", say("slowly")), Step("fast", say("fast"))],
        human_review=[Choose("Which?"), Review("Good?", on_reject="retry")],
    )
    async with running(Workflow("routes", steps=[router])) as run:
        await (await run.paused()).choose("slow")
        review = await run.paused()
        assert (review.kind, review.output) == ("output_review", "slowly")
        await review.reject("too slow")
        choice = await run.paused()
        assert choice.kind == "route_selection"
        await choice.choose("fast")
        await (await run.paused()).confirm()
        assert await run.completed() == "fast"


# ── Reviews of an iteration ─────────────────────────────────────────────────────────────────────────────


def improve(step_input: StepInput) -> str:
    return f"version {step_input.iteration}: {step_input.rejection_feedback}"


IMPROVED = Workflow(
    "improved",
    steps=[Loop("improve", [Step("write", improve)], max_iterations=3, human_review=Review(on_reject="retry"))],
)


async def test_approved_iteration_ends_the_loop() -> None:
    async with running(IMPROVED) as run:
        first = await run.paused()
        assert (first.kind, first.output) == ("iteration_review", "version 1: None")
        await first.reject("shorter")
        second = await run.paused()
        assert second.output == "version 2: shorter"
        await second.confirm()
        assert await run.completed() == "version 2: shorter"


async def test_last_iteration_has_no_next() -> None:
    async with running(IMPROVED) as run:
        for _ in range(2):
            await (await run.paused()).reject("again")
        last = await run.paused()
        assert last.allowed_on_reject == ("skip", "cancel")
        with pytest.raises(Refusal, match="on_reject"):
            await last.reject("again", "retry")
        await last.confirm(edited_output="mine")
        assert await run.completed() == "mine"


# ── Conditions ──────────────────────────────────────────────────────────────────────────────────────────


async def test_rejected_condition_takes_the_other_branch() -> None:
    condition = Condition(
        "is large",
        "input > 10",
        steps=[Step("check", say("checked"))],
        else_steps=[Step("pass", say("passed"))],
        human_review=Confirm("Shall it be looked at?", on_reject="else"),
    )
    async with running(Workflow("conditional", steps=[condition]), message=20) as run:
        await (await run.paused()).reject()
        assert await run.completed() == "passed"
        confirmed = await run.again(message=20)
        await (await confirmed.paused()).confirm()
        assert await confirmed.completed() == "checked"
        small = await run.again(message=2)
        await (await small.paused()).confirm()
        assert await small.completed() == "passed"


# ── An agent's tools ────────────────────────────────────────────────────────────────────────────────────

DELETE = ToolRequest(Tool("call-1", "delete_file", {"path": "/tmp/x"}))
RENAME = ToolRequest(Tool("call-2", "rename_file", {"path": "/tmp/y"}), editable=True)
SEND = ToolRequest(
    Tool("call-3", "send_mail", {"subject": "hello"}),
    user_input=[UserInputField("to"), UserInputField("copies", "int", default=1, required=False)],
)
POLL = ToolRequest(
    Tool("call-4", "ask_user"),
    user_feedback=[
        {"question": "Which?", "header": "Choice", "options": [{"label": "a"}, {"label": "b"}], "multi_select": True}
    ],
)
QUERY = ToolRequest(Tool("call-5", "query", {"sql": "select 1"}), external_execution=True)


def clerk(*turns: list[ToolRequest]) -> tuple[Clerk, Workflow]:
    agent = Clerk(turns)
    return agent, Workflow("office", steps=[Step("clerk", agent=agent), Step("after", lambda given: given.input)])


async def test_each_kind_of_tool_is_decided_one_by_one() -> None:
    agent, workflow = clerk([DELETE, RENAME, SEND, POLL, QUERY])
    async with running(workflow) as run:
        pause = await run.paused()
        assert pause.kind == "executor_input"
        assert [(tool.name, tool.kind, tool.editable) for tool in pause.tools] == [
            ("delete_file", "confirmation", False),
            ("rename_file", "confirmation", True),
            ("send_mail", "user_input", False),
            ("ask_user", "user_feedback", False),
            ("query", "external_execution", False),
        ]
        delete, rename, send, poll, query = pause.tools
        await pause.hand_in(query, [{"1": 1}])
        assert [tool.name for tool in (await run.paused()).tools] == [
            "delete_file",
            "rename_file",
            "send_mail",
            "ask_user",
        ]
        await pause.fill(send, to="bob")
        await pause.deny(delete, "never")
        await pause.approve(rename, edited_args={"path": "/tmp/z"})
        assert [tool.name for tool in (await run.paused()).tools] == ["ask_user"]
        assert run.steps("clerk")[0].status == "waiting"
        assert agent.resumed == 0
        await pause.select(poll, {"Which?": ["a", "b"]})
        await run.completed()
        assert run.steps("clerk")[0].content == [
            ["call-1", "denied", "never"],
            ["call-2", "done", {"path": "/tmp/z"}],
            ["call-3", "done", {"to": "bob", "copies": 1}],
            ["call-4", "done", [{"question": "Which?", "selected_options": ["a", "b"]}]],
            ["call-5", "done", [{"1": 1}]],
        ]
        assert agent.resumed == 1
        assert events_named(run, "ToolCallError", "ToolCallCompleted") == ["ToolCallError", *["ToolCallCompleted"] * 4]


async def test_several_tools_are_decided_at_once_or_all() -> None:
    _, workflow = clerk([DELETE, RENAME, QUERY])
    async with running(workflow) as run:
        pause = await run.paused()
        delete, _, query = pause.tools
        await pause.resolve(delete.approved(note="fine"), query.handed_in("1"))
        await (await run.paused()).confirm()
        await run.completed()
        assert [each[1] for each in run.steps("clerk")[0].content] == ["done"] * 3
        continued = [event for event in run.events if event["event"] == "StepExecutorContinued"]
        assert [len(event["decision"]["executor_requirements"]) for event in continued] == [2, 1]


async def test_wrong_decision_on_a_tool_changes_nothing() -> None:
    _, workflow = clerk([DELETE, SEND, QUERY])
    async with running(workflow) as run:
        pause = await run.paused()
        delete, send, _ = pause.tools
        for wrong, sentence in (
            (pause.approve(delete, edited_args={"path": "/"}), "can't be changed"),
            (pause.fill(send, to=3), "to"),
            (pause.fill(send, cc="bob"), "cc"),
            (pause.resolve(delete.approved(), send.filled(to=3)), "to"),
            (pause.resolve(delete.approved(), delete.approved().model_copy(update={"id": "x.9"})), "No tool waits"),
        ):
            with pytest.raises(Refusal, match=sentence) as refused:
                await wrong
            assert refused.value.code is ErrorCode.INVALID_DECISION
        with pytest.raises(ProtocolMisuse):
            await pause.confirm()
        assert await run.paused() == pause


async def test_tool_is_decided_once() -> None:
    _, workflow = clerk([DELETE, RENAME])
    async with running(workflow) as run:
        pause = await run.paused()
        delete, rename = pause.tools
        await pause.approve(delete)
        await pause.approve(delete)
        with pytest.raises(Refusal) as refused:
            await pause.deny(delete)
        assert refused.value.code is ErrorCode.CONFLICT
        assert refused.value.details["decision"]["executor_requirements"][0]["confirmation"] is True
        await pause.deny(rename)
        await pause.deny(rename)
        with pytest.raises(Refusal) as refused:
            await pause.approve(rename)
        assert refused.value.code is ErrorCode.CONFLICT
        await run.completed()


async def test_chain_of_tool_pauses_outlives_restarts() -> None:
    _, workflow = clerk([DELETE, RENAME], [QUERY])
    async with running(workflow) as run:
        first = await run.paused()
        await first.approve(first.tools[1])
        await run.restart()
        rest = await run.paused()
        assert [tool.name for tool in rest.tools] == ["delete_file"]
        await rest.confirm()
        second = await run.paused()
        assert second.id != first.id
        await run.restart()
        await second.hand_in(second.tools[0], 7)
        await run.completed()
        assert [each[:2] for each in run.steps("clerk")[0].content] == [
            ["call-1", "done"],
            ["call-2", "done"],
            ["call-5", "done"],
        ]
        assert [event["event_index"] for event in run.events] == list(range(len(run.events)))


async def test_agents_in_parallel_branches_are_answered_in_any_order() -> None:
    branches = [Step(name, agent=Clerk([[DELETE], [QUERY]])) for name in ("left", "right")]
    async with running(Workflow("offices", steps=[Parallel("both", branches)])) as run:
        await run.paused("left")
        await (await run.paused("right")).confirm()
        second = await run.until("StepExecutorPaused", step="right", count=2)
        assert second["executor_requirements"][0]["tool_execution"]["tool_name"] == "query"
        await (await run.paused("left")).reject("no")
        await run.until("StepExecutorPaused", step="left", count=2)
        for name in ("left", "right"):
            pause = await run.paused(name)
            await pause.hand_in(pause.tools[0], name)
        content = await run.completed()
        assert content["left"] == [["call-1", "denied", "no"], ["call-5", "done", "left"]]
        assert content["right"] == [["call-1", "done", {"path": "/tmp/x"}], ["call-5", "done", "right"]]


async def test_agent_whose_output_is_sent_back_asks_again() -> None:
    step = Step("clerk", agent=Clerk([[DELETE], [QUERY]]), human_review=Review("Right?", on_reject="retry"))
    async with running(Workflow("office", steps=[step])) as run:
        asked = []
        for verdict in ("again", None):
            first = await run.paused()
            await first.confirm()
            second = await run.paused()
            await second.hand_in(second.tools[0], 1)
            asked += [first.id, second.id]
            review = await run.paused()
            assert review.kind == "output_review"
            await (review.confirm() if verdict is None else review.reject(verdict))
        await run.completed()
        assert len(set(asked)) == 4


async def test_agent_that_fails_after_a_pause_goes_on_with_the_same_decisions() -> None:
    class Stumbling(Clerk):
        async def resume(self, state: Any, decisions: Any, step_input: StepInput, stream: Any) -> Any:
            if step_input.attempt < 3:
                raise OSError(f"no connection in try {step_input.attempt}")
            return await super().resume(state, decisions, step_input, stream)

    step = Step("clerk", agent=Stumbling([[DELETE]]), retries=1, on_error="pause")
    async with running(Workflow("office", steps=[step])) as run:
        await (await run.paused()).reject("not this one")
        await run.until("StepError")
        await run.advance(seconds=30)
        failure = await run.paused()
        assert failure.error == "no connection in try 2"
        await run.restart()
        await failure.decide("retry")
        assert await run.completed() == [["call-1", "denied", "not this one"]]
        assert events_named(run, "StepExecutorPaused") == ["StepExecutorPaused"]


# ── Errors ──────────────────────────────────────────────────────────────────────────────────────────────


def failing(fails: int, **policy: Any) -> Workflow:
    """A workflow whose first step fails so often."""

    def work(step_input: StepInput) -> str:
        if step_input.attempt <= fails:
            raise OSError(f"no {step_input.attempt}")
        return "done"

    return Workflow(
        "failing", steps=[Step("work", work, on_error="pause", **policy), Step("after", lambda given: "after")]
    )


async def test_failed_step_is_tried_again_skipped_or_ends_the_run() -> None:
    async with running(failing(2)) as run:
        pause = await run.paused()
        assert (pause.kind, pause.error, pause.error_type, pause.retry_count) == (
            "error_decision",
            "no 1",
            "OSError",
            0,
        )
        await pause.decide("retry")
        again = await run.paused()
        assert (again.error, again.retry_count) == ("no 2", 1)
        assert again.id != pause.id
        await again.decide("retry")
        assert await run.completed() == "after"
        assert run.steps("work")[0].content == "done"

        skipped = await run.again()
        await (await skipped.paused()).decide("skip")
        assert await skipped.completed() == "after"
        assert skipped.steps("work")[0].status == "skipped"

        cancelled = await run.again()
        await (await cancelled.paused()).decide("cancel")
        await cancelled.cancelled()


async def test_error_pause_outlives_a_restart_and_is_decided_once() -> None:
    async with running(failing(1)) as run:
        pause = await run.paused()
        await run.restart()
        assert await run.paused() == pause
        await pause.decide("retry")
        await run.completed()
        with pytest.raises(Refusal) as refused:
            await pause.decide("skip")
        assert refused.value.code is ErrorCode.CONFLICT


async def test_only_those_who_are_named_decide_on_an_error() -> None:
    async with running(failing(1, human_review=ErrorReview(assignees=["ops"]))) as run:
        pause = await run.paused()
        assert pause.assignees == ("ops",)
        with pytest.raises(Refusal) as refused:
            await pause.decide("skip")
        assert refused.value.code is ErrorCode.FORBIDDEN
        await (await run.as_user("ops").paused()).decide("skip")
        await run.completed()


# ── Order ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_pauses_of_one_step_come_in_their_order() -> None:
    form = Ask([UserInputField("name")])
    step = Step("all", draft, human_review=[Review("Right?"), form, Confirm("Begin?")])
    async with running(Workflow("ordered", steps=[step])) as run:
        kinds = []
        for _ in range(3):
            pause = await run.paused()
            kinds.append(pause.kind)
            await (pause.submit(name="x") if pause.kind == "user_input" else pause.confirm())
        assert await run.completed() == "first draft"
        assert kinds == ["confirmation", "user_input", "output_review"]
