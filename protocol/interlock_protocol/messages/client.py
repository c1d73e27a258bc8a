"""What clients send: one model for each action.

Laws:
- They are read strictly: no type is coerced, and null means "not given", but for the fields in `nulls`.
- Every list in them is `Bounded`, every object `BoundedObject`, and what may be anything is `AnyJson`.

Source: `docs/protocol.md`, "Actions".
"""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from interlock_protocol.faults import NO_NUL
from interlock_protocol.interactions import ids_of
from interlock_protocol.limits import MAX_REASON, MAX_REQUEST_ID, MAX_REVISION
from interlock_protocol.namespaces import NAMESPACE, TOPIC
from interlock_protocol.requirements import EchoedErrorRequirement, EchoedRequirement, Tolerant
from interlock_protocol.types import AnyJson, Bounded, BoundedObject, RunStatus

# No NUL in what becomes a key of a database: PostgreSQL has none in its text.
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
Key = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
Namespace = Annotated[str, Field(pattern=NAMESPACE)]
Topic = Annotated[str, Field(pattern=TOPIC)]
ListName = Annotated[str, Field(min_length=1, max_length=64)]

RUNS_LIST = "runs"
"""What a followed list is called whose client gives it no name."""

INBOX_LIST = "inbox"
"""As `RUNS_LIST`, for an inbox."""


class ClientMessage(Tolerant):
    """What every client message may carry."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    action: str
    request_id: str | None = Field(default=None, max_length=MAX_REQUEST_ID)


class Authenticate(ClientMessage):
    """Proves who the client is; may be sent again to refresh an expiring token."""

    action: Literal["authenticate"] = "authenticate"
    token: str = Field(min_length=1, repr=False)


class StartWorkflow(ClientMessage):
    """Starts a run and follows it from index 0. Without a `namespace` it is in its owner's own. No two active runs of a
    workflow have the same `business_key`."""

    nulls: ClassVar[frozenset[str]] = frozenset({"message"})

    action: Literal["start-workflow"] = "start-workflow"
    workflow_id: Name
    message: AnyJson = ""
    session_id: Name | None = None
    user_id: Name | None = None
    namespace: Namespace | None = None
    version: Name | None = None
    business_key: Name | None = None
    idempotency_key: Key | None = None


class ContinueWorkflow(ClientMessage):
    """Merges decisions into a run that waits for them; applied whole or not at all. What names those who decide, an
    admin decides only `on_behalf_of` one of them, with a `reason`."""

    action: Literal["continue-workflow"] = "continue-workflow"
    workflow_id: Name
    run_id: Name
    session_id: Name | None = None
    step_requirements: Bounded[EchoedRequirement] | None = None
    error_requirements: Bounded[EchoedErrorRequirement] | None = None
    on_behalf_of: Name | None = None
    reason: str | None = Field(default=None, min_length=1, max_length=MAX_REASON)
    idempotency_key: Key | None = None


class Reconnect(ClientMessage):
    """Replays what was missed, then follows."""

    action: Literal["reconnect"] = "reconnect"
    run_id: Name
    workflow_id: Name | None = None
    session_id: Name | None = None
    last_event_index: int | None = Field(default=None, ge=0)
    epoch: int | None = Field(default=None, ge=0)
    snapshot: bool = False


class CancelWorkflow(ClientMessage):
    """Cancels a running or paused run; a cancelled one again is acknowledged."""

    action: Literal["cancel-workflow"] = "cancel-workflow"
    workflow_id: Name
    run_id: Name
    session_id: Name | None = None
    reason: str | None = Field(default=None, max_length=MAX_REASON)
    idempotency_key: Key | None = None


class SendSignal(ClientMessage):
    """Sends a signal to a run, which takes it when something in it waits for one of that topic."""

    nulls: ClassVar[frozenset[str]] = frozenset({"payload"})

    action: Literal["signal"] = "signal"
    run_id: Name
    topic: Topic
    payload: AnyJson = None
    idempotency_key: Key | None = None


def _without_default(schema: dict[str, Any]) -> None:
    """Say nothing of a default that isn't valid: it stands for what the address gives."""
    schema.pop("default", None)


class OfRequirement(ClientMessage):
    """What is about one requirement: named by its address, or by the ids that the address is made of."""

    interaction_id: Name | None = None
    run_id: Name = Field(default="", validate_default=True, json_schema_extra=_without_default)
    requirement_id: Name = Field(default="", validate_default=True, json_schema_extra=_without_default)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, fields: Any) -> Any:
        address = fields.get("interaction_id") if isinstance(fields, dict) else None
        if not isinstance(address, str):
            return fields
        with contextlib.suppress(ValueError):
            requirement_id, run_id = ids_of(address)
            return {**fields, "requirement_id": requirement_id, "run_id": run_id}
        return fields


