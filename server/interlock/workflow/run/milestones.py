"""The milestones of runs, and of the interactions in them, noted while their events are folded, for those who follow
runs by webhooks.

Laws:
- A run has the same milestones whatever kind it is of. Each question that it comes to ask is one, `halted`, also while
  the rest of it goes on, or when it is answered at once; and so is each answer, `resumed`.
- A machine's data are replaced by its events, never changed: what a milestone refers to stays as it was then. Only
  of an answer that comes late, after events that follow it in the log, the data are those by then.
- An interaction is created once, and ends once: it is completed, expires, or is cancelled, as what its run still asks
  at its end is.

Source: `docs/architecture.md`, "Telling others".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.workflow.containers.machine import MAIN
from interlock.workflow.node import NodeState
from interlock.workflow.run.lifetimes import INSTANCE_PREFIX
from interlock.workflow.run.policy import outcome_in
from interlock.workflow.run.signals import BY_INTERACTIONS
from interlock.workflow.run.state import TIMEOUT, Requirement, RunState
from interlock.workflow.run.untold import Milestone, MilestoneEvent
from interlock_protocol import typed
from interlock_protocol.interactions import interaction_id
from interlock_protocol.namespaces import home_of
from interlock_protocol.types import JsonObject, RunStatus

_HALT = (("halting_presentation", "presentation"), ("halted_options", "halted_options"), ("accepts", "accepts"))

_ENDS: Mapping[RunStatus, MilestoneEvent] = {
    RunStatus.COMPLETED: MilestoneEvent.COMPLETED,
    RunStatus.ERROR: MilestoneEvent.FAILED,
    RunStatus.CANCELLED: MilestoneEvent.CANCELLED,
}


def note_created(state: RunState, event: typed.WorkflowStarted) -> None:
    """Note that a run began."""
    _note(state, MilestoneEvent.CREATED, event["created_at"], {})


def note_halted(state: RunState, event: typed.StepPaused, asked: Mapping[str, Any]) -> None:
    """Note what a run asks."""
    facts = _name_of(asked)
    if "halt_id" in facts:
        thread = asked.get("thread_id")
        facts |= {name: asked.get(key) for name, key in _HALT}
        facts |= {} if thread == MAIN else {"thread_id": thread, "halted_at_state": asked.get("state")}
    _note(state, MilestoneEvent.HALTED, event["created_at"], facts)
    if "interaction" in asked:
        _note(state, MilestoneEvent.INTERACTION_CREATED, event["created_at"], _asked_in(state, asked))


def note_resumed(
    state: RunState, event: typed.StepContinued | typed.StepExecutorContinued, asked: Mapping[str, Any]
) -> None:
    """Note that what a run asked is answered."""
    _note(state, MilestoneEvent.RESUMED, event["resolved_at"], {"resumed_by": event["resolved_by"], **_name_of(asked)})


def note_responded(state: RunState, event: typed.InteractionResponded, requirement: Requirement) -> None:
    """Note one of several responses to an interaction."""
    if "interaction" in requirement.facts:
        facts: JsonObject = {
            "responded_by": event["responded_by"],
            "response": event["decision"].get("response"),
            "responded": event["responded"],
            "needed": event["needed"],
        }
        facts |= _asked_in(state, requirement.facts)
        _note(state, MilestoneEvent.INTERACTION_RESPONDED, event["responded_at"], facts)


def note_answered(state: RunState, event: typed.StepContinued, requirement: Requirement) -> None:
    """Note what an interaction came to. If that comes late, nobody has been told yet that it was given up."""
    if "interaction" not in requirement.facts:
        return
    is_over = MilestoneEvent.INTERACTION_CANCELLED, requirement.paused_index
    state.untold = [each for each in state.untold if not isinstance(each, Milestone) or _end_of(each) != is_over]
    by, at = event["resolved_by"], event["resolved_at"]
    facts: JsonObject = {**_asked_in(state, requirement.facts), "outcome": outcome_in(event)}
    if by == TIMEOUT:
        _note(state, MilestoneEvent.INTERACTION_EXPIRED, at, facts)
        return
    facts |= {"responded_by": by, "response": event["decision"].get("response")}
    if not requirement.takes_votes:
        _note(state, MilestoneEvent.INTERACTION_RESPONDED, at, {**facts, "outcome": None})
    _note(state, MilestoneEvent.INTERACTION_COMPLETED, at, facts)


def note_given_up(state: RunState, requirement: Requirement, at: int, by: str | None) -> None:
    """Note that nobody answers an interaction any more: it was taken back or withdrawn, or its run has ended."""
    if "interaction" in requirement.facts:
        facts = {**_asked_in(state, requirement.facts), "outcome": "cancelled", "cancelled_by": by}
        _note(state, MilestoneEvent.INTERACTION_CANCELLED, at, facts, requirement.paused_index)


def _end_of(milestone: Milestone) -> tuple[MilestoneEvent, int | None]:
    return milestone.event, milestone.asked_at


def _asked_in(state: RunState, asked: Mapping[str, Any]) -> JsonObject:
    """What is told of an interaction itself, and of the run that waits for it, if it is one by itself."""
    question: Mapping[str, Any] = asked["interaction"]
    facts: JsonObject = {
        "interaction_id": interaction_id(asked["id"], state.run_id),
        "requirement_id": asked["id"],
        **{name: question.get(name) for name in ("type", "spec", "title", "message", "priority")},
        **{name: asked.get(name) for name in ("step_name", "assignees", "policy", "voters", "timeout_at")},
    }
    said = state.input if state.workflow_id == BY_INTERACTIONS else None
    if isinstance(said, dict):
        facts |= {name: said.get(name) for name in ("run_id", "topic", "target_actor")}
    return facts


def _name_of(asked: Mapping[str, Any]) -> JsonObject:
    """How a question is named: as the halt of a machine, or as a requirement of a step."""
    if "halt_id" in asked:
        return {"halt_id": asked["halt_id"]}
    return {"requirement_id": asked["id"], "step_name": asked.get("step_name")}


def note_ended(state: RunState, event: Mapping[str, Any], status: RunStatus) -> None:
    """Note how a run ended, before that is folded."""
    for requirement in state.requirements.values():
        note_given_up(state, requirement, event["created_at"], event.get("cancelled_by"))
    facts: JsonObject = {}
    if status is RunStatus.ERROR:
        facts["error"] = f"{event['error_type']}: {event['error']}"
    elif status is RunStatus.CANCELLED:
        facts = {"cancelled_by": event.get("cancelled_by"), "reason": event.get("reason")}
    if not _is_machine(state):
        facts["content"] = event.get("content")
    _note(state, _ENDS[status], event["created_at"], facts)


def payload(state: RunState, milestone: Milestone) -> JsonObject:
    """What is told of a milestone, the same for everybody."""
    is_machine = _is_machine(state)
    if milestone.event.startswith("interaction."):
        told = {name: value for name, value in milestone.facts.items() if value is not None}
        return {**_of_run(state), **told, "kind": "interaction"}
    facts: JsonObject = {name: value for name, value in milestone.facts.items() if value is not None}
    if not is_machine:
        facts.setdefault("content", None)
    return {
        **_of_run(state),
        "version_id": state.version if is_machine else None,
        "current_state": milestone.current_state,
        "workflow_data": milestone.data,
        **facts,
        "kind": "machine" if is_machine else "workflow",
    }


def _of_run(state: RunState) -> JsonObject:
    return {
        "instance_id": state.run_id,
        "workflow_name": state.workflow_id,
        "namespace": state.namespace or home_of(state.user_id),
    }


def _note(state: RunState, event: MilestoneEvent, at: int, facts: JsonObject, asked_at: int | None = None) -> None:
    milestone = Milestone(state.next_index, state.epoch, at, event, facts=facts, asked_at=asked_at)
    machine = _machine_of(state)
    if machine is not None:
        if machine.own is not None:  # it has data, or came further than to its first state
            milestone.data = machine.own.data
        main = machine.children.get(MAIN)
        milestone.current_state = None if main is None or main.own is None else main.own.state
    elif state.status.is_final and isinstance(state.content, dict) and _is_machine(state):
        milestone.data = state.content
    state.note(milestone)


def _is_machine(state: RunState) -> bool:
    return state.run_id.startswith(INSTANCE_PREFIX)


def _machine_of(state: RunState) -> NodeState | None:
    if not _is_machine(state):
        return None
    return next((each for each in state.nodes.values() if each.kind == "Machine"), None)
