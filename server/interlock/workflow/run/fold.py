"""The fold: how each event of the log changes the state of its run.

Laws:
- `fold` is a pure function of the state and an entry: no clock, no I/O, no randomness. It owns the state it is given
  and changes it in place; a caller that needs the earlier state keeps a copy.
- Entries are folded in the order of the log. Only a decision or a signal may be folded after entries that it precedes
  in the log, with the same resulting state: a decision touches only the node that waited for it, a signal only what is
  kept of signals. What takes it is an event of the owner, which stands after it.
- What the fold doesn't need isn't kept: streamed content changes nothing, and of a loop's earlier iterations
  only each node's latest visit is kept.

Source: `docs/architecture.md`, "Laws" 1 and "The pure core".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeAlias, cast

from interlock.workflow.containers.registry import CONTAINERS, folds_of, own_of
from interlock.workflow.declare.policies import Rule
from interlock.workflow.node import AgentState, Failure, Happening, NodeState, Output, Phase, Tries
from interlock.workflow.run.errors import note_failed_run, note_failed_step
from interlock.workflow.run.events import takes_signal
from interlock.workflow.run.milestones import note_created, note_ended, note_halted, note_resumed
from interlock.workflow.run.policy import Part, is_resolved, parts_of
from interlock.workflow.run.state import (
    GATES,
    KEPT_KEYS,
    REVIEWS,
    TIMEOUT,
    TOOLS,
    Event,
    Requirement,
    Resolution,
    RunState,
    SessionPatch,
    Signal,
    UnreadableRun,
    elapsed,
    node_at,
    resolution_key,
    walk,
)
from interlock.workflow.run.untold import Asked
from interlock_protocol import typed
from interlock_protocol.messages import RUN_EVENTS
from interlock_protocol.types import JsonObject, PathPart, RunStatus

MAY_COME_LATE = frozenset(
    {"StepContinued", "StepExecutorContinued", "InteractionResponded", "SignalReceived", "WorkflowCancelled"}
)
"""What others than its owner append to a run that goes on. After an end, everything the owner had folded is void."""


Decision: TypeAlias = typed.StepContinued | typed.StepExecutorContinued


def fold(state: RunState, event: Event, private: Mapping[str, Any] | None = None) -> None:
    """Fold the entry at `state.next_index`.

    Raises:
        UnreadableRun: the event isn't known; the state is as it was.
    """
    folder = _FOLDERS.get(event["event"])
    if folder is not None:
        folder(state, event, private or {})
        state.changed_at = max(state.changed_at, event.get("created_at", 0))
    elif event["event"] not in RUN_EVENTS:
        raise UnreadableRun(f"The log of run {state.run_id} has {event['event']}, which this version doesn't know.")
    state.next_index += 1


class NotLate(AssertionError):  # noqa: N818 - what is wrong with the event
    """An event came late that only an owner appends: another one, or a fault."""


def fold_late(state: RunState, event: Event, private: Mapping[str, Any] | None = None) -> None:
    """Fold an entry at `state.next_index` that precedes entries of the owner which are already folded.

    Raises:
        NotLate: it is neither a decision nor a signal nor the end of the run: the state would differ from the log's.
    """
    if event["event"] not in MAY_COME_LATE:
        raise NotLate(f"{event['event']} of run {state.run_id} was appended by somebody who doesn't own it")
    fold(state, event, private)


def shift(state: RunState, first: int, by: int) -> None:
    """Move what was folded at indexes from `first` on by `by` places: others' entries precede it in the log."""
    state.next_index += by
    for requirement in (*state.requirements.values(), *state.withdrawn.values()):
        if requirement.paused_index >= first:
            requirement.paused_index += by
    for patch in state.session_patches:
        if patch.index >= first:
            patch.index += by
    for untold in state.untold:
        if untold.index >= first:
            untold.index += by
    for node in walk(state.nodes):
        if node.started_index >= first:
            node.started_index += by
        if node.ended_index >= first:
            node.ended_index += by


