"""What a server says beside the events of runs: answers to actions, and what is told of a connection or a list.

Law: none of them has an `event_index`.

Source: `docs/protocol.md`, "Answers and control messages".
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from interlock_protocol.messages.base import ServerMessage
from interlock_protocol.requirements import RequirementClaim, RequirementPolicy, Tolerant
from interlock_protocol.types import (
    PROTOCOL_VERSION,
    InteractionMode,
    InteractionType,
    JsonValue,
    Open,
    Priority,
    RunStatus,
    StepType,
)


class Connected(ServerMessage):
    """The first frame after accept. `heartbeat_seconds` are between the server's WebSocket pings."""

    event: Literal["connected"] = "connected"
    message: str
    requires_auth: bool
    protocol: str = PROTOCOL_VERSION
    connection_id: str
    heartbeat_seconds: float
    max_message_bytes: int


class Authenticated(ServerMessage):
    """A token was accepted. `expires_at` is ISO 8601, absent for a token that doesn't expire.

    `namespaces` are those that are the user's; `*` first says that all of the account are. `groups` are those the user
    is in.
    """

    event: Literal["authenticated"] = "authenticated"
    message: str
    user_id: str
    scopes: list[str]
    account: str | None = None
    namespaces: list[str] | None = None
    groups: list[str] | None = None
    expires_at: str | None = None
    request_id: str | None = None


class AuthError(ServerMessage):
    """A token was refused."""

    event: Literal["auth_error"] = "auth_error"
    error: str
    code: str
    request_id: str | None = None


class AuthRequired(ServerMessage):
    """An action came before authentication, or the token expired."""

    event: Literal["auth_required"] = "auth_required"
    error: str
    code: str
    request_id: str | None = None


class CatchUp(ServerMessage):
    """Answer to `reconnect`: the run isn't finished, and `missed_events` follow. `message` says so to people."""

    event: Literal["catch_up"] = "catch_up"
    message: str | None = None
    run_id: str
    status: RunStatus
    epoch: int
    missed_events: int
    first_event_index: int
    current_event_count: int
    request_id: str | None = None


class Replay(ServerMessage):
    """Answer to `reconnect`: the run is finished. What was missed follows; else its last event, marked `replayed`."""

    event: Literal["replay"] = "replay"
    message: str | None = None
    run_id: str
    status: RunStatus
    epoch: int
    total_events: int
    missed_events: int
    request_id: str | None = None


class Subscribed(ServerMessage):
    """What follows is live. `current_event_count` events came before it, also those of earlier connections."""

    event: Literal["subscribed"] = "subscribed"
    message: str | None = None
    run_id: str
    status: RunStatus
    epoch: int
    next_event_index: int
    current_event_count: int | None = None


class Gap(ServerMessage):
    """What was asked for can't be had; a snapshot follows, then events from `next_event_index`."""

    event: Literal["gap"] = "gap"
    run_id: str
    epoch: int
    requested_event_index: int
    earliest_event_index: int
    next_event_index: int
    request_id: str | None = None


class PendingMode(Tolerant):
    """How an interaction is answered."""

    mode: Open[InteractionMode]


class PendingInteraction(Tolerant):
    """An interaction, summed up."""

    type: Open[InteractionType]
    spec: PendingMode
    title: str | None = None
    priority: Open[Priority] | None = None


class PendingSummary(Tolerant):
    """What a run waits for, summed up. `kind` is the name of the one flag that is true."""

    id: str
    step_id: str
    step_name: str
    kind: str
    step_type: Open[StepType] | None = None
    thread_id: str | None = None
    assignees: list[str] | None = None
    claim: RequirementClaim | None = None
    confirmation_message: str | None = None
    user_input_message: str | None = None
    output_review_message: str | None = None
    error_message: str | None = None
    topic: str | None = None
    subject: str | None = None
    policy: RequirementPolicy | None = None
    interaction: PendingInteraction | None = None
    due_at: str | None = None
    timeout_at: str | None = None


_RunIds: TypeAlias = list[str]
_Pending: TypeAlias = list[PendingSummary]  # in a class that has a field `list`, that isn't the type


