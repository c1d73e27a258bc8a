"""The answer to a client that comes back to a run, and the index at which its events continue.

Laws:
- The caller already has a cursor on the run: it watches before it reads the head, so that it misses nothing after.
- The answer comes before the events, except `subscribed`, which comes where replay ends and live delivery begins.
- A client that comes back to a finished run gets the run's last event: at its index, or, if the client already had it,
  once more.

Source: `docs/protocol.md`, "Answers and control messages" and "Reconnecting".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from interlock.auth import Principal
from interlock.engine.commands.runs import Facts
from interlock.engine.engine import Engine
from interlock.following.hub import Cursor
from interlock.log.port import Head
from interlock_protocol import control
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import Reconnect
from interlock_protocol.types import RunStatus

MAX_INDEX = 2**63 - 1
"""The cap of a client's index, which may be as large as the wire's largest integer, 2**64 - 1."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """The answer to a `reconnect`.

    Attributes:
        says: control messages and the snapshot, in order, to send at once.
        first: the index of the first event to deliver; None if nothing follows.
        subscribed: the message to send once everything before `subscribed_at` is delivered, unless the run has ended by
            then.
    """

    says: tuple[dict[str, Any], ...]
    first: int | None = None
    subscribed: dict[str, Any] | None = None
    subscribed_at: int = 0


async def resumable(engine: Engine, principal: Principal, message: Reconnect) -> Facts:
    """Return the facts of the run that the message names.

    Raises:
        Refusal: `run_not_found`, `workflow_mismatch` or `unavailable`.
    """
    facts = await engine.runs.readable(principal, message.run_id)
    if message.workflow_id is not None and message.workflow_id != facts.workflow_id:
        raise Refusal(
            ErrorCode.WORKFLOW_MISMATCH,
            f"The run is one of workflow {facts.workflow_id!r}; correct workflow_id or leave it out.",
            run_id=facts.run_id,
        )
    if message.session_id is not None and message.session_id != facts.session_id:
        sentence = "There is no such run; check run_id (and session_id)."
        raise Refusal(ErrorCode.RUN_NOT_FOUND, sentence, run_id=facts.run_id)
    return facts


async def resume(engine: Engine, message: Reconnect, cursor: Cursor) -> Resumption:
    """Return the answer for a client that comes back to the cursor's run; the cursor learns where the log ends.

    Raises:
        Refusal: `unavailable`.
        LogUnavailable: the log is away.
    """
    head = await engine.runs.head(cursor.run_id)
    asked = 0 if message.last_event_index is None else min(message.last_event_index + 1, MAX_INDEX)
    is_gap = (
        message.epoch is not None and message.epoch != head.epoch
    ) or not head.first_index <= asked <= head.next_index
    snapshot = None
    if is_gap or message.snapshot:
        snapshot = await engine.runs.snapshot(cursor.run_id)
        head = await engine.runs.head(cursor.run_id)
    cursor.told(head.epoch, head.next_index)
    if is_gap:
        assert snapshot is not None
        return _after_gap(message, head, asked, snapshot)
    answer = _caught_up(message, head, asked) if snapshot is None else _from_snapshot(message, head, snapshot)
    if head.status.is_final and answer.first is None:
        return replace(answer, says=(*answer.says, *await _end_again(engine, head)))
    return answer


async def _end_again(engine: Engine, head: Head) -> tuple[dict[str, Any], ...]:
    """Return the run's last event for a client that already has it but may still wait for it; empty if it is gone."""
    event = await engine.runs.last_event(head)
    return () if event is None else (control.again(event, index=head.next_index - 1, epoch=head.epoch),)


def _caught_up(message: Reconnect, head: Head, first: int, *before: dict[str, Any]) -> Resumption:
    missed = head.next_index - first
    if head.status.is_final:
        replay = control.replay(
            run_id=head.run_id,
            status=head.status,
            epoch=head.epoch,
            total_events=head.next_index,
            missed_events=missed,
            request_id=message.request_id,
        )
        return Resumption((*before, replay), first if missed else None)
    if not missed:
        return _subscribed(before, head, first, first)
    catch_up = control.catch_up(
        run_id=head.run_id,
        status=head.status,
        epoch=head.epoch,
        missed_events=missed,
        first_event_index=first,
        current_event_count=head.next_index,
        request_id=message.request_id,
    )
    return _subscribed((*before, catch_up), head, first, head.next_index)


def _after_gap(message: Reconnect, head: Head, asked: int, snapshot: dict[str, Any]) -> Resumption:
    upto = snapshot["as_of"] + 1
    gap = control.gap(
        run_id=head.run_id,
        epoch=head.epoch,
        requested_event_index=asked,
        earliest_event_index=head.first_index,
        next_event_index=upto,
        request_id=message.request_id,
    )
    return Resumption((gap, snapshot), None if RunStatus(snapshot["status"]).is_final else upto)


def _from_snapshot(message: Reconnect, head: Head, snapshot: dict[str, Any]) -> Resumption:
    upto = snapshot["as_of"] + 1
    if message.last_event_index is not None:
        return _caught_up(message, head, message.last_event_index + 1, snapshot)
    if head.status.is_final:
        return _caught_up(message, head, upto, snapshot)
    return _subscribed((snapshot,), head, upto, upto)


def _subscribed(says: tuple[dict[str, Any], ...], head: Head, first: int, announce_at: int) -> Resumption:
    subscribed = control.subscribed(
        run_id=head.run_id, status=head.status, epoch=head.epoch, next_event_index=announce_at
    )
    return Resumption(says, first, subscribed, announce_at)
