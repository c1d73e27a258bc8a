"""The bodies of requests and answers about interactions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.interactions.asking import Question, TargetActor
from interlock.store.ports.interactions import InteractionStatus
from interlock_protocol.messages import Key, Name
from interlock_protocol.types import BoundedObject, PolicyOutcome


class CreateInteraction(Question):
    """A question, whom it is for, and which run waits for the outcome, if one does."""

    expires_at: str | None = Field(None, description="a time in ISO 8601")
    due_at: str | None = Field(None, description="until when an answer is wanted; a time in ISO 8601")
    idempotency_key: Key | None = None


class RespondToInteraction(BaseModel):
    """A response, bare or under `response`; of what isn't an interaction, the decision's own fields. An admin says
    `on_behalf_of` whom, and why."""

    model_config = ConfigDict(extra="allow")

    response: BoundedObject | None = None
    on_behalf_of: Name | None = None
    reason: str | None = None


class CancelInteraction(BaseModel):
    """Nothing has to be said."""

    model_config = ConfigDict(extra="forbid")


class InteractionInfo(BaseModel):
    """An interaction. Times are in ISO 8601; `responses` are those of several, `needed` how many more it takes."""

    id: str
    type: str | None = None
    spec: dict[str, Any] | None = None
    status: InteractionStatus
    outcome: PolicyOutcome | Literal["cancelled"] | None = None
    target_actor: TargetActor | None = None
    assignees: list[str] | None = None
    message: str | None = None
    title: str | None = None
    context: Any = None
    priority: str | None = None
    routing: str | None = None
    policy: dict[str, Any] | None = None
    run_id: str | None = None
    topic: str | None = None
    signal: Literal["sent", "run_finished"] | None = None
    response: dict[str, Any] | None = None
    responses: list[dict[str, Any]] | None = None
    needed: int | None = None
    responded_by: str | None = None
    responded_at: str | None = None
    created_by: str | None = None
    created_at: str | None = None
    due_at: str | None = None
    expires_at: str | None = None
    own_run_id: str
    requirement_id: str


class InteractionList(BaseModel):
    """Interactions, newest first."""

    interactions: list[InteractionInfo]
    next_cursor: str | None


class InboxItem(BaseModel):
    """Something that waits for the caller, whatever asked for it."""

    interaction_id: str
    run_id: str
    requirement_id: str
    workflow_id: str
    session_id: str
    namespace: str
    user_id: str
    step_name: str
    kind: str
    type: str | None = None
    mode: str | None = None
    title: str | None = None
    priority: str | None = None
    message: str | None = None
    assignees: list[str] | None = None
    due_at: str | None = None
    timeout_at: str | None = None


class Inbox(BaseModel):
    """What waits for the caller, newest first."""

    items: list[InboxItem]
    next_cursor: str | None
