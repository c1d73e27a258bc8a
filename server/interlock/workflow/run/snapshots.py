"""The state of a run as one frame: the `WorkflowRunOutput` of a pause, and the snapshot.

Source: `docs/protocol.md`, "Run events" and "Requirements".
"""

from __future__ import annotations

from typing import Any

from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.run.events import Draft, run_event
from interlock.workflow.run.state import Requirement, RunState
from interlock_protocol.types import RunStatus

_PAUSE_KINDS = {"requires_error_decision": "error", "requires_executor_input": "executor"}


def run_output(workflow_name: str, state: RunState, **fields: Any) -> dict[str, Any]:
    """The state of a run as a `WorkflowRunOutput`: when it pauses, or, with `as_of`, as a snapshot."""
    paused: dict[str, Any] = {}
    if state.requirements:
        waiting = list(state.requirements.values())
        first = waiting[0]
        paused = {
            "step_requirements": [each.facts for each in waiting if not _is_error(each)] or None,
            "error_requirements": [each.facts for each in waiting if _is_error(each)] or None,
            "paused_step_index": first.facts["step_index"],
            "paused_step_name": first.facts["step_name"],
            "pause_kind": _PAUSE_KINDS.get(first.kind, "step"),
        }
    return run_event(state, workflow_name, "WorkflowRunOutput", **paused, **fields)


def _is_error(requirement: Requirement) -> bool:
    return requirement.kind == "requires_error_decision"


def paused(workflow: Workflow, state: RunState) -> Draft:
    """The event of a run in which nothing can go on without a person."""
    return Draft(run_output(workflow.name, state, status=RunStatus.PAUSED.value, step_results=list(state.ended_steps)))


def snapshot(workflow_name: str, state: RunState, now: int) -> dict[str, Any]:
    """The frame that replaces everything up to `as_of`, built at `now` (in milliseconds since 1970)."""
    return run_output(
        workflow_name,
        state,
        created_at=now,
        status=state.status.value,
        content=state.content,
        as_of=state.next_index - 1,
        epoch=state.epoch,
    )
