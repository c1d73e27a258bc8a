"""The change feed in SQL.

Laws:
- Readers number the change feed. A writer leaves its row without a `seq`; a reader first numbers the committed
  ones, under a lock that it holds until it commits. So numbers become visible in their order, without gaps, and
  writers never wait for each other. (If writers took numbers from a sequence, these would become visible in the
  order of commits, and a reader could miss one for good.)
- Rows of one run are numbered in the order of their settlements: settlements wait for each other on the run's row
  before their feed row gets its `id`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection

from interlock.store.ports.feed import CHANGES_KEPT_SECONDS, Change, FeedEnds
from interlock.store.ports.runs import ListedRun
from interlock.store.statements import feed as sql
from interlock_protocol.types import RunStatus

from .rows import assignees_of, listed_values, pending_of
from .transactions import SqlTransactions

NUMBERED = 1000
"""How many changes are numbered in one transaction."""


class SqlChangeFeed(SqlTransactions):
    """`ChangeFeed`."""

    async def changes(self, after_seq: int, limit: int = 1000) -> Sequence[Change]:
        if await self._read(_has_unnumbered, one_statement=True):
            await self._write(_number)
        return await self._read(partial(_changes, after_seq, limit))

    async def feed_ends(self) -> FeedEnds:
        await self._number_all()
        return await self._read(_feed_ends)

    async def forget_changes(self, limit: int = 1000) -> int:
        await self._number_all()  # needed if the feed has no readers
        return await self._write(partial(_forget_changes, self._clock() - CHANGES_KEPT_SECONDS * 1000, limit))

    def listen(self, changed: Callable[[], None]) -> None:
        self._listeners.append(changed)

    async def _number_all(self) -> None:
        """Number all changes that were committed before the call."""
        if await self._read(_has_unnumbered, one_statement=True):
            while await self._write(_number) == NUMBERED:
                pass


def _has_unnumbered(connection: Connection) -> bool:
    return bool(connection.execute(sql.HAS_UNNUMBERED).scalar_one())


def _number(connection: Connection) -> int:
    """Number the next changes, and return how many."""
    last = connection.execute(sql.LOCK_FEED).scalar_one()
    count = connection.execute(sql.NUMBER_CHANGES, {"last_seq_given": last, "at_most": NUMBERED}).rowcount
    connection.execute(sql.ADVANCE_FEED, {"new_last_seq": last + count})
    return count


def _changes(after_seq: int, limit: int, connection: Connection) -> Sequence[Change]:
    rows = connection.execute(sql.CHANGES, {"after_seq": after_seq, "at_most": limit}).mappings().all()
    assignees = assignees_of(list({row["run_id"] for row in rows}), connection)
    return [_change(row, assignees.get(row["run_id"], ())) for row in rows]


def _feed_ends(connection: Connection) -> FeedEnds:
    last = connection.execute(sql.LAST_SEQ).scalar_one()
    return FeedEnds(connection.execute(sql.FIRST_SEQ).scalar_one() or last + 1, last)


def _forget_changes(cutoff: int, limit: int, connection: Connection) -> int:
    """Delete changes from the beginning, up to the first that isn't old: so the feed gets no gaps."""
    connection.execute(sql.LOCK_FEED)
    oldest = connection.execute(sql.OLDEST_CHANGES, {"at_most": limit}).all()
    old = [seq for seq, _ in takewhile(lambda row: row[1] < cutoff, oldest)]
    if old:
        connection.execute(sql.FORGET_CHANGES, {"upto": old[-1]})
    return len(old)


def _change(row: Mapping[Any, Any], assignees: tuple[str, ...]) -> Change:
    values = dict(row)
    seq, status, pending, at = (values.pop(name) for name in ("seq", "new_status", "new_pending", "changed_at"))
    return Change(seq, RunStatus(status), pending_of(pending), at, ListedRun(**listed_values(values, assignees)))
