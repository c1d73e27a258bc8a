"""Where a run stands, for whoever waits for that.

Laws:
- Nothing of its events is kept but the status. Each connection begins with the run's present state.
- It follows the run only while the program doesn't: then it is told of what the program's own run receives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from interlock_client.pauses import Decision, OnBehalfOf
from interlock_client.state import RunState
from interlock_protocol.errors import InterlockError
from interlock_protocol.messages import Reconnect, ServerMessage
from interlock_protocol.types import RunStatus


class Watch:
    """The status of one run. Made by `Client.watch`.

    Attributes:
        users: how many wait for it.
    """

    hungry = False
    roomy = True

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.users = 0
        self._state = RunState(_decide)
        self._streaming = False
        self._failure: InterlockError | None = None
        self._news = asyncio.Event()

    @property
    def status(self) -> RunStatus:
        """As of the last event that was received."""
        return self._state.status

    async def until(self, holds: Callable[[RunStatus], bool]) -> None:
        """Returns when the status is such a one.

        Raises:
            InterlockError: nothing more will be received.
        """
        while not holds(self.status):
            if self._failure is not None:
                raise self._failure
            self._news.clear()
            await self._news.wait()

    # ── For the client ──────────────────────────────────────────────────────────────────────────────────

    @property
    def wants_events(self) -> bool:
        return not (self.status.is_final or self._failure)

    @property
    def streaming(self) -> bool:
        return self._streaming

    def ask(self, request_id: str) -> Reconnect:
        return Reconnect(run_id=self.run_id, request_id=request_id, snapshot=True)

    def acknowledged(self) -> None:
        self._streaming = True

    def lost(self) -> None:
        """The connection is gone."""
        self._streaming = False

    def lag(self) -> None:
        """It never does: nothing is kept."""

    def fail(self, error: InterlockError) -> None:
        """Nothing more will come, because of `error`."""
        self._failure = self._failure or error
        self._news.set()

    def receive(self, message: ServerMessage, size: int) -> None:
        """Takes in a message about the run."""
        before = self.status
        self._state.apply(message)
        if self.status is not before:
            self._news.set()


async def _decide(decision: Decision, represented: OnBehalfOf | None) -> None:
    raise AssertionError("nobody answers here")
