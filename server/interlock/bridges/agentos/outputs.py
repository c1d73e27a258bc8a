"""Outputs and requirements of steps, in AgentOS's form.

Laws:
- Pure: objects in, objects out.
- Only what AgentOS's own classes can read is written: an output is an object, never bare content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Fields = dict[str, Any]


def seconds(ms: int) -> int:
    """A time in milliseconds since 1970, in whole seconds."""
    return ms // 1000


def place_of(message: Mapping[str, Any]) -> int:
    """How far a message reaches in its run's log: its own index, or, for a snapshot, that of its last event."""
    place: int = message.get("event_index", message.get("as_of", -1))
    return place


def step_output(step: Mapping[str, Any], content: Any, response: Mapping[str, Any] | None = None) -> Fields:
    """The result of a step.

    Args:
        step: identifies the step: an event of it, or its requirement.
        response: `success`, `error` and `stop`, as far as they are known.
    """
    said = response or {}
    return {
        "step_name": step.get("step_name"),
        "step_id": step.get("step_id"),
        "step_type": step.get("step_type", "Step"),
        "executor_type": step.get("executor_type") or "function",
        "executor_name": step.get("executor_name") or step.get("step_name"),
        "content": content,
        "success": said.get("success", True),
        "error": said.get("error"),
        "stop": said.get("stop", False),
        "is_paused": False,
    }


def requirement(own: Mapping[str, Any]) -> Fields:
    """A requirement of a run. AgentOS has no review of an iteration: it becomes one of the loop's output."""
    told = {**own, **flags(own)}
    if told.get("requires_output_review"):
        response = {"success": own.get("success", True), "error": own.get("error")}
        told["step_output"] = step_output(own, own.get("step_output"), response)
        told["is_post_execution"] = True
    for name in ("confirmed", "user_input", "selected_choices"):
        told.setdefault(name, None)
    return told


def flags(own: Mapping[str, Any]) -> Fields:
    """The flags of a pause that differ in AgentOS."""
    return {"requires_output_review": True} if own.get("requires_iteration_review") else {}
