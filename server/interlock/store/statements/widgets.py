"""Bundles of widgets."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text, bindparam, insert, select, update

from interlock.store.widget_tables import widget_bundles

_T = widget_bundles.c
_NAMED = _T.name == bindparam("of_name", type_=Text)
_VERSION = _T.version == bindparam("of_version", type_=Text)
_LISTED = select(_T.name, _T.version, _T.bytes, _T.added_by, _T.added_at).order_by(_T.name, _T.number.desc())

CURRENT = select(_T.version, _T.number).where(_NAMED).order_by(_T.number.desc()).limit(1)
SOURCE = select(_T.source).where(_NAMED, _VERSION)
KEEP = insert(widget_bundles)
AGAIN = (
    update(widget_bundles)
    .where(_NAMED, _VERSION)
    .values(
        number=bindparam("next_number", type_=BigInteger),
        added_by=bindparam("by", type_=Text),
        added_at=bindparam("at", type_=BigInteger),
    )
)
ALL = _LISTED
OF_NAME = _LISTED.where(_NAMED)
