"""One walk over a run: from its root down to the nodes that aren't over, and what happens there next.

Laws:
- A walk changes nothing. It collects events to append and work to run.
- A walk may be cut short between two branches, and the next one continues from there: a wide run is walked in slices. A
  branch that was walked in part counts as open, and only a whole walk returns work.
- A container decides what comes next in it (`containers/port.py`); here its moves become events and work. A node's
  failure, rejection or stop is an outcome that its container may handle.

Source: `docs/workflows.md`, "Containers", "Asking people" and "Errors"; `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import dropwhile
from typing import Any

from interlock.workflow.activities import Roll
from interlock.workflow.containers.port import (
    COMPLETED,
    MISSING,
    OPEN,
    SKIPPED,
    WITHDRAWN,
    AskAboutOutput,
    ByTheClock,
    Ending,
    Evaluate,
    Fail,
    Move,
    Outcome,
    PassOver,
    Say,
    Scope,
    Skip,
    Unfit,
    Until,
    Withdraw,
)
from interlock.workflow.containers.registry import container_of
from interlock.workflow.declare.business import OFFICE, Office
from interlock.workflow.declare.errors import LogicError
from interlock.workflow.declare.interactions import ByMessage, asked_by
from interlock.workflow.declare.io import Content
from interlock.workflow.declare.nodes import Evaluator, OnError, Step, Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.declare.policies import governed_by
from interlock.workflow.declare.reviews import AnyReview, Choose, ErrorReview, Review
from interlock.workflow.node import NodeState, Phase
from interlock.workflow.run.events import Draft, Path, run_event, step_event
from interlock.workflow.run.outputs import completion, judgement, kept_of
from interlock.workflow.run.requirements import asked
from interlock.workflow.run.rolls import asked_under, is_called, is_looked_up, shown_of
from interlock.workflow.run.scope import content_of_node, content_type_of, scope_at, scope_of_first, success_of_node
from interlock.workflow.run.signals import matches
from interlock.workflow.run.state import TIMEOUT, RunState, elapsed, excluded_from, node_at, pending_in
from interlock.workflow.run.work import Advance, Task, Work
from interlock_protocol.types import JsonObject


class Walk:
    """One walk over a run, from the root down to the nodes that aren't over.

    Args:
        held: ids of the steps for which an earlier try is still running.
        most: the number of drafts after which it is cut short.
        begin: where the previous walk was cut short.
        office: when people work, for business time.
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
        office: Office = OFFICE,
    ) -> None:
        self.office = office
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
        self.signals = matches(state)
        self.taken_signals: list[tuple[int, Draft]] = []

    def advance(self) -> Advance:
        outcome = self.sequence(self.workflow.places.values(), self.state.nodes, ())
        if outcome is OPEN:
            taken = (draft for _, draft in sorted(self.taken_signals, key=lambda each: each[0]))
            return Advance((*self.drafts, *taken), tuple(self.work), self.wake_at, self.cut)
        return Advance((Draft(self.end(outcome)),))

    # ── The end of the run ──────────────────────────────────────────────────────────────────────────────

    def end(self, outcome: Outcome) -> dict[str, Any]:
        match outcome:
            case Outcome(Ending.FAILED, (place, node)):
                return self.failed(place, node)
            case Outcome(Ending.REJECTED, (place, node)):
                return self.rejected(place, node)
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

    def failed(self, place: Place, node: NodeState) -> dict[str, Any]:
        why = node.failure
        step_id = why.step_id or place.step_id
        return self.of_run("WorkflowError", error=why.error, error_type=why.error_type, step_id=step_id)

    def rejected(self, place: Place, node: NodeState) -> dict[str, Any]:
        reason, by = _why_rejected(place, node), node.verdict.rejected_by
        return self.of_run("WorkflowCancelled", reason=reason, cancelled_by=by)

    # ── Nodes ───────────────────────────────────────────────────────────────────────────────────────────

    def sequence(self, places: Iterable[Place], nodes: Mapping[str, NodeState], prefix: Path) -> Outcome:
        """Walk these nodes one after the other."""
        for place in places:
            outcome = self.node(place, nodes.get(place.node.name), (*prefix, place.node.name))
            if not outcome.is_done:
                return outcome
        return COMPLETED

    def node(self, place: Place, node: NodeState | None, path: Path) -> Outcome:
        if node is None:
            node = self.entering(place)
        return _BY_PHASE[node.phase](self, place, node, path)

    def entering(self, place: Place) -> NodeState:
        """The state of a node that nothing has been heard of yet."""
        return NodeState(place.step_id, self.state.visits.get(place.step_id, 0) + 1)

    def completed_node(self, place: Place, node: NodeState, path: Path) -> Outcome:
        return Outcome(Ending.STOPPED, (place, node), node.ended_index) if node.output.stop else COMPLETED

    def failed_node(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """A node that failed for good: its step decides what follows (rule 8)."""
        turned = self.turned_down(place, node, path, skipped_because="error")
        if turned is not None:
            return turned
        if any(not each.phase.is_over for each in node.children.values()) and _takes_failures(place):
            return self.given_up(place, node, path)
        match _on_error(place, node):
            case "pause":
                return self.pause(place, node, path, place.node.asks(ErrorReview) or ErrorReview())
            case "skip":
                return self.say(place, node, path, "StepSkipped", reason="error")
        return Outcome(Ending.FAILED, (place, node))

    def given_up(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """Withdraw what still runs, or asks, in a container that failed by itself: what is around it may go on."""
        live = [name for name, each in node.children.items() if not each.phase.is_over]
        return _Inside(self, place, node, path).carry_out(Withdraw(live, "failed"))

    def turned_down(
        self, place: Place, node: NodeState, path: Path, *, skipped_because: str = "rejected"
    ) -> Outcome | None:
        """The outcome of a rejection, or of an open pause; None if neither holds the node up."""
        rejected = node.verdict.rejected
        if rejected == "cancel":
            return self.turned_away(place, node)
        if rejected == "skip":
            reason = "timeout" if node.verdict.rejected_by == TIMEOUT else skipped_because
            return self.say(place, node, path, "StepSkipped", reason=reason)
        return None if node.pending is None else self.asking(place, node, path, node.pending)

    def asking(self, place: Place, node: NodeState, path: Path, pending: str) -> Outcome:
        """The outcome of an open pause: if it is for a signal that is there, take that."""
        signal = self.signals.get(pending)
        if signal is None:
            return OPEN
        container = container_of(place.node)
        try:
            kept = {} if container is None else container.signalled(container.own_of(node), signal.payload)
        except Unfit as unfit:
            kept = {"unfit": [unfit.code, str(unfit)]}
        requirement = self.state.requirements[pending]
        fields: dict[str, Any] = {
            "requirement_id": pending,
            "decision": {"topic": requirement.facts["topic"], "signal_id": signal.id},
            "resolved_by": signal.by,
            "resolved_at": self.now,
            "attended": requirement.attended or None,
        }
        draft = Draft(self.of_step(place, node, path, "StepContinued", **fields), kept or None)
        self.taken_signals.append((requirement.paused_index, draft))
        return OPEN

    def turned_away(self, place: Place, node: NodeState) -> Outcome:
        """The outcome of a rejection that ends everything."""
        return Outcome(Ending.REJECTED, (place, node), self.state.decided_at(node.step_id))

    def entered(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """The outcome of a node before its execution: rejected, waiting, about to ask, or ready."""
        turned = self.turned_down(place, node, path)
        if turned is not None:
            return turned
        review = place.node.asks(Review)
        if review is not None and node.verdict.round > review.max_retries:
            return self.turned_away(place, node)
        if node.gates_passed < len(place.node.gates):
            return self.pause(place, node, path, place.node.gates[node.gates_passed])
        retry_at = node.tries.retry_at
        if retry_at is not None and retry_at > self.now:
            return self.wait_until(retry_at)
        container = container_of(place.node)
        if container is None:
            return self.begin_step(place, node, path)
        return self.do(container.begin(container.own_of(node)), place, node, path)

    def wait_until(self, time: int) -> Outcome:
        self.wake_at = min(time, self.wake_at or time)
        return OPEN

    def begin_step(self, place: Place, node: NodeState, path: Path) -> Outcome:
        if place.step_id in self.held:  # one try at a time
            return self.need("thread", place, node, path)
        return self.say(place, node, path, "StepStarted", attempt=node.tries.attempt + 1)

    def running(self, place: Place, node: NodeState, path: Path) -> Outcome:
        turned = self.turned_down(place, node, path)
        if turned is not None:
            return turned
        container = container_of(place.node)
        if container is None:
            return self.need("execute", place, node, path)
        inside = _Inside(self, place, node, path)
        return inside.carry_out(container.next(container.own_of(node), inside))

    def waiting(self, place: Place, node: NodeState, path: Path) -> Outcome:
        """The outcome of a step that has begun and needs a person: about its output, or about its agent's tools."""
        turned = self.turned_down(place, node, path)
        if turned is not None:
            return turned
        if node.verdict.given is None:  # its output is durable, and nobody was asked yet
            return self.need("roll", place, node, path)
        assert node.verdict.given == "approved"
        said = node.output
        output = Content(said.content, said.content_type, said.success, said.error, said.stop)
        return self.say(place, node, path, "StepCompleted", **completion(output, elapsed(node.started_at, self.now)))

    # ── Questions to people ─────────────────────────────────────────────────────────────────────────────

    def pause(self, place: Place, node: NodeState, path: Path, review: AnyReview, **own: Any) -> Outcome:
        """Ask a person: append the kind's own event, if it has one, then `StepPaused`; `own` as for `asked`."""
        review = meant(self.workflow, self.state, path, review, self.now)
        if is_looked_up(review) and not {"voters", "widget"} & own.keys():
            return self.need("roll", place, node, path)
        scope = scope_at(self.workflow, self.state, path)
        try:
            asks = asked(self.state.run_id, place, path, node, review, scope, self.now, office=self.office, **own)
        except LogicError as error:
            return self.do(Fail(error.code, str(error)), place, node, path)
        if isinstance(review, Choose):
            self.say(place, node, path, "RouterPaused", **asks.shown)
        self.drafts.append(Draft(self.of_step(place, node, path, "StepPaused", **asks.shown), asks.private))
        return OPEN

    def ask_about_output(
        self,
        place: Place,
        node: NodeState,
        path: Path,
        output: Content | None = None,
        own: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Append the output, and ask about it. A step's output is durable from here on; a container's already is.

        Args:
            own: who is asked, under a policy. It isn't known when a step's output comes, and is looked up after that.
        """
        review = place.node.asks(Review)
        assert review is not None
        is_open = is_called(review) and own is None
        if is_open and output is None:
            return self.need("roll", place, node, path)
        content = content_of_node(place, node) if output is None else output.content
        content = None if content is MISSING else content
        scope = scope_at(self.workflow, self.state, path)
        judged = judgement(success_of_node(place, node) if output is None else (output.success, output.error))
        fields = {**judged, **(own or {}), "beside": {"step_output": content}}
        asks = asked(self.state.run_id, place, path, node, review, scope, self.now, office=self.office, **fields)
        if node.phase is not Phase.WAITING:
            event = self.of_step(place, node, path, "StepOutputReview", **asks.shown, step_output=content, **judged)
            kept = None if output is None else {"output": kept_of(output)}
            self.drafts.append(Draft(event, kept))
        if not is_open:
            self.drafts.append(Draft(self.of_step(place, node, path, "StepPaused", **asks.shown), asks.private))
        return OPEN

    def called_roll(self, work: Work, node: NodeState, roll: Roll) -> Outcome:
        """Ask those who are there; if they can't satisfy the policy, the node has failed."""
        place, path = work.place, work.path
        review = meant(self.workflow, self.state, path, asks_now(place, node), self.now)
        facts = governed_by(review)
        try:
            excluded = excluded_from(self.state, facts, roll.starters)
            own = asked_under(review, roll, excluded) if is_called(review) else {}
            own |= shown_of(review, roll)
        except LogicError as error:
            return self.do(Fail(error.code, str(error)), place, node, path)
        if isinstance(review, Review):
            return self.ask_about_output(place, node, path, own=own)
        return self.pause(place, node, path, review, **own)

    # ── Containers ──────────────────────────────────────────────────────────────────────────────────────

    def do(self, move: Move, place: Place, node: NodeState, path: Path) -> Outcome:
        """Turn a container's move into events, or work."""
        match move:
            case Outcome():
                return move
            case Say(event, fields, private, takes_time):
                took = {"duration_ms": elapsed(node.started_at, self.now)} if takes_time else {}
                return self.say(place, node, path, event, private, **fields, **took)
            case Evaluate(task, evaluator):
                return self.need(task, place, node, path, evaluator)
            case AskAboutOutput():
                return self.ask_about_output(place, node, path)
            case ByTheClock() | Until():
                return self.timed(move, place, node, path)
            case Skip(reason):
                return self.say(place, node, path, "StepSkipped", reason=reason)
            case Fail(code, message):
                attempt = max(node.tries.attempt, 1)
                said: dict[str, Any] = {"error": message, "error_type": code, "attempt": attempt, "will_retry": False}
                return self.say(place, node, path, "StepError", **said)
        raise AssertionError(move)

    def timed(self, move: ByTheClock | Until, place: Place, node: NodeState, path: Path) -> Outcome:
        """Carry out a move that depends on the time."""
        if isinstance(move, ByTheClock):
            container, scope = container_of(place.node), scope_at(self.workflow, self.state, path)
            assert container is not None
            return self.do(container.by_the_clock(container.own_of(node), scope, self.now), place, node, path)
        if move.time > self.now:
            return self.wait_until(move.time)
        ended = completion(Content(None, "json"), elapsed(node.started_at, self.now))
        return self.say(place, node, path, "StepCompleted", **ended)

    def branches(self, place: Place, path: Path) -> Iterator[tuple[str, Place]]:
        """Yield the nodes inside that this walk covers: from where it begins, to where it is cut short."""
        branches = iter(place.children.items())
        begin, depth = self.begins_at, len(path)
        if begin is not None and len(begin) > depth and begin[:depth] == path:
            branches = dropwhile(lambda branch: branch[0] != begin[depth], branches)
        for name, child in branches:
            if self.most is not None and len(self.drafts) >= self.most:
                self.cut = (*path, name)
                return
            yield name, child

    def conclude(self, work: Work, node: NodeState, result: Any) -> None:
        """Turn the answer of a container's code into its next move."""
        container = container_of(work.place.node)
        assert container is not None
        self.do(container.concluded(container.own_of(node), work.task, result), work.place, node, work.path)

    def taken(self, place: Place, path: Path, output: Content) -> None:
        """Let the containers around a step act at once on its output."""
        around, at = place.parent, path[:-1]
        while around is not None:
            at = at[:-1] if isinstance(at[-1], int) else at
            container, node = container_of(around.node), node_at(self.state, list(at))
            if container is None or node is None:
                return
            inside = _Inside(self, around, node, at)
            move = container.taken(container.own_of(node), inside, path[len(at) :], output)
            if move is not None:
                inside.carry_out(move)
                return
            around, at = around.parent, at[:-1]

    # ── Events and work ─────────────────────────────────────────────────────────────────────────────────

    def say(
        self, place: Place, node: NodeState, path: Path, name: str, private: JsonObject | None = None, **fields: Any
    ) -> Outcome:
        self.drafts.append(Draft(self.of_step(place, node, path, name, **fields), private))
        return OPEN

    def need(
        self, task: Task, place: Place, node: NodeState, path: Path, evaluator: Evaluator | None = None
    ) -> Outcome:
        number = node.verdict.round if task == "review" else node.tries.attempt
        number = number if node.part is None else node.part
        self.work.append(Work(task, place, path, node.visit, number, node.tries.turn, evaluator))
        return OPEN

    def of_run(self, name: str, **fields: Any) -> dict[str, Any]:
        return run_event(self.state, self.workflow.name, name, **fields)

    def of_step(self, place: Place, node: NodeState, path: Path, name: str, **fields: Any) -> dict[str, Any]:
        return step_event(self.state, self.workflow.name, place, path, node.visit, name, **fields)


_BY_PHASE = {
    Phase.ENTERED: Walk.entered,
    Phase.RUNNING: Walk.running,
    Phase.WAITING: Walk.waiting,
    Phase.COMPLETED: Walk.completed_node,
    Phase.SKIPPED: lambda *_: SKIPPED,
    Phase.WITHDRAWN: lambda *_: WITHDRAWN,
    Phase.FAILED: Walk.failed_node,
}
"""The walk of a node, by its phase."""


class _Inside:
    """The nodes inside a container, as the container sees them in a walk."""

    def __init__(self, walk: Walk, place: Place, node: NodeState, path: Path) -> None:
        self.before = (len(walk.drafts), len(walk.work), len(walk.taken_signals), walk.wake_at)
        self.walk = walk
        self.place = place
        self.node = node
        self.path = path
        self.prefix = path if node.part is None else (*path, node.part)

    @property
    def approved(self) -> bool | None:
        given = self.node.verdict.given
        return None if given is None else given == "approved"

    def sequence(self, names: Iterable[str] | None = None) -> Outcome:
        inside = self.place.children
        places = inside.values() if names is None else [inside[name] for name in names]
        return self.walk.sequence(places, self.node.children, self.prefix)

    def each(self, names: Iterable[str] | None = None) -> Mapping[str, Outcome]:
        if names is not None:
            return {name: self._walked(name) for name in names}
        walked: dict[str, Outcome] = {}
        for name, _ in self.walk.branches(self.place, self.prefix):
            walked[name] = self._walked(name)
            if self.walk.cut is not None:
                break
        outcomes = dict.fromkeys(self.place.children, OPEN)
        if len(walked) < len(outcomes):
            outcomes |= self._closed()
        return outcomes | walked

    def _walked(self, name: str) -> Outcome:
        return self.walk.node(self.place.children[name], self.node.children.get(name), (*self.prefix, name))

    def _closed(self) -> Mapping[str, Outcome]:
        """The outcomes of nodes to which nothing can happen any more, known without walking them."""
        entered = ((name, node) for name, node in self.node.children.items() if node.is_closed)
        inside = self.place.children
        return {name: self.walk.node(inside[name], node, self.prefix) for name, node in entered if name in inside}

    def has_entered(self, name: str) -> bool:
        return name in self.node.children

    def ended(self, name: str) -> int | None:
        node = self.node.children.get(name)
        return node.ended_index if node is not None and node.phase.is_over else None

    def own(self, *names: str) -> Any:
        place, node = self.place, self.node
        for name in names:
            place, node = place.children[name], node.children[name]
        container = container_of(place.node)
        assert container is not None
        return container.own_of(node)

    def content(self, name: str) -> Any:
        return content_of_node(self.place.children[name], self.node.children.get(name))

    @property
    def given(self) -> Scope:
        return scope_of_first(self.walk.workflow, self.walk.state, self.path)

    def carry_out(self, move: Move) -> Outcome:
        if isinstance(move, Withdraw):
            return self.withdraw(move)
        if isinstance(move, PassOver):
            return self.pass_over(move)
        return self.walk.do(move, self.place, self.node, self.path)

    def pass_over(self, move: PassOver) -> Outcome:
        for name in move.names:
            place = self.place.children[name]
            self.walk.say(place, self.walk.entering(place), (*self.prefix, name), "StepSkipped", reason=move.reason)
        return OPEN

    def withdraw(self, move: Withdraw) -> Outcome:
        """Give up nodes inside; drop everything else found in this container, as it may be about them."""
        walk = self.walk
        drafts, work, signals, walk.wake_at = self.before
        del walk.drafts[drafts:], walk.work[work:], walk.taken_signals[signals:]
        walk.cut = None
        fields: dict[str, Any] = {
            "step_paths": [[*self.prefix, name] for name in move.names],
            "requirement_ids": pending_in(walk.state, {name: self.node.children[name] for name in move.names}),
            "reason": move.reason,
        }
        if move.outcome.culprit is not None:
            place, failed = move.outcome.culprit
            why = failed.failure
            fields |= {"error": why.error, "error_type": why.error_type, "failed_step_id": why.step_id or place.step_id}
        return walk.say(self.place, self.node, self.path, "StepsWithdrawn", **fields)


def asks_now(place: Place, node: NodeState | None) -> AnyReview:
    """The review that a node comes to now."""
    if node is None or node.phase is Phase.ENTERED:
        return place.node.gates[0 if node is None else node.gates_passed]
    review = place.node.asks(Review)
    assert review is not None
    return review


def meant(workflow: Workflow, state: RunState, path: Path, review: AnyReview, now: int) -> AnyReview:
    """A review as it is asked at `path`: the run's message may say it."""
    if not isinstance(review, ByMessage):
        return review
    said: Any = scope_at(workflow, state, path).input
    return asked_by(said, now, review.taken_back_by)


def ends_run(state: RunState, work: Work) -> bool:
    """Return True if the result of a piece of work ends the run, and with it everything that runs beside its node."""
    node = node_at(state, list(work.path))
    if node is None or node.phase is not Phase.FAILED:
        return node is not None and node.phase is Phase.COMPLETED and node.output.stop
    return _on_error(work.place, node) == "fail" and not _takes_failures(work.place)


def _takes_failures(place: Place) -> bool:
    """Return True if a container around a node may go on when the node fails."""
    around = place.parent
    if around is None:
        return False
    container = container_of(around.node)
    return (container is not None and container.TAKES_FAILURES) or _takes_failures(around)


def _on_error(place: Place, node: NodeState) -> OnError:
    """What follows when a node has failed for good (rule 8)."""
    if node.failure.asks:
        return "pause"
    return place.node.on_error if isinstance(place.node, Step) else "fail"


def _why_rejected(place: Place, node: NodeState) -> str:
    what, said = f"{place.node.kind} {place.node.name!r}", node.verdict
    if said.rejected_by == TIMEOUT:
        return f"Nobody decided on {what} in time"
    review = place.node.asks(Review)
    if review is not None and said.round > review.max_retries:
        return f"{what} was sent back {said.round} times; max_retries is {review.max_retries}"
    return said.feedback or f"{what} was rejected"
