"""The audit: who resolved which requirement, when and how.

Laws:
- A decision is recorded here before it is acknowledged; recording it again is a no-op.
- What a decision notes becomes an entry of the run's chain (`Audit`), in the same transaction.
- Once the row is at a later epoch, decisions of an earlier one are no longer recorded: the process that moved the row
  on has read all of that epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from interlock_protocol.types import JsonObject

from .keys import IdempotencyKey


@dataclass(frozen=True, slots=True)
class Decision:
    """The audit of one resolved requirement. `decided_at` is in milliseconds since 1970.

    `noted` is what its entry in the audit's chain says; of one that is read from the store it is empty.
    """

    run_id: str
    requirement_id: str
    decision: JsonObject
    resolved_by: str
    decided_at: int
    epoch: int
    event_index: int
    noted: JsonObject = field(default_factory=dict, compare=False)


class Decisions(Protocol):
    """The decisions on all requirements."""

    async def record(
        self, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None = None
    ) -> bool:
        """Write the audit of decisions, and remember the key. A known decision stays, unless a later epoch decides.

        Args:
            epoch: the epoch that they were made in.

        Returns:
            False, with nothing written, if the row is at a later epoch: decisions of this one are lost.
        """

    async def decision(self, run_id: str, requirement_id: str) -> Decision | None:
        """The audited decision on a requirement."""

    async def decisions(self, run_id: str) -> Sequence[Decision]:
        """Every audited decision of a run, by event index."""
