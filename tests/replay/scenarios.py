"""The runs that are recorded: one of each kind of pause, container, failure and end.

Each function is given a run of the workflow that its decorator declares, and brings it to where its recording ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field
from tests.replay import container_scenarios  # noqa: F401 - adds its own
from tests.replay.playing import SCENARIOS, Flaky, break_down, echo, hang, redo, scenario, stream

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    ErrorReview,
    Loop,
    Parallel,
    Quorum,
    Review,
    Router,
    Step,
    StepInput,
    StepOutput,
    ToolReview,
    UserInputField,
)
from interlock.testing import Run
from interlock.workflow.declare.agents import AgentPause, AgentStream, Tool, ToolDecision, ToolRequest

Play = Callable[[Run], Awaitable[Any]]


__all__ = ["SCENARIOS"]


# ── Pauses ──────────────────────────────────────────────────────────────────────────────────────────────


@scenario(echo, Step("send", echo, human_review=Confirm("Send it?")), version="7")
async def confirm_approved(run: Run) -> None:
    """A confirmation, given."""
    await (await run.paused()).confirm()
    await run.completed()


@scenario(echo, Step("send", echo, human_review=Confirm("Send it?", assignees=["boss"])), Step("after", echo))
async def confirm_rejected_with_skip(run: Run) -> None:
    """A confirmation that an assignee refuses: the step is skipped."""
    await (await run.as_user("boss").paused()).reject("not today", on_reject="skip")
    await run.completed()


@scenario(Step("send", echo, human_review=Confirm(on_reject="cancel")))
async def confirm_rejected_with_cancel(run: Run) -> None:
    """A confirmation that is refused: the run is cancelled."""
    await (await run.paused()).reject("not ever")
    await run.cancelled()


@scenario(
    Condition("large?", "size(input) > 3", steps=[echo], else_steps=[Step("other", echo)], human_review=Confirm()),
)
async def confirm_rejected_with_else(run: Run) -> None:
    """A refused condition takes its other branch."""
    await (await run.paused()).reject(on_reject="else")
    await run.completed()


class Trip(BaseModel):
    city: str = Field(description="Where to?")
    nights: int = 1
    travel_class: Literal["first", "second"] = "second"


@scenario(
    Step("book", lambda given: given.user_input, human_review=[Confirm("Book?"), Ask(Trip, "Which trip?")]),
    Step("pay", lambda given: given.user_input, human_review=Ask([UserInputField("tip", "float", required=False)])),
)
async def ask(run: Run) -> None:
    """A confirmation, a form that is a model, and one that is a list of fields."""
    await (await run.paused()).confirm()
    await (await run.paused()).submit(city="Ghent", nights=2)
    await (await run.paused()).submit(tip=2)
    await run.completed()


@scenario(Router("how", [Step("call", echo), Step("write", echo)], human_review=Choose("How?", multiple=True)))
async def choose(run: Run) -> None:
    """Two routes, chosen by a person."""
    await (await run.paused()).choose("write", "call")
    await run.completed()


@scenario(Step("draft", redo, human_review=Review("Right?", on_reject="retry", max_retries=2)), echo)
async def output_review(run: Run) -> None:
    """An output that is sent back with feedback, then replaced by hand."""
    await (await run.paused()).reject("shorter")
    await run.until("StepOutputReview", count=2)
    await (await run.paused()).confirm(edited_output="by hand")
    await run.completed()


@scenario(Step("draft", redo, human_review=Review(on_reject="retry", max_retries=1)))
async def output_review_used_up(run: Run) -> None:
    """An output that is sent back more often than it may be."""
    await (await run.paused()).reject("shorter")
    await run.until("StepOutputReview", count=2)
    await (await run.paused()).reject("longer")
    await run.cancelled()


@scenario(
    Step(
        "draft", lambda _: StepOutput("odd", success=False, error="thin"), human_review=Review(when=lambda o: o.success)
    ),
    Step("other", echo, human_review=Review(when=lambda o: o.success)),
)
async def output_review_when(run: Run) -> None:
    """An output that nobody needs to see, and one that is skipped when seen."""
    await (await run.paused()).reject(on_reject="skip")
    await run.completed()


@scenario(Router("how", [Step("call", echo), Step("write", echo)], human_review=[Choose(), Review(on_reject="retry")]))
async def router_review(run: Run) -> None:
    """What a route came to is refused, and another one chosen."""
    await (await run.paused()).choose("call")
    await run.until("StepOutputReview")
    await (await run.paused()).reject("too loud")
    await run.until("RouterPaused", count=2)
    await (await run.paused()).choose("write")
    await run.until("StepOutputReview", count=2)
    await (await run.paused()).confirm()
    await run.completed()


@scenario(
    Loop("drafts", [Step("draft", redo)], max_iterations=3, human_review=Review("Enough?", on_reject="retry")), echo
)
async def iteration_review(run: Run) -> None:
    """Two iterations of a loop, of which the second is approved."""
    await (await run.paused()).reject("shorter")
    await run.until("StepOutputReview", count=2)
    await (await run.paused()).confirm()
    await run.completed()


# ── Agents ──────────────────────────────────────────────────────────────────────────────────────────────

QUESTION: dict[str, Any] = {"question": "Which?", "options": [{"label": "A"}, {"label": "B"}]}
REQUESTS = [
    ToolRequest(Tool("c1", "delete_record", {"record_id": "42"}), editable=True),
    ToolRequest(Tool("c2", "send_mail", {"to": "ada"})),
    ToolRequest(Tool("c3", "book", {"city": "Ghent"}), user_input=[UserInputField("nights", "int")]),
    ToolRequest(Tool("c4", "ask", {}), user_feedback=[QUESTION]),
    ToolRequest(Tool("c5", "deploy", {"to": "live"}), external_execution=True),
]


class Assistant:
    """Asks for these in each of its turns, and says what was decided."""

    id, name = "assistant", "Assistant"
    type: Literal["agent"] = "agent"

    def __init__(self, *turns: Sequence[ToolRequest]) -> None:
        self.turns = turns

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        stream.content("Let me see. ")
        return self._pause(0)

    async def resume(
        self, state: Any, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        for each in decisions:
            if not each.approved:
                stream.tool_failed(each.tool, each.note or "rejected")
                continue
            stream.tool_started(each.tool)
            stream.tool_completed(each.tool, each.result or each.user_feedback or each.user_input or "done")
        turn = int(state["turn"]) + 1
        return self._pause(turn) if turn < len(self.turns) else {"turns": turn}

    def _pause(self, turn: int) -> AgentPause:
        return AgentPause(self.turns[turn], {"turn": turn}, run_id=f"agent-run-{turn}", session_id="agent-session")


@scenario(Step("act", agent=Assistant(REQUESTS)))
async def tools_decided_partly(run: Run) -> None:
    """Five tool calls of each kind, decided one by one and in another order, with a restart between."""
    pause = await run.paused()
    one, two, three, four, five = pause.tools
    await pause.hand_in(five, {"url": "https://example.org"})
    await pause.deny(two, "not her")
    await run.restart()
    pause = await run.paused()
    await pause.fill(three, nights=3)
    await pause.approve(one, edited_args={"record_id": "43"})
    await pause.select(four, {"Which?": ["B"]})
    await run.completed()


@scenario(Step("act", agent=Assistant(REQUESTS[:2], REQUESTS[1:2]), human_review=ToolReview(assignees=["boss"])))
async def tools_in_a_chain(run: Run) -> None:
    """An agent that pauses twice."""
    boss = run.as_user("boss")
    await (await boss.paused()).confirm()
    await run.until("StepExecutorPaused", count=2)
    await (await boss.paused()).confirm()
    await run.completed()


@scenario(Step("act", agent=Assistant(REQUESTS[:2]), human_review=ToolReview(timeout=60, on_timeout="skip")), echo)
async def tools_timed_out(run: Run) -> None:
    """One tool call is decided, the other never."""
    pause = await run.paused()
    await pause.approve(pause.tools[0])
    await run.advance(minutes=1)
    await run.completed()


# ── Errors ──────────────────────────────────────────────────────────────────────────────────────────────


@scenario(Step("call", Flaky(2), retries=3), echo)
async def retries(run: Run) -> None:
    """A step that works at its third try."""
    await run.advance(minutes=1)
    await run.completed()


@scenario(Step("drive", break_down, retries=1))
async def failed(run: Run) -> None:
    """A step that fails, is tried again, and fails for good."""
    await run.advance(minutes=1)
    await run.failed()


@scenario(Step("drive", break_down, on_error="skip"), Step("walk", echo))
async def error_skipped(run: Run) -> None:
    """A step whose failure is passed over."""
    await run.completed()


@scenario(Step("call", Flaky(1), on_error="pause"), echo)
async def error_retried_by_a_person(run: Run) -> None:
    """A step that fails, and that a person has tried again."""
    await (await run.paused()).decide("retry")
    await run.completed()


@scenario(Step("drive", break_down, on_error="pause"), Step("walk", echo))
async def error_skipped_by_a_person(run: Run) -> None:
    """A step that fails, and that a person passes over."""
    await (await run.paused()).decide("skip")
    await run.completed()


@scenario(Step("drive", break_down, on_error="pause", human_review=ErrorReview(timeout=60, assignees=["boss"])))
async def error_timed_out(run: Run) -> None:
    """A step that fails, and about which nobody decides in time."""
    await run.paused()
    await run.advance(minutes=1)
    await run.cancelled()


@scenario(Step("slow", hang, time_limit=0.05, on_error="pause"))
async def time_limit(run: Run) -> None:
    """A step that takes too long, and is tried again by a person."""
    await (await run.paused()).decide("retry")
    await run.completed()


# ── Timeouts ────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    Parallel(
        "all",
        [
            Step("approved", echo, human_review=Confirm(timeout=60, on_timeout="approve")),
            Step("skipped", echo, human_review=Confirm(timeout=120, on_timeout="skip")),
            Step(
                "filled",
                lambda given: given.user_input,
                human_review=Ask([UserInputField("tip", "int", default=5)], timeout=180, on_timeout="approve"),
            ),
            Step("seen", echo, human_review=Review(timeout=240, on_timeout="approve")),
        ],
    ),
    Router("how", [Step("call", echo)], human_review=Choose(timeout=60)),
)
async def timeouts(run: Run) -> None:
    """Each thing that a timeout may do; the last one cancels."""
    await run.until("WorkflowRunOutput")
    for _ in range(4):
        await run.advance(minutes=1)
    await run.until("RouterPaused")
    await run.restart()
    await run.advance(minutes=1)
    await run.cancelled()


# ── Deaths, ends, sessions ──────────────────────────────────────────────────────────────────────────────


@scenario(echo, Step("slow", hang), Step("after", echo))
async def restart(run: Run) -> None:
    """A server that is told to stop while a step runs."""
    await run.until("StepStarted", step="slow")
    await run.restart()
    await run.completed()


@scenario(Step("slow", hang, restart="ask"), echo)
async def restart_asks(run: Run) -> None:
    """A step that is broken off and must not simply run again."""
    await run.until("StepStarted")
    await run.restart()
    await (await run.paused()).decide("retry")
    await run.completed()


@scenario(Step("send", echo, human_review=Confirm()))
async def cancelled(run: Run) -> None:
    """A run that is cancelled while it waits."""
    await run.paused()
    await run.cancel("closing time")
    await run.cancelled()


@scenario(stream, Step("stop", lambda _: StepOutput({"enough": True}, stop=True)), Step("never", echo))
async def stopped(run: Run) -> None:
    """Streamed content, an event of the step's own, and a step that ends the run."""
    await run.completed()


