"""`interlock migrate`: brings the database's tables up to date.

Laws:
- It is idempotent: tables that are up to date stay as they are.
- No message shows a password.
"""

from __future__ import annotations

import asyncio

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.serve import as_flags
from interlock.database import Database, DatabaseInUse, DatabaseUnavailable, open_database
from interlock.errors import SettingsError
from interlock.settings import Settings
from interlock.store.migrate import SchemaOutdated, check_current, migrate

_CHECK = "Check --database-url, or INTERLOCK_DATABASE_URL."


def migrate_tables(database_url: str | None) -> str:
    """Bring the tables up to date, and return a sentence that says what was done.

    Args:
        database_url: overrides the settings.

    Raises:
        Failure: the URL is invalid, the database can't be used, or a newer Interlock created it.
    """
    given = {} if database_url is None else {"database_url": database_url}
    try:
        return asyncio.run(_migrated(Settings(**given).database_url))
    except (SettingsError, ValueError) as error:
        raise Failure(as_flags(str(error), given), ExitCode.USAGE) from error
    except DatabaseUnavailable as error:
        raise Failure(f"{_whole(error)} {_CHECK}", ExitCode.UNREACHABLE) from error
    except DatabaseInUse as error:
        raise Failure(_whole(error), ExitCode.UNREACHABLE) from error
    except SchemaOutdated as error:
        raise Failure(f"{error}", ExitCode.ERROR) from error


async def _migrated(url: str) -> str:
    database = open_database(url)
    try:
        if await _is_current(database):
            return "The database's tables are up to date already; nothing was changed."
        await migrate(database)
        return "The database's tables are up to date now."
    finally:
        await database.close()


async def _is_current(database: Database) -> bool:
    try:
        await check_current(database)
    except SchemaOutdated:
        return False
    return True


def _whole(error: Exception) -> str:
    sentence = str(error)
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
