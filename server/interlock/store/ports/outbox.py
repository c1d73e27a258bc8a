"""The outbox: messages to other systems (hooks, notifiers), each about a subject in a run.

Laws:
- A message is handed out, to one caller at a time, until it is reported as delivered: so at least once.
- A message is identified by its topic, run and subject; adding it again changes nothing, even after its delivery, until
  that is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

DELIVERED_KEPT_SECONDS = 7 * 24 * 3600
"""How long a delivered message is remembered, counted from when it was last taken, at least."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one tries to deliver a message.

    The wait before the next try is the message's age, so that it doubles from one to the next, within these bounds.
    """

    least_ms: int
    most_ms: int
    over_ms: int


class Outbox(Protocol):
    """The messages of every topic."""

    async def leave_messages(self, topic: str, run_id: str, subjects: Sequence[str]) -> None:
        """Add a message about each of these; existing messages stay unchanged.

        Args:
            topic: the kind of messages, which determines who takes them.
            subjects: the subjects in the run, such as a requirement's id.
        """

    async def take_messages(self, topic: str, now: int, hold_ms: int, limit: int = 100) -> Sequence[tuple[str, str]]:
        """Take messages, as (run id, subject), oldest first. No other caller gets them for `hold_ms` after `now`."""

    async def message_delivered(self, topic: str, run_id: str, subject: str) -> None:
        """Mark a message as delivered, so that it isn't handed out any more."""

    async def put_off_message(self, topic: str, run_id: str, subject: str, now: int, patience: Patience) -> bool:
        """Hand out a message that couldn't be delivered again later; return False if patience with it is over, and so
        it counts as delivered."""

    async def forget_messages(self, limit: int = 1000) -> int:
        """Delete at most this many of the messages delivered more than seven days ago; return how many were deleted."""