def count(step_input: StepInput) -> str:
    state = step_input.session.state
    state["count"] = state.get("count", 0) + 1
    state.setdefault("said", []).append(step_input.input)
    return f"run {state['count']} after {len(step_input.session.runs)}"


@scenario(Step("count", count), Step("review", count, human_review=Review()))
async def session(run: Run) -> None:
    """Steps that change the state of their session, one of them under review."""
    await (await run.paused()).confirm()
    await run.completed()


@scenario(
    echo, Step("deploy", echo, human_review=Confirm(assignees=["ana", "ben", "cat"], policy=Quorum(2), timeout=60))
)
async def quorum(run: Run) -> None:
    """A quorum: one says no, and then yes; another says yes; the third comes too late."""
    await run.paused()
    await run.as_user("ana").pending[0].reject("Not today.")
    await run.as_user("ana").pending[0].confirm()
    await run.as_user("ben").pending[0].confirm()
    await run.completed()


@scenario(
    Step("act", agent=Assistant(REQUESTS[:2]), human_review=ToolReview(assignees=["ana", "ben"])),
    Step("deploy", echo, human_review=Confirm(assignees=["ana", "group:ops"])),
)
async def claimed(run: Run) -> None:
    """Tools of an agent that are claimed between two decisions, and a question that is claimed, released and handed
    over, with a restart between."""
    ana, ben = run.as_user("ana"), run.as_user("ben")
    pause = await ana.paused()
    await ana.claim(pause)
    await ana.pending[0].approve(pause.tools[0])
    await ana.release(ana.pending[0])
    await ben.claim(ben.pending[0])
    await ben.pending[0].approve(pause.tools[1])
    await run.until("StepPaused", step="deploy")
    await ana.claim(await ana.paused())
    await ana.delegate(ana.pending[0], "cat", reason="On holiday.")
    await run.restart()
    await (await run.as_user("cat").paused()).confirm()
    await run.completed()


@scenario(
    Step("plan", echo, human_review=Confirm(assignees=["ana", "ben"], policy=Quorum(2), reminders=[60], timeout=300)),
    Step(
        "deploy",
        echo,
        human_review=Confirm(assignees=["ana"], reminders=[60, 180], escalate=[(120, "group:leads")], due=240),
    ),
)
async def reminded(run: Run) -> None:
    """A question under a policy, reminded between two votes; and one that nobody answers: reminded, escalated, due."""
    ana = run.as_user("ana")
    await (await ana.paused()).confirm()
    await run.advance(seconds=90)
    await run.as_user("ben").pending[0].confirm()
    await run.until("StepPaused", step="deploy")
    await ana.paused()
    await run.advance(seconds=90)
    await ana.claim(ana.pending[0])
    await run.advance(seconds=60)
    await run.restart()
    await run.advance(seconds=120)
    await (await run.as_user("leo", groups=["leads"]).paused()).confirm()
    await run.completed()


class Order(BaseModel):
    fruit: str
    crates: int = 1


@scenario(Step("order", lambda given: given.input), message={"fruit": "apples"}, input_schema=Order)
async def input_schema(run: Run) -> None:
    """A message that is a model."""
    await run.completed()
