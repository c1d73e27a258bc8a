"""Migrates a database to the current tables, or reports that an operator has to.

Laws:
- One transaction: a database is at a revision, never between two. Two processes may migrate at once.
- SQLite is migrated when a server starts; PostgreSQL only by command, because other servers may be using it.
- A database from a newer Interlock is not changed.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from interlock.database import Database, open_database

_SCRIPTS = Path(__file__).with_name("migrations")
_LOCK = text("SELECT pg_advisory_xact_lock(7777001)")  # any number, the same for every Interlock


class SchemaOutdated(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The tables don't match this version of Interlock."""


async def migrate(database: Database | str) -> None:
    """Create the current tables, from an empty database or any older revision. A URL is opened and closed again.

    Raises:
        SchemaOutdated: the database is from a newer Interlock.
    """
    if not isinstance(database, str):
        await database.write(_upgrade, long=True)
        return
    opened = open_database(database)
    try:
        await opened.write(_upgrade, long=True)
    finally:
        await opened.close()


async def check_current(database: Database) -> None:
    """Check that the tables are current.

    Raises:
        SchemaOutdated: they aren't, with a sentence that says what to do.
    """
    current, newest = await database.read(_revisions)
    if current is None:
        raise SchemaOutdated(
            "The database of INTERLOCK_DATABASE_URL has no tables of Interlock yet: run `interlock migrate`."
        )
    if current != newest:
        raise SchemaOutdated(
            f"The tables of INTERLOCK_DATABASE_URL are at revision {current}, and this Interlock needs {newest}: "
            "run `interlock migrate`."
        )


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)
    current, newest = _revisions(connection)
    if current == newest:
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revisions(connection: Connection) -> tuple[str | None, str]:
    """The database's revision, and the newest that this code knows."""
    scripts = ScriptDirectory.from_config(_config())
    newest = scripts.get_current_head()
    assert newest is not None
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise SchemaOutdated(
            f"The tables of INTERLOCK_DATABASE_URL are at revision {current}, which this Interlock doesn't know: "
            "a newer one made them. Upgrade this one."
        )
    return current, newest


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
