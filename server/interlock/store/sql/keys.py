"""Idempotency keys in SQL."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from interlock.store.ports.keys import IDEMPOTENCY_SECONDS, IdempotencyKey, KeptAnswer, Outcome
from interlock.store.statements import keys as sql
from interlock.store.writes import Parameters
from interlock_protocol.namespaces import DEFAULT_ACCOUNT

from .transactions import SqlTransactions


class SqlKeys(SqlTransactions):
    """`IdempotencyKeys`."""

    async def outcome(self, user_id: str, key: str, *, account: str = DEFAULT_ACCOUNT) -> Outcome | None:
        return await self._read(partial(outcome, account, user_id, key, self._clock()), one_statement=True)

    async def keep_answer(self, key: IdempotencyKey, answer: KeptAnswer) -> None:
        await self._write(partial(_keep_answer, key, answer), one_statement=True)

    async def remember_answer(self, key: IdempotencyKey, about: str, answer: KeptAnswer) -> None:
        row = key_row(key, about, self._clock()) | {"kept_status": answer.status, "kept_body": answer.body}
        with suppress(IntegrityError):  # somebody was first
            await self._write(partial(_remember, row))

    async def forget_keys(self, limit: int = 1000) -> int:
        return await self._write(partial(_forget_keys, self._clock(), limit), one_statement=True)


def holder(account: str, user_id: str) -> str:
    """The owner of a key: the user, after the account's name unless that is `default`. No user id has the separator.

    (It isn't a column of its own, because servers of the previous release identify rows by user and key only.)
    """
    return user_id if account == DEFAULT_ACCOUNT else f"{account}\x1f{user_id}"


def key_row(key: IdempotencyKey, run_id: str, now: int) -> Parameters:
    """The row of a key that is used for this run."""
    return {
        "key_user": holder(key.account, key.user_id),
        "key_name": key.key,
        "key_fingerprint": key.fingerprint,
        "key_run": run_id,
        "key_at": now,
        "cutoff": _cutoff(now),
    }


def outcome(account: str, user_id: str, key: str, now: int, connection: Connection) -> Outcome | None:
    """The outcome of the key, if it is remembered."""
    parameters = {"of_user": holder(account, user_id), "of_key": key, "cutoff": _cutoff(now)}
    row = connection.execute(sql.OUTCOME, parameters).one_or_none()
    if row is None:
        return None
    fingerprint, run_id, status, body = row
    return Outcome(fingerprint, run_id, None if status is None else KeptAnswer(status, body))


def _keep_answer(key: IdempotencyKey, answer: KeptAnswer, connection: Connection) -> None:
    parameters = {
        "of_user": holder(key.account, key.user_id),
        "of_key": key.key,
        "of_fingerprint": key.fingerprint,
        "kept_status": answer.status,
        "kept_body": answer.body,
    }
    connection.execute(sql.KEEP_ANSWER, parameters)


def _remember(row: Parameters, connection: Connection) -> None:
    connection.execute(sql.FORGET_EXPIRED, row)
    connection.execute(sql.REMEMBER, row)


def _forget_keys(now: int, limit: int, connection: Connection) -> int:
    return len(connection.execute(sql.FORGET_KEYS, {"cutoff": _cutoff(now), "at_most": limit}).all())


def _cutoff(now: int) -> int:
    """The time before which keys have expired."""
    return now - IDEMPOTENCY_SECONDS * 1000
