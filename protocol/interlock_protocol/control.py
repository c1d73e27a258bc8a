"""The server's control messages, as plain dicts ready to be encoded.

Laws:
- A field that is None is left out; the messages contain no nulls.
- One function per message; its parameters are the message's fields, spelled as on the wire.
- `request_id` is that of the client message that is answered; None if it had none.

Source: `docs/protocol.md`, "Answers and control messages".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock_protocol.errors import AuthErrorCode, Refusal
from interlock_protocol.types import PROTOCOL_VERSION, JsonValue, RunStatus


def connected(
    *,
    connection_id: str,
    heartbeat_seconds: float,
    max_message_bytes: int,
    requires_auth: bool = True,
    message: str | None = None,
) -> dict[str, Any]:
    """The first message on a connection; the default `message` says what to do next."""
    hint = "Connected. Send authenticate." if requires_auth else "Connected."
    return {
        "event": "connected",
        "message": message or hint,
        "requires_auth": requires_auth,
        "protocol": PROTOCOL_VERSION,
        "connection_id": connection_id,
        "heartbeat_seconds": heartbeat_seconds,
        "max_message_bytes": max_message_bytes,
    }


def authenticated(
    *,
    user_id: str,
    scopes: Sequence[str] = (),
    account: str | None = None,
    namespaces: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    expires_at: str | None = None,
    request_id: str | None = None,
    message: str = "Authenticated.",
) -> dict[str, Any]:
    """A token was accepted; `expires_at` is ISO 8601, None for a token that doesn't expire."""
    return _without_nulls(
        event="authenticated",
        message=message,
        user_id=user_id,
        scopes=list(scopes),
        account=account,
        namespaces=None if namespaces is None else list(namespaces),
        groups=None if groups is None else list(groups),
        expires_at=expires_at,
        request_id=request_id,
    )


def auth_error(error: str, code: AuthErrorCode, *, request_id: str | None = None) -> dict[str, Any]:
    """A token was refused. `error` never quotes it."""
    return _without_nulls(event="auth_error", error=error, code=code.value, request_id=request_id)


def auth_required(error: str, code: AuthErrorCode, *, request_id: str | None = None) -> dict[str, Any]:
    """An action came before authentication, or the token expired."""
    return _without_nulls(event="auth_required", error=error, code=code.value, request_id=request_id)


def catch_up(
    *,
    run_id: str,
    status: RunStatus,
    epoch: int,
    missed_events: int,
    first_event_index: int,
    current_event_count: int,
    request_id: str | None = None,
) -> dict[str, Any]:
    """The answer to `reconnect` on a run that hasn't ended: `missed_events` follow."""
    return _without_nulls(
        event="catch_up",
        message=f"The run goes on. {_events(missed_events)} that you missed follow, then what is new.",
        run_id=run_id,
        status=status.value,
        epoch=epoch,
        missed_events=missed_events,
        first_event_index=first_event_index,
        current_event_count=current_event_count,
        request_id=request_id,
    )


def replay(
    *,
    run_id: str,
    status: RunStatus,
    epoch: int,
    total_events: int,
    missed_events: int,
    request_id: str | None = None,
) -> dict[str, Any]:
    """The answer to `reconnect` on a finished run: the missed events follow, or else the last event once more."""
    follows = (
        f"{_events(missed_events)} that you missed follow." if missed_events else "Its last event follows once more."
    )
    return _without_nulls(
        event="replay",
        message=f"The run has ended ({status.value}). {follows}",
        run_id=run_id,
        status=status.value,
        epoch=epoch,
        total_events=total_events,
        missed_events=missed_events,
        request_id=request_id,
    )


def subscribed(*, run_id: str, status: RunStatus, epoch: int, next_event_index: int) -> dict[str, Any]:
    """The events that follow are live."""
    return {
        "event": "subscribed",
        "message": "What follows is live.",
        "run_id": run_id,
        "status": status.value,
        "epoch": epoch,
        "next_event_index": next_event_index,
        "current_event_count": next_event_index,
    }


