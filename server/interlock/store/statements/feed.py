"""The change feed, and its numbering."""

from __future__ import annotations

from sqlalchemy import BigInteger, Update, bindparam, delete, exists, func, select, text, update

from interlock.store.tables import UNNUMBERED, changes, feed, runs

from .parameters import AT_MOST
from .runs import LISTED_COLUMNS

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
    .limit(AT_MOST)
)
LAST_SEQ = select(feed.c.last_seq)
FIRST_SEQ = select(func.min(changes.c.seq))
OLDEST_CHANGES = (
    select(changes.c.seq, changes.c.changed_at).where(changes.c.seq > 0).order_by(changes.c.seq).limit(AT_MOST)
)
FORGET_CHANGES = delete(changes).where(changes.c.seq <= bindparam("upto", type_=BigInteger))
HAS_UNNUMBERED = select(exists(select(changes.c.id).where(text(UNNUMBERED))))
TOUCH = update(feed).values(last_seq=feed.c.last_seq)
# Also the lock: the transaction that holds this row numbers changes, and its numbers are visible to the next holder.
LOCK_FEED = update(feed).values(last_seq=feed.c.last_seq).returning(feed.c.last_seq)
ADVANCE_FEED = update(feed).values(last_seq=bindparam("new_last_seq", type_=BigInteger))


def _number_changes() -> Update:
    """The oldest first, and not all at once: if nobody has read the feed for long, there may be many."""
    waiting = (
        select(changes.c.id, func.row_number().over(order_by=changes.c.id).label("place"))
        .where(text(UNNUMBERED))
        .order_by(changes.c.id)
        .limit(AT_MOST)
        .subquery("waiting")
    )
    last = bindparam("last_seq_given", type_=BigInteger)
    return update(changes).where(changes.c.id == waiting.c.id).values(seq=last + waiting.c.place)


NUMBER_CHANGES = _number_changes()
