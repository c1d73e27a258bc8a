"""Stored workflow definitions in SQL.

Laws:
- Whoever changes a name or its versions locks the name's row first, and only then takes a revision: one order of locks.
- A name or an id that the store can't have is not asked for: not every text can be a parameter.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic_core import from_json
from sqlalchemy import Connection, Select

from interlock.store.ports.definitions import (
    MAX_DEFINITION_BYTES,
    AlreadyPublished,
    DefinitionKind,
    DefinitionName,
    ListedVersion,
    NamePage,
    NameTaken,
    NewVersion,
    Outdated,
    Page,
    Publication,
    VersionPage,
    VersionRow,
    is_definition_name,
    is_version_id,
)
from interlock.store.statements import definitions as sql
from interlock.store.writes import Parameters

from .pages import cursor_of, place_of
from .rows import text_of
from .transactions import SqlTransactions

T = TypeVar("T")


class SqlDefinitions(SqlTransactions):
    """`DefinitionStore`."""

    async def save(
        self, new: NewVersion, *, only_new: bool = False, based_on: str | None = None
    ) -> VersionRow | NameTaken | Outdated:
        try:
            return await self._write(partial(self._save, _new_row(new), only_new, based_on))
        except _Refused as refused:
            return refused.why

    async def save_and_publish(self, new: NewVersion) -> VersionRow | None:
        row = _new_row(new)
        if await self._read(partial(_current_digest, _of(row)), one_statement=True) == row["digest"]:
            return None
        return await self._published(partial(self._save_and_publish, row))

    async def publish(self, account: str, name: str, version_id: str, at: int, *, by: str = "") -> VersionRow | None:
        if not (is_definition_name(name) and is_version_id(version_id)):
            return None
        of_version = _of_version(account, name, version_id)
        published = await self._published(partial(_publish, of_version, at, by))
        if isinstance(published, AlreadyPublished):
            raise published
        return published

    async def retire(self, account: str, name: str) -> bool:
        if not is_definition_name(name):
            return False
        return await self._published(partial(_retire, {"of_account": account, "of_name": name}))

    async def delete_draft(self, account: str, name: str, version_id: str) -> bool:
        if not (is_definition_name(name) and is_version_id(version_id)):
            return False
        return await self._write(partial(_delete_draft, _of_version(account, name, version_id)))

    async def version(self, account: str, name: str, version_id: str) -> VersionRow | None:
        if not (is_definition_name(name) and is_version_id(version_id)):
            return None
        of_version = _of_version(account, name, version_id)
        return await self._read(partial(_whole, sql.VERSION, of_version), one_statement=True)

    async def versions(self, account: str, name: str, page: Page) -> VersionPage:
        before = place_of(page.cursor)
        if not is_definition_name(name):
            return VersionPage((), None)
        return await self._read(partial(_versions, {"of_account": account, "of_name": name}, page.limit, before))

    async def name(self, account: str, name: str) -> DefinitionName | None:
        return await self._of_name(account, name, _name)

    async def names(self, account: str, page: Page, kind: DefinitionKind = "machine") -> NamePage:
        of = {"of_account": account, "of_kind": kind}
        return await self._read(partial(_names, of, page.limit, place_of(page.cursor)))

    async def current(self, account: str, name: str) -> VersionRow | None:
        return await self._of_name(account, name, partial(_whole, sql.CURRENT))

    async def current_id(self, account: str, name: str) -> str | None:
        return await self._of_name(account, name, _current_id)

    async def last_published(self, account: str, name: str) -> str | None:
        return await self._of_name(account, name, _last_published)

    async def current_ids(self, account: str, *, after: str = "", limit: int = 1000) -> Sequence[tuple[str, str]]:
        parameters = {"of_account": account, "after_name": after, "at_most": limit}
        return await self._read(partial(_pairs, sql.CURRENT_IDS, parameters), one_statement=True)

    async def publications(self, after: int, limit: int = 1000) -> Sequence[Publication]:
        return await self._read(partial(_publications, after, limit), one_statement=True)

    async def last_revision(self) -> int:
        return await self._read(_last_revision, one_statement=True)

    def on_publish(self, call: Callable[[], None]) -> None:
        self._publication_listeners.append(call)

    async def _published(self, work: Callable[[Connection], T]) -> T:
        """Publish, and tell the listeners, even if nobody knows any more whether it was committed."""
        try:
            return await self._write(work)
        finally:
            for call in self._publication_listeners:
                call()

    async def _of_name(self, account: str, name: str, read: Callable[[Parameters, Connection], T | None]) -> T | None:
        if not is_definition_name(name):
            return None
        return await self._read(partial(read, {"of_account": account, "of_name": name}), one_statement=True)

    def _save(
        self, row: Parameters, only_new: bool, based_on: str | None, connection: Connection
    ) -> VersionRow | NameTaken:
        number = self._writes.number_version(connection, _name_row(row), only_new=only_new)
        if number is None:
            return NameTaken(row["name"])
        if connection.execute(sql.KIND, _of(row)).scalar() != row["kind"]:
            raise _Refused(NameTaken(row["name"]))
        latest = None if based_on is None else connection.execute(sql.LATEST_ID, _of(row)).scalar()
        if latest != based_on:
            raise _Refused(Outdated(latest or ""))
        connection.execute(sql.INSERT_VERSION, _version_row(row, number))
        saved = _whole(sql.VERSION, _of(row), connection)
        assert saved is not None
        return saved

    def _save_and_publish(self, row: Parameters, connection: Connection) -> VersionRow | None:
        number = self._writes.number_version(connection, _name_row(row), only_new=False)
        if connection.execute(sql.KIND, _of(row)).scalar() != row["kind"]:
            raise ValueError(f"The name {row['name']!r} is that of a definition of another kind.")
        if _current_digest(_of(row), connection) == row["digest"]:  # others were faster
            return None
        of_version = _of(row)
        same = connection.execute(sql.SAME_DEFINITION, of_version | {"of_digest": row["digest"]}).scalar()
        if same is None:
            connection.execute(sql.INSERT_VERSION, _version_row(row, number))
        else:
            of_version |= {"of_version": same}
        return _make_current(of_version, row["created_at"], row["created_by"], connection)


class _Refused(Exception):  # noqa: N818 - it takes back what the transaction has written
    """Nothing is stored."""

    def __init__(self, why: NameTaken | Outdated) -> None:
        super().__init__(why)
        self.why = why


def _new_row(new: NewVersion) -> Parameters:
    """The values of a new version, and of its name if that is new. They are drawn once, as the work may run twice."""
    if not is_definition_name(new.name):
        raise ValueError("A definition's name is 1 to 64 letters, digits, `_` and `-`.")
    definition = text_of(new.definition)
    encoded = definition.encode()
    if len(encoded) > MAX_DEFINITION_BYTES:
        raise ValueError(f"A definition has at most {MAX_DEFINITION_BYTES} bytes as JSON.")
    return {
        "account": new.account,
        "name": new.name,
        "workflow_id": f"wf_{secrets.token_hex(10)}",
        "version_id": f"v_{secrets.token_hex(10)}",
        "definition": definition,
        "digest": hashlib.blake2b(encoded, digest_size=20).hexdigest(),
        "created_at": new.created_at,
        "created_by": new.created_by,
        "kind": new.kind,
    }


def _name_row(row: Parameters) -> Parameters:
    own = {name: row[name] for name in ("account", "name", "workflow_id", "created_at", "kind")}
    return {**own, "last_number": 1, "current_version": None, "revision": 0}


def _version_row(row: Parameters, number: int | None) -> Parameters:
    own = {name: value for name, value in row.items() if name not in ("workflow_id", "kind")}
    return {**own, "number": number, "published_at": None, "published_by": None}


def _of(row: Parameters) -> Parameters:
    return _of_version(row["account"], row["name"], row["version_id"])


def _of_version(account: str, name: str, version_id: str) -> Parameters:
    return {"of_account": account, "of_name": name, "of_version": version_id}


def _publish(of_version: Parameters, at: int, by: str, connection: Connection) -> VersionRow | AlreadyPublished | None:
    """The published version, or why it isn't published; None if there is no such version."""
    current = connection.execute(sql.LOCK_NAME, of_version).scalar()
    if current == of_version["of_version"]:
        return AlreadyPublished(f"Version {current!r} of {of_version['of_name']!r} is the current one already.")
    if connection.execute(sql.VERSION, of_version).first() is None:
        return None
    return _make_current(of_version, at, by, connection)


