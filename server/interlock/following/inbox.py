"""Inboxes that a client follows: the questions that wait for an answer by one user, each an item.

Laws:
- `may()` says who may answer what, for what is current and for each change.
- Whoever comes back gets what the runs ask by now that have changed since, and which runs these are: whatever else they
  knew of these waits no more. Whoever has been away for too long gets all that waits. Nobody has to ask for it.
- What a client was told is remembered, by address, so that it hears of each of these when it waits for it no more. That
  is bounded: a client that was told too much begins anew.

Source: `docs/protocol.md`, "Inboxes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from interlock.auth import Principal, Verb, may
from interlock.following.feed import Feed
from interlock.following.followed import Followed, Listed, newest_of_each
from interlock.following.items import item_of
from interlock.following.lists import waiting_for
from interlock.following.sights import Sights
from interlock.store.ports.feed import Change, FeedEnds
from interlock.store.ports.runs import ListedRun, RunPage
from interlock_protocol import control
from interlock_protocol.interactions import ids_of
from interlock_protocol.messages import FollowInbox
from interlock_protocol.requirements import SIGNAL
from interlock_protocol.types import JsonObject, RunStatus

MOST_TOLD = 5000
"""How many addresses are remembered of one inbox."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The facts of a requirement that `may` needs."""

    assignees: Sequence[str] | None


class FollowedInbox(Followed):
    """One inbox that one client follows."""

    _tells_missed: ClassVar[bool] = False

    def __init__(
        self,
        feed: Feed,
        store: Listed,
        principal: Principal,
        asked: FollowInbox,
        wake: Callable[[], None],
        sights: Sights | None = None,
    ) -> None:
        super().__init__(feed, store, principal, asked, wake, sights)
        self._filter = asked.filter
        self._told_of: dict[str, set[str]] = {}
        self._count_told = 0

    # ── What is current ─────────────────────────────────────────────────────────────────────────────────

    async def _current(self, ends: FeedEnds) -> list[dict[str, Any]]:
        items, seq = await self._select()
        missed = await self._missed(seq) if self._resumes(ends) else None
        self._place.seq, self._has_begun = seq, True
        shown = items[: self._limit]
        self._told_of, self._count_told = {}, 0
        for item in shown:
            self._remember(item)
        if missed is not None:
            return self._resumed(missed)
        told = [self._changed(0, item["interaction_id"], item) for item in shown]
        return [*told, self._listed(len(told), more=len(items) > len(shown), resumed=False)]

    async def _missed(self, seq: int) -> list[Change]:
        """The changes between the client's cursor and this seq, of runs that it sees."""
        missed = await self._place.missed(self._cursor, seq)
        return [each for each in missed if may(self.principal, Verb.READ, each.run)]

    def _resumed(self, missed: Sequence[Change]) -> list[dict[str, Any]]:
        """What the runs ask that have changed, and which these are, but for those of which the client can't know."""
        begun = {each.run.run_id for each in missed if each.status is RunStatus.PENDING}
        told: list[dict[str, Any]] = []
        changed: list[str] = []
        for change in newest_of_each(missed):
            items = self._renewed(change.run)
            told += [self._changed(0, item["interaction_id"], item) for item in items]
            if items or change.run.run_id not in begun:
                changed.append(change.run.run_id)
        return [*told, self._listed(len(told), more=False, resumed=True, changed=changed)]

    async def _select(self) -> tuple[list[dict[str, Any]], int]:
        """Return the items, newest runs first, at most about one more than `limit`, and as of which seq they are."""
        page = await self._page(None)
        found, seq = [item for run in page.runs for item in self._items(run)], page.seq
        while len(found) <= self._limit and page.next_cursor is not None:
            page = await self._page(page.next_cursor)
            found += [item for run in page.runs for item in self._items(run)]
        return found, seq

    async def _page(self, cursor: str | None) -> RunPage:
        which = replace(
            waiting_for(self.principal),
            workflow_id=self._filter.workflow_id,
            namespace=self._filter.namespace,
            limit=self._limit + 1,
            cursor=cursor,
        )
        return await self._store.waiting(which)

    def _items(self, run: ListedRun) -> Iterator[dict[str, Any]]:
        """The run's questions that are on this inbox."""
        asked = self._filter
        if asked.workflow_id not in (None, run.workflow_id) or asked.namespace not in (None, run.namespace):
            return
        for each in run.pending:
            if each.get("kind") != SIGNAL and self._is_for(run, each):
                item: dict[str, Any] = item_of(run, each)
                if asked.kind in (None, item["kind"]):
                    yield item

    def _is_for(self, run: ListedRun, each: JsonObject) -> bool:
        named: Any = each.get("assignees")
        if not may(self.principal, Verb.DECIDE, run, _Asked(named)):
            return False
        is_own = not named or self.principal.user_id in named
        match self._filter.scope:
            case "mine":
                return is_own
            case "groups":
                return not is_own
        return True

    # ── Changes ─────────────────────────────────────────────────────────────────────────────────────────

    def _told(self, changes: Sequence[Change]) -> list[dict[str, Any]]:
        told = [message for change in newest_of_each(changes) for message in self._of_change(change)]
        if self._count_told > MOST_TOLD:
            self._begin_anew()
        return told

    def _of_change(self, change: Change) -> list[dict[str, Any]]:
        """The questions that the run asks now, and those that it doesn't ask any more, of which the client knows."""
        known = self._told_of.get(change.run.run_id, set())
        items = self._renewed(change.run)
        gone = sorted(known - {item["interaction_id"] for item in items})
        return [
            *(self._changed(change.seq, each, None) for each in gone),
            *(self._changed(change.seq, item["interaction_id"], item) for item in items),
        ]

    def _renewed(self, run: ListedRun) -> list[dict[str, Any]]:
        """The questions that a run asks now; these are remembered of it, and nothing else."""
        self._count_told -= len(self._told_of.pop(run.run_id, ()))
        items = [] if run.status.is_final else list(self._items(run))
        for item in items:
            self._remember(item)
        return items

    def _remember(self, item: JsonObject) -> None:
        address = str(item["interaction_id"])
        of_run = self._told_of.setdefault(ids_of(address)[1], set())
        self._count_told += address not in of_run
        of_run.add(address)

    # ── Messages ────────────────────────────────────────────────────────────────────────────────────────

    def _changed(self, seq: int, address: str, item: JsonObject | None) -> dict[str, Any]:
        if item is not None:
            self._is_sent(str(item["run_id"]), str(item["requirement_id"]))
        return control.inbox_changed(list=self.name, seq=seq, interaction_id=address, item=item)

    def _listed(self, count: int, *, more: bool, resumed: bool, changed: Sequence[str] | None = None) -> dict[str, Any]:
        return control.inbox_listed(
            list=self.name,
            seq=self._place.seq,
            count=count,
            more=more,
            resumed=resumed,
            changed_runs=changed,
            request_id=self._request_id,
        )
