"""Absences of people."""

from __future__ import annotations

from sqlalchemy import Text, bindparam, delete, insert, select

from interlock.store.directory_tables import absences

from .parameters import NOW, OF_ACCOUNT

_OF_USER = (absences.c.account == OF_ACCOUNT, absences.c.user_id == bindparam("of_user", type_=Text))
_COUNTS = (absences.c.from_at <= NOW, absences.c.until_at > NOW)

OF_USER = select(absences).where(*_OF_USER)
FORGET = delete(absences).where(*_OF_USER)
KEEP = insert(absences)
AWAY = select(absences.c.user_id, absences.c.substitute).where(
    absences.c.account == OF_ACCOUNT,
    absences.c.user_id.in_(bindparam("of_users", type_=Text, expanding=True)),
    *_COUNTS,
)
ACCOUNTS = select(absences.c.account).distinct().where(*_COUNTS)
