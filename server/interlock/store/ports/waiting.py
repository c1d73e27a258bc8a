"""What waits for whom: the inbox of each user, and of each group.

Law: it always equals what the rows of runs have as pending, within the same transaction: a requirement that was
resolved or withdrawn, or whose run has ended, no longer waits for anyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import RunStatus

from .runs import RunPage


@dataclass(frozen=True, slots=True)
class WaitingFilter:
    """Which waiting runs of an account to list. None, or an empty `statuses`, doesn't filter.

    Args:
        anybody: list all waiting runs; the next four are ignored then.
        unnamed_of: list runs owned by this user with a requirement that names nobody, and so waits for the owner.
        assignees: list runs with a requirement that names one of these.
        owned_by: restrict `assignees` to runs owned by this user.
        namespaces: the runs in these namespaces are also owned by the two users, in addition to those they started.
        namespace: restrict the list to this namespace.
        cursor: the previous page's `next_cursor`.
    """

    account: str = DEFAULT_ACCOUNT
    anybody: bool = False
    unnamed_of: str | None = None
    assignees: frozenset[str] = frozenset()
    owned_by: str | None = None
    namespaces: frozenset[str] = frozenset()
    workflow_id: str | None = None
    session_id: str | None = None
    namespace: str | None = None
    statuses: frozenset[RunStatus] = frozenset()
    cursor: str | None = None
    limit: int = 50


class Waiting(Protocol):
    """The waiting runs. They are written with the runs."""

    async def waiting(self, which: WaitingFilter) -> RunPage:
        """Waiting runs that match the filter, newest first, at no cost for the runs that wait for others.

        Raises:
            ValueError: the cursor is not from this store.
        """
