"""Pages of an instance's history.

Laws:
- A page has at most `limit` entries and about a megabyte, and looks at no more than `MAX_LOOKED` events: a filter that
  fits little gives short pages, and the cursor goes on from there.
- The data of an entry is the fold of the events up to it. Where a page ended, that is kept for the next one.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import to_json

from interlock.definitions.lru import Lru
from interlock.engine.engine import Engine
from interlock.http.v1.bodies import invalid
from interlock.http.v1.errors import ApiError, Code, not_there
from interlock.http.v1.times import shown
from interlock.http.v1.views import entries_from, event_of
from interlock.log.port import Entry, Head
from interlock.workflow.run.history import entry_of, place_of
from interlock.workflow.run.machine_view import View
from interlock_protocol.limits import MIB
from interlock_protocol.types import JsonObject

MAX_LOOKED: Final = 10_000
MAX_PAGE_BYTES: Final = MIB
KEPT: Final = 256
KEPT_BYTES: Final = 32 * MIB
"""How many places the data is kept of, and how many bytes it may have as JSON."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; None, or no types, is no filter. Times are in milliseconds since 1970."""

    types: frozenset[str] = frozenset()
    since: int | None = None
    until: int | None = None
    thread: str | None = None
    include_data: bool = False
    limit: int = 100
    cursor: int | None = None

    def fits(self, entry: Mapping[str, Any]) -> bool:
        at = entry["timestamp"]
        return (
            (not self.types or entry["type"] in self.types)
            and (self.since is None or at > self.since)
            and (self.until is None or at < self.until)
            and (self.thread is None or entry.get("thread") == self.thread)
        )


@dataclass(slots=True)
class Page:
    """A page of entries. `next_index` is where the next one begins; None if this is the last."""

    entries: list[JsonObject] = field(default_factory=list)
    next_index: int | None = None
    has_gap: bool = False


class Histories:
    """Reads histories."""

    def __init__(self) -> None:
        self._data: Lru[tuple[str, int, int], JsonObject] = Lru(KEPT, KEPT_BYTES)

    async def page(self, engine: Engine, head: Head, wanted: Wanted) -> Page:
        """A page of entries, the oldest first."""
        page, first, looked, size = Page(), max(wanted.cursor or 0, head.first_index), 0, 0
        page.has_gap = (wanted.cursor or 0) < head.first_index
        view = await self._view_at(engine, head, first) if wanted.include_data else None
        async for epoch, index, entry in entries_from(engine, head, first):
            is_full = len(page.entries) >= wanted.limit or size >= MAX_PAGE_BYTES or looked >= MAX_LOOKED
            told = _told(epoch, index, entry)
            fits = told is not None and wanted.fits(told)
            if is_full and (fits or looked >= MAX_LOOKED):
                page.next_index = index
                break
            looked += 1
            if view is not None:
                view.fold(event_of(epoch, index, entry))
            if told is not None and fits:
                shown_entry = _shown(told, view)
                page.entries.append(shown_entry)
                size += len(entry.body) + (0 if view is None else len(to_json(view.data)))
        if view is not None and page.next_index is not None:
            self._keep((head.run_id, head.epoch, page.next_index), view.data)
        return page

    async def event(self, engine: Engine, head: Head, id_: str, *, include_data: bool) -> JsonObject:
        """One entry.

        Raises:
            ApiError: `event_not_found`.
        """
        place = place_of(id_)
        if place is not None and head.first_index <= place[1] < head.next_index:
            async for epoch, index, entry in entries_from(engine, head, place[1]):
                told = _told(epoch, index, entry) if (epoch, index) == place else None
                if told is None:
                    break
                view = await self._view_at(engine, head, index + 1) if include_data else None
                return _shown(told, view)
        raise no_event(id_)

    async def _view_at(self, engine: Engine, head: Head, index: int) -> View:
        """The data before the event at an index."""
        known = self._data.get((head.run_id, head.epoch, index))
        if known is not None:
            return View(data=known, next_index=index)
        before = [place for place in self._data if place[:2] == (head.run_id, head.epoch) and place[2] < index]
        nearest = max(before, key=lambda place: place[2], default=None)
        kept = None if nearest is None else self._data.get(nearest)
        view = View() if nearest is None or kept is None else View(data=kept, next_index=nearest[2])
        first = head.first_index if nearest is None else nearest[2]
        async for epoch, at, entry in entries_from(engine, head, first):
            if at >= index:
                break
            if entry.body.startswith(_CHANGES_DATA):
                view.fold(event_of(epoch, at, entry))
        self._keep((head.run_id, head.epoch, index), view.data)
        return view

    def _keep(self, place: tuple[str, int, int], data: JsonObject) -> None:
        self._data.put(place, data, len(to_json(data)))


_CHANGES_DATA: Final = tuple(
    f'{{"event":"{name}"'.encode() for name in ("StateChanged", "StateDataMerged", "WorkflowCompleted")
)
_SAYS_NOTHING: Final = (
    b'{"event":"RunResponseContentEvent"',
    b'{"event":"CustomEvent"',
    b'{"event":"WorkflowRunOutput"',
)
"""Events that aren't in any history, and may be many or large."""


def _told(epoch: int, index: int, entry: Entry) -> JsonObject | None:
    return None if entry.body.startswith(_SAYS_NOTHING) else entry_of(event_of(epoch, index, entry))


def _shown(told: JsonObject, view: View | None) -> JsonObject:
    at = told["timestamp"]
    assert isinstance(at, int)
    until = told.get("until")
    times: JsonObject = {"timestamp": shown(at), **({"until": shown(until)} if isinstance(until, int) else {})}
    return {**told, **times, **({} if view is None else {"workflow_data": view.data})}


# ── Cursors and filters ─────────────────────────────────────────────────────────────────────────────────


def cursor_of(index: int | None) -> str | None:
    """The cursor of a page that begins at this index."""
    return None if index is None else base64.urlsafe_b64encode(f"i{index}".encode()).decode().rstrip("=")


def index_of(cursor: str | None) -> int | None:
    """The index at which the page of a cursor begins.

    Raises:
        ApiError: `invalid_request`; it isn't one of ours.
    """
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        text = ""
    if not (text.startswith("i") and text[1:].isascii() and text[1:].isdigit() and len(text) < 20):
        raise invalid([{"field": "cursor", "error": "isn't one of ours; begin without it"}])
    return int(text[1:])


def no_event(id_: str) -> ApiError:
    """The answer for an entry that isn't there."""
    return not_there(Code.EVENT_NOT_FOUND, f"Event {id_!r}")
