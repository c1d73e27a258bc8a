"""A question as an item of an inbox: what is needed to show it, and to answer it.

Law: it is made of what its run keeps of it, and of nothing else; any requirement is one.

Source: `docs/protocol.md`, "Inboxes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from interlock_protocol.interactions import interaction_id
from interlock_protocol.types import JsonObject

_SAID: Final = ("user_input_message", "confirmation_message", "output_review_message", "error_message")


class Asking(Protocol):
    """A run that asks."""

    @property
    def run_id(self) -> str: ...
    @property
    def workflow_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def created_at(self) -> int: ...
    @property
    def pending(self) -> Sequence[JsonObject]: ...


def item_of(run: Asking, asked: Mapping[str, Any]) -> JsonObject:
    """An item of what a run asks; `asked` is one of its `pending`."""
    question: Mapping[str, Any] = asked.get("interaction") or {}
    message = next((asked[name] for name in _SAID if asked.get(name)), None)
    item: dict[str, Any] = {
        "interaction_id": interaction_id(asked["id"], run.run_id),
        "run_id": run.run_id,
        "requirement_id": asked["id"],
        "workflow_id": run.workflow_id,
        "session_id": run.session_id,
        "namespace": run.namespace,
        "user_id": run.user_id,
        "created_at": run.created_at,
        "step_name": asked["step_name"],
        "kind": str(asked["kind"]).removeprefix("requires_"),
        "type": question.get("type"),
        "mode": (question.get("spec") or {}).get("mode"),
        "title": question.get("title"),
        "priority": question.get("priority"),
        "message": message,
        "subject": asked.get("subject"),
        "assignees": asked.get("assignees"),
        "policy": asked.get("policy"),
        "due_at": asked.get("due_at"),
        "timeout_at": asked.get("timeout_at"),
        "requirement": dict(asked),
    }
    return {name: value for name, value in item.items() if value is not None}
