"""Stored workflow definitions."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)

from interlock.store.tables import ENDED, HAS_CURRENT, definition_versions, definitions, publications, runs

from .parameters import AT_MOST, OF_ACCOUNT

_OF_NAME = bindparam("of_name", type_=Text)
_OF_VERSION = bindparam("of_version", type_=Text)
_BEFORE = tuple_(bindparam("before_order", type_=BigInteger), bindparam("before_id", type_=Text))

_IS_NAME = (definitions.c.account == OF_ACCOUNT) & (definitions.c.name == _OF_NAME)
_IS_OF_NAME = (definition_versions.c.account == OF_ACCOUNT) & (definition_versions.c.name == _OF_NAME)
_IS_VERSION = _IS_OF_NAME & (definition_versions.c.version_id == _OF_VERSION)

_LISTED = [column for column in definition_versions.c if column.name not in ("definition", "digest")]
_WHOLE = [*_LISTED, definition_versions.c.definition]


def _latest() -> ColumnElement[str]:
    """The last version of the name in the row around this."""
    return (
        select(definition_versions.c.version_id)
        .where(definition_versions.c.account == definitions.c.account, definition_versions.c.name == definitions.c.name)
        .order_by(definition_versions.c.number.desc())
        .limit(1)
        .scalar_subquery()
        .label("latest_version_id")
    )


def _of_row(value: ColumnElement[int], *which: ColumnElement[bool]) -> ColumnElement[int]:
    """A value of versions of the name in the row around this."""
    is_of_row = (definition_versions.c.account == definitions.c.account) & (
        definition_versions.c.name == definitions.c.name
    )
    return select(value).where(is_of_row, *which).scalar_subquery()


_NAME_COLUMNS = (
    definitions.c.account,
    definitions.c.name,
    definitions.c.workflow_id,
    _latest(),
    definitions.c.current_version.label("published_version_id"),
    definitions.c.created_at,
    _of_row(func.count(), definition_versions.c.published_at.is_(None)).label("drafts"),
    _of_row(
        definition_versions.c.published_at, definition_versions.c.version_id == definitions.c.current_version
    ).label("published_at"),
    definitions.c.kind,
)

NAME = select(*_NAME_COLUMNS).where(_IS_NAME)
NAMES = (
    select(*_NAME_COLUMNS)
    .where(definitions.c.account == OF_ACCOUNT, definitions.c.kind == bindparam("of_kind", type_=Text))
    .order_by(definitions.c.created_at.desc(), definitions.c.name.desc())
    .limit(AT_MOST)
)
NAMES_BEFORE = NAMES.where(tuple_(definitions.c.created_at, definitions.c.name) < _BEFORE)
CURRENT_ID = select(definitions.c.current_version).where(_IS_NAME)
CURRENT_IDS = (
    select(definitions.c.name, definitions.c.current_version)
    .where(
        definitions.c.account == OF_ACCOUNT,
        definitions.c.name > bindparam("after_name", type_=Text),
        text(HAS_CURRENT),
    )
    .order_by(definitions.c.name)
    .limit(AT_MOST)
)
LOCK_NAME = select(definitions.c.current_version).where(_IS_NAME).with_for_update()
MAKE_CURRENT = (
    update(definitions)
    .where(_IS_NAME)
    .values(current_version=_OF_VERSION, revision=bindparam("new_revision", type_=BigInteger))
)
KIND = select(definitions.c.kind).where(_IS_NAME)
LATEST_ID = (
    select(definition_versions.c.version_id).where(_IS_OF_NAME).order_by(definition_versions.c.number.desc()).limit(1)
)
LAST_PUBLISHED = (
    select(definition_versions.c.version_id)
    .where(_IS_OF_NAME, definition_versions.c.published_at.is_not(None))
    .order_by(definition_versions.c.published_at.desc(), definition_versions.c.number.desc())
    .limit(1)
)
RETIRE = (
    update(definitions)
    .where(_IS_NAME)
    .values(current_version=None, revision=bindparam("new_revision", type_=BigInteger))
)
FORGET_EMPTY_NAME = delete(definitions).where(
    _IS_NAME, ~exists(select(definition_versions.c.number).where(_IS_OF_NAME))
)

VERSION = select(*_WHOLE).where(_IS_VERSION)
VERSION_NUMBER = select(definition_versions.c.number).where(_IS_VERSION)
CURRENT = (
    select(*_WHOLE)
    .join(
        definitions,
        (definitions.c.account == definition_versions.c.account)
        & (definitions.c.name == definition_versions.c.name)
        & (definitions.c.current_version == definition_versions.c.version_id),
    )
    .where(_IS_NAME)
)
CURRENT_DIGEST = CURRENT.with_only_columns(definition_versions.c.digest)
VERSIONS = select(*_LISTED).where(_IS_OF_NAME).order_by(definition_versions.c.number.desc()).limit(AT_MOST)
VERSIONS_BEFORE = VERSIONS.where(tuple_(definition_versions.c.number, definition_versions.c.version_id) < _BEFORE)
SAME_DEFINITION = (
    select(definition_versions.c.version_id)
    .where(_IS_OF_NAME, definition_versions.c.digest == bindparam("of_digest", type_=Text))
    .order_by(definition_versions.c.number.desc())
    .limit(1)
)
INSERT_VERSION = insert(definition_versions)
PUBLISHED = (
    update(definition_versions)
    .where(_IS_VERSION)
    .values(
        published_at=bindparam("new_published_at", type_=BigInteger),
        published_by=bindparam("new_published_by", type_=Text),
    )
    .returning(*_WHOLE)
)
_HAS_RUNS = exists(
    select(runs.c.run_id).where(
        runs.c.account == OF_ACCOUNT,
        runs.c.workflow_id == _OF_NAME,
        runs.c.version == _OF_VERSION,
        text(f"NOT ({ENDED})"),
    )
)
DELETE_DRAFT = (
    delete(definition_versions)
    .where(_IS_VERSION, definition_versions.c.published_at.is_(None), ~_HAS_RUNS)
    .returning(definition_versions.c.number)
)

# Also the lock: the transaction that holds this row has the last revision, and the next one waits for its commit.
NEXT_REVISION = (
    update(publications).values(last_revision=publications.c.last_revision + 1).returning(publications.c.last_revision)
)
LAST_REVISION = select(publications.c.last_revision)
PUBLICATIONS = (
    select(definitions.c.revision, definitions.c.account, definitions.c.name)
    .where(definitions.c.revision > bindparam("after_revision", type_=BigInteger))
    .order_by(definitions.c.revision)
    .limit(AT_MOST)
)
