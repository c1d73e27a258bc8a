"""The connection that an action came on, as actions see it, and what they have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from interlock.auth import Principal
from interlock.engine.engine import Accepted, Engine
from interlock.following.drafts import Drafts
from interlock.following.follower import Follower, Followers
from interlock.following.on_connection import Lists
from interlock.following.sights import Sights
from interlock_protocol import control
from interlock_protocol.messages import AnyClientMessage, Authenticate


class Peer(Protocol):
    """The connection that an action came on, as actions see it."""

    engine: Engine
    followers: Followers
    lists: Lists
    sights: Sights
    drafts: Drafts

    @property
    def who(self) -> Principal:
        """The connection's user; before `authenticate` there is none, and no other action either."""

    @property
    def may_follow(self) -> bool:
        """Whether followed events may be sent: the token may have expired while an action was carried out."""

    def say(self, message: dict[str, Any]) -> None:
        """Send a control message before any event that isn't sent yet."""

    def wake(self) -> None:
        """Check whether there is something to send."""

    async def authenticate(self, message: Authenticate) -> None:
        """Accept a token, which may change the connection's user, or close the connection."""


def acknowledge(peer: Peer, message: AnyClientMessage, accepted: Accepted | None = None) -> None:
    """Say that an action was accepted, if its client asks for that."""
    if message.request_id is not None:
        of_run = {} if accepted is None else _named(accepted)
        peer.say(control.ack(message.action, message.request_id, **of_run))


def _named(accepted: Accepted) -> dict[str, str | None]:
    return {"run_id": accepted.run_id, "session_id": accepted.session_id, "signal_id": accepted.signal_id}


@contextlib.contextmanager
def holding(peer: Peer, follower: Follower | None) -> Iterator[None]:
    """Hold back the events of a followed run within this block."""
    if follower is not None:
        follower.cursor.held = True
    try:
        yield
    finally:
        if follower is not None:
            follower.cursor.held = False
            peer.wake()
