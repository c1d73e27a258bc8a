"""Idempotency keys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer, Text, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.sql.dml import ReturningDelete

from interlock.store.tables import idempotency_keys

from .parameters import AT_MOST, OF_USER

_OF_KEY = bindparam("of_key", type_=Text)

OUTCOME = select(
    idempotency_keys.c.fingerprint,
    idempotency_keys.c.run_id,
    idempotency_keys.c.answer_status,
    idempotency_keys.c.answer_body,
).where(
    idempotency_keys.c.user_id == OF_USER,
    idempotency_keys.c.key == _OF_KEY,
    idempotency_keys.c.created_at > bindparam("cutoff", type_=BigInteger),
)
KEEP_ANSWER = (
    update(idempotency_keys)
    .where(
        idempotency_keys.c.user_id == OF_USER,
        idempotency_keys.c.key == _OF_KEY,
        idempotency_keys.c.fingerprint == bindparam("of_fingerprint", type_=Text),
        idempotency_keys.c.answer_status.is_(None),
    )
    .values(
        answer_status=bindparam("kept_status", type_=Integer),
        answer_body=bindparam("kept_body", type_=Text),
    )
)
FORGET_EXPIRED = delete(idempotency_keys).where(
    idempotency_keys.c.user_id == bindparam("key_user", type_=Text),
    idempotency_keys.c.key == bindparam("key_name", type_=Text),
    idempotency_keys.c.created_at <= bindparam("cutoff", type_=BigInteger),
)
REMEMBER = insert(idempotency_keys).values(
    user_id=bindparam("key_user", type_=Text),
    key=bindparam("key_name", type_=Text),
    fingerprint=bindparam("key_fingerprint", type_=Text),
    run_id=bindparam("key_run", type_=Text),
    created_at=bindparam("key_at", type_=BigInteger),
    answer_status=bindparam("kept_status", type_=Integer),
    answer_body=bindparam("kept_body", type_=Text),
)


def _forget_keys() -> ReturningDelete[Any]:
    """The oldest first, skipping those that another transaction is deleting. Returns a row for each."""
    old = (
        select(idempotency_keys.c.user_id, idempotency_keys.c.key)
        .where(idempotency_keys.c.created_at <= bindparam("cutoff", type_=BigInteger))
        .order_by(idempotency_keys.c.created_at)
        .limit(AT_MOST)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    return (
        delete(idempotency_keys)
        .where(tuple_(idempotency_keys.c.user_id, idempotency_keys.c.key).in_(select(old.c.user_id, old.c.key)))
        .returning(idempotency_keys.c.key)
    )


FORGET_KEYS = _forget_keys()
