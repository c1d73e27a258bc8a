"""Standalone interactions: each is a run of its own, and this is what lists of them read.

Laws:
- An interaction is kept under its own run. One whose run has ended without a word is `cancelled`.
- While one is pending for a topic of a run, no other is: `keep` says which one has it.
- The first end stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject

InteractionStatus: TypeAlias = Literal["pending", "completed", "expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class StoredInteraction:
    """An interaction.

    Attributes:
        run_id: its own run.
        requirement_id: what of that run asks.
        assignee: whom it is for, a user id or `group:NAME`.
        asked: the checked body that it was created with.
        linked_run_id, topic: the run that its outcome is told as a signal, if there is one.
        result: what it came to.
        created_at, ended_at: in milliseconds since 1970.
    """

    run_id: str
    requirement_id: str
    namespace: str
    type: str
    assignee: str
    asked: JsonObject
    created_by: str
    created_at: int
    account: str = DEFAULT_ACCOUNT
    linked_run_id: str | None = None
    topic: str | None = None
    status: InteractionStatus = "pending"
    result: JsonObject | None = None
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class InteractionFilter:
    """Which interactions of a namespace to list; None doesn't filter.

    Args:
        assignees: those for one of these.
        cursor: the previous page's `next_cursor`.
    """

    account: str
    namespace: str
    status: InteractionStatus | None = None
    type: str | None = None
    assignees: frozenset[str] | None = None
    linked_run_id: str | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class InteractionPage:
    """A page of a list, newest first."""

    interactions: tuple[StoredInteraction, ...]
    next_cursor: str | None


class Interactions(Protocol):
    """The standalone interactions."""

    async def keep_interaction(self, interaction: StoredInteraction) -> str | None:
        """Keep a new one; None, or the run of the one that is pending for its topic. Idempotent."""

    async def end_interaction(
        self, run_id: str, status: InteractionStatus, result: JsonObject, ended_at: int
    ) -> StoredInteraction | None:
        """Note what one came to; return it as it is kept by then, None if there is none."""

    async def interaction(self, run_id: str) -> StoredInteraction | None:
        """The interaction of this run."""

    async def interaction_on(self, linked_run_id: str, topic: str) -> str | None:
        """The run of the one that is pending for this topic of a run."""

    async def interactions(self, which: InteractionFilter) -> InteractionPage:
        """Those that match the filter, newest first.

        Raises:
            ValueError: the cursor is not from this store.
        """
