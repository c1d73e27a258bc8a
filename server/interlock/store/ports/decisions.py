"""The audit: which requirement was resolved by whom, when and how.

Laws:
- A decision is here before it is acknowledged; recording it again is a no-op.
- Once the row is of a later epoch, nothing that was decided in an earlier one is recorded any more: whoever has moved
  the row on reads all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from interlock_protocol.types import JsonObject

from .keys import IdempotencyKey


@dataclass(frozen=True, slots=True)
class Decision:
    """The audit of one resolved requirement. `decided_at` is in milliseconds since 1970."""

    run_id: str
    requirement_id: str
    decision: JsonObject
    resolved_by: str
    decided_at: int
    epoch: int
    event_index: int


class Decisions(Protocol):
    """The decisions on all requirements."""

    async def record(
        self, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None = None
    ) -> bool:
        """Write the audit of decisions (what is known stays, unless a later epoch decides), and remember the key.

        Args:
            epoch: the one that they were made in.

        Returns:
            False, and nothing is written, when the row is of a later epoch: what was made in this one is lost.
        """

    async def decision(self, run_id: str, requirement_id: str) -> Decision | None:
        """The audited decision on a requirement."""

    async def decisions(self, run_id: str) -> Sequence[Decision]:
        """Every audited decision of a run, by event index."""
