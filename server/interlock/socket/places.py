"""Who has a place on a server's socket: how many do, and who gives theirs up.

Laws:
- Whoever has authenticated keeps its place. Where all are taken, the stranger that has held one for longest gives it
  up: who says who they are gets in, also while somebody opens sockets and says nothing.
- A user has a number of places, and a socket that isn't given one of them isn't let in.

Source: `docs/operations.md`, "Connections".
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol, TypeAlias

from interlock_protocol.close_codes import CloseCode

Person: TypeAlias = tuple[str, str]
"""A user of an account: its name, and theirs."""


class Holder(Protocol):
    """What holds a place: a socket."""

    def close(self, code: CloseCode) -> None:
        """End it."""


class Places:
    """The places of one server.

    Args:
        most: how many there are.
        per_user: how many of them one user may have.
    """

    def __init__(self, most: int, per_user: int) -> None:
        self._most = most
        self._per_user = per_user
        self._strangers: dict[Holder, None] = {}  # in the order in which they came
        self._known: dict[Holder, Person] = {}
        self._of_user: Counter[Person] = Counter()

    def has_room(self) -> bool:
        """Whether there is a place for one more; a stranger is let go for it, if it has to be."""
        if len(self._known) + len(self._strangers) < self._most:
            return True
        longest = next(iter(self._strangers), None)
        if longest is None:
            return False
        del self._strangers[longest]
        longest.close(CloseCode.TOO_MANY_CONNECTIONS)
        return True

    def take(self, socket: Holder) -> None:
        """It has a place from now on, as a stranger."""
        self._strangers[socket] = None

    def keep(self, socket: Holder, person: Person) -> bool:
        """It is this user's, and keeps its place; False when the user has too many, or it has none to keep any more."""
        if socket not in self._strangers or self._of_user[person] >= self._per_user:
            return False
        del self._strangers[socket]
        self._known[socket] = person
        self._of_user[person] += 1
        return True

    def leave(self, socket: Holder) -> None:
        """It is gone; again is fine."""
        self._strangers.pop(socket, None)
        person = self._known.pop(socket, None)
        if person is not None:
            self._of_user[person] -= 1
            if not self._of_user[person]:
                del self._of_user[person]
