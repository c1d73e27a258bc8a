"""The outbox: pauses that somebody is to be told of.

Law: a pause notice is handed out, to one at a time, until somebody says that it was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Outbox(Protocol):
    """What is to be told."""

    async def notify(self, run_id: str, requirement_ids: Sequence[str]) -> None:
        """Leave a notice of each of these pauses; those left before stay as they are."""

    async def take_notices(self, now: int, hold_ms: int, limit: int = 100) -> Sequence[tuple[str, str]]:
        """Take notices, as (run id, requirement id), oldest first: nobody else gets them for `hold_ms` after `now`."""

    async def notified(self, run_id: str, requirement_id: str) -> None:
        """A pause was told of: its notice isn't handed out any more."""
