"""The session of a run, as its steps see it: read before each step, saved after it.

Laws:
- A step's changes are in the log with its output, and in the store before the next step begins. Saving them again after
  a crash changes nothing. A step that runs again in a later epoch counts as a new one, whatever its index.
- A save writes changes, merged with those of the session's other runs; never the whole session state.
- A session created for a new run isn't looked up, because no other run can have used it yet.

Source: `docs/workflows.md`, "Sessions".
"""

from __future__ import annotations

import asyncio
import contextlib

from interlock.store.port import StoreUnavailable
from interlock.store.ports.sessions import Sessions as SessionStates
from interlock.workflow.program import EarlierRun, RunState, Session, result_in
from interlock_protocol.types import JsonValue

RETRY_SECONDS = 0.5
_INDEX_BITS = 40


def own_session(run_id: str) -> str:
    """The id of the session that is created for one run."""
    return run_id.replace("run-", "session-", 1)


class Sessions:
    """The session of one run that this process drives."""

    def __init__(self, store: SessionStates, state: RunState) -> None:
        self._store = store
        self._key = (state.user_id, state.session_id)
        self._account = state.account
        self._run_id = state.run_id
        self._is_used = state.session_id != own_session(state.run_id) or state.next_index > 0
        self._saved_to = -1
        self._earlier: tuple[EarlierRun, ...] | None = None

    async def for_step(self) -> Session:
        """The current session, which one step may change in place."""
        if not self._is_used:
            return Session(self._key[1])
        while True:
            # An unavailable store must not fail the step: it begins when the store is back.
            with contextlib.suppress(StoreUnavailable):
                return await self._read()
            await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> Session:
        if self._earlier is None:
            state, rows = await self._store.session(*self._key, account=self._account)
            self._earlier = tuple(_earlier(*row) for row in rows)
        else:
            state = await self._store.session_state(*self._key, account=self._account)
        return Session(self._key[1], state, self._earlier)

    def is_unsaved(self, state: RunState) -> bool:
        """Return True if the run has changes that aren't in the store yet."""
        return bool(self._unsaved(state))

    async def save(self, state: RunState) -> None:
        """Save the changes that are in the log but not in the store yet."""
        patches = self._unsaved(state)
        while patches:
            with contextlib.suppress(StoreUnavailable):
                await self._store.patch_session(*self._key, self._run_id, patches, account=self._account)
                self._saved_to = patches[-1][0]
                self._is_used = True
                return
            await asyncio.sleep(RETRY_SECONDS)

    def _unsaved(self, state: RunState) -> list[tuple[int, list[JsonValue]]]:
        places = ((_place(state, each.index), each.changes) for each in state.session_patches)
        return [(place, changes) for place, changes in places if place > self._saved_to]


def _earlier(run_id: str, given: JsonValue, snapshot: bytes) -> EarlierRun:
    content, status, error = result_in(snapshot)
    return EarlierRun(run_id, given, content, status, error)


def _place(state: RunState, index: int) -> int:
    """A number that orders indexes across epochs: any index of a later epoch is greater."""
    return (state.epoch - 1 << _INDEX_BITS) + index