def _node(state: RunState, event: typed.StepEvent) -> NodeState:
    """The node of a step event, entered now if it is new."""
    path: list[PathPart] = event["step_path"]
    node = node_at(state, path)
    if node is None:
        parent = node_at(state, path[:-1])
        node = NodeState(event["step_id"], event["visit"])
        if parent is None and any(isinstance(part, str) for part in path[:-1]):
            return node  # it was in what is gone by now: nothing is left that this event could change
        siblings = state.nodes if parent is None else parent.children
        siblings[str(path[-1])] = node
        if parent is not None and parent.kind == "Step":
            parent.kind = "Workflow"  # in logs of older releases, its start is the same as any step's
        state.visits[node.step_id] = node.visit
    return node


def _fold_own(node: NodeState, event: Mapping[str, object], private: Mapping[str, Any]) -> None:
    """Apply an event to a container's own state."""
    node.kind = node.kind or _KIND_TOLD.get(str(event["event"]))  # in snapshots of older releases it is missing
    change = folds_of(node.kind).get(str(event["event"]))
    if change is not None:
        if node.own is None:
            node.own = own_of(node.kind)
        change(node.own, node, event, private)


def _end(state: RunState, node: NodeState, event: typed.StepEvent, happening: Happening) -> None:
    node.go(happening)
    node.ended_index = state.next_index
    _forget_secrets(state, node)
    state.ended_steps.append({"step_id": node.step_id, "step_path": event["step_path"], "status": node.phase.value})


def _forget_secrets(state: RunState, node: NodeState) -> None:
    """Drop the secrets of a step that has ended; whether another secret is the same can still be told."""
    if node.form.sealed:
        node.form = replace(node.form, sealed={})
        for kind in ("requires_user_input", "requires_error_decision"):
            resolution = state.resolved.get(resolution_key(node.step_id, kind))
            if resolution is not None:
                resolution.private = _without_secrets(resolution.private)


def _without_secrets(private: JsonObject) -> JsonObject:
    sealed = private.get("sealed")
    if not isinstance(sealed, dict):
        return private
    return {**private, "sealed": {name: {"tag": each["tag"]} for name, each in sealed.items()}}  # type: ignore[call-overload, index]


def _workflow_started(state: RunState, event: typed.WorkflowStarted, _: Mapping[str, Any]) -> None:
    state.status = RunStatus.RUNNING
    state.started_at = event["created_at"]
    note_created(state, event)


