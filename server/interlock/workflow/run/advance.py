"""What happens next in a run, the events of finished work, and those of a new owner: pure functions of the state.

Laws:
- `advance` only reads the state. It returns events to append, work to run, and nothing else.
- Called again for the same state, it returns the same. It names work each time while the work is needed; the caller
  recognizes by its key that it is already running.

Source: `docs/architecture.md`, "The pure core", "Order of writes" and "Pauses"; `docs/workflows.md`, "Containers".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.workflow.containers.port import Judged as Judged
from interlock.workflow.containers.registry import container_of
from interlock.workflow.declare.agents import AgentPause, ToolRequest
from interlock.workflow.declare.business import OFFICE, Office
from interlock.workflow.declare.errors import LogicError
from interlock.workflow.declare.io import Content
from interlock.workflow.declare.logic import MAX_WAIT, HttpLogic
from interlock.workflow.declare.nodes import Step, Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.declare.reviews import ToolReview
from interlock.workflow.declare.values import legible, said
from interlock.workflow.node import NodeState, Phase
from interlock.workflow.run.events import Draft, Path, run_event, step_event
from interlock.workflow.run.outputs import completion
from interlock.workflow.run.requirements import requirement_id, round_of
from interlock.workflow.run.state import RunState, elapsed, node_at
from interlock.workflow.run.walk import Walk
from interlock.workflow.run.work import Advance, Work
from interlock_protocol.types import JsonValue, RunStatus

MAX_RECOVERIES = 2
"""A run that crashes its process more often than this, without progress, ends in `WorkflowError`."""


@dataclass(frozen=True, slots=True)
class Executed:
    """The result of a step's execution.

    Args:
        output: its output, or a pause of its agent.
        reviewed: whether a person is to review the output.
        session: the changes of the session's state.
    """

    output: Content | AgentPause
    reviewed: bool = False
    session: list[JsonValue] | None = None


def advance(
    workflow: Workflow,
    state: RunState,
    now: int,
    held: Collection[str] = (),
    *,
    most: int | None = None,
    begin: Path | None = None,
    office: Office = OFFICE,
) -> Advance:
    """Return what happens next in a run that hasn't ended.

    Args:
        now: the time by the store's clock, in milliseconds since 1970: for durations, timeouts and backoff.
        held: ids of the steps for which an earlier try is still running in a thread that can't be stopped: their next
            try begins after it.
        most: the number of drafts after which the walk is cut short, so that other tasks can run.
        begin: where the previous walk was cut short; this one continues from there.
        office: when people work, for business time.
    """
    if state.status is RunStatus.PENDING:
        return Advance((started(workflow, state),))
    return Walk(workflow, state, now, held, most=most, begin=begin, office=office).advance()


def started(workflow: Workflow, state: RunState) -> Draft:
    """The first event of every run."""
    return Draft(
        run_event(
            state,
            workflow.name,
            "WorkflowStarted",
            input=state.input,
            user_id=state.user_id,
            version=state.version,
            **({"namespace": state.namespace} if state.namespace else {}),
        )
    )


# ── The results of work ─────────────────────────────────────────────────────────────────────────────────


def concluded(
    workflow: Workflow, state: RunState, work: Work, result: Any, now: int, office: Office = OFFICE
) -> tuple[Draft, ...]:
    """The events of a piece of work that returned `result`.

    Args:
        result: a step's `Executed`; the answer of a container's code, `Judged` if that was a review; the input of a
            nested workflow.

    Raises:
        OutputError: the answer is not valid.
    """
    look = Walk(workflow, state, now, office=office)
    node = _node_of(state, work)
    match work.task:
        case "execute":
            _executed(look, work, node, result)
        case "roll":
            look.called_roll(work, node, result)
        case "thread":
            pass  # the step begins at the next look, which doesn't find it held any more
        case _:
            look.conclude(work, node, result)
    return tuple(look.drafts)


def _executed(look: Walk, work: Work, node: NodeState, result: Executed) -> None:
    place, path = work.place, work.path
    if isinstance(result.output, AgentPause):
        _tools_asked(look, work, node, result.output)
        _keep_session(look, result)
    elif result.reviewed:
        look.ask_about_output(place, node, path, result.output)
        _keep_session(look, result)
    else:
        look.say(place, node, path, "StepCompleted", **completion(result.output, elapsed(node.started_at, look.now)))
        _keep_session(look, result)
        look.taken(place, path, result.output)


def _keep_session(look: Walk, result: Executed) -> None:
    """Log the session's changes with the output that they came with."""
    if result.session:
        first = look.drafts[0]
        look.drafts[0] = Draft(first.event, {**(first.private or {}), "session": result.session})


