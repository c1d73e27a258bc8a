"""`interlock users add --admin`: an admin of any account, written into the server's own database.

Laws:
- Whoever can read and write the database has everything anyway: so this needs no token, and is how the first person of
  an account gets in.
- It is the same member, under the same rules for names and passwords, as `/api/v1/users` adds.
"""

from __future__ import annotations

import asyncio
import time
from typing import IO

from interlock.auth.principal import ADMIN, check_user_id
from interlock.cli.exits import ExitCode, Failure
from interlock.cli.people import new_password
from interlock.cli.words import harmless
from interlock.database import Database, DatabaseInUse, DatabaseUnavailable, open_database
from interlock.errors import SettingsError
from interlock.identity.names import checked_name, compared, new_user_id
from interlock.identity.passwords import Passwords, check_password
from interlock.settings import Settings
from interlock.store.migrate import SchemaOutdated, check_current, migrate
from interlock.store.port import StoreUnavailable
from interlock.store.ports.directory import By, NewMember, Taken
from interlock.store.sql import SqlStore
from interlock_protocol.namespaces import UnusableName, check_account

BY = "system:cli"


def add_admin(name: str, account: str, user_id: str | None, database_url: str | None, *, out: IO[str]) -> None:
    """Add an admin of an account, and print their id.

    Args:
        user_id: an id of one's choice.
        database_url: overrides the settings.

    Raises:
        Failure: the name, the account or the password can't be one, or the database can't be used.
    """
    given = {} if database_url is None else {"database_url": database_url}
    try:
        settings = Settings(**given)
        check_account(account)
        shown = checked_name(name)
        person = new_user_id() if user_id is None else check_user_id(user_id)
        password = check_password(new_password(), shown)
    except (SettingsError, UnusableName, ValueError) as error:
        raise Failure(str(error), ExitCode.USAGE) from error
    try:
        asyncio.run(_added(settings.database_url, account, person, shown, password))
    except Taken as error:
        raise Failure(f"The account has that name or id already: {harmless(name)!r}.", ExitCode.ERROR) from error
    except DatabaseInUse as error:
        raise Failure(f"{error} Stop the server for this, or use a token of an admin.", ExitCode.UNREACHABLE) from error
    except (DatabaseUnavailable, StoreUnavailable) as error:
        raise Failure(f"{error}", ExitCode.UNREACHABLE) from error
    except SchemaOutdated as error:
        raise Failure(f"{error}", ExitCode.ERROR) from error
    print(person, file=out)


async def _added(url: str, account: str, user_id: str, name: str, password: str) -> None:
    passwords, database = Passwords(), open_database(url)
    try:
        await _schema(database)
        at = time.time_ns() // 1_000_000
        new = NewMember(
            account=account,
            user_id=user_id,
            subject=compared(name),
            name=name,
            scopes=frozenset({ADMIN}),
            secret=await passwords.hashed(password),
            created_at=at,
            created_by=BY,
        )
        await SqlStore(database).add_member(new, By(BY, at))
    finally:
        passwords.close()
        await database.close()


async def _schema(database: Database) -> None:
    if database.dialect == "sqlite":
        await migrate(database)
    else:
        await check_current(database)
