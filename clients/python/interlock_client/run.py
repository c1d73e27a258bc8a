"""A run as one client follows it: its events, its state, and what can be done to it.

Laws:
- Iterating yields each event once and in order, through any number of connections, and ends after the final one.
- The state (`status`, `pending`, `result`, …) is as of the last event that was taken. Who takes no events sees no
  change.
- A slow taker costs a bounded inbox. A run whose inbox is full is told to its client, which may make it lag: the
  server is asked to stop (`unfollow`), whatever is still under way is dropped, and when half of the inbox is taken,
  the rest is asked for from the last event that was kept.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, Self

from interlock_client.cursor import Cursor, Hole, Sync
from interlock_client.errors import BrokenStream, Conflict, TooLate
from interlock_client.inbox import Inbox
from interlock_client.pauses import Decision, OnBehalfOf, Pause
from interlock_client.state import RunState
from interlock_client.tools import tools_in
from interlock_protocol.errors import InterlockError, ProtocolMisuse
from interlock_protocol.messages import Reconnect, Replay, RunEvent, ServerMessage, Subscribed
from interlock_protocol.types import JsonValue, RunStatus

logger = logging.getLogger("interlock_client")


class Owner(Protocol):
    """What a run needs of its client."""

    def resume(self, run: Run) -> None:
        """Asks the server for what follows the run's cursor, now or when there is a connection."""

    def stop(self, run: Run) -> None:
        """Asks the server to stop sending."""

    def filled(self, run: Run) -> None:
        """The inbox of the run is full."""

    def stirred(self) -> None:
        """A run has got room, or somebody waits for its next event."""

    def forget(self, run: Run) -> None:
        """Nothing more will come for this run."""

    async def decide(self, run: Run, decision: Decision, represented: OnBehalfOf | None) -> None:
        """Sends a decision and waits for its ack."""

    async def cancel(self, run: Run, reason: str | None) -> None:
        """Cancels and waits for the ack."""

    async def signal(self, run_id: str, topic: str, payload: JsonValue, *, idempotency_key: str | None) -> str:
        """Sends a signal, waits for the ack, and returns its id."""

    async def unfollow(self, run: Run) -> None:
        """Stops following and waits for the ack."""


