"""The places for sockets on a server: how many there are, and which socket loses its place.

Laws:
- An authenticated socket keeps its place. If all places are taken, the oldest unauthenticated socket (a stranger) loses
  its place to a new one: users can connect even while somebody opens sockets without authenticating.
- A user has a limited number of places; further sockets of theirs are closed.

Source: `docs/operations.md`, "Connections".
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol, TypeAlias

from interlock_protocol.close_codes import CloseCode

Person: TypeAlias = tuple[str, str]
"""A user: the name of the account, and the user id."""


class Holder(Protocol):
    """The holder of a place: a socket."""

    def close(self, code: CloseCode) -> None:
        """Close it."""


class Places:
    """The places of one server.

    Args:
        most: the number of places.
        per_user: how many of them one user may have.
    """

    def __init__(self, most: int, per_user: int) -> None:
        self._most = most
        self._per_user = per_user
        self._strangers: dict[Holder, None] = {}  # the oldest first
        self._known: dict[Holder, Person] = {}
        self._of_user: Counter[Person] = Counter()

    def has_room(self) -> bool:
        """Return True if there is a place for one more, after closing the oldest stranger if necessary."""
        if len(self._known) + len(self._strangers) < self._most:
            return True
        longest = next(iter(self._strangers), None)
        if longest is None:
            return False
        del self._strangers[longest]
        longest.close(CloseCode.TOO_MANY_CONNECTIONS)
        return True

    def take(self, socket: Holder) -> None:
        """Give it a place, as a stranger."""
        self._strangers[socket] = None

    def keep(self, socket: Holder, person: Person) -> bool:
        """Assign its place to this user; return False if the user has too many, or the socket has lost its place."""
        if socket not in self._strangers or self._of_user[person] >= self._per_user:
            return False
        del self._strangers[socket]
        self._known[socket] = person
        self._of_user[person] += 1
        return True

    def leave(self, socket: Holder) -> None:
        """Free its place; calling this again has no effect."""
        self._strangers.pop(socket, None)
        person = self._known.pop(socket, None)
        if person is not None:
            self._of_user[person] -= 1
            if not self._of_user[person]:
                del self._of_user[person]
