"""One look at a run: from its root down to what isn't over, and what happens there next.

Laws:
- Looking changes nothing. It collects events to append and work to run.
- A look may be cut short between two branches, and another goes on from there: a wide run is looked at in slices. What
  was looked at in part is taken for open, and only a whole look says what work there is.
- A container is a function of its nodes' states to the nodes that run next. A node's failure, rejection or stop is an
  outcome that its container may handle; today every container passes it on.

Source: engine spec, "Rules" 1 to 9, 11.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import dropwhile
from typing import Any, Literal, TypeAlias

from interlock.workflow.declare.io import Content
from interlock.workflow.declare.nodes import Condition, Loop, OnError, Parallel, Router, Step, Steps, Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.declare.reviews import AnyReview, Choose, ErrorReview, Review
from interlock.workflow.node import NodeState, Phase
from interlock.workflow.run.events import Draft, Path, run_event, step_event
from interlock.workflow.run.requirements import asked
from interlock.workflow.run.scope import MISSING, content_of_node, content_type_of, scope_at, success_of_node
from interlock.workflow.run.state import RunState, elapsed

TIMEOUT = "timeout"
"""Who has resolved a requirement whose timeout fired."""

Task: TypeAlias = Literal["execute", "condition", "selector", "end_condition", "review", "thread", "input"]
"""`thread` is to wait for an earlier try of a step, still at work in its thread; `input` is to check what comes to a
nested workflow."""


@dataclass(frozen=True, slots=True)
class Work:
    """User code that is to run now. `key` tells one piece of work from any other of the run."""

    task: Task
    place: Place = field(compare=False)
    path: Path
    visit: int
    attempt: int
    turn: int = 0

    @property
    def step_id(self) -> str:
        """The id of the node whose code it is."""
        return self.place.step_id

    @property
    def name(self) -> str:
        """The name of the node whose code it is."""
        return self.place.node.name

    @property
    def is_execution(self) -> bool:
        """Whether it is the work of a step, and not code that looks where a run goes."""
        return self.task == "execute"

    @property
    def key(self) -> tuple[Task, Path, int, int, int]:
        return (self.task, self.path, self.visit, self.attempt, self.turn)


@dataclass(frozen=True, slots=True)
class Advance:
    """What happens next. With `drafts`, append and fold them and ask again; with nothing, the run waits for people.

    `wake_at` is when to ask again, by the clock that `now` is from: a step is to be tried again then. `cut` is the
    branch before which the look was cut short, to ask again from there.
    """

    drafts: tuple[Draft, ...] = ()
    work: tuple[Work, ...] = ()
    wake_at: int | None = None
    cut: Path | None = None


class Outcome(Enum):
    """What became of a node, as its container sees it."""

    OPEN = auto()
    DONE = auto()
    FAILED = auto()
    REJECTED = auto()
    STOPPED = auto()


class Walk:
    """One look at a run, from the root down to what isn't over.

    Args:
        held: ids of the steps that an earlier try is still at work for.
        most: after how many drafts it is cut short.
        begin: where an earlier one was cut short.
    """

    def __init__(
        self,
        workflow: Workflow,
        state: RunState,
        now: int,
        held: Collection[str] = (),
        *,
        most: int | None = None,
        begin: Path | None = None,
    ) -> None:
        self.held = held
        self.workflow = workflow
        self.state = state
        self.now = now
        self.most = most
        self.begins_at = begin
        self.cut: Path | None = None
        self.drafts: list[Draft] = []
        self.work: list[Work] = []
        self.wake_at: int | None = None
        self.culprit: tuple[Place, NodeState] | None = None

    def advance(self) -> Advance:
        outcome = self.sequence(self.workflow.places.values(), self.state.nodes, ())
        if outcome is Outcome.OPEN:
            return Advance(tuple(self.drafts), tuple(self.work), self.wake_at, self.cut)
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
            "duration_ms": elapsed(self.state.started_at, self.now),
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
        return self.of_run("WorkflowCancelled", reason=_why_rejected(place, node), cancelled_by=node.rejected_by)

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
            return self.over(place, node, path)
        if node.phase is Phase.ENTERED:
            return self.entered(place, node, path)
        if node.phase is Phase.WAITING:
            return self.waiting(place, node, path)
        return self.inside(place, node, path)

    def over(self, place: Place, node: NodeState, path: Path) -> Outcome:
        if node.phase is Phase.FAILED:
            return self.failed_node(place, node, path)
        return Outcome.STOPPED if ends_run(place, node) else Outcome.DONE

    def failed_node(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """A node that failed for good: its step says what that comes to (rule 8)."""
        turned = self.turned_down(place, node, path, skipped_because="error")
        if turned is not None:
            return turned
        match _on_error(place, node):
            case "pause":
                return self.pause(place, node, path, place.node.asks(ErrorReview) or ErrorReview())
            case "skip":
                return self.say(place, node, path, "StepSkipped", reason="error")
        self.blame(place, node)
        return Outcome.FAILED

    def turned_down(
        self, place: Place, node: NodeState, path: Path, *, skipped_because: str = "rejected"
    ) -> Outcome | None:
        """What a rejection comes to, and a pause that is open; None when neither holds the node up."""
        if node.rejected == "cancel":
            self.blame(place, node)
            return Outcome.REJECTED
        if node.rejected == "skip":
            reason = "timeout" if node.rejected_by == TIMEOUT else skipped_because
            return self.say(place, node, path, "StepSkipped", reason=reason)
        return None if node.pending is None else Outcome.OPEN

    def blame(self, place: Place, node: NodeState) -> None:
        """Of several branches that end the run at once, the first decides, as it does in `parallel`."""
        self.culprit = self.culprit or (place, node)

    def entered(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """A node before its execution: rejected, waiting, about to ask, or ready."""
        turned = self.turned_down(place, node, path)
        if turned is not None:
            return turned
        review = place.node.asks(Review)
        if review is not None and node.round > review.max_retries:
            self.blame(place, node)
            return Outcome.REJECTED
        if node.gates_passed < len(place.node.gates):
            return self.pause(place, node, path, place.node.gates[node.gates_passed])
        if node.retry_at is not None and node.retry_at > self.now:
            self.wake_at = min(node.retry_at, self.wake_at or node.retry_at)
            return Outcome.OPEN
        return self.begin(place, node, path)

    def pause(self, place: Place, node: NodeState, path: Path, review: AnyReview, **own: Any) -> Outcome:
        """Ask a person: the kind's own event where it has one, then `StepPaused`."""
        scope = scope_at(self.workflow, self.state, path)
        asks = asked(self.state.run_id, place, path, node, review, scope, self.now, **own)
        if isinstance(review, Choose):
            self.say(place, node, path, "RouterPaused", **asks.shown)
        self.drafts.append(Draft(self.of_step(place, node, path, "StepPaused", **asks.shown), asks.private))
        return Outcome.OPEN

    def begin_step(self, place: Place, step: Step, node: NodeState, path: Path) -> Outcome:
        if step.workflow is not None and step.workflow.input_schema is not None:
            return self.need("input", place, node, path)
        if place.step_id in self.held:  # one try at a time
            return self.need("thread", place, node, path)
        if step.workflow is not None:
            return self.begin_nested(place, node, path)
        return self.say(place, node, path, "StepStarted", attempt=node.attempt + 1)

    def begin_nested(self, place: Place, node: NodeState, path: Path, **own: Any) -> Outcome:
        """A nested workflow begins; with an input of its `own`, where it was checked."""
        event = self.of_step(place, node, path, "StepStarted", attempt=node.attempt + 1)
        self.drafts.append(Draft(event, {"kind": "Workflow", **own}))
        return Outcome.OPEN

    def begin(self, place: Place, node: NodeState, path: Path) -> Outcome:
        match place.node:
            case Step() as step:
                return self.begin_step(place, step, node, path)
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

    def waiting(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """A step that has begun and needs a person: about its output, or about its agent's tools."""
        turned = self.turned_down(place, node, path)
        if turned is not None:
            return turned
        assert node.verdict == "approved"
        output = Content(node.content, node.content_type, node.success, node.error, node.stop)
        return self.say(place, node, path, "StepCompleted", **completion(output, elapsed(node.started_at, self.now)))

    def inside(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """A node that runs."""
        turned = self.turned_down(place, node, path)
        if turned is not None:
            return turned
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
        took = elapsed(node.started_at, self.now)
        return self.say(place, node, path, "StepCompleted", content_type="json", duration_ms=took)

    def parallel(self, place: Place, node: NodeState, path: Path) -> Outcome:
        outcomes: list[Outcome] = []
        for name, child in self.branches(place, path):
            outcomes.append(self.node(child, node.children.get(name), (*path, name)))
            if self.cut is not None:
                break
        for outcome in outcomes:
            if outcome not in (Outcome.OPEN, Outcome.DONE):
                return outcome
        if Outcome.OPEN in outcomes or len(outcomes) < len(place.children):
            return Outcome.OPEN
        count = len(place.children)
        return self.say(place, node, path, "ParallelExecutionCompleted", parallel_step_count=count)

    def branches(self, place: Place, path: Path) -> Iterator[tuple[str, Place]]:
        """The branches of a Parallel that this look comes to: from where it begins, to where it is cut short."""
        branches = iter(place.children.items())
        begin, depth = self.begins_at, len(path)
        if begin is not None and len(begin) > depth and begin[:depth] == path:
            branches = dropwhile(lambda branch: branch[0] != begin[depth], branches)
        for name, child in branches:
            if self.most is not None and len(self.drafts) >= self.most:
                self.cut = (*path, name)
                return
            yield name, child

    def loop(self, place: Place, loop: Loop, node: NodeState, path: Path) -> Outcome:
        bound = loop.max_iterations
        if node.iterating:
            outcome = self.sequence(place.children.values(), node.children, (*path, node.iteration))
            if outcome is not Outcome.DONE:
                return outcome
            return self.after_iteration(place, loop, node, path)
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

    def after_iteration(self, place: Place, loop: Loop, node: NodeState, path: Path) -> Outcome:
        review = loop.asks(Review)
        if node.verdict is not None:
            return self.iterated(place, node, path, ends=node.verdict == "approved")
        if review is not None:
            return self.reviewed(place, node, path, review)
        if loop.end_condition is not None and node.iteration < loop.max_iterations:
            return self.need("end_condition", place, node, path)
        return self.iterated(place, node, path, ends=loop.end_condition is not None)

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
        outcome = self.sequence(children, node.children, path)
        if outcome is not Outcome.DONE:
            return outcome
        review = place.node.asks(Review)
        if review is None or node.verdict == "approved":
            return self.completed_router(place, node, path)
        return self.reviewed(place, node, path, review)

    def completed_router(self, place: Place, node: NodeState, path: Path) -> Outcome:
        return self.say(place, node, path, "RouterExecutionCompleted", selected_steps=node.selected or [])

    def reviewed(self, place: Place, node: NodeState, path: Path, review: Review) -> Outcome:
        """A container whose nodes are done: a person looks at its output, if `when` says so."""
        if review.when is not None:
            return self.need("review", place, node, path)
        return self.ask_about_output(place, node, path)

    def ask_about_output(self, place: Place, node: NodeState, path: Path, output: Content | None = None) -> Outcome:
        """The output, and the question about it. That of a step is durable from here on; a container's is already."""
        review = place.node.asks(Review)
        assert review is not None
        content = content_of_node(place, node) if output is None else output.content
        content = None if content is MISSING else content
        scope = scope_at(self.workflow, self.state, path)
        judged = judgement(success_of_node(place, node) if output is None else (output.success, output.error))
        asks = asked(self.state.run_id, place, path, node, review, scope, self.now, **judged)
        event = self.of_step(place, node, path, "StepOutputReview", **asks.shown, step_output=content, **judged)
        kept = None if output is None else {"output": kept_of(output)}
        self.drafts.append(Draft(event, kept))
        self.drafts.append(Draft(self.of_step(place, node, path, "StepPaused", **asks.shown), asks.private))
        return Outcome.OPEN

    # ── Events and work ─────────────────────────────────────────────────────────────────────────────────

    def say(self, place: Place, node: NodeState, path: Path, name: str, **fields: Any) -> Outcome:
        self.drafts.append(Draft(self.of_step(place, node, path, name, **fields)))
        return Outcome.OPEN

    def need(self, task: Task, place: Place, node: NodeState, path: Path) -> Outcome:
        attempt = node.iteration if isinstance(place.node, Loop) else node.round if task == "review" else node.attempt
        self.work.append(Work(task, place, path, node.visit, attempt, node.turn))
        return Outcome.OPEN

    def of_run(self, name: str, **fields: Any) -> dict[str, Any]:
        return run_event(self.state, self.workflow.name, name, **fields)

    def of_step(self, place: Place, node: NodeState, path: Path, name: str, **fields: Any) -> dict[str, Any]:
        return step_event(self.state, self.workflow.name, place, path, node.visit, name, **fields)


def ends_run(place: Place, node: NodeState) -> bool:
    """Whether what its own work came to ends the run, and with it whatever runs beside the node."""
    if node.phase is Phase.FAILED:
        return _on_error(place, node) == "fail"
    return node.stop and node.phase is Phase.COMPLETED


def _on_error(place: Place, node: NodeState) -> OnError:
    """What becomes of a node that failed for good (rule 8)."""
    if node.asks:
        return "pause"
    return place.node.on_error if isinstance(place.node, Step) else "fail"


def completion(output: Content, duration_ms: int) -> dict[str, Any]:
    """What a `StepCompleted` says of an output."""
    response = judgement((output.success, output.error))
    if output.stop:
        response["stop"] = True
    return {
        "content": output.content,
        "content_type": output.content_type,
        "step_response": response,
        "duration_ms": duration_ms,
    }


def judgement(said: tuple[bool, str | None]) -> dict[str, Any]:
    """Whether a step itself calls its output a success, and what it says where not, as it travels."""
    success, error = said
    return {"success": success} if error is None else {"success": success, "error": error}


def kept_of(output: Content) -> dict[str, Any]:
    """What is folded of an output under review besides its content."""
    kept = {"content_type": output.content_type, "success": output.success, "stop": output.stop}
    more = {"error": output.error, "model": output.model}
    return kept | {key: value for key, value in more.items() if value is not None}


def _why_rejected(place: Place, node: NodeState) -> str:
    what = f"{place.node.kind} {place.node.name!r}"
    if node.rejected_by == TIMEOUT:
        return f"Nobody decided on {what} in time"
    review = place.node.asks(Review)
    if review is not None and node.round > review.max_retries:
        return f"{what} was sent back {node.round} times; max_retries is {review.max_retries}"
    return node.feedback or f"{what} was rejected"
