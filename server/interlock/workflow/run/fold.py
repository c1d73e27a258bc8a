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

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeAlias, cast

from interlock.workflow.containers.registry import CONTAINERS
from interlock.workflow.declare.policies import Rule
from interlock.workflow.node import AgentState, Failure, Happening, NodeState, Output, Phase, Tries
from interlock.workflow.run.acts import note_act
from interlock.workflow.run.answers import continued, fold_own, responded, signal_received, without_secrets
from interlock.workflow.run.attending import ATTENDING, attended
from interlock.workflow.run.errors import note_failed_run, note_failed_step
from interlock.workflow.run.milestones import note_created, note_ended, note_given_up, note_halted
from interlock.workflow.run.policy import parts_of
from interlock.workflow.run.state import (
    REVIEWS,
    TOOLS,
    Event,
    Requirement,
    RunState,
    SessionPatch,
    UnreadableRun,
    node_at,
    resolution_key,
    walk,
)
from interlock.workflow.run.untold import Asked, move
from interlock_protocol import typed
from interlock_protocol.messages import RUN_EVENTS
from interlock_protocol.types import PathPart, RunStatus

MAY_COME_LATE = ATTENDING | {
    "StepContinued",
    "StepExecutorContinued",
    "InteractionResponded",
    "SignalReceived",
    "WorkflowCancelled",
}
"""What others than its owner append to a run that goes on. After an end, everything the owner had folded is void."""


def fold(state: RunState, event: Event, private: Mapping[str, Any] | None = None) -> None:
    """Fold the entry at `state.next_index`.

    Raises:
        UnreadableRun: the event isn't known; the state is as it was.
    """
    folder = _FOLDERS.get(event["event"])
    note_act(state, event)
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
        move(untold, first, by)
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
                resolution.private = without_secrets(resolution.private)


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
    fold_own(node, event, private)


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
    requirement.steps = [*private.get("steps", ())]
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
    fold_own(node, event, private)


def _run_output(state: RunState, event: typed.WorkflowRunOutput, _: Mapping[str, Any]) -> None:
    state.status = RunStatus(event["status"])
    state.paused_at = event["created_at"]
    state.ended_steps = []
    state.session_patches = []


def _container_started(state: RunState, event: typed.StepEvent, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    node.go(Happening.STARTED)
    node.kind = _KIND_STARTED[cast("Event", event)["event"]]
    _nothing_said(node)
    node.started_at = event["created_at"]
    fold_own(node, event, private)


def _container_completed(state: RunState, event: typed.StepEvent, private: Mapping[str, Any]) -> None:
    node = _node(state, event)
    _end(state, node, event, Happening.COMPLETED)
    _know_kind(node, event)
    fold_own(node, event, private)


def _container_told(state: RunState, event: typed.StepEvent, private: Mapping[str, Any]) -> None:
    """Fold an event that changes only a container's own state, not its phase: the run has got on."""
    state.recoveries = 0
    if private.get("origin"):
        state.origin = None
    node = _node(state, event)
    _know_kind(node, event)
    fold_own(node, event, private)


def _know_kind(node: NodeState, event: typed.StepEvent) -> None:
    """In snapshots of older releases, the kind of a container isn't told before its own events."""
    node.kind = node.kind or _KIND_TOLD.get(cast("Event", event)["event"])


def _steps_withdrawn(state: RunState, event: typed.StepsWithdrawn, _: Mapping[str, Any]) -> None:
    """Fold that a container gives up nodes. A decision on them that is folded late finds nothing to change."""
    for id_ in event["requirement_ids"]:
        if id_ in state.requirements:
            state.withdrawn[id_] = state.requirements.pop(id_)
            note_given_up(state, state.withdrawn[id_], event["created_at"], None)
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
            resolution.private = without_secrets(resolution.private)
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
    "InteractionResponded": responded,
    **dict.fromkeys(ATTENDING, attended),
    "StepContinued": continued,
    "StepExecutorContinued": continued,
    "SignalReceived": signal_received,
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