def _step_started(state: RunState, event: typed.StepStarted, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.go(Happening.STARTED)
    node.kind = node.kind or private.get("kind", "Step")
    tries = node.tries
    node.tries = Tries(event["attempt"], tries.in_a_row + 1, tries.turn)
    node.started_index = state.next_index
    node.started_at = event["created_at"]
    _fold_own(node, event, private)


def _step_completed(state: RunState, event: typed.StepCompleted, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    _end(state, node, event, Happening.COMPLETED)
    said: Mapping[str, Any] = event.get("step_response", {})
    before = node.output
    node.output = Output(
        event.get("content"),
        event["content_type"],
        before.model,
        said.get("success", True),
        said.get("error"),
        bool(said.get("stop")),
        before.overruled,
    )
    node.agent = None
    state.steps_completed += 1
    state.recoveries = 0
    _session_changed(state, node, private)


def _session_changed(state: RunState, node: NodeState, private: Mapping[str, Any]) -> None:
    """Count a step's changes of its session from its output on: those that waited for a review came before."""
    changes = private.get("session") or node.session_changes
    node.session_changes = []
    if changes:
        state.session_patches.append(SessionPatch(state.next_index, changes))


def _step_skipped(state: RunState, event: typed.StepSkipped, _: Mapping[str, Any]) -> None:
    _end(state, _node(state, event), event, Happening.SKIPPED)


def _step_error(state: RunState, event: typed.StepError, private: Mapping[str, Any]) -> None:
    note_failed_step(state, event)
    if private.get("apart"):
        return  # it is about the run, and touches no node
    node = _node(state, event)
    will_retry = event["will_retry"]
    node.go(Happening.TO_RETRY if will_retry else Happening.FAILED)
    node.failure = Failure(event["error"], event["error_type"], asks=not will_retry and bool(private.get("asks")))
    retry_at = private.get("retry_at") if will_retry else None
    node.tries = replace(node.tries, retry_at=retry_at, at_work=bool(private.get("at_work")))
    if not will_retry:
        node.ended_index = state.next_index


def _output_review(state: RunState, event: typed.StepOutputReview, private: Mapping[str, Any]) -> None:
    """An output that waits for its review is durable from here on, with its private part."""
    node = _node(state, event)
    _nothing_said(node)
    content, output = event.get("step_output"), private.get("output")
    if output is None:
        node.output = replace(node.output, content=content)
    else:
        node.go(Happening.ASKED)
        node.output = Output(
            content,
            output["content_type"],
            output.get("model"),
            output["success"],
            output.get("error"),
            output["stop"],
            node.output.overruled,
        )
    node.session_changes = private.get("session", [])


def _nothing_said(node: NodeState) -> None:
    """Clear the verdict: the next output hasn't been reviewed yet."""
    if node.verdict.given is not None:
        node.verdict = replace(node.verdict, given=None)


def _executor_paused(state: RunState, event: typed.StepExecutorPaused, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.go(Happening.ASKED)
    node.tries = replace(node.tries, turn=node.tries.turn + 1)
    node.agent = AgentState(
        private["state"], [dict(each) for each in event["executor_requirements"]], schemas=private.get("schemas", {})
    )
    node.session_changes = private.get("session", [])


def _step_paused(state: RunState, event: typed.StepPaused, private: Mapping[str, Any]) -> None:
    facts = dict(private["requirement"])
    kind = next(flag for flag, value in event.items() if flag.startswith("requires_") and value is True)
    requirement = Requirement(facts["id"], kind, list(event["step_path"]), state.next_index, facts, private.get("due"))
    state.requirements[requirement.id] = requirement
    if "voters" in facts:
        requirement.rule, requirement.parts = Rule.of(facts["policy"]), parts_of(facts["voters"])
    if requirement.asks_people:
        state.note(Asked(state.next_index, state.epoch, requirement.id))
    note_halted(state, event, facts)
    if private.get("apart"):
        return  # it is about the run, and touches no node
    node = _node(state, event)
    node.pending = requirement.id
    node.kind = facts.get("step_type") or node.kind
    if kind in REVIEWS:
        facts["step_output"] = node.output.content  # these were logged just before, and aren't repeated
    elif kind == TOOLS and node.agent is not None:
        facts["executor_requirements"] = node.agent.requests
        requirement.parts = parts_of(each["id"] for each in node.agent.requests)
    _fold_own(node, event, private)


def _run_output(state: RunState, event: typed.WorkflowRunOutput, _: Mapping[str, Any]) -> None:
    state.status = RunStatus(event["status"])
    state.paused_at = event["created_at"]
    state.ended_steps = []
    state.session_patches = []


def _continued(state: RunState, event: Decision, private: Mapping[str, Any]) -> None:
    _note_key(state, private)
    _note_deciders(state, event["step_name"], private.get("behind") or [event["resolved_by"]])
    is_withdrawn = event["requirement_id"] not in state.requirements
    asked = state.withdrawn if is_withdrawn else state.requirements
    requirement = asked.get(event["requirement_id"])
    if requirement is None:
        return
    if not state.status.is_final:
        _resumed(state, event["resolved_at"])
    if takes_signal(event):
        note_resumed(state, event, requirement.facts)
        _signal_taken(state, asked.pop(requirement.id), event, private)
        return
    decision = dict(event["decision"])
    if "executor_requirements" in decision and not _is_resolved_by(requirement, event, state.next_index):
        return  # only some parts are decided; a timeout decides the whole
    if requirement.kind == TOOLS and requirement.responses:
        decision["executor_requirements"] = requirement.responses_on_wire
    note_resumed(state, event, requirement.facts)
    asked.pop(requirement.id)
    kept = {key: value for key, value in private.items() if key != "key"}
    state.resolved[resolution_key(event["step_id"], requirement.kind)] = Resolution(
        requirement,
        decision,
        event["resolved_by"],
        event["resolved_at"],
        state.next_index,
        _without_secrets(kept) if is_withdrawn else kept,
    )
    node = node_at(state, requirement.path)
    if node is not None and node.pending == requirement.id:
        node.pending = None
        _decided(state, node, requirement, event, private)


def _resumed(state: RunState, at: int) -> None:
    if state.paused_at is not None:
        state.paused_ms += elapsed(state.paused_at, at)
        state.paused_at = None
    state.status = RunStatus.RUNNING


def _signal_received(state: RunState, event: typed.SignalReceived, private: Mapping[str, Any]) -> None:
    """Keep a signal until something takes it; one that is here already comes to nothing."""
    id_ = event["signal_id"]
    if id_ not in state.signal_ids and not state.status.is_final:
        kept = Signal(id_, event.get("payload"), event["sent_by"], private.get("size", 0))
        state.signals.setdefault(event["topic"], []).append(kept)
        if event.get("resumes"):
            _resumed(state, event["created_at"])
    if "fingerprint" in private:
        state.signal_ids.setdefault(id_, private["fingerprint"])


def _signal_taken(state: RunState, requirement: Requirement, event: Decision, private: Mapping[str, Any]) -> None:
    """Hand a signal to the node that waited for it."""
    said: Mapping[str, Any] = event["decision"]
    queue = state.signals[said["topic"]]
    signal = next(each for each in queue if each.id == said["signal_id"])
    queue.remove(signal)
    if not queue:
        del state.signals[said["topic"]]
    by, at = event["resolved_by"], event["resolved_at"]
    resolution = Resolution(requirement, event["decision"], by, at, state.next_index)
    state.resolved[resolution_key(event["step_id"], requirement.kind)] = resolution
    node = node_at(state, requirement.path)
    if node is not None and node.pending == requirement.id:
        node.pending = None
        node.gates_passed += 1
        node.form = replace(node.form, signal=(signal.payload,))
        _fold_own(node, cast("Event", event), {**private, "signal": signal.payload})


def _is_resolved_by(requirement: Requirement, event: Decision, index: int) -> bool:
    """Fold the responses to some parts of a requirement; return True if they resolve it."""
    by, at = event["resolved_by"], event["resolved_at"]
    given: Mapping[str, Any] = event["decision"]
    for each in given["executor_requirements"]:
        response = {key: value for key, value in each.items() if key != "id"}
        requirement.respond(each["id"], response, by, at=at, index=index)
    responses = requirement.responses
    shown = [
        _answered(each, responses[each["id"]].decision or {}) if each["id"] in responses else each
        for each in requirement.facts["executor_requirements"]
    ]
    requirement.facts = {**requirement.facts, "executor_requirements": shown}
    return is_resolved(requirement.rule, requirement.parts)


def _note_key(state: RunState, private: Mapping[str, Any]) -> None:
    if "key" in private:
        state.applied_keys = [*state.applied_keys[1 - KEPT_KEYS :], private["key"]]


def _note_deciders(state: RunState, step: str, people: Sequence[str]) -> None:
    known = state.deciders.get(step, ())
    new = [each for each in people if each != TIMEOUT and each not in known]
    if new:
        state.deciders[step] = [*known, *new]


def _responded(state: RunState, event: typed.InteractionResponded, private: Mapping[str, Any]) -> None:
    """Fold one of several responses. One that is late is only kept; if its question is gone, nothing is."""
    _note_key(state, private)
    id_, vote = event["requirement_id"], private["vote"]
    if event.get("late"):
        found = (each.requirement for each in state.resolved.values() if each.requirement.id == id_)
        requirement = next(found, None)
    else:
        _note_deciders(state, event["step_name"], vote["behind"])
        requirement = state.requirements.get(id_) or state.withdrawn.get(id_)
    if requirement is None:
        return
    voter = event["voter"]
    part = Part(event["decision"], event["responded_by"], event["responded_at"], state.next_index, vote)
    requirement.keep(voter, part)
    requirement.number = max(requirement.number, event["number"])
    if not event.get("late"):
        earlier = [each for each in requirement.facts.get("responses", ()) if each["voter"] != voter]
        responses = [*earlier, _response_on_wire(voter, event)]
        requirement.facts = {**requirement.facts, "needed": event["needed"], "responses": responses}


def _response_on_wire(voter: str, event: typed.InteractionResponded) -> dict[str, Any]:
    shown: dict[str, Any] = {"voter": voter, "by": event["responded_by"], "at": event["responded_at"]}
    more = {key: value for key, value in event.items() if key in ("decision", "on_behalf_of", "reason")}
    return {**shown, **more}


def _answered(request: dict[str, Any], decision: JsonObject) -> dict[str, Any]:
    """A tool's request with the decision on it; an answer is put into its question."""
    shown = {**request, **decision}
    for schema, name in (("user_input_schema", "name"), ("user_feedback_schema", "question")):
        answers: Any = decision.get(schema)
        if answers is not None:
            given = {each[name]: each for each in answers}
            shown[schema] = [{**each, **given.get(each[name], {})} for each in request[schema]]
    return shown


def _decided(
    state: RunState, node: NodeState, requirement: Requirement, event: Decision, private: Mapping[str, Any]
) -> None:
    """Apply a decision to the node that waited for it."""
    decision: JsonObject = event["decision"]
    if decision.get("confirmed") is False:
        _rejected(node, requirement, event)
    elif requirement.kind in REVIEWS:
        _approved(node, decision, private)
    elif requirement.kind == TOOLS and node.agent is not None:
        node.agent.decisions = {id_: part.decision or {} for id_, part in requirement.responses.items()}
        node.go(Happening.RESUMED)
        node.started_index = state.next_index  # what it streamed before the pause stays valid
    elif requirement.kind == "requires_error_decision":
        _error_decided(node, event, private)
    else:
        node.gates_passed += 1
        _filled(node, decision, private)
    _fold_own(node, event, private)


def _approved(node: NodeState, decision: JsonObject, private: Mapping[str, Any]) -> None:
    node.verdict = replace(node.verdict, given="approved")
    if "edited_output" in decision:
        content = decision["edited_output"]
        kept = "str" if isinstance(content, str) else node.output.content_type
        content_type = private.get("content_type", kept)
        node.output = replace(node.output, content=content, content_type=content_type, overruled=True)


def _filled(node: NodeState, decision: Mapping[str, Any], private: Mapping[str, Any], *, again: bool = False) -> None:
    """Fold a filled-in form, `again` or for the first time."""
    if "user_input" in decision:
        sealed = {name: each["value"] for name, each in private.get("sealed", {}).items()}
        given: JsonObject = decision["user_input"]
        node.form = replace(node.form, user_input=given, sealed=sealed, inputs=node.form.inputs + again)


def _rejected(node: NodeState, requirement: Requirement, event: Decision) -> None:
    decision: Mapping[str, Any] = event["decision"]
    feedback, on_reject = decision.get("rejection_feedback"), decision["on_reject"]
    node.verdict = replace(node.verdict, rejected_by=event["resolved_by"], feedback=feedback)
    if requirement.kind in GATES:
        node.gates_passed += 1
    if on_reject != "retry":
        node.verdict = replace(node.verdict, rejected=on_reject)
        return
    node.verdict = replace(node.verdict, given="retry", previous_output=node.output.content)
    node.output = replace(node.output, content=None)
    if requirement.kind == "requires_output_review":
        _run_again(node)


def _run_again(node: NodeState) -> None:
    """An output was sent back: the next round begins where the node's execution begins."""
    node.go(Happening.SENT_BACK)
    node.verdict = replace(node.verdict, round=node.verdict.round + 1)
    node.tries = replace(node.tries, in_a_row=0)
    node.agent = None
    node.session_changes = []
    node.children = {}


def _error_decided(node: NodeState, event: Decision, private: Mapping[str, Any]) -> None:
    decision: Mapping[str, Any] = event["decision"]
    what = decision["decision"]
    node.failure = replace(node.failure, asks=False)
    if what == "retry":
        node.go(Happening.TO_RETRY)
        node.tries = replace(node.tries, in_a_row=0, asked_errors=node.tries.asked_errors + 1)
        _filled(node, decision, private, again=True)
    else:
        # The earlier feedback was about an output, and isn't the reason.
        node.verdict = replace(node.verdict, rejected=what, rejected_by=event["resolved_by"], feedback=None)


def _container_started(state: RunState, event: typed.StepEvent, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.go(Happening.STARTED)
    node.kind = _KIND_STARTED[cast("Event", event)["event"]]
    _nothing_said(node)
    node.started_at = event["created_at"]
    _fold_own(node, event, private)


def _container_completed(state: RunState, event: typed.StepEvent, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    _end(state, node, event, Happening.COMPLETED)
    _fold_own(node, event, private)


def _container_told(state: RunState, event: typed.StepEvent, private: Mapping[str, Any]) -> None:
    """Fold an event that changes only a container's own state, not its phase: the run has got on."""
    state.recoveries = 0
    if private.get("origin"):
        state.origin = None
    _fold_own(_node(state, event), event, private)


def _steps_withdrawn(state: RunState, event: typed.StepsWithdrawn, _: Mapping[str, Any]) -> None:
    """Fold that a container gives up nodes. A decision on them that is folded late finds nothing to change."""
    for id_ in event["requirement_ids"]:
        if id_ in state.requirements:
            state.withdrawn[id_] = state.requirements.pop(id_)
    for path in event["step_paths"]:
        node = node_at(state, path)
        if node is not None:
            for each in (node, *walk(node.children), *walk(node.earlier)):
                _forget_secrets(state, each)
            _give_up(state, node, event)


def _give_up(state: RunState, node: NodeState, event: typed.StepsWithdrawn) -> None:
    """Keep nothing of a node that is given up but how it ended."""
    left = NodeState(node.step_id, node.visit, node.kind, node.phase, ended_index=state.next_index)
    left.go(Happening.FAILED if "error" in event else Happening.WITHDRAWN)
    if "error" in event:
        left.failure = Failure(event["error"], event["error_type"], step_id=event.get("failed_step_id"))
    for each in fields(NodeState):
        setattr(node, each.name, getattr(left, each.name))


def _recovered(state: RunState, event: typed.WorkflowRecovered, private: Mapping[str, Any]) -> None:
    if not private.get("handover"):
        state.recoveries += 1
    interrupted = frozenset(event["interrupted_steps"])
    for node in walk(state.nodes):
        if node.step_id not in interrupted:
            continue
        node.tries = replace(node.tries, at_work=False)
        if node.phase is Phase.RUNNING and node.tries.attempt:  # not a loop that asks for its own review
            node.go(Happening.INTERRUPTED)
            node.tries = replace(node.tries, in_a_row=node.tries.in_a_row - 1)  # not the step's fault


def _failed(state: RunState, event: typed.WorkflowError, private: Mapping[str, Any]) -> None:
    note_failed_run(state, event)
    _ended(RunStatus.ERROR)(state, event, private)


def _ended(status: RunStatus) -> _Folder:
    def end(state: RunState, event: Event, _: Mapping[str, Any]) -> None:
        note_ended(state, event, status)
        state.status = status
        for resolution in state.resolved.values():
            resolution.private = _without_secrets(resolution.private)
        state.withdrawn |= state.requirements
        state.requirements = {}
        state.signals = {}
        state.ended_steps = []
        state.content = event.get("content")
        state.content_type = event.get("content_type")
        state.error = event.get("error") or event.get("reason")
        state.nodes.clear()

    return end


_Folder: TypeAlias = Callable[[RunState, Any, Mapping[str, Any]], None]
"""Folds an event of one name, of its type in `typed`."""

_OF_STEPS: dict[str, _Folder] = {
    "WorkflowStarted": _workflow_started,
    "StepStarted": _step_started,
    "StepCompleted": _step_completed,
    "StepSkipped": _step_skipped,
    "StepError": _step_error,
    "StepPaused": _step_paused,
    "WorkflowRunOutput": _run_output,
    "StepOutputReview": _output_review,
    "StepExecutorPaused": _executor_paused,
    "InteractionResponded": _responded,
    "StepContinued": _continued,
    "StepExecutorContinued": _continued,
    "SignalReceived": _signal_received,
    "StepsWithdrawn": _steps_withdrawn,
    "WorkflowRecovered": _recovered,
    "WorkflowCompleted": _ended(RunStatus.COMPLETED),
    "WorkflowCancelled": _ended(RunStatus.CANCELLED),
    "WorkflowError": _failed,
}

_KIND_STARTED = {each.STARTED: each.kind for each in CONTAINERS if each.STARTED}
_KIND_TOLD = {event: each.kind for each in CONTAINERS for event in each.FOLDS if event not in _OF_STEPS}

_FOLDERS: dict[str, _Folder] = {
    **{event: _container_told for each in CONTAINERS for event in each.FOLDS},
    **dict.fromkeys(_KIND_STARTED, _container_started),
    **{each.ENDED: _container_completed for each in CONTAINERS if each.ENDED},
    **_OF_STEPS,
}
