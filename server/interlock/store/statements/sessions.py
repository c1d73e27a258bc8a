"""Sessions. The transaction that locks the session's row may read and write it and the marks of its runs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text, bindparam, literal_column, null, select, text, union_all, update

from interlock.store.compiled import Compiled
from interlock.store.tables import ENDED, runs, session_marks, sessions, snapshots

from .parameters import AT_MOST, OF_ACCOUNT, OF_RUN, OF_SESSION, OF_USER

_IS_IT = (
    sessions.c.account == OF_ACCOUNT,
    sessions.c.user_id == OF_USER,
    sessions.c.session_id == OF_SESSION,
)
_SESSION = select(sessions.c.state).where(*_IS_IT)
SESSION = Compiled(_SESSION)
_EARLIER_RUNS = (
    select(runs.c.run_id, runs.c.input, snapshots.c.state, runs.c.created_at)
    .join(snapshots, snapshots.c.run_id == runs.c.run_id)
    .where(text(ENDED), runs.c.account == OF_ACCOUNT, runs.c.user_id == OF_USER, runs.c.session_id == OF_SESSION)
    .order_by(runs.c.created_at.desc(), runs.c.run_id.desc())
    .limit(AT_MOST)
    .subquery("earlier")
)
SESSION_AND_RUNS = Compiled(
    # The session's state is the row without a run: one statement, and so one round trip.
    union_all(
        _SESSION.with_only_columns(
            null().label("run_id"), sessions.c.state, null().label("folded"), literal_column("0")
        ),
        select(_EARLIER_RUNS),
    )
)
LOCK_SESSION = _SESSION.with_for_update()  # in SQLite the transaction is the lock
SESSION_MARK = select(session_marks.c.event_index).where(session_marks.c.run_id == OF_RUN)
KEEP_SESSION = (
    update(sessions)
    .where(*_IS_IT)
    .values(state=bindparam("new_state", type_=Text), updated_at=bindparam("new_updated_at", type_=BigInteger))
)
