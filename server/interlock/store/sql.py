"""The store in SQL, for both dialects.

Laws:
- Each method is one transaction; what it is made of stands in `statements` and `writes`.
- The change feed is numbered by its readers. A writer leaves its row without a `seq`; a reader first gives the
  committed ones their numbers, under a lock that it holds until it commits. So numbers become visible in their
  order, without holes, and writers never wait for each other. (Numbers given by the writers, from a sequence,
  would become visible in the order of commits: a reader could pass over one for good.)
- A session's patches are applied to its row while it is locked, and so is the mark that says which they were.
- Rows of one run are numbered in the order of their settlements: they wait for each other on the run's row before
  they get their `id`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby, pairwise, takewhile
from typing import Any, TypeVar

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

from interlock.database import Database, DatabaseUnavailable
from interlock.store.session_changes import patched
from interlock_protocol.types import JsonObject, JsonValue, RunStatus

from . import statements as sql
from .port import (
    CHANGES_KEPT_SECONDS,
    IDEMPOTENCY_SECONDS,
    Census,
    Change,
    Decision,
    FeedEnds,
    IdempotencyKey,
    ListedRun,
    NewRun,
    Outcome,
    Run,
    RunFilter,
    RunPage,
    Settlement,
    Snapshot,
    StoreUnavailable,
    StreamTicket,
)
from .writes import NOTHING_PENDING, WRITES, Parameters

T = TypeVar("T")

_MAX_MILLISECONDS = 2**63 - 1

NUMBERED = 1000
"""How many changes get their numbers in one transaction."""


def _machine_ms() -> int:
    return time.time_ns() // 1_000_000


class SqlStore:
    """The store on a database that has today's tables.

    Args:
        clock: what rows are stamped with, and what is compared with these stamps, in milliseconds since 1970: the time
            as `now_ms` has it, on every node.
    """

    def __init__(self, database: Database, *, clock: Callable[[], int] = _machine_ms) -> None:
        self._database = database
        self._writes = WRITES[database.dialect]
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []

    # --- runs ---

    async def create_run(self, run: NewRun, key: IdempotencyKey | None = None) -> Outcome | None:
        earlier = await self._write(partial(self._create_run, run, key), one_statement=True)
        self._tell()
        return earlier

    async def run(self, run_id: str) -> Run | None:
        return await self._read(partial(_run, run_id))

    async def runs(self, which: RunFilter) -> RunPage:
        filters = which.workflow_id or which.session_id or which.statuses or which.or_assignees
        return await self._read(partial(_page, which, _before(which.cursor)), long=bool(filters))

    async def lingering(
        self, status: RunStatus, older_than_ms: int, *, after: str = "", limit: int = 100
    ) -> Sequence[str]:
        before = self._clock() - older_than_ms
        return await self._read(partial(_lingering, status, before, after, limit), one_statement=True)

    async def ended(
        self, before: int, *, after: tuple[int, str] = (0, ""), limit: int = 100
    ) -> Sequence[tuple[str, tuple[int, str]]]:
        return await self._read(partial(_ended, before, after, limit), long=True)

    async def unfinished(self) -> Sequence[str]:
        return await self._read(_unfinished, one_statement=True)

    async def settle(self, settlement: Settlement) -> None:
        await self._write(partial(self._settle, settlement), one_statement=True)
        self._tell()

    async def snapshot(self, run_id: str) -> Snapshot | None:
        return await self._read(partial(_snapshot, run_id), one_statement=True)

    # --- decisions and keys ---

    async def record(
        self, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None = None
    ) -> bool:
        return await self._write(partial(self._record, run_id, epoch, decisions, key), one_statement=True)

    async def decision(self, run_id: str, requirement_id: str) -> Decision | None:
        return await self._read(partial(_decision, run_id, requirement_id), one_statement=True)

    async def decisions(self, run_id: str) -> Sequence[Decision]:
        return await self._read(partial(_decisions, run_id), one_statement=True)

    async def outcome(self, user_id: str, key: str) -> Outcome | None:
        return await self._read(partial(_outcome, user_id, key, self._cutoff()), one_statement=True)

    async def forget_keys(self, limit: int = 1000) -> int:
        return await self._write(partial(_forget_keys, self._cutoff(), limit), one_statement=True)

    # --- timers ---

    async def now_ms(self) -> int:
        if self._database.dialect == "sqlite":
            return _machine_ms()
        return await self._read(_postgres_now, one_statement=True)

    async def take_due(self, now: int, hold_ms: int, limit: int = 1000) -> Sequence[str]:
        if not await self._read(partial(_has_due, now), one_statement=True):  # as it is nearly always
            return ()
        return await self._write(partial(_take_due, now, hold_ms, limit), one_statement=True)

    # --- how it stands ---

    async def check(self) -> None:
        await self._write(_touch, one_statement=True)

    async def census(self, before: Sequence[int]) -> Census:
        return await self._read(partial(_census, before), long=True)

    # --- sessions ---

    async def session_state(self, user_id: str, session_id: str) -> JsonObject:
        return await self._read(partial(_session_state, user_id, session_id), one_statement=True)

    async def patch_session(
        self, user_id: str, session_id: str, run_id: str, patches: Sequence[tuple[int, list[JsonValue]]]
    ) -> JsonObject:
        if not patches:
            return await self.session_state(user_id, session_id)
        return await self._write(partial(self._patch_session, user_id, session_id, run_id, patches))

    async def session(
        self, user_id: str, session_id: str, limit: int = 20
    ) -> tuple[JsonObject, Sequence[tuple[str, JsonValue, bytes]]]:
        return await self._read(partial(_session, user_id, session_id, limit), one_statement=True)

    # --- pause notices ---

    async def notify(self, run_id: str, requirement_ids: Sequence[str]) -> None:
        if requirement_ids:
            await self._write(partial(self._notify, run_id, requirement_ids), one_statement=True)

    async def take_notices(self, now: int, hold_ms: int, limit: int = 100) -> Sequence[tuple[str, str]]:
        return await self._write(partial(_take_notices, now, hold_ms, limit), one_statement=True)

    async def notified(self, run_id: str, requirement_id: str) -> None:
        await self._write(partial(_notified, run_id, requirement_id), one_statement=True)

    # --- tickets ---

    async def keep_ticket(self, ticket: StreamTicket) -> None:
        await self._write(partial(_keep_ticket, ticket), one_statement=True)

    async def ticket(self, digest: str) -> StreamTicket | None:
        return await self._read(partial(_ticket, digest), one_statement=True)

    async def revoke_ticket(self, ticket_id: str, user_id: str) -> None:
        await self._write(partial(_revoke_ticket, ticket_id, user_id), one_statement=True)

    async def forget_tickets(self, limit: int = 1000) -> int:
        return await self._write(partial(_forget_tickets, self._clock(), limit), one_statement=True)

    # --- the change feed ---

    async def changes(self, after_seq: int, limit: int = 1000) -> Sequence[Change]:
        if await self._read(_has_unnumbered, one_statement=True):
            await self._write(_number)
        return await self._read(partial(_changes, after_seq, limit))

    async def feed_ends(self) -> FeedEnds:
        await self._number_all()
        return await self._read(_feed_ends)

    async def forget_changes(self, limit: int = 1000) -> int:
        await self._number_all()  # where nobody reads the feed, nobody else does
        return await self._write(partial(_forget_changes, self._clock() - CHANGES_KEPT_SECONDS * 1000, limit))

    def listen(self, changed: Callable[[], None]) -> None:
        self._listeners.append(changed)

    def _tell(self) -> None:
        for changed in self._listeners:
            changed()

    async def _number_all(self) -> None:
        """Give numbers to all that was committed before the call."""
        if await self._read(_has_unnumbered, one_statement=True):
            while await self._write(_number) == NUMBERED:
                pass

    # --- the work that writes ---

    def _create_run(self, run: NewRun, key: IdempotencyKey | None, connection: Connection) -> Outcome | None:
        row = _new_row(run)
        if key is None:
            self._writes.create_run(connection, row)
        elif not self._writes.create_run_once(connection, row, self._key_row(key, run.run_id)):
            return _outcome(key.user_id, key.key, self._cutoff(), connection)
        return None

    def _settle(self, settlement: Settlement, connection: Connection) -> None:
        snapshot = settlement.snapshot
        self._writes.settle(
            connection,
            _settled_row(settlement),
            settlement.assignees,
            _snapshot_row(snapshot) if snapshot else None,
        )

    def _record(
        self, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None, connection: Connection
    ) -> bool:
        made = {"of_run": run_id, "made_in": epoch}
        key_row = self._key_row(key, run_id) if key else None
        return self._writes.record(connection, made, [_decision_row(decision) for decision in decisions], key_row)

    def _patch_session(
        self,
        user_id: str,
        session_id: str,
        run_id: str,
        patches: Sequence[tuple[int, list[JsonValue]]],
        connection: Connection,
    ) -> JsonObject:
        of_session = {"of_user": user_id, "of_session": session_id}
        now = self._clock()
        text = connection.execute(sql.LOCK_SESSION, of_session).scalar()
        if text is None:
            row = {"user_id": user_id, "session_id": session_id, "state": "{}", "updated_at": now}
            self._writes.open_session(connection, row)
            text = connection.execute(sql.LOCK_SESSION, of_session).scalar_one()
        state: JsonObject = from_json(text)
        # Not before the lock, nor in its statement: that one doesn't see what was committed while it waited.
        mark = connection.execute(sql.SESSION_MARK, {"of_run": run_id}).scalar()
        new = [patch for patch in patches if mark is None or patch[0] > mark]
        if not new:
            return state
        state = patched(state, [change for _, changes in new for change in changes])
        connection.execute(sql.KEEP_SESSION, {**of_session, "new_state": _text(state), "new_updated_at": now})
        self._writes.mark_session(connection, {"run_id": run_id, "event_index": max(index for index, _ in new)})
        return state

    def _notify(self, run_id: str, requirement_ids: Sequence[str], connection: Connection) -> None:
        # Sorted: two who insert the same rows wait for each other, and in one order that ends.
        each = {"run_id": run_id, "created_at": self._clock(), "taken_until": 0, "done": 0}
        self._writes.notify(connection, [{**each, "requirement_id": one} for one in sorted(set(requirement_ids))])

    def _key_row(self, key: IdempotencyKey, run_id: str) -> Parameters:
        return {
            "key_user": key.user_id,
            "key_name": key.key,
            "key_fingerprint": key.fingerprint,
            "key_run": run_id,
            "key_at": self._clock(),
            "cutoff": self._cutoff(),
        }

    def _cutoff(self) -> int:
        return self._clock() - IDEMPOTENCY_SECONDS * 1000

    # --- the database, in the store's words ---

    async def _write(self, work: Callable[[Connection], T], *, one_statement: bool = False) -> T:
        try:
            return await self._database.write(work, one_statement=one_statement)
        except DatabaseUnavailable as error:
            raise StoreUnavailable(str(error)) from error

    async def _read(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        try:
            return await self._database.read(work, one_statement=one_statement, long=long)
        except DatabaseUnavailable as error:
            raise StoreUnavailable(str(error)) from error


# --- the work that reads, and the rest ---


def _run(run_id: str, connection: Connection) -> Run | None:
    row = connection.execute(sql.RUN, {"of_run": run_id}).mappings().one_or_none()
    if row is None:
        return None
    values = dict(row)
    given = from_json(values.pop("input"))
    assignees = tuple(connection.execute(sql.ASSIGNEES_OF_RUN, {"of_run": run_id}).scalars())
    return Run(**_values(values, assignees), input=given)


def _page(which: RunFilter, before: tuple[int, str] | None, connection: Connection) -> RunPage:
    limit = max(1, which.limit)
    statement = sql.list_runs(
        user_id=which.user_id,
        or_assignees=which.or_assignees,
        workflow_id=which.workflow_id,
        session_id=which.session_id,
        statuses=frozenset(which.statuses),
        before=before,
        limit=limit + 1,  # the one too many tells that there is another page
    )
    rows = connection.execute(statement).mappings().all()
    page = rows[:limit]
    assignees = _assignees([row["run_id"] for row in page], connection)
    runs = tuple(ListedRun(**_values(row, assignees.get(row["run_id"], ()))) for row in page)
    seq = connection.execute(sql.LAST_SEQ).scalar_one()
    return RunPage(runs, _cursor(runs[-1]) if len(rows) > limit else None, seq)


def _assignees(run_ids: list[str], connection: Connection) -> dict[str, tuple[str, ...]]:
    rows = connection.execute(sql.ASSIGNEES, {"of_runs": run_ids}).all() if run_ids else []
    return {run_id: tuple(row[1] for row in of_run) for run_id, of_run in groupby(rows, lambda row: row[0])}


def _ended(
    before: int, after: tuple[int, str], limit: int, connection: Connection
) -> Sequence[tuple[str, tuple[int, str]]]:
    parameters = {"before": before, "after_time": after[0], "after_run": after[1], "at_most": limit}
    rows = connection.execute(sql.ENDED_RUNS, parameters)
    return [(run_id, (created_at, run_id)) for created_at, run_id in rows]


def _lingering(status: RunStatus, before: int, after: str, limit: int, connection: Connection) -> Sequence[str]:
    parameters = {"of_status": status.value, "before": before, "after": after, "at_most": limit}
    return connection.execute(sql.LINGERING_RUNS, parameters).scalars().all()


def _unfinished(connection: Connection) -> Sequence[str]:
    return connection.execute(sql.UNFINISHED_RUNS).scalars().all()


def _postgres_now(connection: Connection) -> int:
    return int(connection.execute(sql.POSTGRES_NOW).scalar_one())


def _has_due(now: int, connection: Connection) -> bool:
    return bool(connection.execute(sql.HAS_DUE, {"now": now}).scalar_one())


def _take_due(now: int, hold_ms: int, limit: int, connection: Connection) -> Sequence[str]:
    parameters = {"now": now, "new_next_timer": now + hold_ms, "at_most": limit}
    return connection.execute(sql.TAKE_DUE, parameters).scalars().all()


def _touch(connection: Connection) -> None:
    connection.execute(sql.TOUCH)


def _census(before: Sequence[int], connection: Connection) -> Census:
    unfinished = {RunStatus(status): count for status, count in connection.execute(sql.COUNT_UNFINISHED)}
    paused, since = connection.execute(sql.COUNT_PAUSED).one()
    older = [connection.execute(sql.COUNT_PAUSED_BEFORE, {"now": time}).scalar_one() for time in before]
    statuses = (RunStatus.PENDING, RunStatus.RUNNING)
    return Census(
        {**{status: unfinished.get(status, 0) for status in statuses}, RunStatus.PAUSED: paused},
        [younger - elder for younger, elder in pairwise([paused, *older, 0])],
        since,
    )


def _session_state(user_id: str, session_id: str, connection: Connection) -> JsonObject:
    rows = sql.SESSION.rows(connection, {"of_user": user_id, "of_session": session_id})
    state: JsonObject = from_json(rows[0][0]) if rows else {}
    return state


def _session(
    user_id: str, session_id: str, limit: int, connection: Connection
) -> tuple[JsonObject, Sequence[tuple[str, JsonValue, bytes]]]:
    parameters = {"of_user": user_id, "of_session": session_id, "at_most": limit}
    state: JsonObject = {}
    earlier: list[tuple[int, str, JsonValue, bytes]] = []
    for run_id, text, folded, created_at in sql.SESSION_AND_RUNS.rows(connection, parameters):
        if run_id is None:
            state = from_json(text)
        else:
            earlier.append((created_at, run_id, from_json(text), folded))
    earlier.sort(key=lambda run: run[:2])
    return state, [run[1:] for run in earlier]


def _take_notices(now: int, hold_ms: int, limit: int, connection: Connection) -> Sequence[tuple[str, str]]:
    parameters = {"now": now, "new_taken_until": now + hold_ms, "at_most": limit}
    taken = sorted(tuple(row) for row in connection.execute(sql.TAKE_NOTICES, parameters))
    return [(run_id, requirement_id) for _, run_id, requirement_id in taken]


def _notified(run_id: str, requirement_id: str, connection: Connection) -> None:
    connection.execute(sql.NOTIFIED, {"of_run": run_id, "of_requirement": requirement_id})


def _snapshot(run_id: str, connection: Connection) -> Snapshot | None:
    row = connection.execute(sql.SNAPSHOT, {"of_run": run_id}).one_or_none()
    return Snapshot(*row) if row else None


def _decision(run_id: str, requirement_id: str, connection: Connection) -> Decision | None:
    parameters = {"of_run": run_id, "of_requirement": requirement_id}
    row = connection.execute(sql.DECISION, parameters).one_or_none()
    return _decision_of(row) if row else None


def _decisions(run_id: str, connection: Connection) -> Sequence[Decision]:
    return [_decision_of(row) for row in connection.execute(sql.DECISIONS, {"of_run": run_id})]


def _outcome(user_id: str, key: str, cutoff: int, connection: Connection) -> Outcome | None:
    parameters = {"of_user": user_id, "of_key": key, "cutoff": cutoff}
    row = connection.execute(sql.OUTCOME, parameters).one_or_none()
    return Outcome(*row) if row else None


def _forget_keys(cutoff: int, limit: int, connection: Connection) -> int:
    return len(connection.execute(sql.FORGET_KEYS, {"cutoff": cutoff, "at_most": limit}).all())


def _keep_ticket(ticket: StreamTicket, connection: Connection) -> None:
    row = asdict(ticket) | {name: to_json(sorted(getattr(ticket, name))).decode() for name in ("scopes", "groups")}
    connection.execute(sql.KEEP_TICKET, row)


def _ticket(digest: str, connection: Connection) -> StreamTicket | None:
    row = connection.execute(sql.TICKET, {"of_digest": digest}).one_or_none()
    if row is None:
        return None
    fields = row._asdict()
    return StreamTicket(**fields | {name: frozenset(from_json(fields[name])) for name in ("scopes", "groups")})


def _revoke_ticket(ticket_id: str, user_id: str, connection: Connection) -> None:
    connection.execute(sql.REVOKE_TICKET, {"of_ticket": ticket_id, "of_user": user_id})


def _forget_tickets(now: int, limit: int, connection: Connection) -> int:
    return len(connection.execute(sql.FORGET_TICKETS, {"now": now, "at_most": limit}).all())


def _has_unnumbered(connection: Connection) -> bool:
    return bool(connection.execute(sql.HAS_UNNUMBERED).scalar_one())


def _number(connection: Connection) -> int:
    """How many were numbered."""
    last = connection.execute(sql.LOCK_FEED).scalar_one()
    count = connection.execute(sql.NUMBER_CHANGES, {"last_seq_given": last, "at_most": NUMBERED}).rowcount
    connection.execute(sql.ADVANCE_FEED, {"new_last_seq": last + count})
    return count


def _changes(after_seq: int, limit: int, connection: Connection) -> Sequence[Change]:
    rows = connection.execute(sql.CHANGES, {"after_seq": after_seq, "at_most": limit}).mappings().all()
    assignees = _assignees(list({row["run_id"] for row in rows}), connection)
    return [_change(row, assignees.get(row["run_id"], ())) for row in rows]


def _feed_ends(connection: Connection) -> FeedEnds:
    last = connection.execute(sql.LAST_SEQ).scalar_one()
    return FeedEnds(connection.execute(sql.FIRST_SEQ).scalar_one() or last + 1, last)


def _forget_changes(cutoff: int, limit: int, connection: Connection) -> int:
    """Those at the beginning, up to the first that isn't old: so the feed gets no holes."""
    connection.execute(sql.LOCK_FEED)
    oldest = connection.execute(sql.OLDEST_CHANGES, {"at_most": limit}).all()
    old = [seq for seq, _ in takewhile(lambda row: row[1] < cutoff, oldest)]
    if old:
        connection.execute(sql.FORGET_CHANGES, {"upto": old[-1]})
    return len(old)


