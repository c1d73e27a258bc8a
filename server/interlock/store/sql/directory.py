"""The directory in SQL.

Law: whoever changes it takes a revision first, which is a lock; what they read after that stays so until they commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final

from pydantic_core import from_json
from sqlalchemy import Connection, Select

from interlock.store.ports.directory import (
    By,
    ChangedMeanwhile,
    ChangePage,
    DirectoryChange,
    Edit,
    Group,
    Member,
    MemberKind,
    MemberPage,
    NewMember,
    Taken,
)
from interlock.store.statements import directory as sql
from interlock.store.writes import Parameters
from interlock_protocol.types import JsonObject

from .pages import cursor_of, place_of
from .rows import text_of
from .transactions import SqlTransactions

_LAST: Final = 2**63 - 1
_GONE: Final = "It was changed meanwhile; look at it again."


class SqlDirectory(SqlTransactions):
    """`DirectoryStore`."""

    async def add_member(self, new: NewMember, by: By) -> Member:
        return await self._write(partial(_add_member, new, by))

    async def edit_member(self, account: str, user_id: str, edit: Edit, by: By, *, revision: int) -> Member | None:
        if not _is_storable(user_id):
            return None
        return await self._write(partial(_edit_member, _of(account, user_id), edit, by, revision))

    async def rehash(self, account: str, user_id: str, old: str, new: str) -> None:
        parameters = _of(account, user_id) | {"old_secret": old, "new_secret": new}
        await self._write(partial(_execute, sql.REHASH, parameters), one_statement=True)

    async def member(self, account: str, user_id: str) -> Member | None:
        if not _is_storable(user_id):
            return None
        return await self._read(partial(_one, sql.MEMBER, _of(account, user_id)))

    async def member_of(self, account: str, issuer: str, subject: str) -> Member | None:
        if not (_is_storable(issuer) and _is_storable(subject)):
            return None
        parameters = {"of_account": account, "of_issuer": issuer, "of_subject": subject}
        return await self._read(partial(_one, sql.MEMBER_OF, parameters))

    async def client(self, client_id: str) -> Member | None:
        if not _is_storable(client_id):
            return None
        return await self._read(partial(_one, sql.CLIENT, {"of_user": client_id}))

    async def members(
        self, account: str, kind: MemberKind, *, limit: int = 50, cursor: str | None = None
    ) -> MemberPage:
        of = {"of_account": account, "of_kind": kind}
        return await self._read(partial(_page, sql.MEMBERS, sql.MEMBERS_BEFORE, of, limit, place_of(cursor)))

    async def add_group(self, group: Group, by: By) -> None:
        await self._write(partial(_add_group, group, by))

    async def groups(self, account: str) -> Sequence[Group]:
        return await self._read(partial(_groups, account), one_statement=True)

    async def join(self, account: str, group: str, user_id: str, by: By, *, revision: int) -> bool:
        return await self._regrouped(_join, account, group, user_id, by, revision)

    async def leave(self, account: str, group: str, user_id: str, by: By, *, revision: int) -> bool:
        return await self._regrouped(_leave, account, group, user_id, by, revision)

    async def _regrouped(
        self, what: Callable[..., bool], account: str, group: str, user_id: str, by: By, revision: int
    ) -> bool:
        if not (_is_storable(group) and _is_storable(user_id)):
            return False
        of = _of(account, user_id) | {"of_group": group}
        return await self._write(partial(what, of, by, revision))

    async def members_of_group(
        self, account: str, group: str, *, limit: int = 50, cursor: str | None = None
    ) -> MemberPage | None:
        before = place_of(cursor)
        if not _is_storable(group):
            return None
        return await self._read(partial(_of_group, {"of_account": account, "of_group": group}, limit, before))

    async def directory_changes(self, after: int, limit: int = 1000) -> Sequence[DirectoryChange]:
        parameters = {"after_revision": after, "at_most": limit}
        return await self._read(partial(_changes, sql.CHANGES, parameters), one_statement=True)

    async def directory_history(
        self, account: str, *, user_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> ChangePage:
        place = place_of(cursor)
        before = _LAST if place is None else place[0]
        parameters = {"of_account": account, "before_revision": before, "at_most": max(1, limit) + 1}
        if user_id is not None:
            if not _is_storable(user_id):
                return ChangePage((), None)
            parameters["of_user"] = user_id
        statement = sql.HISTORY if user_id is None else sql.HISTORY_OF
        found = await self._read(partial(_changes, statement, parameters), one_statement=True)
        page = tuple(found[: max(1, limit)])
        return ChangePage(page, cursor_of(page[-1].revision, "") if len(found) > len(page) else None)

    async def directory_revision(self) -> int:
        return await self._read(_last_revision, one_statement=True)


def record(account: str, user_id: str, what: str, detail: JsonObject, by: By, connection: Connection) -> int:
    """Record a change, and return its revision. From then on, nobody else changes the directory."""
    revision = next_revision(connection)
    write_record(revision, account, user_id, what, detail, by, connection)
    return revision


def next_revision(connection: Connection) -> int:
    """Take the next revision."""
    return int(connection.execute(sql.NEXT_REVISION).scalar_one())


def write_record(
    revision: int, account: str, user_id: str, what: str, detail: JsonObject, by: By, connection: Connection
) -> None:
    """Record the change that has this revision."""
    row = {
        "revision": revision,
        "account": account,
        "user_id": user_id,
        "what": what,
        "detail": text_of(detail),
        "changed_by": by.user_id,
        "changed_at": by.at,
    }
    connection.execute(sql.RECORD, row)


def _is_storable(text: str) -> bool:
    """Whether a text can be a parameter: not every text from outside can."""
    return "\x00" not in text and text.isprintable()


def _of(account: str, user_id: str) -> Parameters:
    return {"of_account": account, "of_user": user_id}


def _execute(statement: Any, parameters: Parameters, connection: Connection) -> None:
    connection.execute(statement, parameters)


def _add_member(new: NewMember, by: By, connection: Connection) -> Member:
    revision = next_revision(connection)
    of_subject = {"of_account": new.account, "of_issuer": new.issuer, "of_subject": new.subject}
    of = _of(new.account, new.user_id)
    if connection.execute(sql.MEMBER, of).first() or connection.execute(sql.MEMBER_OF, of_subject).first():
        raise Taken
    if new.kind == "service" and connection.execute(sql.CLIENT, of).first():
        raise Taken
    row = {
        "account": new.account,
        "user_id": new.user_id,
        "issuer": new.issuer,
        "subject": new.subject,
        "name": new.name,
        "kind": new.kind,
        "scopes": text_of(sorted(new.scopes)),
        "namespaces": text_of(sorted(new.namespaces)),
        "secret": new.secret,
        "generation": 0,
        "revision": revision,
        "created_at": new.created_at,
        "created_by": new.created_by,
        "disabled_at": None,
    }
    connection.execute(sql.ADD_MEMBER, row)
    what = "client_added" if new.kind == "service" else "user_added"
    told = Edit(name=new.name, scopes=new.scopes, namespaces=new.namespaces).told()
    if new.issuer:
        told |= {"issuer": new.issuer, "subject": new.subject}
    write_record(revision, new.account, new.user_id, what, told, by, connection)
    added = _one(sql.MEMBER, of, connection)
    assert added is not None
    return added


def _edit_member(of: Parameters, edit: Edit, by: By, expected: int, connection: Connection) -> Member | None:
    revision = next_revision(connection)
    found = _one(sql.MEMBER, of, connection)
    if found is None:
        return None
    if found.revision != expected:
        raise ChangedMeanwhile(_GONE)
    values: JsonObject = {"revision": revision}
    if edit.name is not None:
        values["name"] = edit.name
    for name, each in (("scopes", edit.scopes), ("namespaces", edit.namespaces)):
        if each is not None:
            values[name] = text_of(sorted(each))
    if edit.secret is not None:
        values["secret"] = edit.secret
    if edit.is_disabled is not None:
        values["disabled_at"] = (found.disabled_at or by.at) if edit.is_disabled else None
    if edit.revokes or edit.is_disabled or edit.secret is not None:
        values["generation"] = found.generation + 1
    statement: Any = sql.edit_member(tuple(values))
    connection.execute(statement, of | {f"new_{name}": value for name, value in values.items()})
    what = "client_changed" if found.kind == "service" else "user_changed"
    told = edit.told() | ({"revoked": True} if "generation" in values else {})
    write_record(revision, found.account, found.user_id, what, told, by, connection)
    return _one(sql.MEMBER, of, connection)


def _add_group(group: Group, by: By, connection: Connection) -> None:
    revision = next_revision(connection)
    if connection.execute(sql.GROUP, {"of_account": group.account, "of_group": group.name}).first():
        raise Taken
    row = {
        "account": group.account,
        "name": group.name,
        "issuer": group.issuer,
        "created_at": group.created_at,
        "created_by": group.created_by,
    }
    connection.execute(sql.ADD_GROUP, row)
    detail: JsonObject = {"group": group.name, **({"issuer": group.issuer} if group.issuer else {})}
    write_record(revision, group.account, "", "group_added", detail, by, connection)


def _join(of: Parameters, by: By, expected: int, connection: Connection) -> bool:
    revision = next_revision(connection)
    _check_revision(of, expected, connection)
    if connection.execute(sql.GROUP, of).first() is None:
        return False
    if connection.execute(sql.IS_IN_GROUP, of).first() is not None:
        return True
    connection.execute(sql.JOIN, {"account": of["of_account"], "user_id": of["of_user"], "group_name": of["of_group"]})
    _record_group(revision, of, "group_joined", by, connection)
    return True


def _leave(of: Parameters, by: By, expected: int, connection: Connection) -> bool:
    revision = next_revision(connection)
    _check_revision(of, expected, connection)
    if connection.execute(sql.GROUP, of).first() is None:
        return False
    if connection.execute(sql.IS_IN_GROUP, of).first() is None:
        return True
    connection.execute(sql.LEAVE, of)
    _record_group(revision, of, "group_left", by, connection)
    return True


def _check_revision(of: Parameters, expected: int, connection: Connection) -> None:
    found = connection.execute(sql.MEMBER, of).mappings().first()
    if found is None or found["revision"] != expected:
        raise ChangedMeanwhile(_GONE)


def _record_group(revision: int, of: Parameters, what: str, by: By, connection: Connection) -> None:
    statement: Any = sql.edit_member(("revision",))
    connection.execute(statement, of | {"new_revision": revision})
    account, user_id, group = of["of_account"], of["of_user"], of["of_group"]
    write_record(revision, account, user_id, what, {"group": group}, by, connection)


def _groups(account: str, connection: Connection) -> Sequence[Group]:
    return [Group(**row) for row in connection.execute(sql.GROUPS, {"of_account": account}).mappings()]


def _one(statement: Select[Any], parameters: Parameters, connection: Connection) -> Member | None:
    row = connection.execute(statement, parameters).mappings().first()
    return None if row is None else _members([row], connection)[0]


def _members(rows: Sequence[Mapping[Any, Any]], connection: Connection) -> tuple[Member, ...]:
    """Members of one account, with their groups."""
    if not rows:
        return ()
    of = {"of_account": rows[0]["account"], "of_users": [row["user_id"] for row in rows]}
    found = connection.execute(sql.GROUPS_OF, of).all()
    groups = {user_id: frozenset(row[1] for row in each) for user_id, each in groupby(found, lambda row: row[0])}
    return tuple(
        Member(
            **{
                **row,
                "scopes": frozenset(from_json(row["scopes"])),
                "namespaces": frozenset(from_json(row["namespaces"])),
                "groups": groups.get(row["user_id"], frozenset()),
            }
        )
        for row in rows
    )


def _page(
    first: Select[Any],
    later: Select[Any],
    of: Parameters,
    limit: int,
    before: tuple[int, str] | None,
    connection: Connection,
) -> MemberPage:
    parameters = {**of, "at_most": max(1, limit) + 1}
    if before is not None:
        parameters |= {"before_order": before[0], "before_id": before[1]}
    rows = connection.execute(first if before is None else later, parameters).mappings().all()
    page = _members(rows[: max(1, limit)], connection)
    return MemberPage(page, cursor_of(page[-1].created_at, page[-1].user_id) if len(rows) > len(page) else None)


def _of_group(of: Parameters, limit: int, before: tuple[int, str] | None, connection: Connection) -> MemberPage | None:
    if connection.execute(sql.GROUP, of).first() is None:
        return None
    return _page(sql.MEMBERS_OF_GROUP, sql.MEMBERS_OF_GROUP_BEFORE, of, limit, before, connection)


def _changes(statement: Select[Any], parameters: Parameters, connection: Connection) -> Sequence[DirectoryChange]:
    return [
        DirectoryChange(
            row["revision"],
            row["account"],
            row["user_id"],
            row["what"],
            from_json(row["detail"]),
            row["changed_by"],
            row["changed_at"],
        )
        for row in connection.execute(statement, parameters).mappings()
    ]


def _last_revision(connection: Connection) -> int:
    return int(connection.execute(sql.LAST_REVISION).scalar_one())
