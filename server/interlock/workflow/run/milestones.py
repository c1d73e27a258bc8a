"""The milestones of runs, noted while their events are folded, for those who follow runs by webhooks.

Laws:
- A run has the same milestones whatever kind it is of. Each question that it comes to ask is one, `halted`, also while
  the rest of it goes on, or when it is answered at once; and so is each answer, `resumed`.
- A machine's data are replaced by its events, never changed: what a milestone refers to stays as it was then. Only
  of an answer that comes late, after events that follow it in the log, the data are those by then.

Source: `docs/architecture.md`, "Telling others".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.workflow.containers.machine import MAIN
from interlock.workflow.node import NodeState
from interlock.workflow.run.lifetimes import INSTANCE_PREFIX
from interlock.workflow.run.state import RunState
from interlock.workflow.run.untold import Milestone, MilestoneEvent
from interlock_protocol import typed
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


def note_resumed(
    state: RunState, event: typed.StepContinued | typed.StepExecutorContinued, asked: Mapping[str, Any]
) -> None:
    """Note that what a run asked is answered."""
    _note(state, MilestoneEvent.RESUMED, event["resolved_at"], {"resumed_by": event["resolved_by"], **_name_of(asked)})


def _name_of(asked: Mapping[str, Any]) -> JsonObject:
    """How a question is named: as the halt of a machine, or as a requirement of a step."""
    if "halt_id" in asked:
        return {"halt_id": asked["halt_id"]}
    return {"requirement_id": asked["id"], "step_name": asked.get("step_name")}


def note_ended(state: RunState, event: Mapping[str, Any], status: RunStatus) -> None:
    """Note how a run ended, before that is folded."""
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
    facts: JsonObject = {name: value for name, value in milestone.facts.items() if value is not None}
    if not is_machine:
        facts.setdefault("content", None)
    return {
        "instance_id": state.run_id,
        "workflow_name": state.workflow_id,
        "version_id": state.version if is_machine else None,
        "namespace": state.namespace or home_of(state.user_id),
        "current_state": milestone.current_state,
        "workflow_data": milestone.data,
        **facts,
        "kind": "machine" if is_machine else "workflow",
    }


def _note(state: RunState, event: MilestoneEvent, at: int, facts: JsonObject) -> None:
    milestone = Milestone(state.next_index, state.epoch, at, event, facts=facts)
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
