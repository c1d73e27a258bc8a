"""Which events of a run were seen, which are still to come, and what of a frame is news.

Laws:
- Pure. It answers messages with events to hand on, and says what to ask the server for.
- Each index of an epoch is handed on once, in order. What was seen is dropped; a hole is never handed on.
- A gap moves the cursor only together with its snapshot: who dies between the two asks again and is told again.
- After asking (`ask`), everything is stale until the server has acknowledged and answered: events of the stream that
  was asked to stop may still be under way.
"""

from __future__ import annotations

from enum import StrEnum

from interlock_protocol.errors import InterlockError
from interlock_protocol.messages import (
    FINAL_EVENTS,
    CatchUp,
    Gap,
    Reconnect,
    Replay,
    RunEvent,
    ServerMessage,
    Subscribed,
    UnknownEvent,
    WorkflowRunOutput,
)


class Hole(InterlockError):  # noqa: N818 - what it found
    """An event came too early: one before it is missing, or its epoch isn't the one that is followed."""


class Sync(StrEnum):
    """How far the server is with what was asked of it."""

    IDLE = "idle"  # nothing is asked for: whatever comes is stale
    ASKED = "asked"
    ACKNOWLEDGED = "acknowledged"
    STREAMING = "streaming"


class Cursor:
    """The place of one client in one run.

    Attributes:
        last: the index of the last event that was handed on; None before the first.
        epoch: the epoch of that index; None as long as no event was seen.
        ended: there is nothing more to come.
        end: the index after the last one that the server had when it was asked last.
    """

    def __init__(
        self,
        run_id: str,
        *,
        last: int | None = None,
        epoch: int | None = None,
        snapshot: bool = False,
        streaming: bool = False,
    ) -> None:
        self.run_id = run_id
        self.last = last
        self.epoch = epoch
        self.ended = False
        self.end = 0
        self.sync = Sync.STREAMING if streaming else Sync.IDLE
        self._snapshot = snapshot and last is None
        self._gap: Gap | None = None

    def ask(self, request_id: str, *, workflow_id: str | None = None) -> Reconnect:
        """The message that brings what follows `last`."""
        self.sync, self._gap = Sync.ASKED, None
        return Reconnect(
            run_id=self.run_id,
            workflow_id=workflow_id,
            request_id=request_id,
            last_event_index=self.last,
            epoch=self.epoch,
            snapshot=self._snapshot,
        )

    def acknowledged(self) -> None:
        """The server has taken up what was asked last."""
        if self.sync is Sync.ASKED:
            self.sync = Sync.ACKNOWLEDGED

    def stop(self) -> None:
        """Whatever still comes is stale: the connection is gone, or the server was asked to stop."""
        self.sync, self._gap = Sync.IDLE, None

    def take(self, message: ServerMessage) -> list[ServerMessage]:
        """What of `message` is news, in order.

        Raises:
            Hole: events are missing before this one; ask again.
        """
        if self.ended or self.sync in (Sync.IDLE, Sync.ASKED):
            return []
        if isinstance(message, CatchUp | Replay | Subscribed | Gap):
            return self._answered(message)
        if isinstance(message, WorkflowRunOutput) and message.event_index is None:
            return self._snapped(message)
        if (index := event_index(message)) is None or self.sync is not Sync.STREAMING:
            return []
        return self._advance(message, index)

    def _answered(self, message: CatchUp | Replay | Subscribed | Gap) -> list[ServerMessage]:
        self.sync = Sync.STREAMING
        if isinstance(message, Gap):
            self._gap = message
            return []
        self.end = _end(message)
        if self.epoch is None:
            self.epoch = message.epoch
        # A finished run of which nothing was missed: no final event will come again.
        self.ended = isinstance(message, Replay) and message.missed_events == 0 and not self._snapshot
        return [message] if self.ended else []

    def _snapped(self, message: WorkflowRunOutput) -> list[ServerMessage]:
        if (gap := self._gap) is not None:
            self._move(gap.epoch, gap.next_event_index - 1)
            news: list[ServerMessage] = [gap, message]
        elif self._snapshot:
            self._move(message.epoch, -1 if message.as_of is None else message.as_of)
            news = [message]
        else:
            return []
        self.sync, self._gap, self._snapshot = Sync.STREAMING, None, False
        self.ended = message.status.is_final
        return news

    def _move(self, epoch: int, last: int) -> None:
        self.epoch, self.last, self.end = epoch, last if last >= 0 else None, last + 1

    def _advance(self, message: ServerMessage, index: int) -> list[ServerMessage]:
        if self._gap is not None or self._snapshot:
            return []  # it is older than the snapshot, and part of it
        epoch = event_epoch(message)
        due = 0 if self.last is None else self.last + 1
        if self.epoch not in (None, epoch) or index > due:
            raise Hole(f"run {self.run_id}: event {epoch}-{index} came where {self.epoch}-{due} was due")
        if index < due:
            return []
        self.last, self.epoch = index, epoch
        self.ended = message.event in FINAL_EVENTS
        return [message]


def _end(message: CatchUp | Replay | Subscribed) -> int:
    match message:
        case CatchUp():
            return message.current_event_count
        case Replay():
            return message.total_events
        case Subscribed():
            return message.next_event_index


def run_of(message: ServerMessage) -> str | None:
    """The run a message is about, also when this version doesn't know the message."""
    found = _field(message, "run_id")
    return found if isinstance(found, str) else None


def event_index(message: ServerMessage) -> int | None:
    """The index of a run event; None for everything else."""
    found = _field(message, "event_index") if isinstance(message, RunEvent | UnknownEvent) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def event_epoch(message: ServerMessage) -> int:
    """The epoch of a run event."""
    found = _field(message, "epoch")
    return found if isinstance(found, int) else 0


def _field(message: ServerMessage, name: str) -> object:
    return getattr(message, name, None)
