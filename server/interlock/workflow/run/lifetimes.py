"""How long instances may go without a change.

Law: it counts from the last change: whatever is appended begins it anew.

Source: `docs/machines.md`, "How long a run may take".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from interlock.workflow.run.state import RunState
from interlock_protocol.types import RunStatus

INSTANCE_PREFIX: Final = "inst_"
"""What the ids of a state machine's runs begin with."""

EXPIRED_BY: Final = "system:ttl"
"""Who cancels an instance whose time is over."""


DAY_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long an instance may go without a change, in milliseconds; None means for good.

    Args:
        running: of one at work, or asleep.
        halted: of one in which nothing can go on without a person.
    """

    running: int | None = None
    halted: int | None = None

    @classmethod
    def in_days(cls, running: float, halted: float) -> Lifetimes:
        """These numbers of days."""
        return cls(round(running * DAY_MS), round(halted * DAY_MS))

    def of(self, state: RunState) -> int | None:
        """How long this run may; None for one that has ended, or is no instance."""
        if state.status.is_final or not state.run_id.startswith(INSTANCE_PREFIX) or not state.changed_at:
            return None
        return self.halted if state.status is RunStatus.PAUSED else self.running

    def expires_at(self, state: RunState) -> int | None:
        """When it is cancelled if nothing changes, in milliseconds since 1970."""
        may_last = self.of(state)
        return None if may_last is None else state.changed_at + may_last


FOR_GOOD: Final = Lifetimes()
