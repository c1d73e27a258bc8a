"""The outbox in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection

from interlock.store.ports.outbox import DELIVERED_KEPT_SECONDS, Patience
from interlock.store.statements import outbox as sql
from interlock.store.writes import Writes

from .transactions import SqlTransactions


class SqlOutbox(SqlTransactions):
    """`Outbox`."""

    async def leave_messages(self, topic: str, run_id: str, subjects: Sequence[str]) -> None:
        if subjects:
            messages = [(topic, subject) for subject in subjects]
            await self._write(
                lambda connection: leave_messages(self._writes, connection, run_id, messages, self._clock()),
                one_statement=True,
            )

    async def take_messages(self, topic: str, now: int, hold_ms: int, limit: int = 100) -> Sequence[tuple[str, str]]:
        return await self._write(partial(_take, topic, now, hold_ms, limit), one_statement=True)

    async def message_delivered(self, topic: str, run_id: str, subject: str) -> None:
        await self._write(partial(_done, topic, run_id, subject), one_statement=True)

    async def put_off_message(self, topic: str, run_id: str, subject: str, now: int, patience: Patience) -> bool:
        return await self._write(partial(_put_off, topic, run_id, subject, now, patience))

    async def forget_messages(self, limit: int = 1000) -> int:
        cutoff = self._clock() - DELIVERED_KEPT_SECONDS * 1000
        return await self._write(partial(_forget_messages, cutoff, limit), one_statement=True)


def leave_messages(
    writes: Writes, connection: Connection, run_id: str, messages: Sequence[tuple[str, str]], now: int
) -> None:
    """Add messages about a run, each a topic and a subject; those that exist stay unchanged."""
    # Sorted: transactions that insert the same rows wait for each other, and with one order they can't deadlock.
    each = {"run_id": run_id, "created_at": now, "taken_until": 0, "done": 0}
    rows = [{**each, "topic": topic, "subject": subject} for topic, subject in sorted(set(messages))]
    writes.leave_messages(connection, rows)


def _take(topic: str, now: int, hold_ms: int, limit: int, connection: Connection) -> Sequence[tuple[str, str]]:
    parameters = {"of_topic": topic, "now": now, "new_taken_until": now + hold_ms, "at_most": limit}
    taken = sorted(tuple(row) for row in connection.execute(sql.TAKE, parameters))
    return [(run_id, subject) for _, run_id, subject in taken]


def _done(topic: str, run_id: str, subject: str, connection: Connection) -> None:
    connection.execute(sql.DONE, {"of_topic": topic, "of_run": run_id, "of_subject": subject})


def _put_off(topic: str, run_id: str, subject: str, now: int, patience: Patience, connection: Connection) -> bool:
    message = {"of_topic": topic, "of_run": run_id, "of_subject": subject}
    created_at = connection.execute(sql.CREATED_AT, message).scalar()
    if created_at is None:
        return False
    age = max(0, now - created_at)
    if age >= patience.over_ms:
        connection.execute(sql.DONE, message)
        return False
    wait = min(max(age, patience.least_ms), patience.most_ms)
    connection.execute(sql.PUT_OFF, {**message, "new_taken_until": now + wait})
    return True


def _forget_messages(cutoff: int, limit: int, connection: Connection) -> int:
    return len(connection.execute(sql.FORGET_MESSAGES, {"cutoff": cutoff, "at_most": limit}).all())