class Run:
    """One run. Made by `Client.start` and `Client.follow`.

    Attributes:
        run_id: its id, the same for everybody.
        workflow_id, session_id: None until the first event, if `follow` wasn't told.
    """

    def __init__(
        self,
        owner: Owner,
        cursor: Cursor,
        inbox: Inbox,
        *,
        workflow_id: str | None = None,
        session_id: str | None = None,
    ) -> None:
        self.run_id = cursor.run_id
        self.workflow_id = workflow_id
        self.session_id = session_id
        self._owner = owner
        self._cursor = cursor
        self._inbox = inbox
        self._state = RunState(self._decide, last_event_index=cursor.last, epoch=cursor.epoch)
        self._failure: InterlockError | None = None
        self._left = False
        self._lagging = False
        self._reading = False
        self._hungry = False
        self._mended_at: int | None = None
        self._news = asyncio.Event()
        self._introduced = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Run {self.run_id} {self.status}>"

    # ── What is known ───────────────────────────────────────────────────────────────────────────────────

    @property
    def status(self) -> RunStatus:
        return self._state.status

    @property
    def result(self) -> JsonValue:
        """What the run returned; None unless it is COMPLETED."""
        return self._state.result

    @property
    def error(self) -> str | None:
        """Why the run failed, or the reason given for its cancellation."""
        return self._state.error

    @property
    def pending(self) -> tuple[Pause, ...]:
        """What the run waits for and nobody has answered yet."""
        return self._state.pending

    @property
    def last_event_index(self) -> int | None:
        """The index of the last event taken; with `epoch`, where `Client.follow` can go on another day."""
        return self._state.last_event_index

    @property
    def epoch(self) -> int | None:
        return self._state.epoch

    @property
    def behind(self) -> int:
        """How many events, of those that the server had when it was asked for this run, are still to be taken.

        Until it is 0, `pending` is what the run waited for in the past.
        """
        taken = 0 if self.last_event_index is None else self.last_event_index + 1
        return max(0, self._cursor.end - taken)

    # ── What comes ──────────────────────────────────────────────────────────────────────────────────────

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerMessage:
        """The next event.

        Raises:
            ConnectionEnded: there is no connection any more, and everything that came before was taken.
            ActionRefused: the server doesn't let this client follow the run any more.
            BrokenStream: the server skips events.
        """
        if self._reading:
            raise ProtocolMisuse("two loops take the events of one run; let one of them take all")
        self._reading = True
        try:
            while not await self._something():
                pass
        finally:
            self._reading = False
        message = self._inbox.take()
        self._state.apply(message)
        if self._inbox.roomy:
            self._roomy()
        if isinstance(message, Replay):
            raise StopAsyncIteration
        return message

    async def _something(self) -> bool:
        """Whether an event can be taken; waits for a change if not."""
        if self._left:
            raise StopAsyncIteration
        if len(self._inbox):
            return True
        if self._failure is not None:
            raise self._failure
        if self._cursor.ended:
            raise StopAsyncIteration
        self._news.clear()
        self._hungry = True
        self._owner.stirred()
        try:
            await self._news.wait()
        finally:
            self._hungry = False
        return False

    def _roomy(self) -> None:
        self._owner.stirred()
        if self._lagging:
            self._lagging = False
            self._owner.resume(self)

    async def wait(self) -> JsonValue:
        """Takes all events up to the end, and returns `result`."""
        async for _ in self:
            pass
        return self.result

    # ── What can be done ────────────────────────────────────────────────────────────────────────────────

    async def cancel(self, reason: str | None = None) -> None:
        """Cancels the run. Returns when that is certain; `WorkflowCancelled` is the event that says so."""
        await self._owner.cancel(self, reason)

    async def signal(self, topic: str, payload: JsonValue = None, *, idempotency_key: str | None = None) -> str:
        """Sends a signal to the run, and returns its id. Returns when the run is certain to get it: now, or when
        something in it waits for that topic.

        Args:
            payload: what comes with it: any JSON value, up to 256 KiB.
            idempotency_key: for as long as the run is known, the same signal with the same key is sent once.

        Raises:
            TooLate: the run has ended.
            Conflict: the key was used for another signal.
            InvalidDecision: what waits for it can't go on with it.
            ActionRefused: `signals_full`, and others.
        """
        return await self._owner.signal(self.run_id, topic, payload, idempotency_key=idempotency_key)

    async def unfollow(self) -> None:
        """Stops following; the run goes on. Iterating ends at once."""
        self._leave()
        await self._owner.unfollow(self)

    async def known_workflow_id(self) -> str:
        """The workflow's id, waiting for the first event if necessary."""
        if self.workflow_id is None:
            await self._introduced.wait()
        if self._failure is not None and self.workflow_id is None:
            raise self._failure
        if self.workflow_id is None:
            raise ProtocolMisuse("follow() was asked for nothing but what is new; tell it workflow_id=… as well")
        return self.workflow_id

    async def _decide(self, decision: Decision, represented: OnBehalfOf | None) -> None:
        assert decision.id is not None
        try:
            await self._owner.decide(self, decision, represented)
        except (Conflict, TooLate) as refused:
            self._state.answered(tools_in(refused.decision or {}) or {decision.id})
            raise
        self._state.answered(tools_in(decision.to_wire()) or {decision.id})

    # ── For the client ──────────────────────────────────────────────────────────────────────────────────

    @property
    def wants_events(self) -> bool:
        """Whether the server is to send what follows: not while the inbox is full, nor after the end."""
        return not (self._lagging or self._left or self._cursor.ended or self._failure)

    @property
    def roomy(self) -> bool:
        """Whether more can come: the inbox isn't full any more, or what comes isn't kept."""
        return self._inbox.roomy or not self.wants_events

    @property
    def hungry(self) -> bool:
        """Whether somebody waits for the next event."""
        return self._hungry

    def lag(self) -> None:
        """Stops the events of this run until there is room."""
        if self.wants_events and not self._inbox.roomy:
            self._cursor.stop()
            self._lagging = True
            self._owner.stop(self)

    @property
    def streaming(self) -> bool:
        return self._cursor.sync is not Sync.IDLE

    def ask(self, request_id: str) -> Reconnect:
        return self._cursor.ask(request_id, workflow_id=self.workflow_id)

    def acknowledged(self) -> None:
        self._cursor.acknowledged()

    def lost(self) -> None:
        """The connection is gone."""
        self._cursor.stop()

    def fail(self, error: InterlockError) -> None:
        """Nothing more will come, because of `error`."""
        self._failure = self._failure or error
        self._wake()

    def receive(self, message: ServerMessage, size: int) -> None:
        """Takes in a message about this run."""
        try:
            news = self._cursor.take(message)
        except Hole as hole:
            self._mend(hole)
            return
        self._learn(message)
        for item in news:
            self._inbox.put(item, size)
        if news:
            self._news.set()
        if self._cursor.ended:
            self._owner.forget(self)
        elif self._inbox.full:
            self._owner.filled(self)

    def _learn(self, message: ServerMessage) -> None:
        if isinstance(message, RunEvent):
            self.workflow_id = self.workflow_id or message.workflow_id
            self.session_id = self.session_id or message.session_id
        if isinstance(message, RunEvent | Subscribed | Replay):
            self._introduced.set()

    def _mend(self, hole: Hole) -> None:
        place = -1 if self._cursor.last is None else self._cursor.last
        if self._mended_at == place:
            self._owner.forget(self)
            self.fail(BrokenStream(str(hole)))
            return
        logger.warning("%s; asking again", hole)
        self._mended_at = place
        self._cursor.stop()
        self._owner.resume(self)

    def _leave(self) -> None:
        self._left = True
        self._cursor.stop()
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._introduced.set()
