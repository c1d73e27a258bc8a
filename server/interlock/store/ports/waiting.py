"""What waits for whom: the inbox of each user, and of each group.

Law: what waits is what the rows of runs have as pending, to the transaction: a requirement that was resolved or
withdrawn, or whose run has ended, waits for nobody any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import RunStatus

from .runs import RunPage


@dataclass(frozen=True, slots=True)
class WaitingFilter:
    """Which of the runs of an account that wait to list. What is None, or an empty `statuses`, doesn't filter.

    Args:
        anybody: those that wait for anybody; the next four don't matter then.
        unnamed_of: those that wait for whoever owns the run, as this user does: a requirement names nobody.
        assignees: those that wait for one of these names, by what a requirement says.
        owned_by: of the latter, only those that this user owns.
        namespaces: whose runs the two users own beside those that they started.
        namespace: those in there only.
        cursor: the page before's `next_cursor`.
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
    """What waits. It is written with the runs."""

    async def waiting(self, which: WaitingFilter) -> RunPage:
        """Runs that wait for those who are asked about, newest first. What others wait for costs nothing.

        Raises:
            ValueError: a cursor that this store didn't make.
        """
