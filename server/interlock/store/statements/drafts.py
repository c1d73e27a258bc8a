"""Half-written answers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text, bindparam, delete, insert, select, tuple_, update

from interlock.store.draft_tables import drafts
from interlock.store.tables import waiting

from .parameters import AT_MOST, OF_ACCOUNT

_T = drafts.c
_OF_PERSON = (_T.account == OF_ACCOUNT, _T.user_id == bindparam("of_user", type_=Text))
_OF_QUESTION = (
    *_OF_PERSON,
    _T.run_id == bindparam("of_run", type_=Text),
    _T.requirement_id == bindparam("of_requirement", type_=Text),
)
_KEY = _T.account, _T.user_id, _T.run_id, _T.requirement_id
_IS_ASKED = (
    select(waiting.c.run_id)
    .where(waiting.c.run_id == _T.run_id, waiting.c.requirement_id == _T.requirement_id)
    .correlate(drafts)
    .exists()
)
_NEWEST_FIRST = _T.saved_at.desc(), _T.run_id, _T.requirement_id

ADD = insert(drafts)
REPLACE = (
    update(drafts)
    .where(*_OF_QUESTION, _T.revision < bindparam("new_revision", type_=BigInteger))
    .values(
        revision=bindparam("new_revision", type_=BigInteger),
        content=bindparam("new_content", type_=Text),
        saved_at=bindparam("new_saved_at", type_=BigInteger),
    )
)
IS_THERE = select(_T.revision).where(*_OF_QUESTION)
OF_PERSON = select(drafts).where(*_OF_PERSON, _IS_ASKED).order_by(*_NEWEST_FIRST).limit(AT_MOST)
MAKE_ROOM = delete(drafts).where(
    *_OF_PERSON,
    tuple_(_T.run_id, _T.requirement_id).not_in(
        select(_T.run_id, _T.requirement_id).where(*_OF_PERSON).order_by(*_NEWEST_FIRST).limit(AT_MOST)
    ),
)
FORGET = (
    delete(drafts)
    .where(
        tuple_(*_KEY).in_(
            select(*_KEY)
            .where(_T.saved_at < bindparam("saved_before", type_=BigInteger), ~_IS_ASKED)
            .order_by(_T.saved_at)
            .limit(AT_MOST)
        )
    )
    .returning(_T.run_id)
)
