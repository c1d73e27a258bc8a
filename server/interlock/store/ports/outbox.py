"""The outbox: messages to others (hooks, notifiers), each about something in a run.

Laws:
- A message is handed out, to one at a time, until somebody says that it was delivered: at least once, then.
- It is left once, by its topic, run and subject; leaving it again changes nothing, also after it was delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Outbox(Protocol):
    """The messages of every topic."""

    async def leave_messages(self, topic: str, run_id: str, subjects: Sequence[str]) -> None:
        """Leave a message about each of these; those left before stay as they are.

        Args:
            topic: what they are about, and so who takes them.
            subjects: what of the run, such as a requirement's id.
        """

    async def take_messages(self, topic: str, now: int, hold_ms: int, limit: int = 100) -> Sequence[tuple[str, str]]:
        """Take messages, as (run id, subject), oldest first: nobody else gets them for `hold_ms` after `now`."""

    async def message_delivered(self, topic: str, run_id: str, subject: str) -> None:
        """It isn't handed out any more."""
