"""Half-written answers to questions, each of one person.

Laws:
- Of one person and question there is one: the one with the highest revision, and the first of these.
- A draft ends with its question: one whose question waits no more isn't given, and is deleted in a while.
- A person has at most `MAX_DRAFTS`; the oldest make way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonValue

MAX_DRAFTS: Final = 100

NEW_SECONDS: Final = 600
"""How long a draft may come before what waits is written down: its run may be settled late."""


@dataclass(frozen=True, slots=True)
class StoredDraft:
    """A half-written answer.

    Attributes:
        content: what the person's programs make of it; None if it was thrown away.
        saved_at: in milliseconds since 1970.
    """

    user_id: str
    run_id: str
    requirement_id: str
    revision: int
    content: JsonValue
    saved_at: int
    account: str = DEFAULT_ACCOUNT


class Drafts(Protocol):
    """All drafts."""

    async def keep_draft(self, draft: StoredDraft) -> bool:
        """Keep it in place of an earlier revision; False if there is this revision, or a later one."""

    async def drafts(self, account: str, user_id: str) -> Sequence[StoredDraft]:
        """Those of a person whose questions wait, the last saved first; also those that were thrown away."""

    async def forget_drafts(self, limit: int = 1000) -> int:
        """Delete drafts whose questions wait no more, up to `limit`, and return how many."""