class RunSummary(Tolerant):
    """What a list says of a run. Times are in milliseconds since 1970."""

    always: ClassVar[frozenset[str]] = frozenset({"version"})

    run_id: str
    workflow_id: str
    version: str | None = None
    session_id: str
    user_id: str
    namespace: str | None = None
    status: Open[RunStatus]
    epoch: int
    created_at: int
    updated_at: int
    pending: _Pending


class RunChanged(ServerMessage):
    """A run of a followed list, as it is by now. It isn't one that is asked for, or no more, unless it `matches`."""

    event: Literal["run_changed"] = "run_changed"
    list: str
    seq: int
    matches: bool
    run: RunSummary
    pending: _Pending


class RunsListed(ServerMessage):
    """A followed list is told up to `seq`: the current list, or (`resumed`) what was missed. What follows is live."""

    event: Literal["runs_listed"] = "runs_listed"
    list: str
    seq: int
    count: int
    more: bool
    resumed: bool
    request_id: str | None = None


class InboxItem(Tolerant):
    """A question that waits for this user, as a card shows it. `created_at` is its run's, in milliseconds since 1970;
    `kind` is a flag without `requires_`, and `requirement` sums up the question as lists of runs have it."""

    interaction_id: str
    run_id: str
    requirement_id: str
    workflow_id: str
    session_id: str
    namespace: str
    user_id: str
    created_at: int
    step_name: str
    kind: str
    type: Open[InteractionType] | None = None
    mode: Open[InteractionMode] | None = None
    title: str | None = None
    message: str | None = None
    subject: str | None = None
    priority: Open[Priority] | None = None
    assignees: list[str] | None = None
    policy: RequirementPolicy | None = None
    due_at: str | None = None
    timeout_at: str | None = None
    requirement: PendingSummary


class InboxChanged(ServerMessage):
    """A question of a followed inbox, as it is by now, or that it doesn't wait for this user any more (`gone`)."""

    event: Literal["inbox_changed"] = "inbox_changed"
    list: str
    seq: int
    interaction_id: str
    item: InboxItem | None = None
    gone: bool | None = None


class InboxListed(ServerMessage):
    """A followed inbox is told up to `seq`. What follows is live. What came before is all of it, or (`resumed`) what
    the `changed_runs` ask by now: whatever else the client knew of these is gone, and of others it is as it was."""

    event: Literal["inbox_listed"] = "inbox_listed"
    list: str
    seq: int
    count: int
    more: bool
    resumed: bool
    changed_runs: _RunIds | None = None
    request_id: str | None = None


class InboxPresence(ServerMessage):
    """Who looks at a question that this connection looks at: their ids, this user's among them, 100 at most."""

    event: Literal["inbox_presence"] = "inbox_presence"
    interaction_id: str
    people: list[str]


class InboxDraft(ServerMessage):
    """What this user has half-written on another device; without content it was thrown away."""

    event: Literal["inbox_draft"] = "inbox_draft"
    interaction_id: str
    revision: int
    content: JsonValue = None


class Ack(ServerMessage):
    """An action with a `request_id` was durably accepted."""

    event: Literal["ack"] = "ack"
    action: str
    request_id: str
    run_id: str | None = None
    session_id: str | None = None
    signal_id: str | None = None


class Pong(ServerMessage):
    """Answer to `ping`."""

    event: Literal["pong"] = "pong"
    request_id: str | None = None


class ErrorMessage(ServerMessage):
    """Something was refused; the connection stays open and nothing was changed."""

    event: Literal["error"] = "error"
    error: str
    code: str
    retryable: bool = False
    request_id: str | None = None
    run_id: str | None = None
    details: JsonValue = None


CONTROL_MESSAGES: dict[str, type[ServerMessage]] = {
    model.model_fields["event"].default: model
    for model in (
        Connected,
        Authenticated,
        AuthError,
        AuthRequired,
        CatchUp,
        Replay,
        Subscribed,
        Gap,
        RunChanged,
        RunsListed,
        InboxChanged,
        InboxListed,
        InboxDraft,
        InboxPresence,
        Ack,
        Pong,
        ErrorMessage,
    )
}
