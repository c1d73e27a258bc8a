"""What one client follows on the server's change feed, a list of runs above all: what changes, and how it stands.

Laws:
- Iterating yields what is current, then what says that this is all, then each change, through any number of
  connections: after one that was lost comes what was missed or, where the server can't tell that any more, what is
  current again.
- A current list is given whole: one that was cut off is forgotten, and asked for anew.
- What a list has is as of the last message that was taken.
- A slow taker costs a bounded inbox. When it is full, the server is asked to stop; when half of it is taken, the rest
  is asked for from where it was.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar, cast

from interlock_client.inbox import Inbox
from interlock_protocol.errors import InterlockError, ProtocolMisuse
from interlock_protocol.messages import (
    Ack,
    FollowInbox,
    FollowRuns,
    RunChanged,
    RunListFilter,
    RunsListed,
    RunSummary,
    ServerMessage,
    UnfollowInbox,
    UnfollowRuns,
)
from interlock_protocol.types import RunStatus

ListMessage: TypeAlias = RunChanged | RunsListed

M = TypeVar("M", bound=ServerMessage)


class ListOwner(Protocol):
    """What a list needs of its client."""

    def resume(self, followed: Any) -> None:
        """Asks the server for the list, now or when there is a connection."""

    def stop(self, followed: Any) -> None:
        """Asks the server to stop sending."""

    def stirred(self) -> None:
        """A list has got room, or somebody waits for its next message."""

    async def unfollow(self, followed: Any) -> None:
        """Stops following and waits for the ack."""

    async def act(self, action: Any) -> Ack:
        """Has the server carry out an action."""

    def say(self, action: Any) -> None:
        """Sends an action of which nobody waits to hear."""


class FollowedList(ABC, Generic[M]):
    """Something that a client follows on the feed.

    Attributes:
        name: what the connection calls it.
        seq: the place of the last change that was taken.
    """

    def __init__(self, owner: ListOwner, asked: FollowRuns | FollowInbox, inbox: Inbox) -> None:
        self.name = asked.list
        self.seq = asked.cursor or 0
        self._owner = owner
        self._asked = asked
        self._inbox = inbox
        self._kept = self.seq
        self._current: list[tuple[M, int]] = []
        self._streaming = False
        self._lagging = False
        self._left = False
        self._failure: InterlockError | None = None
        self._hungry = False
        self._news = asyncio.Event()

    @abstractmethod
    def _apply(self, message: M) -> None:
        """Take what a message says into what the list has."""

    @abstractmethod
    def _is_part(self, message: M) -> bool:
        """Whether it is a part of what is current, of which the others are still to come."""

    @property
    @abstractmethod
    def leaving(self) -> UnfollowRuns | UnfollowInbox:
        """What stops it."""

    # ── What comes ──────────────────────────────────────────────────────────────────────────────────────

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> M:
        """The next message.

        Raises:
            ConnectionEnded: there is no connection any more, and everything that came before was taken.
            ActionRefused: the server doesn't let this client follow lists any more.
        """
        if self._hungry:
            raise ProtocolMisuse("two loops take the changes of one list; let one of them take all")
        while not (len(self._inbox) or self._left):
            await self._wait()
        if self._left:
            raise StopAsyncIteration
        message = cast("M", self._inbox.take())
        self._apply(message)
        if self._lagging and self._inbox.roomy:
            self._lagging = False
            self._owner.resume(self)
        return message

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._news.clear()
        self._hungry = True
        self._owner.stirred()
        try:
            await self._news.wait()
        finally:
            self._hungry = False

    async def unfollow(self) -> None:
        """Stops following. Iterating ends at once."""
        self._left = True
        self._news.set()
        await self._owner.unfollow(self)

    # ── For the client ──────────────────────────────────────────────────────────────────────────────────

    @property
    def wants_events(self) -> bool:
        """Whether the server is to send what follows."""
        return not (self._lagging or self._left or self._failure)

    @property
    def hungry(self) -> bool:
        """Whether somebody waits for the next message."""
        return self._hungry

    @property
    def streaming(self) -> bool:
        return self._streaming

    def ask(self, request_id: str) -> FollowRuns | FollowInbox:
        self.lost()
        return self._asked.model_copy(update={"request_id": request_id, "cursor": self._kept or None})

    def acknowledged(self) -> None:
        self._streaming = True

    def lost(self) -> None:
        """The connection is gone, or the server is asked anew."""
        self._streaming = False
        self._current.clear()

    def fail(self, error: InterlockError) -> None:
        """Nothing more will come, because of `error`."""
        self._failure = self._failure or error
        self._news.set()

    def receive(self, message: M, size: int) -> None:
        """Takes in a message about this list; what was under way when it was asked for anew comes again."""
        if not self._streaming:
            return
        self._current.append((message, size))
        if self._is_part(message):
            return
        for each in self._current:
            self._inbox.put(*each)
        self._current.clear()
        self._kept = getattr(message, "seq", self._kept)
        self._news.set()
        if self._inbox.full:
            self._lagging, self._streaming = True, False
            self._owner.stop(self)


class RunList(FollowedList[ListMessage]):
    """A followed list of runs. Made by `Client.follow_runs`.

    Attributes:
        seq: the place of the last change that was taken; with it, `Client.follow_runs` can go on another day.
    """

    def __init__(self, owner: ListOwner, asked: FollowRuns, inbox: Inbox) -> None:
        super().__init__(owner, asked, inbox)
        self._runs: dict[str, RunSummary] = {}
        self._listing: dict[str, RunSummary] = {}

    def __repr__(self) -> str:
        return f"<RunList of {len(self._runs)}>"

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """The runs on the list, newest first."""
        return tuple(sorted(self._runs.values(), key=lambda run: (run.created_at, run.run_id), reverse=True))

    @property
    def leaving(self) -> UnfollowRuns:
        return UnfollowRuns(list=self.name)

    def _is_part(self, message: ListMessage) -> bool:
        return isinstance(message, RunChanged) and not message.seq

    def _apply(self, message: ListMessage) -> None:
        if isinstance(message, RunsListed):
            if not message.resumed:
                self._runs, self._listing = self._listing, {}
            self.seq = message.seq
            return
        runs = self._runs if message.seq else self._listing
        runs.pop(message.run.run_id, None)
        if message.matches:
            runs[message.run.run_id] = message.run
        self.seq = message.seq or self.seq


def runs_that(
    *,
    workflow_id: str | None,
    session_id: str | None,
    namespace: str | None,
    status: Iterable[str],
    waiting_for_me: bool,
) -> RunListFilter:
    """The filter of a list."""
    return RunListFilter(
        workflow_id=workflow_id,
        session_id=session_id,
        namespace=namespace,
        status=[RunStatus(each) for each in status] or None,
        waiting_for_me=waiting_for_me or None,
    )