def _make_current(of_version: Parameters, at: int, by: str, connection: Connection) -> VersionRow:
    """Make a version the current one of its name, whose row is locked."""
    revision = connection.execute(sql.NEXT_REVISION).scalar_one()
    connection.execute(sql.MAKE_CURRENT, of_version | {"new_revision": revision})
    published = {"new_published_at": at, "new_published_by": by}
    return _version_of(connection.execute(sql.PUBLISHED, of_version | published).mappings().one())


def is_there(account: str, name: str, version_id: str, connection: Connection) -> bool:
    """Return True if there is such a version, which then can't be deleted before the transaction ends."""
    of_version = _of_version(account, name, version_id)
    connection.execute(sql.LOCK_NAME, of_version)
    return connection.execute(sql.VERSION_NUMBER, of_version).first() is not None


def _retire(of_name: Parameters, connection: Connection) -> bool:
    if connection.execute(sql.LOCK_NAME, of_name).scalar() is None:
        return False
    revision = connection.execute(sql.NEXT_REVISION).scalar_one()
    connection.execute(sql.RETIRE, of_name | {"new_revision": revision})
    return True


def _delete_draft(of_version: Parameters, connection: Connection) -> bool:
    connection.execute(sql.LOCK_NAME, of_version)
    if connection.execute(sql.DELETE_DRAFT, of_version).first() is None:
        return False
    connection.execute(sql.FORGET_EMPTY_NAME, of_version)
    return True


