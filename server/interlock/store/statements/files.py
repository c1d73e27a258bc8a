"""Uploaded files, and the runs that use them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Integer, Text, bindparam, delete, func, insert, select, update

from interlock.store.ports.files import MAX_USES
from interlock.store.tables import file_uses, files, runs

from .parameters import AT_MOST, NOW, OF_ACCOUNT, OF_RUN, OF_USER

UPLOADING: Final = 0
EXISTS: Final = 1
GOING: Final = 2

_OF_FILE = bindparam("of_file", type_=Text)
_OF_FILES = bindparam("of_files", type_=Text, expanding=True)
_NEW_DUE = bindparam("new_due", type_=BigInteger)
_FACTS = (
    *(files.c.file_id, files.c.account, files.c.user_id, files.c.name),
    *(files.c.size, files.c.content_type, files.c.sha256, files.c.created_at),
)

UNUSED = select(func.coalesce(func.sum(files.c.size), 0)).where(
    files.c.account == OF_ACCOUNT, files.c.user_id == OF_USER, files.c.uses == 0, files.c.state != GOING
)
"""How many bytes of a user no run uses, with what is being uploaded."""

BEGIN = insert(files)
COMPLETE = (
    update(files)
    .where(files.c.file_id == _OF_FILE, files.c.state == UPLOADING)
    .values(
        state=EXISTS,
        size=bindparam("new_size", type_=BigInteger),
        content_type=bindparam("new_type", type_=Text),
        sha256=bindparam("new_sha256", type_=Text),
        due_at=_NEW_DUE,
    )
    .returning(*_FACTS)
)
FILES = select(*_FACTS).where(files.c.file_id.in_(_OF_FILES), files.c.account == OF_ACCOUNT, files.c.state == EXISTS)

RUNS_USING = select(file_uses.c.run_id).where(file_uses.c.file_id == _OF_FILE).order_by(file_uses.c.run_id)
USED_BY = select(file_uses.c.file_id).where(file_uses.c.run_id == OF_RUN)
HOLD = (
    select(files.c.file_id)
    .where(files.c.file_id.in_(_OF_FILES), files.c.state == EXISTS)
    .order_by(files.c.file_id)
    .with_for_update()
)
USE = (
    update(files)
    .where(files.c.file_id == _OF_FILE, files.c.uses < MAX_USES)
    .values(uses=files.c.uses + 1, due_at=_NEW_DUE)
)
KEEP_USE = insert(file_uses)

GIVE_UP = (
    update(files)
    .where(files.c.file_id == _OF_FILE, files.c.state != GOING, files.c.uses == 0)
    .values(state=GOING, due_at=_NEW_DUE)
)

DUE = (
    select(files.c.file_id, files.c.state, files.c.uses)
    .where(files.c.due_at <= NOW)
    .order_by(files.c.due_at)
    .limit(AT_MOST)
    .with_for_update(skip_locked=True)
)
ENDS = (
    select(file_uses.c.file_id, runs.c.status, runs.c.updated_at)
    .join(runs, runs.c.run_id == file_uses.c.run_id)
    .where(file_uses.c.file_id.in_(_OF_FILES))
)
"""How the runs stand that use these files."""

LOOK_AGAIN = (
    update(files)
    .where(files.c.file_id == _OF_FILE)
    .values(state=bindparam("new_state", type_=Integer), due_at=_NEW_DUE)
)

GONE = delete(files).where(files.c.file_id == _OF_FILE, files.c.state == GOING)
FORGET_USES = delete(file_uses).where(file_uses.c.file_id == _OF_FILE)
