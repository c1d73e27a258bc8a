"""Addresses of people."""

from __future__ import annotations

from sqlalchemy import Text, bindparam, select

from interlock.store.tables import notice_addresses

from .parameters import OF_ACCOUNT

ADDRESSES = select(notice_addresses.c.user_id, notice_addresses.c.addresses).where(
    notice_addresses.c.account == OF_ACCOUNT,
    notice_addresses.c.user_id.in_(bindparam("of_users", type_=Text, expanding=True)),
)