def _tools_asked(look: Walk, work: Work, node: NodeState, pause: AgentPause) -> None:
    step = work.place.node
    assert isinstance(step, Step)
    assert step.agent is not None
    review = step.asks(ToolReview) or ToolReview()
    kind = "requires_executor_input"
    named = requirement_id(look.state.run_id, work.path, node.visit, kind, round_of(work.place, node, review))
    executor = {
        "executor_id": step.agent.id,
        "executor_name": step.agent.name,
        "executor_type": step.agent.type,
        "executor_run_id": pause.run_id,
        "executor_session_id": pause.session_id,
    }
    requests = [_request(named, number, each) for number, each in enumerate(pause.requests)]
    fields = {"requirement_id": named, **executor, "executor_requirements": requests}
    event = look.of_step(work.place, node, work.path, "StepExecutorPaused", **fields)
    schemas = {
        shown["id"]: dict(each.args_schema)
        for shown, each in zip(requests, pause.requests, strict=True)
        if each.args_schema is not None
    }
    look.drafts.append(Draft(event, {"state": pause.state, **({"schemas": schemas} if schemas else {})}))
    beside = {"executor_requirements": requests}
    look.pause(work.place, node, work.path, review, beside=beside, **executor)
    # Clients may read the tools from the pause itself; in the requirement they are folded from the event before.
    look.drafts[-1].event.update(executor_requirements=requests, **_without_nulls(executor))


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _request(requirement: str, number: int, request: ToolRequest) -> dict[str, Any]:
    """A tool call that waits for a person, as an `executor_requirements[]` object."""
    tool: dict[str, Any] = {
        "tool_call_id": request.tool.call_id,
        "tool_name": request.tool.name,
        "tool_args": dict(request.tool.args),
    }
    shown: dict[str, Any] = {"id": f"{requirement}.{number}", "tool_execution": tool}
    if request.user_input:
        tool["requires_user_input"] = True
        tool["user_input_schema"] = shown["user_input_schema"] = [field.to_wire() for field in request.user_input]
    elif request.user_feedback:
        shown["user_feedback_schema"] = [dict(each) for each in request.user_feedback]
    elif request.external_execution:
        tool["external_execution_required"] = True
    else:
        tool["requires_confirmation"] = True
        if request.editable:
            tool["editable"] = True
    return shown


def failed(
    workflow: Workflow,
    state: RunState,
    work: Work,
    error: BaseException,
    now: int,
    *,
    jitter: float = 1.0,
    at_work: bool = False,
    secrets: Iterable[str] = (),
) -> Draft:
    """The event of a piece of work that raised; for a step with retries left, with the time of the next (rule 8).

    Args:
        now: the time by the store's clock, in milliseconds since 1970.
        jitter: the factor that shortens the wait before the next try, from 0.5 to 1, so that retries are spread.
        at_work: whether its thread is still running.
        secrets: values that the error must not repeat.
    """
    retry_at = _retry_at(state, work, error, now, jitter)
    private = None if retry_at is None else {"retry_at": retry_at, **({"at_work": True} if at_work else {})}
    return _error(
        workflow,
        state,
        work.place,
        work.path,
        _node_of(state, work),
        said(error, secrets),
        error.code if isinstance(error, LogicError) else legible(type(error).__name__),
        will_retry=retry_at is not None,
        private=private,
        logs=error.logs if isinstance(error, LogicError) else (),
    )


def _retry_at(state: RunState, work: Work, error: BaseException, now: int, jitter: float) -> int | None:
    """The time of a failed step's next try; None if it isn't retried."""
    step, node = work.place.node, node_at(state, list(work.path))
    if work.task != "execute" or not isinstance(step, Step) or node is None:
        return None
    tries, retry = node.tries.in_a_row, step.retry
    if tries > (step.retries if retry is None else retry.attempts - 1):
        return None
    if isinstance(error, LogicError) and isinstance(step.logic, HttpLogic) and not error.may_retry:
        return None
    wait = backoff(tries) if retry is None else retry.wait(tries)
    asked = (error.retry_after or 0.0) if isinstance(error, LogicError) else 0.0
    return now + round(1000 * max(jitter * wait, min(asked, MAX_WAIT)))


