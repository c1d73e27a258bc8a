"""Idempotency keys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, delete, select, tuple_
from sqlalchemy.sql.dml import ReturningDelete

from interlock.store.tables import idempotency_keys

from .parameters import AT_MOST, OF_USER

OUTCOME = select(idempotency_keys.c.fingerprint, idempotency_keys.c.run_id).where(
    idempotency_keys.c.user_id == OF_USER,
    idempotency_keys.c.key == bindparam("of_key", type_=Text),
    idempotency_keys.c.created_at > bindparam("cutoff", type_=BigInteger),
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
