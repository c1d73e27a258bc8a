"""Which questions one connection looks at, and what it is told of others who do.

Law: of each question it is told what is true when it is told; what it is told of is bounded.

Source: `docs/protocol.md`, "Inboxes".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from interlock.following.presence import Presence
from interlock.following.sink import Sink
from interlock_protocol import control
from interlock_protocol.errors import ErrorCode, Refusal

MAX_LOOKED_AT: Final = 16
"""How many questions a connection may look at."""


class Looks:
    """What one connection looks at.

    Args:
        wake: called on the event loop when there is something to tell. It must not block.
    """

    __slots__ = ("_away", "_changed", "_presence", "_wake")

    def __init__(self, presence: Presence, wake: Callable[[], None]) -> None:
        self._presence = presence
        self._wake = wake
        self._away: dict[str, Callable[[], None]] = {}
        self._changed: dict[str, None] = {}

    def look(self, address: str, user_id: str) -> None:
        """Look at a question, until one looks away.

        Raises:
            Refusal: `invalid_message` if there are too many.
        """
        if address in self._away:
            return
        if len(self._away) >= MAX_LOOKED_AT:
            sentence = f"A connection looks at {MAX_LOOKED_AT} questions at most; look away from one of them first."
            raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=[{"field": "looking", "error": sentence}])
        self._away[address] = self._presence.look(address, user_id, self._tell)

    def look_away(self, address: str) -> None:
        """Look at a question no more; nothing happens if one doesn't."""
        away = self._away.pop(address, None)
        if away is not None:
            self._changed.pop(address, None)
            away()

    def clear(self) -> None:
        """Look at nothing any more."""
        for address in list(self._away):
            self.look_away(address)

    @property
    def addresses(self) -> Sequence[str]:
        """What is looked at."""
        return [*self._away]

    @property
    def has_news(self) -> bool:
        return bool(self._changed)

    async def deliver(self, sink: Sink) -> None:
        """Tell who looks at what has changed."""
        await sink.room()
        changed, self._changed = self._changed, {}
        told = [self._told(address) for address in changed]
        if told:
            await sink.send([sink.codec.encode(each) for each in told])

    def _tell(self, address: str) -> None:
        self._changed[address] = None
        self._wake()

    def _told(self, address: str) -> dict[str, Any]:
        return control.inbox_presence(interaction_id=address, people=self._presence.people(address))
