"""The whole store, on one database."""

from __future__ import annotations

from sqlalchemy import Connection

from interlock.store.statements.feed import TOUCH

from .absences import SqlAbsences
from .audit import SqlAudit
from .decisions import SqlDecisions
from .definitions import SqlDefinitions
from .directory import SqlDirectory
from .drafts import SqlDrafts
from .errors import SqlErrors
from .feed import SqlChangeFeed
from .files import SqlFiles
from .grants import SqlGrants
from .interactions import SqlInteractions
from .keys import SqlKeys
from .notices import SqlNoticeAddresses
from .outbox import SqlOutbox
from .runs import SqlRuns
from .sessions import SqlSessions
from .tickets import SqlTickets
from .timers import SqlTimers
from .vault import SqlVaultItems
from .waiting import SqlWaiting
from .webhooks import SqlWebhooks
from .widgets import SqlBundles


class SqlStore(
    SqlRuns,
    SqlWaiting,
    SqlDecisions,
    SqlAudit,
    SqlErrors,
    SqlKeys,
    SqlChangeFeed,
    SqlTimers,
    SqlSessions,
    SqlOutbox,
    SqlNoticeAddresses,
    SqlTickets,
    SqlDefinitions,
    SqlDirectory,
    SqlGrants,
    SqlFiles,
    SqlVaultItems,
    SqlWebhooks,
    SqlInteractions,
    SqlBundles,
    SqlAbsences,
    SqlDrafts,
):
    """`Store`: see `SqlTransactions` for its arguments."""

    async def check(self) -> None:
        await self._write(_touch, one_statement=True)


def _touch(connection: Connection) -> None:
    connection.execute(TOUCH)
