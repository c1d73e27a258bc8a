"""The audit's chains, and who saw what."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Integer,
    Select,
    Text,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal_column,
    select,
    union_all,
    update,
)

from interlock.store.audit_tables import audit_entries, audit_sights
from interlock.store.tables import decisions, runs

from .parameters import AT_MOST, OF_ACCOUNT, OF_RUN

_later = audit_entries.alias("later")
_OF_RUN: Final = audit_entries.c.run_id == OF_RUN

# Entries that may be the given ones; the last one; and, with the place 0, how many decisions there are if it has none.
_LAST: Final = select(func.max(audit_entries.c.seq)).where(_OF_RUN).scalar_subquery()
_ENTRY = select(audit_entries.c.seq, audit_entries.c.hash, audit_entries.c.epoch, audit_entries.c.name).where(_OF_RUN)
_FIRST, _LAST_NAME = bindparam("first", type_=Text), bindparam("last", type_=Text)
_DECISIONS = select(func.count()).select_from(decisions).where(decisions.c.run_id == OF_RUN).scalar_subquery()
_MADE_BEFORE = select(
    literal_column("0"),
    literal_column("''"),
    case((_LAST.is_(None), _DECISIONS), else_=literal_column("0")),
    literal_column("''"),
)
FOUND: Final[Any] = union_all(
    _ENTRY.where(audit_entries.c.name.between(_FIRST, _LAST_NAME)),
    _ENTRY.where(audit_entries.c.seq == _LAST),
    _MADE_BEFORE,
)

ADD: Final = insert(audit_entries)
COLUMNS: Final = tuple(column.name for column in audit_entries.c)

ENTRIES: Final[Select[Any]] = (
    select(
        audit_entries.c.run_id,
        audit_entries.c.seq,
        audit_entries.c.content,
        audit_entries.c.salt,
        audit_entries.c.leaf,
        audit_entries.c.hash,
    )
    .where(_OF_RUN, audit_entries.c.seq > bindparam("after", type_=Integer))
    .order_by(audit_entries.c.seq)
    .limit(AT_MOST)
)
HEADS: Final[Select[Any]] = (
    select(audit_entries.c.run_id, audit_entries.c.seq, audit_entries.c.hash)
    .where(
        audit_entries.c.run_id > bindparam("after_run", type_=Text),
        audit_entries.c.run_id.in_(select(runs.c.run_id).where(runs.c.account == OF_ACCOUNT)),
        ~exists().where(_later.c.run_id == audit_entries.c.run_id, _later.c.seq > audit_entries.c.seq),
    )
    .order_by(audit_entries.c.run_id)
    .limit(AT_MOST)
)
LENGTH: Final = select(func.max(audit_entries.c.seq)).where(_OF_RUN)
ERASE: Final = (
    update(audit_entries).where(_OF_RUN, audit_entries.c.content.is_not(None)).values(content=None, salt=None)
)
FORGET_SIGHTS: Final = audit_sights.delete().where(audit_sights.c.run_id == OF_RUN)
SIGHTS: Final[Select[Any]] = (
    select(audit_sights)
    .where(audit_sights.c.run_id == OF_RUN)
    .order_by(audit_sights.c.requirement_id, audit_sights.c.user_id)
    .limit(AT_MOST)
)
