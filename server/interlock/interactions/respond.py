"""Answering a question by its address: the decision that an answer is.

Law: an answer is judged as any decision is; here it only gets the form of one.

Source: `docs/protocol.md`, "Inboxes"; `docs/interactions.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

from interlock.workflow.run.state import Requirement, RunState
from interlock_protocol.connection import validated
from interlock_protocol.messages import ContinueWorkflow
from interlock_protocol.requirements import RESPONSE
from interlock_protocol.types import JsonObject, JsonValue

_ERROR = "requires_error_decision"


def known(state: RunState, requirement_id: str) -> Requirement | None:
    """A requirement that the run has, or had."""
    found = state.requirements.get(requirement_id) or state.withdrawn.get(requirement_id)
    if found is not None:
        return found
    resolved = (each.requirement for each in state.resolved.values())
    return next((each for each in resolved if each.id == requirement_id), None)


def takes_response(state: RunState, requirement_id: str) -> bool:
    """Return True if it is answered by a `response`, and not by the fields of a decision."""
    asked = known(state, requirement_id)
    return asked is not None and asked.kind == RESPONSE


def decision_on(
    state: RunState, requirement_id: str, given: Mapping[str, JsonValue], **more: JsonValue
) -> ContinueWorkflow:
    """The decision on one requirement of a run.

    Args:
        given: the fields of the decision.
        more: other fields of the message.

    Raises:
        Refusal: `invalid_message`.
    """
    asked = known(state, requirement_id)
    is_error = asked is not None and asked.kind == _ERROR
    fields: JsonObject = {
        "action": "continue-workflow",
        "workflow_id": state.workflow_id,
        "run_id": state.run_id,
        "error_requirements" if is_error else "step_requirements": [{**given, "id": requirement_id}],
        **more,
    }
    message = validated(ContinueWorkflow, fields)
    assert isinstance(message, ContinueWorkflow)
    return message
