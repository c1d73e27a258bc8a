"""Why a server can't start: sentences for the person who configured it.

Laws:
- A sentence says what is wrong, which setting causes it, and what to do. It contains no password.
"""

from __future__ import annotations

from typing import Final

from interlock.database import DatabaseInUse, DatabaseUnavailable
from interlock.log.port import LogUnavailable, LogUnfit
from interlock.ratelimit.shared import SharedCountsUnavailable
from interlock.settings import Settings
from interlock.store.migrate import SchemaOutdated
from interlock.store.port import StoreUnavailable

REASONS: Final = (
    DatabaseInUse,
    DatabaseUnavailable,
    LogUnavailable,
    LogUnfit,
    SchemaOutdated,
    SharedCountsUnavailable,
    StoreUnavailable,
)
"""The errors that prevent a start and aren't bugs."""

_REDIS = "Check INTERLOCK_REDIS_URL (redis://USER:PASSWORD@HOST:PORT/NUMBER), and that this Redis runs and lets you in."
_POSTGRES = (
    "Check INTERLOCK_DATABASE_URL (postgresql://USER:PASSWORD@HOST:PORT/NAME), and that this PostgreSQL runs and lets"
    " you in."
)
_SQLITE = (
    "Check INTERLOCK_DATABASE_URL or INTERLOCK_DATA_DIR: the folder must be yours to write to, with room on its disk."
)
_UNFIT = (
    "INTERLOCK_REDIS_URL says which Redis it is. INTERLOCK_ALLOW_VOLATILE_REDIS=true serves with one that may forget."
)
_SCHEMA = "INTERLOCK_DATABASE_URL says which database it is."


def why_not(error: Exception, settings: Settings) -> str:
    """Return the sentences for one of `REASONS`."""
    sentence = " ".join(str(error).split()).rstrip(".")
    return f"{sentence}. {_advice(error, settings)}".rstrip()


def _advice(error: Exception, settings: Settings) -> str:
    if isinstance(error, LogUnfit):
        return _UNFIT
    if isinstance(error, SchemaOutdated):
        return _SCHEMA
    if isinstance(error, DatabaseInUse):
        return ""  # its own message says what to do
    if isinstance(error, SharedCountsUnavailable):
        return _REDIS
    if isinstance(error, LogUnavailable) and settings.redis_url is not None:
        return _REDIS
    return _SQLITE if settings.database_url.startswith("sqlite") else _POSTGRES
