"""The data kept in SQL beside the log: the sum of the ports in `ports/`, each of which states its laws.

Every method of every port is one transaction.
"""

from __future__ import annotations

from typing import Protocol

from .ports.absences import Absences
from .ports.audit import Audit, Sight
from .ports.decisions import Decision, Decisions
from .ports.definitions import DefinitionStore
from .ports.directory import DirectoryStore
from .ports.drafts import Drafts
from .ports.errors import ErrorFilter, ErrorPage, Errors, FoundError, ListedError
from .ports.feed import CHANGES_KEPT_SECONDS, Change, ChangeFeed, FeedEnds
from .ports.files import Files, StoredFile
from .ports.grants import Grants
from .ports.interactions import Interactions
from .ports.keys import IDEMPOTENCY_SECONDS, IdempotencyKey, IdempotencyKeys, KeptAnswer, Outcome
from .ports.notices import NoticeAddresses
from .ports.outbox import Outbox
from .ports.runs import (
    Census,
    KeyTaken,
    ListedRun,
    NamespaceFull,
    NewRun,
    NotCreated,
    Run,
    RunFilter,
    RunPage,
    Runs,
    Settlement,
    Snapshot,
    VersionGone,
)
from .ports.sessions import Sessions
from .ports.tickets import StreamTicket, Tickets
from .ports.timers import StoreClock, Timers
from .ports.vault import ItemKind, VaultItem, VaultItems
from .ports.waiting import Waiting, WaitingFilter
from .ports.webhooks import FoundMilestone, Webhooks
from .ports.widgets import Bundles

__all__ = [
    "CHANGES_KEPT_SECONDS",
    "IDEMPOTENCY_SECONDS",
    "Audit",
    "Bundles",
    "Census",
    "Change",
    "ChangeFeed",
    "Decision",
    "Decisions",
    "DefinitionStore",
    "DirectoryStore",
    "Drafts",
    "ErrorFilter",
    "ErrorPage",
    "Errors",
    "FeedEnds",
    "Files",
    "FoundError",
    "FoundMilestone",
    "Grants",
    "IdempotencyKey",
    "IdempotencyKeys",
    "ItemKind",
    "KeptAnswer",
    "KeyTaken",
    "ListedError",
    "ListedRun",
    "NamespaceFull",
    "NewRun",
    "NotCreated",
    "NoticeAddresses",
    "Outbox",
    "Outcome",
    "Run",
    "RunFilter",
    "RunPage",
    "Runs",
    "Sessions",
    "Settlement",
    "Sight",
    "Snapshot",
    "Store",
    "StoreClock",
    "StoreUnavailable",
    "StoredFile",
    "StreamTicket",
    "Tickets",
    "Timers",
    "VaultItem",
    "VaultItems",
    "VersionGone",
    "Waiting",
    "WaitingFilter",
    "Webhooks",
]


class Store(
    Runs,
    Waiting,
    Decisions,
    Audit,
    Errors,
    IdempotencyKeys,
    ChangeFeed,
    Timers,
    Sessions,
    Outbox,
    NoticeAddresses,
    Tickets,
    DefinitionStore,
    DirectoryStore,
    Grants,
    Files,
    VaultItems,
    Webhooks,
    Interactions,
    Bundles,
    Absences,
    Drafts,
    Protocol,
):
    """All ports, in one database. Both dialects pass `tests/contract/store/`."""

    async def check(self) -> None:
        """Return if the database accepts a write, which changes nothing.

        Raises:
            StoreUnavailable: it is unreachable, or read-only.
        """


class StoreUnavailable(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The database is unreachable, or refused to commit; nothing was changed."""
