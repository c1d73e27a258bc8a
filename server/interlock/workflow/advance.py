"""What happens next: a pure function of a workflow and the state of a run.

Laws:
- `advance` looks; it changes nothing. It returns events to append, work to run, and nothing else.
- Asked again of the same state it says the same. Work that is still needed is named each time; whoever runs it
  knows by its key that it runs already.
- A container is a function of its nodes' states to the nodes that run next. A node's failure, rejection or stop is an
  outcome that its container may handle; today every container passes it on.

Source: `docs/architecture.md`, "The pure core", "Order of writes" and "Pauses"; `docs/workflows.md`, "Containers".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal, TypeAlias

from interlock.workflow.declaration import Condition, Loop, Parallel, Place, Router, Step, Steps, Workflow
from interlock.workflow.events import Draft, Path, run_event, step_event
from interlock.workflow.io import Content
from interlock.workflow.requirements import requirement_facts, shown_in_pause
from interlock.workflow.reviews import Choose
from interlock.workflow.scope import MISSING, content_of_node, content_type_of, scope_at
from interlock.workflow.state import NodeState, Phase, RunState, node_at, walk
from interlock_protocol.types import RunStatus

MAX_RECOVERIES = 2
"""A run that takes its process down once more than this, without progress, ends in `WorkflowError`."""

MAX_ERROR_CHARACTERS = 8192

Task: TypeAlias = Literal["execute", "condition", "selector", "end_condition"]


@dataclass(frozen=True, slots=True)
class Work:
    """User code that is to run now. `key` tells one piece of work from any other of the run."""

    task: Task
    place: Place = field(compare=False)
    path: Path
    visit: int
    attempt: int

    @property
    def key(self) -> tuple[Task, Path, int, int]:
        return (self.task, self.path, self.visit, self.attempt)


@dataclass(frozen=True, slots=True)
class Advance:
    """What happens next. With `drafts`, append and fold them and ask again; with neither, the run waits for people."""

    drafts: tuple[Draft, ...] = ()
    work: tuple[Work, ...] = ()


class Outcome(Enum):
    """What became of a node, as its container sees it."""

    OPEN = auto()
    DONE = auto()
    FAILED = auto()
    REJECTED = auto()
    STOPPED = auto()


def advance(workflow: Workflow, state: RunState, now: int) -> Advance:
    """What happens next in a run that hasn't ended.

    Args:
        now: the time, in milliseconds since 1970, for durations only.
    """
    if state.status is RunStatus.PENDING:
        return Advance((started(workflow, state),))
    return _Walk(workflow, state, now).advance()


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
        )
    )


class _Walk:
    """One look at a run, from the root down to what isn't over."""

    def __init__(self, workflow: Workflow, state: RunState, now: int) -> None:
        self.workflow = workflow
        self.state = state
        self.now = now
        self.drafts: list[Draft] = []
        self.work: list[Work] = []
        self.culprit: tuple[Place, NodeState] | None = None

    def advance(self) -> Advance:
        outcome = self.sequence(self.workflow.places.values(), self.state.nodes, ())
        if outcome is Outcome.OPEN:
            return Advance(tuple(self.drafts), tuple(self.work))
        return Advance((Draft(self.end(outcome)),))

    # ── The end of the run ──────────────────────────────────────────────────────────────────────────────

    def end(self, outcome: Outcome) -> dict[str, Any]:
        match outcome:
            case Outcome.FAILED:
                return self.failed()
            case Outcome.REJECTED:
                return self.rejected()
            case _:
                return self.completed()

    def completed(self) -> dict[str, Any]:
        content, content_type = None, None
        for name, place in self.workflow.places.items():
            node = self.state.nodes.get(name)
            found = content_of_node(place, node)
            if found is not MISSING and node is not None:
                content, content_type = found, content_type_of(place, node, found)
        metrics = {
            "duration_ms": self.now - self.state.started_at,
            "paused_ms": self.state.paused_ms,
            "steps": self.state.steps_completed,
        }
        return self.of_run("WorkflowCompleted", content=content, content_type=content_type, metrics=metrics)

    def failed(self) -> dict[str, Any]:
        assert self.culprit is not None
        place, node = self.culprit
        return self.of_run("WorkflowError", error=node.error, error_type=node.error_type, step_id=place.step_id)

    def rejected(self) -> dict[str, Any]:
        assert self.culprit is not None
        place, node = self.culprit
        reason = node.feedback or f"{place.node.kind} {place.node.name!r} was rejected"
        return self.of_run("WorkflowCancelled", reason=reason, cancelled_by=node.rejected_by)

    # ── Nodes ───────────────────────────────────────────────────────────────────────────────────────────

    def sequence(self, places: Iterable[Place], nodes: dict[str, NodeState], prefix: Path) -> Outcome:
        """The nodes of a container one after the other."""
        for place in places:
            outcome = self.node(place, nodes.get(place.node.name), (*prefix, place.node.name))
            if outcome is not Outcome.DONE:
                return outcome
        return Outcome.DONE

    def node(self, place: Place, node: NodeState | None, path: Path) -> Outcome:
        if node is None:
            node = NodeState(place.step_id, self.state.visits.get(place.step_id, 0) + 1)
        if node.phase.is_over:
            return self.over(place, node)
        if node.phase is Phase.ENTERED:
            return self.entered(place, node, path)
        return self.inside(place, node, path)

    def over(self, place: Place, node: NodeState) -> Outcome:
        if node.phase is Phase.FAILED:
            self.blame(place, node)
            return Outcome.FAILED
        return Outcome.STOPPED if node.stop else Outcome.DONE

    def blame(self, place: Place, node: NodeState) -> None:
        """Of several branches that end the run at once, the first decides, as it does in `parallel`."""
        self.culprit = self.culprit or (place, node)

    def entered(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """A node before its execution: rejected, waiting, about to ask, or ready."""
        if node.rejected == "cancel":
            self.blame(place, node)
            return Outcome.REJECTED
        if node.rejected == "skip":
            return self.say(place, node, path, "StepSkipped", reason="rejected")
        if node.pending is not None:
            return Outcome.OPEN
        if node.gates_passed < len(place.node.gates):
            return self.pause(place, node, path)
        return self.begin(place, node, path)

    def pause(self, place: Place, node: NodeState, path: Path) -> Outcome:
        gate = place.node.gates[node.gates_passed]
        scope = scope_at(self.workflow, self.state, path)
        facts = requirement_facts(self.state.run_id, place, path, node.visit, gate, scope)
        if isinstance(gate, Choose):
            self.say(
                place,
                node,
                path,
                "RouterPaused",
                requirement_id=facts["id"],
                available_choices=facts["available_choices"],
            )
        event = self.of_step(place, node, path, "StepPaused", **shown_in_pause(facts))
        self.drafts.append(Draft(event, {"requirement": facts}))
        return Outcome.OPEN

    def begin(self, place: Place, node: NodeState, path: Path) -> Outcome:
        match place.node:
            case Step():
                return self.say(place, node, path, "StepStarted", attempt=node.attempt + 1)
            case Steps():
                return self.say(place, node, path, "StepsExecutionStarted", steps_count=len(place.children))
            case Parallel():
                count = len(place.children)
                return self.say(place, node, path, "ParallelExecutionStarted", parallel_step_count=count)
            case Loop():
                bound = place.node.max_iterations
                return self.say(place, node, path, "LoopExecutionStarted", max_iterations=bound)
            case Condition():
                if node.rejected == "else":
                    return self.branch(place, node, path, holds=False)
                return self.need("condition", place, node, path)
            case Router():
                if place.node.selector is None:
                    return self.say(place, node, path, "RouterExecutionStarted", selected_steps=node.selected)
                return self.need("selector", place, node, path)
        raise AssertionError(place.node)

    def inside(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """A node that runs."""
        match place.node:
            case Step(workflow=None):
                return self.need("execute", place, node, path)
            case Step():
                return self.nested(place, node, path)
            case Parallel():
                return self.parallel(place, node, path)
            case Loop():
                return self.loop(place, place.node, node, path)
            case Condition():
                return self.condition(place, place.node, node, path)
            case Router():
                return self.router(place, node, path)
        return self.contained(
            place,
            node,
            path,
            place.children.values(),
            "StepsExecutionCompleted",
            steps_count=len(place.children),
        )

    # ── Containers ──────────────────────────────────────────────────────────────────────────────────────

    def contained(
        self, place: Place, node: NodeState, path: Path, children: Iterable[Place], then: str, **fields: Any
    ) -> Outcome:
        """A container whose nodes run one after the other."""
        outcome = self.sequence(children, node.children, path)
        return self.say(place, node, path, then, **fields) if outcome is Outcome.DONE else outcome

    def nested(self, place: Place, node: NodeState, path: Path) -> Outcome:
        outcome = self.sequence(place.children.values(), node.children, path)
        if outcome is not Outcome.DONE:
            return outcome
        # Its content is its last step's, which has travelled already (docs/architecture.md, law 7).
        took = self.now - node.started_at
        return self.say(place, node, path, "StepCompleted", content_type="json", duration_ms=took)

    def parallel(self, place: Place, node: NodeState, path: Path) -> Outcome:
        outcomes = [self.node(child, node.children.get(name), (*path, name)) for name, child in place.children.items()]
        for outcome in outcomes:
            if outcome not in (Outcome.OPEN, Outcome.DONE):
                return outcome
        if Outcome.OPEN in outcomes:
            return Outcome.OPEN
        count = len(place.children)
        return self.say(place, node, path, "ParallelExecutionCompleted", parallel_step_count=count)

    def loop(self, place: Place, loop: Loop, node: NodeState, path: Path) -> Outcome:
        bound = loop.max_iterations
        if node.iterating:
            outcome = self.sequence(place.children.values(), node.children, (*path, node.iteration))
            if outcome is not Outcome.DONE:
                return outcome
            if loop.end_condition is not None and node.iteration < bound:
                return self.need("end_condition", place, node, path)
            return self.iterated(place, node, path, ends=loop.end_condition is not None)
        if node.should_continue and node.iteration < bound:
            return self.say(
                place,
                node,
                path,
                "LoopIterationStarted",
                iteration=node.iteration + 1,
                max_iterations=bound,
            )
        return self.say(
            place, node, path, "LoopExecutionCompleted", total_iterations=node.iteration, max_iterations=bound
        )

    def iterated(self, place: Place, node: NodeState, path: Path, *, ends: bool) -> Outcome:
        loop = place.node
        assert isinstance(loop, Loop)
        return self.say(
            place,
            node,
            path,
            "LoopIterationCompleted",
            iteration=node.iteration,
            max_iterations=loop.max_iterations,
            should_continue=not ends and node.iteration < loop.max_iterations,
        )

    def condition(self, place: Place, condition: Condition, node: NodeState, path: Path) -> Outcome:
        if node.branch is None:
            return self.say(place, node, path, "StepSkipped", reason="condition")
        chosen = condition.steps if node.branch == "if" else condition.else_steps
        children = [place.children[each.name] for each in chosen]
        return self.contained(
            place,
            node,
            path,
            children,
            "ConditionExecutionCompleted",
            condition_result=node.branch == "if",
            branch=node.branch,
        )

    def branch(self, place: Place, node: NodeState, path: Path, *, holds: bool) -> Outcome:
        condition = place.node
        assert isinstance(condition, Condition)
        branch = "if" if holds else "else" if condition.else_steps else None
        return self.say(place, node, path, "ConditionExecutionStarted", condition_result=holds, branch=branch)

    def router(self, place: Place, node: NodeState, path: Path) -> Outcome:
        selected = node.selected or []
        children = [child for name, child in place.children.items() if name in selected]
        return self.contained(place, node, path, children, "RouterExecutionCompleted", selected_steps=selected)

    # ── Events and work ─────────────────────────────────────────────────────────────────────────────────

    def say(self, place: Place, node: NodeState, path: Path, name: str, **fields: Any) -> Outcome:
        self.drafts.append(Draft(self.of_step(place, node, path, name, **fields)))
        return Outcome.OPEN

    def need(self, task: Task, place: Place, node: NodeState, path: Path) -> Outcome:
        attempt = node.iteration if task == "end_condition" else node.attempt
        self.work.append(Work(task, place, path, node.visit, attempt))
        return Outcome.OPEN

    def of_run(self, name: str, **fields: Any) -> dict[str, Any]:
        return run_event(self.state, self.workflow.name, name, **fields)

    def of_step(self, place: Place, node: NodeState, path: Path, name: str, **fields: Any) -> dict[str, Any]:
        return step_event(self.state, self.workflow.name, place, path, node.visit, name, **fields)


# ── What work came to ───────────────────────────────────────────────────────────────────────────────────


def concluded(workflow: Workflow, state: RunState, work: Work, result: Any, now: int) -> tuple[Draft, ...]:
    """The events of a piece of work that returned `result`.

    Args:
        result: a step's `Content`; the truth of a condition or an end condition; a selector's list of names.
    """
    walk_ = _Walk(workflow, state, now)
    node = _node_of(state, work)
    match work.task:
        case "execute":
            walk_.say(work.place, node, work.path, "StepCompleted", **_completed(result, now - node.started_at))
        case "condition":
            walk_.branch(work.place, node, work.path, holds=result)
        case "selector":
            walk_.say(work.place, node, work.path, "RouterExecutionStarted", selected_steps=result)
        case "end_condition":
            walk_.iterated(work.place, node, work.path, ends=result)
    return tuple(walk_.drafts)


def _completed(content: Content, duration_ms: int) -> dict[str, Any]:
    response: dict[str, Any] = {"success": content.success}
    if content.error is not None:
        response["error"] = content.error
    if content.stop:
        response["stop"] = True
    return {
        "content": content.content,
        "content_type": content.content_type,
        "step_response": response,
        "duration_ms": duration_ms,
    }


def failed(workflow: Workflow, state: RunState, work: Work, error: BaseException) -> Draft:
    """The event of a piece of work that raised."""
    node = _node_of(state, work)
    return Draft(
        step_event(
            state,
            workflow.name,
            work.place,
            work.path,
            node.visit,
            "StepError",
            error=_sentence(error),
            error_type=type(error).__name__,
            attempt=max(node.attempt, 1),
            will_retry=False,
        )
    )


def _sentence(error: BaseException) -> str:
    """What an exception says, as text that can be logged."""
    try:
        text = str(error)
    except Exception:  # whoever can't say what went wrong has still gone wrong
        text = ""
    text = (text or type(error).__name__)[:MAX_ERROR_CHARACTERS]
    return text.encode(errors="replace").decode()


def _node_of(state: RunState, work: Work) -> NodeState:
    return node_at(state, list(work.path)) or NodeState(work.place.step_id, work.visit)


# ── Pauses and recoveries ───────────────────────────────────────────────────────────────────────────────


def run_output(workflow_name: str, state: RunState, **fields: Any) -> dict[str, Any]:
    """The state of a run as a `WorkflowRunOutput`: when it pauses, or, with `as_of`, as a snapshot."""
    requirements = [requirement.facts for requirement in state.requirements.values()]
    paused: dict[str, Any] = {}
    if requirements:
        first = requirements[0]
        paused = {
            "step_requirements": requirements,
            "paused_step_index": first["step_index"],
            "paused_step_name": first["step_name"],
            "pause_kind": "step",
        }
    return run_event(state, workflow_name, "WorkflowRunOutput", **paused, **fields)


def paused(workflow: Workflow, state: RunState) -> Draft:
    """The event of a run in which nothing can go on without a person."""
    return Draft(run_output(workflow.name, state, status=RunStatus.PAUSED.value, step_results=list(state.ended_steps)))


def snapshot(workflow_name: str, state: RunState, now: int) -> dict[str, Any]:
    """The frame that stands for everything up to `as_of`, drawn up at `now` (in milliseconds since 1970)."""
    return run_output(
        workflow_name,
        state,
        created_at=now,
        status=state.status.value,
        content=state.content,
        as_of=state.next_index - 1,
        epoch=state.epoch,
    )


def recovered(
    workflow: Workflow, state: RunState, *, evaluating: Sequence[Work] = (), is_handover: bool = False
) -> Draft | None:
    """What is said of a run that was cut off: which steps begin again; None when none was running.

    A run that has taken its process down too often ends instead.

    Args:
        evaluating: conditions, selectors and end conditions that may have been running: they leave no trace in the log.
        is_handover: the process stops in good order, and says so itself: that doesn't count.
    """
    interrupted = [
        node
        for node in walk(state.nodes)
        if node.phase is Phase.RUNNING and _executes(workflow.by_step_id.get(node.step_id))
    ]
    step_ids = [*(node.step_id for node in interrupted), *(work.place.step_id for work in evaluating)]
    if not step_ids:
        return None
    if state.recoveries >= MAX_RECOVERIES and not is_handover:
        return Draft(
            run_event(
                state,
                workflow.name,
                "WorkflowError",
                error=f"The process ended {MAX_RECOVERIES + 1} times while this step ran; it isn't tried again.",
                error_type="RepeatedCrash",
                step_id=step_ids[0],
            )
        )
    event = run_event(
        state,
        workflow.name,
        "WorkflowRecovered",
        interrupted_steps=step_ids,
        from_event_index=min((node.started_index for node in interrupted), default=state.next_index),
    )
    return Draft(event, {"handover": True} if is_handover else None)


def _executes(place: Place | None) -> bool:
    return place is not None and isinstance(place.node, Step) and place.node.workflow is None