# --- rows and their values ---


def _text(value: object) -> str:
    return to_json(value).decode()


def _pending(text: str) -> tuple[JsonObject, ...]:
    return () if text == NOTHING_PENDING else tuple(from_json(text))


def _values(row: Mapping[Any, Any], assignees: tuple[str, ...]) -> dict[str, Any]:
    """A row's values, in Python's types."""
    status, pending = RunStatus(row["status"]), _pending(row["pending"])
    return {**row, "status": status, "pending": pending, "assignees": assignees}


def _change(row: Mapping[Any, Any], assignees: tuple[str, ...]) -> Change:
    values = dict(row)
    seq, status, pending, at = (values.pop(name) for name in ("seq", "new_status", "new_pending", "changed_at"))
    return Change(seq, RunStatus(status), _pending(pending), at, ListedRun(**_values(values, assignees)))


def _new_row(run: NewRun) -> Parameters:
    return {
        "run_id": run.run_id,
        "workflow_id": run.workflow_id,
        "version": run.version,
        "fingerprint": run.fingerprint,
        "session_id": run.session_id,
        "user_id": run.user_id,
        "input": _text(run.input),
        "status": RunStatus.PENDING.value,
        "epoch": 0,
        "next_index": 0,
        "created_at": run.created_at,
        "updated_at": run.created_at,
        "pending": NOTHING_PENDING,
        "changed": 1,
        "next_timer": None,
    }


