"""Sessions: the state shared by the runs of a conversation.

Law: each patch of a run is applied to the session's state once, in the order of the run's events; patches of several
runs are applied one after the other, and none is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject, JsonValue


class Sessions(Protocol):
    """The state of each session of a user of an account, and the runs that ended in it."""

    async def session_state(self, user_id: str, session_id: str, *, account: str = DEFAULT_ACCOUNT) -> JsonObject:
        """The state of a session; {} if there is none."""

    async def patch_session(
        self,
        user_id: str,
        session_id: str,
        run_id: str,
        patches: Sequence[tuple[int, list[JsonValue]]],
        *,
        account: str = DEFAULT_ACCOUNT,
    ) -> JsonObject:
        """Apply a run's patches that weren't applied yet, and return the resulting state of its session.

        Args:
            patches: the index of the event that each came with, ascending, and its changes: see `workflow.sessions`.

        Raises:
            ValueError: a patch contains an invalid change; none of them was applied.
        """

    async def session(
        self, user_id: str, session_id: str, limit: int = 20, *, account: str = DEFAULT_ACCOUNT
    ) -> tuple[JsonObject, Sequence[tuple[str, JsonValue, bytes]]]:
        """The state of a session as `session_state`, and its runs.

        These are its latest runs that have ended and have a snapshot, oldest first: run id, input, snapshot's state.
        """
