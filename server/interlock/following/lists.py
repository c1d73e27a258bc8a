"""Lists of runs that a client follows: which runs are on them, and the messages for each change.

Laws:
- `may()` says who sees a run, for the current list and for each change.
- A message shows a run's current state. If one page has several changes of a run, only the newest is sent.
- No run is remembered: a run's row alone shows whether the run may have left a list.

Source: `docs/protocol.md`, "Lists of runs".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from interlock.auth import Principal, Verb, may
from interlock.following.feed import Feed
from interlock.following.followed import Followed, Listed, newest_of_each
from interlock.following.sights import Sights
from interlock.store.ports.errors import ErrorFilter
from interlock.store.ports.feed import Change, FeedEnds
from interlock.store.ports.runs import ListedRun, RunFilter, RunPage
from interlock.store.ports.waiting import WaitingFilter
from interlock_protocol import control
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import FollowRuns
from interlock_protocol.requirements import SIGNAL
from interlock_protocol.types import FINAL_STATUSES, JsonObject, RunStatus

_ANY = frozenset(RunStatus)
WAITING = frozenset({RunStatus.PAUSED, RunStatus.RUNNING})
"""The statuses of a run that may wait for a decision."""

_NOBODY = ""
_NOWHERE = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts of a run that `may` needs."""

    account: str
    namespace: str
    user_id: str
    assignees: Collection[str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The facts of a requirement that `may` needs."""

    assignees: Sequence[str] | None


def check_may_list(principal: Principal) -> None:
    """Check that the principal may list runs.

    Raises:
        Refusal: `forbidden`.
    """
    if not may(principal, Verb.LIST):
        raise Refusal(ErrorCode.FORBIDDEN, "Listing runs needs a token with a workflows: scope.")


def check_may_follow(principal: Principal, kind: Literal["runs", "inbox"]) -> None:
    """Check that the principal may follow lists of this kind.

    Raises:
        Refusal: `forbidden`.
    """
    if kind == "runs":
        check_may_list(principal)
    elif not may(principal, Verb.READ_INBOX):
        raise Refusal(ErrorCode.FORBIDDEN, "An inbox needs a token with a workflows: or interactions: scope.")


def seen_by(principal: Principal) -> RunFilter:
    """The store's filter for the runs that a principal may read."""
    account = principal.account
    if may(principal, Verb.READ, _Facts(account, _NOWHERE, _NOBODY, ())):
        return RunFilter(account)
    owns = may(principal, Verb.READ, _Facts(account, _NOWHERE, principal.user_id, ()))
    is_named = may(principal, Verb.READ, _Facts(account, _NOWHERE, _NOBODY, principal.names))
    return RunFilter(
        account,
        user_id=principal.user_id if owns else None if is_named else _NOBODY,
        or_namespaces=principal.owned if owns else frozenset(),
        or_assignees=principal.names if is_named else frozenset(),
    )


def errors_seen_by(principal: Principal) -> ErrorFilter:
    """The store's filter for the errors of the runs that a principal may read."""
    seen = seen_by(principal)
    return ErrorFilter(seen.account, seen.user_id, seen.or_namespaces, seen.or_assignees)


def may_read_in(principal: Principal, namespace: str) -> bool:
    """Whether all runs in a namespace of one's account are to be read."""
    return may(principal, Verb.READ, _Facts(principal.account, namespace, _NOBODY, ()))


def waiting_for(principal: Principal) -> WaitingFilter:
    """The store's filter for the runs that wait for a decision by a principal.

    If the principal may decide everything that names nobody, the result includes what waits for others: filter it out.
    """
    account, names = principal.account, principal.names
    anybodys, own = (_Facts(account, _NOWHERE, user_id, names) for user_id in (_NOBODY, principal.user_id))
    if may(principal, Verb.DECIDE, anybodys, _Asked(None)):
        return WaitingFilter(account, anybody=True)
    is_named, owns_named, owns_unnamed = (
        may(principal, Verb.DECIDE, run, _Asked(assignees))
        for run, assignees in ((anybodys, sorted(names)), (own, sorted(names)), (own, None))
    )
    return WaitingFilter(
        account,
        unnamed_of=principal.user_id if owns_unnamed else None,
        assignees=names if is_named or owns_named else frozenset(),
        owned_by=None if is_named else principal.user_id,
        namespaces=principal.owned,
    )


def waits_for(principal: Principal, run: ListedRun) -> bool:
    """Whether a run waits for a decision that this principal may make."""
    return any(True for _ in _asked_of(principal, run))


def _asked_of(principal: Principal, run: ListedRun) -> Iterator[JsonObject]:
    for each in run.pending:
        named = _Asked(each.get("assignees"))  # type: ignore[arg-type]  # as rows have it
        if each.get("kind") != SIGNAL and may(principal, Verb.DECIDE, run, named):
            yield each


def summary(run: ListedRun) -> dict[str, Any]:
    """The fields of a run in a list."""
    return {
        "run_id": run.run_id,
        "workflow_id": run.workflow_id,
        "version": run.version,
        "session_id": run.session_id,
        "user_id": run.user_id,
        "namespace": run.namespace,
        "status": run.status.value,
        "epoch": run.epoch,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "pending": list(run.pending),
    }


class FollowedList(Followed):
    """One list of runs that one client follows."""

    def __init__(
        self,
        feed: Feed,
        store: Listed,
        principal: Principal,
        asked: FollowRuns,
        wake: Callable[[], None],
        sights: Sights | None = None,
    ) -> None:
        super().__init__(feed, store, principal, asked, wake, sights)
        self._filter = asked.filter
        self._waiting = bool(asked.filter.waiting_for_me)
        statuses = frozenset(asked.filter.status or _ANY)
        self._statuses = statuses & WAITING if self._waiting else statuses

    # ── The current list ────────────────────────────────────────────────────────────────────────────────

    async def _current(self, ends: FeedEnds) -> list[dict[str, Any]]:
        runs, seq = await self._select() if self._statuses else ([], ends.last)
        self._place.seq, self._has_begun = seq, True
        told = [self._run_changed(0, run, matches=True) for run in runs[: self._limit]]
        return [*told, self._listed(len(told), more=len(runs) > len(told), resumed=False)]

    async def _select(self) -> tuple[list[ListedRun], int]:
        """Return the list's runs, newest first, at most about one more than `limit`, and as of which seq they are."""
        page = await self._page(None)
        found, seq = self._matching(page.runs), page.seq
        while len(found) <= self._limit and page.next_cursor is not None:
            page = await self._page(page.next_cursor)
            found += self._matching(page.runs)
        return found, seq

    async def _page(self, cursor: str | None) -> RunPage:
        asked, any_status = self._filter, WAITING if self._waiting else _ANY
        narrowed: dict[str, Any] = {
            "workflow_id": asked.workflow_id,
            "session_id": asked.session_id,
            "namespace": asked.namespace,
            "statuses": frozenset() if self._statuses == any_status else self._statuses,
            "limit": self._limit + 1,
            "cursor": cursor,
        }
        if self._waiting:
            return await self._store.waiting(replace(waiting_for(self.principal), **narrowed))
        return await self._store.runs(replace(seen_by(self.principal), **narrowed))

    def _matching(self, runs: Sequence[ListedRun]) -> list[ListedRun]:
        return [run for run in runs if self._concerns(run) and self._matches(run)]

    # ── Changes ─────────────────────────────────────────────────────────────────────────────────────────

    def _told(self, changes: Sequence[Change]) -> list[dict[str, Any]]:
        told = []
        for change in newest_of_each(changes):
            if self._concerns(change.run):
                matches = self._matches(change.run)
                if matches or self._may_have_matched(change.run):
                    told.append(self._run_changed(change.seq, change.run, matches=matches))
        return told

    def _concerns(self, run: ListedRun) -> bool:
        """Return True if the run can ever be on the list."""
        asked = self._filter
        is_asked_for = (
            asked.workflow_id in (None, run.workflow_id)
            and asked.session_id in (None, run.session_id)
            and asked.namespace in (None, run.namespace)
        )
        return is_asked_for and may(self.principal, Verb.READ, run)

    def _matches(self, run: ListedRun) -> bool:
        return run.status in self._statuses and (not self._waiting or waits_for(self.principal, run))

    def _may_have_matched(self, run: ListedRun) -> bool:
        """Return True if a run that doesn't match may have matched before.

        It can't have if it is PENDING, the first status, or if the list has only final statuses, which never change.
        """
        return run.status is not RunStatus.PENDING and not self._statuses <= FINAL_STATUSES

    # ── Messages ────────────────────────────────────────────────────────────────────────────────────────

    def _run_changed(self, seq: int, run: ListedRun, *, matches: bool) -> dict[str, Any]:
        told = summary(run)
        if matches and self._sights is not None:
            for each in _asked_of(self.principal, run):
                self._is_sent(run.run_id, str(each["id"]))
        return control.run_changed(list=self.name, seq=seq, matches=matches, run=told, pending=told["pending"])

    def _listed(self, count: int, *, more: bool, resumed: bool) -> dict[str, Any]:
        return control.runs_listed(
            list=self.name,
            seq=self._place.seq,
            count=count,
            more=more,
            resumed=resumed,
            request_id=self._request_id,
        )
