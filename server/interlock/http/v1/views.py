"""Reading instances: their views, made of their logs, and kept for who asks again.

Laws:
- A view is as new as the log's head when it was asked for. Events that a kept view has aren't read again.
- Of a log whose beginning is gone, the view begins with the run's state.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from interlock.definitions.lru import Lru
from interlock.engine.engine import Engine
from interlock.following.hub import Cursor
from interlock.log.port import Batch, Entry, Head
from interlock.workflow.run.machine_view import View
from interlock_protocol.codec import read_body
from interlock_protocol.limits import MIB

KEPT: Final = 128
KEPT_BYTES: Final = 64 * MIB
"""How many views are kept, and how many bytes they may have as JSON."""


class Views:
    """The views of instances."""

    def __init__(self) -> None:
        self._kept: Lru[str, tuple[int, View]] = Lru(KEPT, KEPT_BYTES)

    async def view(self, engine: Engine, run_id: str) -> View:
        """Return the view of a run by now; read-only.

        Raises:
            LogUnavailable, StoreUnavailable, Refusal: it can't be read now.
        """
        head = await engine.runs.head(run_id)
        view = self._of_epoch(run_id, head.epoch)
        if view.next_index < head.next_index:
            view = await self._caught_up(engine, head, view)
            self._keep(run_id, head.epoch, view)
        return view

    async def delivered(self, engine: Engine, cursor: Cursor) -> View:
        """Like `view`, but as new as what a follower has been delivered, which is in memory as a rule."""
        epoch, view = cursor.tail.epoch, self._of_epoch(cursor.run_id, cursor.tail.epoch)
        if view.next_index < cursor.next_index:
            for batch in cursor.recent(view.next_index):
                _fold(view, batch)
            self._keep(cursor.run_id, epoch, view)
        return view if view.next_index >= cursor.next_index else await self.view(engine, cursor.run_id)

    def _of_epoch(self, run_id: str, epoch: int) -> View:
        kept_epoch, view = self._kept.get(run_id) or (0, View())
        return view if kept_epoch == epoch else View()

    def _keep(self, run_id: str, epoch: int, view: View) -> None:
        self._kept.put(run_id, (epoch, view), view.size)

    async def _caught_up(self, engine: Engine, head: Head, view: View) -> View:
        async for event in events_from(engine, head, view.next_index):
            index = event["event_index"]
            if index > view.next_index:
                return await self._of_a_trimmed_log(engine, head)
            if index == view.next_index:  # another reader may have added it meanwhile
                view.fold(event)
        return view

    async def _of_a_trimmed_log(self, engine: Engine, head: Head) -> View:
        """The view of a run whose first events are gone: its state and, after its end, what its last events say."""
        known = View.of(await engine.runs.state(head.run_id, fresh=True))
        if not known.is_over:
            return known
        last = View()
        async for event in events_from(engine, head, head.first_index):
            last.fold(event)
        last.data = last.data or known.data
        return last


def _fold(view: View, batch: Batch) -> None:
    for index, entry in enumerate(batch.entries, batch.first_index):
        if index == view.next_index:
            view.fold(event_of(batch.epoch, index, entry))


async def events_from(engine: Engine, head: Head, first: int) -> AsyncIterator[dict[str, Any]]:
    """The events of a run from an index on, up to its head, each with its index and epoch."""
    async for epoch, index, entry in entries_from(engine, head, first):
        yield event_of(epoch, index, entry)


async def entries_from(engine: Engine, head: Head, first: int) -> AsyncIterator[tuple[int, int, Entry]]:
    """The entries of a run's log from an index on, up to its head, each with its epoch and index."""
    while first < head.next_index:
        batches = await engine.runs.logged_from(head.run_id, first)
        if not batches:
            return
        for batch in batches:
            for index, entry in enumerate(batch.entries, batch.first_index):
                if first <= index < head.next_index:
                    yield batch.epoch, index, entry
        first = batches[-1].next_index


def event_of(epoch: int, index: int, entry: Entry) -> dict[str, Any]:
    """The event of an entry, with its index and epoch."""
    return {**read_body(entry.body), "event_index": index, "epoch": epoch}