def _settled_row(settlement: Settlement) -> Parameters:
    return {
        "of_run": settlement.run_id,
        "new_status": settlement.status.value,
        "new_epoch": settlement.epoch,
        "new_next_index": settlement.next_index,
        "new_updated_at": settlement.updated_at,
        "new_pending": _text(settlement.pending) if settlement.pending else NOTHING_PENDING,
        "new_next_timer": None if settlement.status.is_final else settlement.next_timer,
    }


def _snapshot_row(snapshot: Snapshot) -> Parameters:
    return {
        "snapshot_run": snapshot.run_id,
        "snapshot_epoch": snapshot.epoch,
        "snapshot_index": snapshot.next_index,
        "snapshot_version": snapshot.reducer_version,
        "snapshot_state": snapshot.state,
    }


def _decision_row(decision: Decision) -> Parameters:
    return {
        "run_id": decision.run_id,
        "requirement_id": decision.requirement_id,
        "decision": _text(decision.decision),
        "resolved_by": decision.resolved_by,
        "decided_at": decision.decided_at,
        "epoch": decision.epoch,
        "event_index": decision.event_index,
    }


def _decision_of(row: Sequence[Any]) -> Decision:
    run_id, requirement_id, text, *rest = row
    return Decision(run_id, requirement_id, from_json(text), *rest)


# --- cursors: where a page ended, for nobody but this store to read ---


def _cursor(last: ListedRun) -> str:
    return base64.urlsafe_b64encode(to_json((last.created_at, last.run_id))).decode().rstrip("=")


def _before(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    try:
        created_at, run_id = from_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (ValueError, TypeError):
        raise ValueError("the cursor isn't one of this store's") from None
    if type(created_at) is not int or not 0 <= created_at <= _MAX_MILLISECONDS:
        raise ValueError("the cursor isn't one of this store's")
    if not isinstance(run_id, str) or "\x00" in run_id:
        raise ValueError("the cursor isn't one of this store's")
    return created_at, run_id
