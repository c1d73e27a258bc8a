"""Who looks at which question now, on all nodes.

Laws:
- It lasts as long as the connections of those who look, and is kept nowhere. Nobody asks for it again and again.
- A node hears of a question only while somebody looks at it there. It asks the others once, when it begins to, and says
  what changes; what it said it says again now and then, so that what a node said that died is forgotten.
- Whoever looks is told of a change, and reads what is true by then: so changes that come fast cost one message.

Source: `docs/protocol.md`, "Inboxes".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from pydantic import BaseModel, ValidationError

from interlock.log.topics import Topics

MAX_PEOPLE: Final = 100
"""How many people a question is shown to be looked at by."""

KEPT_SECONDS: Final = 90.0
"""How long what another node said counts."""

Tell = Callable[[str], None]


class _Word(BaseModel):
    """What a node says of a question."""

    node: str
    people: list[str]
    asks: bool


@dataclass(slots=True, eq=False)
class _Looker:
    """One connection that looks at a question."""

    user_id: str
    tell: Tell


@dataclass(slots=True)
class _Watched:
    """A question that somebody looks at here.

    Attributes:
        others: of other nodes, who looks there, and when that was said.
    """

    lookers: set[_Looker] = field(default_factory=set)
    others: dict[str, tuple[frozenset[str], float]] = field(default_factory=dict)
    said: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    leave: Callable[[], None] = lambda: None

    @property
    def here(self) -> frozenset[str]:
        return frozenset(each.user_id for each in self.lookers)

    @property
    def people(self) -> frozenset[str]:
        return self.here.union(*(people for people, _ in self.others.values()))


class Presence:
    """Who looks at what.

    Args:
        node: this process's name among the others.
        now: a clock that nobody sets, in seconds.
        is_on: whether anybody is told of anybody.
    """

    def __init__(self, topics: Topics, node: str, now: Callable[[], float], *, is_on: bool = True) -> None:
        self._topics = topics
        self._node = node
        self._now = now
        self._is_on = is_on
        self._watched: dict[str, _Watched] = {}

    def look(self, address: str, user_id: str, tell: Tell) -> Callable[[], None]:
        """Somebody looks at a question, until the returned function is called.

        Args:
            tell: called with the address when others look, or look away. It must not block.
        """
        if not self._is_on:
            return lambda: None
        watched = self._watched.get(address)
        if watched is None:
            watched = self._watched[address] = _Watched()
            watched.leave = self._topics.hear(
                _topic(address), partial(self._heard, address), partial(self._say, address, asks=True)
            )
        looker = _Looker(user_id, tell)
        watched.lookers.add(looker)
        self._changed(address, watched)
        tell(address)  # also where they are the second connection of the same person
        return partial(self._look_away, address, looker)

    def people(self, address: str) -> list[str]:
        """The ids of those who look at a question, in order."""
        watched = self._watched.get(address)
        return [] if watched is None else sorted(watched.people)[:MAX_PEOPLE]

    def _look_away(self, address: str, looker: _Looker) -> None:
        watched = self._watched.get(address)
        if watched is None or looker not in watched.lookers:
            return
        watched.lookers.discard(looker)
        self._changed(address, watched)
        if not watched.lookers:
            watched.leave()
            del self._watched[address]

    def _changed(self, address: str, watched: _Watched) -> None:
        if watched.here != watched.said:
            self._say(address)
        if watched.people != watched.told:
            watched.told = watched.people
            for each in watched.lookers:
                each.tell(address)

    # ── Other nodes ─────────────────────────────────────────────────────────────────────────────────────

    def _say(self, address: str, *, asks: bool = False) -> None:
        watched = self._watched.get(address)
        if watched is not None:
            watched.said = watched.here
            word = _Word(node=self._node, people=sorted(watched.said)[:MAX_PEOPLE], asks=asks)
            self._topics.say(_topic(address), word.model_dump_json())

    def _heard(self, address: str, said: str) -> None:
        watched = self._watched.get(address)
        if watched is None:
            return
        try:
            word = _Word.model_validate_json(said)
        except ValidationError:
            return  # a node of another version
        if word.people:
            watched.others[word.node] = frozenset(word.people), self._now()
        else:
            watched.others.pop(word.node, None)
        if word.asks:
            self._say(address)
        self._changed(address, watched)

    async def run(self, every: float) -> None:
        """Say again who looks here, and forget what nobody says any more, every `every` seconds, forever."""
        while True:
            await asyncio.sleep(every)
            self.renew()

    def renew(self) -> None:
        """Do so once."""
        begun = self._now() - KEPT_SECONDS
        for address, watched in list(self._watched.items()):
            watched.others = {node: said for node, said in watched.others.items() if said[1] >= begun}
            self._say(address)
            self._changed(address, watched)


def _topic(address: str) -> str:
    return f"looks:{address}"
