"""The audit's chains: what was decided and done about what runs ask, entry by entry.

Laws:
- A decision's entry is written in the transaction that records the decision (`Decisions.record`); what else is
  audited, in that of the settlement that tells it (`Runs.settle`). An entry is written once, whoever writes it again.
- What isn't in the log at all is noted by itself (`note`).
- Entries are only ever added. Erasing leaves their place and their hashes.
- A run that nobody decided anything in has no entries, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from interlock.audit.chain import Entry, Noted


@dataclass(frozen=True, slots=True)
class Sight:
    """When a requirement was sent to somebody, and when they said that they have seen it, in milliseconds since 1970;
    each the first time."""

    run_id: str
    requirement_id: str
    user_id: str
    delivered_at: int | None = None
    seen_at: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a run's chain."""

    run_id: str
    seq: int
    hash: str


class Audit(Protocol):
    """The chains of all runs, and who saw what."""

    async def audit_entries(self, run_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[Entry]:
        """The entries of a run, in their order, from the one after the place `after` on."""

    async def audit_length(self, run_id: str) -> int:
        """How many entries a run has."""

    async def audit_heads(self, account: str, *, after: str = "", limit: int = 1000) -> Sequence[Head]:
        """The last entry of each chain of an account, by run id, from the one after the run `after` on."""

    async def note(self, run_id: str, noted: Noted) -> None:
        """Add to a run's chain what isn't an event of its log. Nothing is added in an epoch that is lost."""

    async def erase_audit(self, run_id: str) -> int:
        """Drop contents and salts of a run's entries, and who saw what of it; return how many entries had a content.

        The places and hashes stay: the chain is whole afterwards, and says only that something was there.
        """

    async def saw(self, sights: Sequence[Sight]) -> None:
        """Remember what was delivered to people, or seen by them; what is known of it stays."""

    async def seen(self, run_id: str, requirement_id: str, user_id: str, at: int) -> None:
        """Remember that somebody has seen a requirement; the first time stays."""

    async def sights(self, run_id: str, *, limit: int = 10_000) -> Sequence[Sight]:
        """Who got and saw what a run asks, by requirement and user."""