def again(event: Mapping[str, Any], *, index: int, epoch: int) -> dict[str, Any]:
    """The last event of a finished run, sent once more to a client that already has it, and marked as `replayed`."""
    return {**event, "replayed": True, "event_index": index, "epoch": epoch}


def gap(
    *,
    run_id: str,
    epoch: int,
    requested_event_index: int,
    earliest_event_index: int,
    next_event_index: int,
    request_id: str | None = None,
) -> dict[str, Any]:
    """The requested events are gone; a snapshot follows, then events from `next_event_index`."""
    return _without_nulls(
        event="gap",
        run_id=run_id,
        epoch=epoch,
        requested_event_index=requested_event_index,
        earliest_event_index=earliest_event_index,
        next_event_index=next_event_index,
        request_id=request_id,
    )


def run_changed(
    *,
    list: str,  # noqa: A002 - as it travels
    seq: int,
    matches: bool,
    run: Mapping[str, Any],
    pending: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A run of a followed list. `seq` is 0 in the current list: a client can resume only from the list's end."""
    return {"event": "run_changed", "list": list, "seq": seq, "matches": matches, "run": run, "pending": pending}


def runs_listed(
    *,
    list: str,  # noqa: A002 - as it travels
    seq: int,
    count: int,
    more: bool,
    resumed: bool,
    request_id: str | None = None,
) -> dict[str, Any]:
    """A followed list is complete up to `seq`; changes that follow are live."""
    return _without_nulls(
        event="runs_listed", list=list, seq=seq, count=count, more=more, resumed=resumed, request_id=request_id
    )


def inbox_changed(
    *,
    list: str,  # noqa: A002 - as it travels
    seq: int,
    interaction_id: str,
    item: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A question of a followed inbox; without an item it is gone. `seq` is 0 while the inbox is told whole."""
    told = {"event": "inbox_changed", "list": list, "seq": seq, "interaction_id": interaction_id}
    return {**told, "gone": True} if item is None else {**told, "item": item}


def inbox_listed(
    *,
    list: str,  # noqa: A002 - as it travels
    seq: int,
    count: int,
    more: bool,
    resumed: bool,
    changed_runs: Sequence[str] | None = None,
    request_id: str | None = None,
) -> dict[str, Any]:
    """A followed inbox is complete up to `seq`; changes that follow are live."""
    return _without_nulls(
        event="inbox_listed",
        list=list,
        seq=seq,
        count=count,
        more=more,
        resumed=resumed,
        changed_runs=changed_runs,
        request_id=request_id,
    )


def inbox_presence(*, interaction_id: str, people: Sequence[str]) -> dict[str, Any]:
    """Who looks at a question."""
    return {"event": "inbox_presence", "interaction_id": interaction_id, "people": people}


def inbox_draft(*, interaction_id: str, revision: int, content: JsonValue) -> dict[str, Any]:
    """What somebody has half-written."""
    return _without_nulls(event="inbox_draft", interaction_id=interaction_id, revision=revision, content=content)


def ack(
    action: str,
    request_id: str,
    *,
    run_id: str | None = None,
    session_id: str | None = None,
    signal_id: str | None = None,
) -> dict[str, Any]:
    """An action with a `request_id` was accepted durably."""
    of_run = {"run_id": run_id, "session_id": session_id, "signal_id": signal_id}
    return _without_nulls(event="ack", action=action, request_id=request_id, **of_run)


def pong(request_id: str | None = None) -> dict[str, Any]:
    """The answer to `ping`."""
    return _without_nulls(event="pong", request_id=request_id)


def error(refusal: Refusal, *, request_id: str | None = None) -> dict[str, Any]:
    """The answer to a refused request; also the body of the SSE twin's errors."""
    return _without_nulls(
        event="error",
        error=refusal.message,
        code=refusal.code.value,
        retryable=refusal.retryable,
        request_id=request_id,
        run_id=refusal.run_id,
        details=refusal.details,
    )


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


def _without_nulls(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