def backoff(tries: int) -> float:
    """The longest wait after this many tries, in seconds: 0.1 doubling to 30."""
    longest: float = min(30.0, 0.1 * 2 ** min(tries - 1, 10))
    return longest


def _error(
    workflow: Workflow,
    state: RunState,
    place: Place,
    path: Path,
    node: NodeState,
    sentence: str,
    error_type: str,
    *,
    will_retry: bool = False,
    private: dict[str, Any] | None = None,
    logs: Sequence[str] = (),
) -> Draft:
    fields: dict[str, Any] = {
        "error": sentence,
        "error_type": error_type,
        "attempt": max(node.tries.attempt, 1),
        "will_retry": will_retry,
        "logs": list(logs) or None,
    }
    return Draft(step_event(state, workflow.name, place, path, node.visit, "StepError", **fields), private)


def _node_of(state: RunState, work: Work) -> NodeState:
    return node_at(state, list(work.path)) or NodeState(work.place.step_id, work.visit)


def unwritable(workflow: Workflow, state: RunState, error: Exception) -> tuple[Draft, ...]:
    """The end of a run in which something can't be written; if it has yet to begin, it begins first, without input."""
    fields = {"error": said(error), "error_type": legible(type(error).__name__)}
    end = Draft(run_event(state, workflow.name, "WorkflowError", **fields))
    if state.status is not RunStatus.PENDING:
        return (end,)
    start = started(workflow, state)
    start.event.pop("input", None)
    return (start, end)


# ── Recoveries ──────────────────────────────────────────────────────────────────────────────────────────


def recovered(
    workflow: Workflow,
    state: RunState,
    *,
    evaluating: Sequence[Work] = (),
    is_handover: bool = False,
    was_let_go: bool = False,
    held: Collection[str] = (),
) -> tuple[Draft, ...]:
    """The events of a run that was interrupted: which steps begin again; none if no step was running.

    A step that asks (`restart="ask"`) doesn't begin again, but fails, for a person to decide. A run that has crashed
    its process too often ends instead (rule 12).

    Args:
        evaluating: conditions, selectors and end conditions that may have been running: they leave no trace in the log.
        is_handover: the process stops in an orderly way, and reports this itself: that doesn't count as a crash.
        was_let_go: the previous owner released the run while it waited. An agent whose tools were decided since then
            has yet to resume, and wasn't interrupted.
        held: in a handover, the ids of the steps that are still running in a thread.
    """
    interrupted = [
        (path, place, node)
        for path, place, node in walk_live(workflow, state)
        if container_of(place.node) is None
        if (node.phase is Phase.RUNNING and not (was_let_go and node.agent is not None))
        or (node.tries.at_work and (node.step_id in held if is_handover else not was_let_go))
    ]
    nodes = [node for _, _, node in interrupted]
    step_ids = [*(node.step_id for node in nodes), *(work.place.step_id for work in evaluating)]
    if not step_ids:
        return ()
    if state.recoveries >= MAX_RECOVERIES and not is_handover:
        error = f"The process ended {MAX_RECOVERIES + 1} times while this step ran; it isn't tried again."
        fields = {"error": error, "error_type": "RepeatedCrash", "step_id": step_ids[0]}
        return (Draft(run_event(state, workflow.name, "WorkflowError", **fields)),)
    event = run_event(
        state,
        workflow.name,
        "WorkflowRecovered",
        interrupted_steps=step_ids,
        from_event_index=min((node.started_index for node in nodes), default=state.next_index),
    )
    sentence = "The server ended while this step ran: it may have had its effect, or a part of it, or none."
    asking = [
        _error(workflow, state, place, path, node, sentence, "Interrupted", private={"asks": True})
        for path, place, node in interrupted
        if isinstance(place.node, Step) and place.node.restart == "ask"
    ]
    return (Draft(event, {"handover": True} if is_handover else None), *asking)


def walk_live(workflow: Workflow, state: RunState) -> Iterator[tuple[Path, Place, NodeState]]:
    """Yield every live node with its path and place; of a loop, the nodes of its current iteration."""
    yield from _walk_live(workflow.places, state.nodes, ())


def _walk_live(
    places: Mapping[str, Place], nodes: Mapping[str, NodeState], prefix: Path
) -> Iterator[tuple[Path, Place, NodeState]]:
    for name, node in nodes.items():
        place = places.get(name)
        if place is None:
            continue
        path = (*prefix, name)
        yield path, place, node
        inner = path if node.part is None else (*path, node.part)
        yield from _walk_live(place.children, node.children, inner)
