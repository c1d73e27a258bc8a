"""Absences of people: who is away, from when until when, and who stands in for them.

Laws:
- Somebody has one absence at most; another one takes its place.
- From its beginning to its end, which is no part of it, an absence counts; by the time that the caller gives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Absence:
    """Somebody is away. Times are in milliseconds since 1970; `substitute` is the id of a user."""

    account: str
    user_id: str
    substitute: str
    from_at: int
    until_at: int
    changed_by: str
    changed_at: int


class Absences(Protocol):
    """The absences of all people."""

    async def absence(self, account: str, user_id: str) -> Absence | None:
        """The absence of somebody, also one that is over, or to come."""

    async def keep_absence(self, absence: Absence) -> None:
        """Keep an absence, instead of the one before."""

    async def end_absence(self, account: str, user_id: str) -> None:
        """Forget the absence of somebody, if there is one."""

    async def substitutes(self, account: str, user_ids: Collection[str], now: int) -> Mapping[str, str]:
        """Who stands in for those of these who are away."""

    async def accounts_away(self, now: int) -> frozenset[str]:
        """The accounts in which somebody is away."""
