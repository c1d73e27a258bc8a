"""What people do about what a run asks, besides deciding it, for its audit: claims, delegations, a cancellation, …

Laws:
- An act is told of its event alone, whatever the fold makes of that; so it is in the audit once, by its place.
- Decisions aren't here: they are audited when they are recorded, before they are acknowledged.

Source: `docs/audit.md`, "What is in it".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from interlock.workflow.run.state import RunState
from interlock.workflow.run.untold import Act

ACTS: Final[Mapping[str, str]] = {
    "WorkflowCancelled": "cancelled",
    "InteractionClaimed": "claimed",
    "InteractionReleased": "released",
    "InteractionDelegated": "delegated",
    "InteractionReminded": "reminded",
    "InteractionEscalated": "escalated",
}
"""What an event is in the audit."""

_BY: Final = ("cancelled_by", "claimed_by", "released_by", "by")
_ABOUT_RUN: Final = frozenset(
    {"event", "created_at", "workflow_id", "workflow_name", "run_id", "session_id", "parent_step_id", "nested_depth"}
)


def note_act(state: RunState, event: Mapping[str, Any]) -> None:
    """Note what somebody did, if this event is that."""
    kind = ACTS.get(event["event"])
    if kind is None:
        return
    about = {key: value for key, value in event.items() if key not in _ABOUT_RUN and value is not None}
    said = {key: value for key, value in about.items() if key not in _BY}
    by = next((event[key] for key in _BY if event.get(key) is not None), None)
    state.note(Act(state.next_index, state.epoch, event["created_at"], kind, by, said))