def _whole(statement: Select[Any], parameters: Parameters, connection: Connection) -> VersionRow | None:
    row = connection.execute(statement, parameters).mappings().first()
    return None if row is None else _version_of(row)


def _version_of(row: Mapping[Any, Any]) -> VersionRow:
    return VersionRow(**{**row, "definition": from_json(row["definition"])})


def _versions(of_name: Parameters, limit: int, before: tuple[int, str] | None, connection: Connection) -> VersionPage:
    rows = _page(sql.VERSIONS, sql.VERSIONS_BEFORE, of_name, limit, before, connection)
    versions = tuple(ListedVersion(**row) for row in rows[: max(1, limit)])
    more = len(rows) > len(versions)
    return VersionPage(versions, cursor_of(versions[-1].number, versions[-1].version_id) if more else None)


def _names(of: Parameters, limit: int, before: tuple[int, str] | None, connection: Connection) -> NamePage:
    rows = _page(sql.NAMES, sql.NAMES_BEFORE, of, limit, before, connection)
    names = tuple(DefinitionName(**row) for row in rows[: max(1, limit)])
    return NamePage(names, cursor_of(names[-1].created_at, names[-1].name) if len(rows) > len(names) else None)


def _page(
    first: Select[Any],
    later: Select[Any],
    of: Parameters,
    limit: int,
    before: tuple[int, str] | None,
    connection: Connection,
) -> Sequence[Mapping[Any, Any]]:
    """The rows of a page, and one more if there is another page."""
    parameters = {**of, "at_most": max(1, limit) + 1}
    if before is None:
        return connection.execute(first, parameters).mappings().all()
    parameters |= {"before_order": before[0], "before_id": before[1]}
    return connection.execute(later, parameters).mappings().all()


def _name(of_name: Parameters, connection: Connection) -> DefinitionName | None:
    row = connection.execute(sql.NAME, of_name).mappings().first()
    return None if row is None else DefinitionName(**row)


def _current_id(of_name: Parameters, connection: Connection) -> str | None:
    current: str | None = connection.execute(sql.CURRENT_ID, of_name).scalar()
    return current


def _last_published(of_name: Parameters, connection: Connection) -> str | None:
    last: str | None = connection.execute(sql.LAST_PUBLISHED, of_name).scalar()
    return last


def _current_digest(of_name: Parameters, connection: Connection) -> str | None:
    digest: str | None = connection.execute(sql.CURRENT_DIGEST, of_name).scalar()
    return digest


def _pairs(statement: Select[Any], parameters: Parameters, connection: Connection) -> Sequence[tuple[str, str]]:
    return [(first, second) for first, second in connection.execute(statement, parameters)]


def _publications(after: int, limit: int, connection: Connection) -> Sequence[Publication]:
    rows = connection.execute(sql.PUBLICATIONS, {"after_revision": after, "at_most": limit})
    return [Publication(*row) for row in rows]


def _last_revision(connection: Connection) -> int:
    return int(connection.execute(sql.LAST_REVISION).scalar_one())
