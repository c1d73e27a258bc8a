"""The store's SQL as far as both dialects share it; what writes on the hot path is in `writes`.

Laws:
- Statements are built once, here or in `writes`; on the hot path they only get parameters. (`list_runs` isn't.)
- A condition that two processes could race for stands in the statement that writes, not in a read before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Integer,
    Label,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from interlock_protocol.types import FINAL_STATUSES

from .compiled import Compiled
from .tables import (
    ENDED,
    NOT_DONE,
    PAUSED,
    TIMED,
    UNFINISHED,
    UNNUMBERED,
    changes,
    decisions,
    feed,
    idempotency_keys,
    pause_notices,
    run_assignees,
    runs,
    session_marks,
    sessions,
    snapshots,
    stream_tickets,
)

Insert: TypeAlias = Callable[[Table], sqlite.Insert]

_NOT_FINAL = "status NOT IN ({})".format(", ".join(f"'{status}'" for status in sorted(FINAL_STATUSES)))

LISTED_COLUMNS = (
    runs.c.run_id,
    runs.c.workflow_id,
    runs.c.version,
    runs.c.fingerprint,
    runs.c.session_id,
    runs.c.user_id,
    runs.c.status,
    runs.c.epoch,
    runs.c.next_index,
    runs.c.created_at,
    runs.c.updated_at,
    runs.c.pending,
    runs.c.next_timer,
)

_OF_RUN = bindparam("of_run", type_=Text)
_OF_USER = bindparam("of_user", type_=Text)
_OF_SESSION = bindparam("of_session", type_=Text)
_OF_REQUIREMENT = bindparam("of_requirement", type_=Text)
_NOW = bindparam("now", type_=BigInteger)
_AT_MOST = bindparam("at_most", type_=Integer)

# --- reading ---

RUN = select(*LISTED_COLUMNS, runs.c.input).where(runs.c.run_id == _OF_RUN)
ASSIGNEES = (
    select(run_assignees.c.run_id, run_assignees.c.assignee)
    .where(run_assignees.c.run_id.in_(bindparam("of_runs", expanding=True)))
    .order_by(run_assignees.c.run_id, run_assignees.c.assignee)
)
ASSIGNEES_OF_RUN = (
    select(run_assignees.c.assignee).where(run_assignees.c.run_id == _OF_RUN).order_by(run_assignees.c.assignee)
)
UNFINISHED_RUNS = select(runs.c.run_id).where(text(UNFINISHED)).order_by(runs.c.created_at, runs.c.run_id)
ENDED_RUNS = (
    select(runs.c.created_at, runs.c.run_id)
    .where(
        tuple_(runs.c.created_at, runs.c.run_id)
        > tuple_(bindparam("after_time", type_=BigInteger), bindparam("after_run", type_=Text)),
        runs.c.created_at <= bindparam("before", type_=BigInteger),
        runs.c.updated_at <= bindparam("before", type_=BigInteger),
        runs.c.status.in_(sorted(status.value for status in FINAL_STATUSES)),
    )
    .order_by(runs.c.created_at, runs.c.run_id)
    .limit(_AT_MOST)
)
LINGERING_RUNS = (
    select(runs.c.run_id)
    .where(
        text(UNFINISHED),
        runs.c.status == bindparam("of_status", type_=Text),
        runs.c.created_at <= bindparam("before", type_=BigInteger),
        runs.c.run_id > bindparam("after", type_=Text),
    )
    .order_by(runs.c.run_id)
    .limit(_AT_MOST)
)
TOUCH = update(feed).values(last_seq=feed.c.last_seq)
COUNT_UNFINISHED = select(runs.c.status, func.count()).where(text(UNFINISHED)).group_by(runs.c.status)
COUNT_PAUSED = select(func.count(), func.min(runs.c.updated_at)).where(text(PAUSED))
COUNT_PAUSED_BEFORE = select(func.count()).where(text(PAUSED), runs.c.updated_at <= _NOW)
_DUE = select(runs.c.run_id).where(text(TIMED), runs.c.next_timer <= _NOW)
HAS_DUE = select(exists(_DUE))
POSTGRES_NOW: Select[Any] = select(func.floor(func.extract("epoch", func.clock_timestamp()) * 1000))
SNAPSHOT = select(
    snapshots.c.run_id,
    snapshots.c.epoch,
    snapshots.c.next_index,
    snapshots.c.reducer_version,
    snapshots.c.state,
).where(snapshots.c.run_id == _OF_RUN)
DECISIONS = (
    select(
        decisions.c.run_id,
        decisions.c.requirement_id,
        decisions.c.decision,
        decisions.c.resolved_by,
        decisions.c.decided_at,
        decisions.c.epoch,
        decisions.c.event_index,
    )
    .where(decisions.c.run_id == _OF_RUN)
    .order_by(decisions.c.epoch, decisions.c.event_index, decisions.c.requirement_id)
)
DECISION = DECISIONS.where(decisions.c.requirement_id == _OF_REQUIREMENT)
OUTCOME = select(idempotency_keys.c.fingerprint, idempotency_keys.c.run_id).where(
    idempotency_keys.c.user_id == _OF_USER,
    idempotency_keys.c.key == bindparam("of_key", type_=Text),
    idempotency_keys.c.created_at > bindparam("cutoff", type_=BigInteger),
)
CHANGES = (
    select(
        changes.c.seq,
        changes.c.status.label("new_status"),
        changes.c.pending.label("new_pending"),
        changes.c.changed_at,
        *LISTED_COLUMNS,
    )
    .join(runs, runs.c.run_id == changes.c.run_id)
    .where(changes.c.seq > bindparam("after_seq", type_=BigInteger))
    .order_by(changes.c.seq)
    .limit(_AT_MOST)
)
LAST_SEQ = select(feed.c.last_seq)
FIRST_SEQ = select(func.min(changes.c.seq))
OLDEST_CHANGES = (
    select(changes.c.seq, changes.c.changed_at).where(changes.c.seq > 0).order_by(changes.c.seq).limit(_AT_MOST)
)
FORGET_CHANGES = delete(changes).where(changes.c.seq <= bindparam("upto", type_=BigInteger))
HAS_UNNUMBERED = select(exists(select(changes.c.id).where(text(UNNUMBERED))))
_SESSION = select(sessions.c.state).where(sessions.c.user_id == _OF_USER, sessions.c.session_id == _OF_SESSION)
SESSION = Compiled(_SESSION)
_EARLIER_RUNS = (
    select(runs.c.run_id, runs.c.input, snapshots.c.state, runs.c.created_at)
    .join(snapshots, snapshots.c.run_id == runs.c.run_id)
    .where(text(ENDED), runs.c.user_id == _OF_USER, runs.c.session_id == _OF_SESSION)
    .order_by(runs.c.created_at.desc(), runs.c.run_id.desc())
    .limit(_AT_MOST)
    .subquery("earlier")
)
_NEVER: Label[Any] = literal_column("0").label("created_at")
SESSION_AND_RUNS = Compiled(
    # The session's state is the row that names no run: one statement, and so one round trip.
    union_all(
        _SESSION.with_only_columns(
            null().label("run_id"), sessions.c.state, null().label("folded"), literal_column("0")
        ),
        select(_EARLIER_RUNS),
    )
)

# --- writing ---


def _forget_keys() -> ReturningDelete[Any]:
    """The oldest first; what another forgets at the same time is left to it. Returns a row for each."""
    old = (
        select(idempotency_keys.c.user_id, idempotency_keys.c.key)
        .where(idempotency_keys.c.created_at <= bindparam("cutoff", type_=BigInteger))
        .order_by(idempotency_keys.c.created_at)
        .limit(_AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    return (
        delete(idempotency_keys)
        .where(tuple_(idempotency_keys.c.user_id, idempotency_keys.c.key).in_(select(old.c.user_id, old.c.key)))
        .returning(idempotency_keys.c.key)
    )


FORGET_KEYS = _forget_keys()

KEEP_TICKET = insert(stream_tickets)
TICKET = select(stream_tickets).where(stream_tickets.c.digest == bindparam("of_digest", type_=Text))
REVOKE_TICKET = delete(stream_tickets).where(
    stream_tickets.c.ticket_id == bindparam("of_ticket", type_=Text), stream_tickets.c.user_id == _OF_USER
)


def _forget_tickets() -> ReturningDelete[Any]:
    """As keys are forgotten."""
    old = (
        select(stream_tickets.c.digest)
        .where(stream_tickets.c.expires_at <= _NOW)
        .order_by(stream_tickets.c.expires_at)
        .limit(_AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    return (
        delete(stream_tickets)
        .where(stream_tickets.c.digest.in_(select(old.c.digest)))
        .returning(stream_tickets.c.ticket_id)
    )


FORGET_TICKETS = _forget_tickets()


def _take_due() -> ReturningUpdate[Any]:
    """Those that were due first; what another takes at the same time is left to it."""
    due = _DUE.order_by(runs.c.next_timer, runs.c.run_id).limit(_AT_MOST).with_for_update(skip_locked=True).cte("due")
    return (
        update(runs)
        .where(runs.c.run_id.in_(select(due.c.run_id)))
        .values(next_timer=bindparam("new_next_timer", type_=BigInteger))
        .returning(runs.c.run_id)
    )


TAKE_DUE = _take_due()


def _settle() -> ReturningUpdate[int]:
    """Move the row on, unless it is ahead or has ended; return 1 if status or pending summary changed, or 0."""
    status, pending = bindparam("new_status", type_=Text), bindparam("new_pending", type_=Text)
    epoch = bindparam("new_epoch", type_=Integer)
    next_index = bindparam("new_next_index", type_=BigInteger)
    return (
        update(runs)
        .where(
            runs.c.run_id == _OF_RUN,
            tuple_(runs.c.epoch, runs.c.next_index) <= tuple_(epoch, next_index),
            or_(text(_NOT_FINAL), runs.c.status == status),
        )
        .values(
            status=status,
            epoch=epoch,
            next_index=next_index,
            updated_at=bindparam("new_updated_at", type_=BigInteger),
            pending=pending,
            next_timer=bindparam("new_next_timer", type_=BigInteger),
            changed=case((or_(runs.c.status != status, runs.c.pending != pending), 1), else_=0),
        )
        .returning(runs.c.changed)
    )


SETTLE = _settle()

# Until what is recorded beside it is committed, the row isn't moved on to a later epoch. (In SQLite nothing else is.)
IS_IN_EPOCH: Select[Any] = (
    select(literal_column("1").label("one"))
    .where(runs.c.run_id == _OF_RUN, runs.c.epoch <= bindparam("made_in", type_=Integer))
    .with_for_update(read=True)
)

# --- sessions: whoever holds the session's row may read and write it and the marks of its runs ---

LOCK_SESSION = _SESSION.with_for_update()  # in SQLite the transaction is the lock
SESSION_MARK = select(session_marks.c.event_index).where(session_marks.c.run_id == _OF_RUN)
KEEP_SESSION = (
    update(sessions)
    .where(sessions.c.user_id == _OF_USER, sessions.c.session_id == _OF_SESSION)
    .values(state=bindparam("new_state", type_=Text), updated_at=bindparam("new_updated_at", type_=BigInteger))
)

# --- pause notices ---


def _take_notices() -> ReturningUpdate[Any]:
    """Those never taken first. In PostgreSQL a table expression that locks is evaluated once, whatever the plan."""
    free = (
        select(pause_notices.c.run_id, pause_notices.c.requirement_id)
        .where(text(NOT_DONE), pause_notices.c.taken_until <= _NOW)
        .order_by(pause_notices.c.taken_until, pause_notices.c.created_at)
        .limit(_AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    return (
        update(pause_notices)
        .where(
            tuple_(pause_notices.c.run_id, pause_notices.c.requirement_id).in_(
                select(free.c.run_id, free.c.requirement_id)
            )
        )
        .values(taken_until=bindparam("new_taken_until", type_=BigInteger))
        .returning(pause_notices.c.created_at, pause_notices.c.run_id, pause_notices.c.requirement_id)
    )


TAKE_NOTICES = _take_notices()
NOTIFIED = (
    update(pause_notices)
    .where(pause_notices.c.run_id == _OF_RUN, pause_notices.c.requirement_id == _OF_REQUIREMENT)
    .values(done=1)
)

# --- numbering the change feed ---

# Also the lock: who holds this row numbers, and what others number is visible to whoever gets it next.
LOCK_FEED = update(feed).values(last_seq=feed.c.last_seq).returning(feed.c.last_seq)
ADVANCE_FEED = update(feed).values(last_seq=bindparam("new_last_seq", type_=BigInteger))


def _number_changes() -> Update:
    """The oldest first, and not all at once: where nobody has read the feed for long, there may be many."""
    waiting = (
        select(changes.c.id, func.row_number().over(order_by=changes.c.id).label("place"))
        .where(text(UNNUMBERED))
        .order_by(changes.c.id)
        .limit(_AT_MOST)
        .subquery("waiting")
    )
    last = bindparam("last_seq_given", type_=BigInteger)
    return update(changes).where(changes.c.id == waiting.c.id).values(seq=last + waiting.c.place)


NUMBER_CHANGES = _number_changes()


# --- listing: the one statement that is built as it is asked for ---


def list_runs(
    *,
    user_id: str | None,
    or_assignees: frozenset[str],
    workflow_id: str | None,
    session_id: str | None,
    statuses: frozenset[str],
    before: tuple[int, str] | None,
    limit: int,
) -> Select[Any]:
    """Newest first, at most `limit`, beginning after the run at `before`."""
    filtered = select(*LISTED_COLUMNS)
    if workflow_id is not None:
        filtered = filtered.where(runs.c.workflow_id == workflow_id)
    if session_id is not None:
        filtered = filtered.where(runs.c.session_id == session_id)
    if statuses:
        filtered = filtered.where(runs.c.status.in_(sorted(statuses)))
    if before is not None:
        filtered = filtered.where(tuple_(runs.c.created_at, runs.c.run_id) < tuple_(*before))
    mine = filtered.where(runs.c.user_id == user_id)
    assigned = filtered.where(
        runs.c.run_id.in_(select(run_assignees.c.run_id).where(run_assignees.c.assignee.in_(sorted(or_assignees))))
    )
    if user_id is not None and or_assignees:
        # Each half by its own index: an OR across both would scan everybody's runs.
        both = _page(mine, limit).subquery(), _page(assigned, limit).subquery()
        ids = select(both[0].c.run_id).union(select(both[1].c.run_id))
        return _page(select(*LISTED_COLUMNS).where(runs.c.run_id.in_(ids)), limit)
    if or_assignees:
        return _page(assigned, limit)
    return _page(mine if user_id is not None else filtered, limit)


def _page(statement: Select[Any], limit: int) -> Select[Any]:
    return statement.order_by(runs.c.created_at.desc(), runs.c.run_id.desc()).limit(limit)