class Claim(OfRequirement):
    """Says that the user is on a requirement, so that nobody else decides it: for 15 minutes, until it is said again,
    and for 2 hours at most."""

    action: Literal["claim"] = "claim"


class Release(OfRequirement):
    """Gives up a claim; an admin may give up that of somebody else."""

    action: Literal["release"] = "release"


class Delegate(OfRequirement):
    """Hands a requirement over to somebody else: a user id, or `group:NAME`. Both stand behind the decision."""

    action: Literal["delegate"] = "delegate"
    to: Name
    reason: str | None = Field(default=None, max_length=MAX_REASON)


class Unfollow(ClientMessage):
    """Stops following a run, which goes on."""

    action: Literal["unfollow"] = "unfollow"
    run_id: Name


class RunListFilter(Tolerant):
    """Which runs a list is of. What isn't given, and an empty `status`, asks for any."""

    workflow_id: Name | None = None
    session_id: Name | None = None
    namespace: Namespace | None = None
    status: Bounded[RunStatus] | None = None
    waiting_for_me: bool | None = Field(default=None, strict=True)


class FollowRuns(ClientMessage):
    """Follows a list of runs; the same `list` again takes the place of the one before."""

    action: Literal["follow-runs"] = "follow-runs"
    list: ListName = RUNS_LIST
    filter: RunListFilter = Field(default_factory=RunListFilter)
    cursor: int | None = Field(default=None, ge=0)
    limit: int = Field(default=50, ge=1, le=500)


class UnfollowRuns(ClientMessage):
    """Stops following a list of runs."""

    action: Literal["unfollow-runs"] = "unfollow-runs"
    list: ListName = RUNS_LIST


class InboxFilter(Tolerant):
    """Which questions an inbox is of: all that one may answer, those that are for oneself, or for one's groups."""

    scope: Literal["mine", "groups", "all"] | None = None
    workflow_id: Name | None = None
    namespace: Namespace | None = None
    kind: Name | None = None


class FollowInbox(ClientMessage):
    """Follows the questions that wait for an answer by this user; the same `list` again takes the place of the one
    before."""

    action: Literal["follow-inbox"] = "follow-inbox"
    list: ListName = INBOX_LIST
    filter: InboxFilter = Field(default_factory=InboxFilter)
    cursor: int | None = Field(default=None, ge=0)
    limit: int = Field(default=50, ge=1, le=500)


class UnfollowInbox(ClientMessage):
    """Stops following an inbox."""

    action: Literal["unfollow-inbox"] = "unfollow-inbox"
    list: ListName = INBOX_LIST


class Respond(ClientMessage):
    """Answers a question by its address: an interaction by its response, any other by the fields of its decision."""

    action: Literal["respond"] = "respond"
    interaction_id: Name
    response: BoundedObject
    on_behalf_of: Name | None = None
    reason: str | None = Field(default=None, min_length=1, max_length=MAX_REASON)
    idempotency_key: Key | None = None


class Seen(ClientMessage):
    """Says that this user has a question before them, which is noted once; and, with `looking`, whether they look at
    it from now on, until they look away or the connection ends."""

    action: Literal["seen"] = "seen"
    interaction_id: Name
    looking: bool | None = None


class Draft(ClientMessage):
    """Keeps a half-written answer for this user's other devices, of at most 16 KiB; the highest revision stays. Without
    content it is thrown away."""

    nulls: ClassVar[frozenset[str]] = frozenset({"content"})

    action: Literal["draft"] = "draft"
    interaction_id: Name
    revision: int = Field(ge=1, le=MAX_REVISION)
    content: AnyJson = None


class Ping(ClientMessage):
    """Asks for a `pong`."""

    action: Literal["ping"] = "ping"


AnyClientMessage = (
    Authenticate
    | StartWorkflow
    | ContinueWorkflow
    | Reconnect
    | CancelWorkflow
    | SendSignal
    | Claim
    | Release
    | Delegate
    | Unfollow
    | FollowRuns
    | UnfollowRuns
    | FollowInbox
    | UnfollowInbox
    | Respond
    | Seen
    | Draft
    | Ping
)

CLIENT_MESSAGES: dict[str, type[AnyClientMessage]] = {
    model.model_fields["action"].default: model
    for model in (
        Authenticate,
        StartWorkflow,
        ContinueWorkflow,
        Reconnect,
        CancelWorkflow,
        SendSignal,
        Claim,
        Release,
        Delegate,
        Unfollow,
        FollowRuns,
        UnfollowRuns,
        FollowInbox,
        UnfollowInbox,
        Respond,
        Seen,
        Draft,
        Ping,
    )
}
