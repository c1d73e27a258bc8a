"""The actions of clients: a table of message models and handlers. A new action is a function and a row.

Laws:
- An `ack` comes before the events that it acknowledges: while an action changes a run that its connection follows, the
  run's events are held back.
- An action that makes its connection follow a run begins watching the run before it reads its state.
- A refused action has changed nothing, and makes its connection follow no run.

Source: `docs/protocol.md`, "Actions" and "Reconnecting".
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Protocol

from interlock.auth import Principal
from interlock.engine.engine import Accepted, Engine
from interlock.following.follower import Follower, Followers
from interlock.following.on_connection import Lists
from interlock.following.resume import resumable, resume
from interlock.interactions.respond import decision_on, takes_response
from interlock_protocol import control
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.interactions import ids_of
from interlock_protocol.messages import (
    AnyClientMessage,
    Authenticate,
    CancelWorkflow,
    Claim,
    ContinueWorkflow,
    Delegate,
    FollowInbox,
    FollowRuns,
    Ping,
    Reconnect,
    Release,
    Respond,
    SendSignal,
    StartWorkflow,
    Unfollow,
    UnfollowInbox,
    UnfollowRuns,
)


class Peer(Protocol):
    """The connection that an action came on, as actions see it."""

    engine: Engine
    followers: Followers
    lists: Lists

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


async def authenticate(peer: Peer, message: Authenticate) -> None:
    await peer.authenticate(message)


async def ping(peer: Peer, message: Ping) -> None:
    peer.say(control.pong(message.request_id))


# ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────


async def start(peer: Peer, message: StartWorkflow) -> None:
    accepted = await peer.engine.start(peer.who, message)
    with peer.followers.watching(accepted.run_id) as follower:
        if accepted.first_index is not None:
            _ack(peer, message, accepted)
            _follow(peer, follower, 0)
            return
        # Its key was used before: the run may have gone on since.
        head = await peer.engine.runs.head(accepted.run_id)
        follower.cursor.told(head.epoch, head.next_index)
        _ack(peer, message, accepted)
        if peer.followers.get(accepted.run_id) is None:
            _follow(peer, follower, 0)


async def continue_(peer: Peer, message: ContinueWorkflow) -> None:
    follower = peer.followers.get(message.run_id)
    if follower is not None:
        seen = follower.cursor.next_index
        with _holding(peer, follower):
            _ack(peer, message, await peer.engine.continue_run(peer.who, message, seen=seen))
        return
    with peer.followers.watching(message.run_id) as follower:
        accepted = await peer.engine.continue_run(peer.who, message)
        _ack(peer, message, accepted)
        if accepted.first_index is not None:
            _follow(peer, follower, accepted.first_index)


async def cancel(peer: Peer, message: CancelWorkflow) -> None:
    with _holding(peer, peer.followers.get(message.run_id)):
        _ack(peer, message, await peer.engine.cancel_run(peer.who, message))


async def signal(peer: Peer, message: SendSignal) -> None:
    with _holding(peer, peer.followers.get(message.run_id)):
        _ack(peer, message, await peer.engine.signal(peer.who, message))


async def claim(peer: Peer, message: Claim) -> None:
    await _attend(peer, message)


async def release(peer: Peer, message: Release) -> None:
    await _attend(peer, message)


async def delegate(peer: Peer, message: Delegate) -> None:
    await _attend(peer, message)


async def _attend(peer: Peer, message: Claim | Release | Delegate) -> None:
    with _holding(peer, peer.followers.get(message.run_id)):
        _ack(peer, message, await peer.engine.attend(peer.who, message))


async def reconnect(peer: Peer, message: Reconnect) -> None:
    """Move the cursor to where the client left off, and announce what follows."""
    facts = await resumable(peer.engine, peer.who, message)
    with peer.followers.watching(facts.run_id) as follower:
        answer = await resume(peer.engine, message, follower.cursor)
        peer.followers.unfollow(facts.run_id)
        _ack(peer, message, Accepted(facts.run_id, facts.session_id))
        follower.begin_with(answer)
        if peer.may_follow and not follower.is_over:
            peer.followers.follow(follower)


async def unfollow(peer: Peer, message: Unfollow) -> None:
    facts = await peer.engine.runs.readable(peer.who, message.run_id)
    peer.followers.unfollow(message.run_id)
    _ack(peer, message, Accepted(facts.run_id, facts.session_id))


# ── Lists of runs, and inboxes ───────────────────────────────────────────────────────────────────────────────────────


async def follow_runs(peer: Peer, message: FollowRuns) -> None:
    if peer.may_follow:
        peer.lists.follow(peer.who, message)
    _ack(peer, message)


async def follow_inbox(peer: Peer, message: FollowInbox) -> None:
    if peer.may_follow:
        peer.lists.follow(peer.who, message)
    _ack(peer, message)


async def unfollow_runs(peer: Peer, message: UnfollowRuns) -> None:
    peer.lists.unfollow("runs", message.list)
    _ack(peer, message)


async def unfollow_inbox(peer: Peer, message: UnfollowInbox) -> None:
    peer.lists.unfollow("inbox", message.list)
    _ack(peer, message)


async def respond(peer: Peer, message: Respond) -> None:
    """Decide what an item of an inbox asks. A connection that doesn't follow the run doesn't begin to."""
    try:
        requirement_id, run_id = ids_of(message.interaction_id)
    except ValueError:
        wrong: Any = [{"field": "interaction_id", "error": "isn't one of ours"}]
        sentence = "There is no question of this id; take it from an item of the inbox."
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=wrong) from None
    await peer.engine.runs.readable(peer.who, run_id)
    state = await peer.engine.runs.state(run_id)
    if requirement_id not in state.requirements:
        state = await peer.engine.runs.state(run_id, fresh=await peer.engine.runs.is_behind(state))
    given = {"response": message.response} if takes_response(state, requirement_id) else message.response
    more: Any = message.model_dump(include={"on_behalf_of", "reason", "idempotency_key"})
    with _holding(peer, peer.followers.get(run_id)):
        decision = decision_on(state, requirement_id, given, **more)
        _ack(peer, message, await peer.engine.continue_run(peer.who, decision))


# ── Helpers ─────────────────────────────────────────────────────────────────────────────────────────────


def _ack(peer: Peer, message: AnyClientMessage, accepted: Accepted | None = None) -> None:
    if message.request_id is not None:
        of_run = {} if accepted is None else _named(accepted)
        peer.say(control.ack(message.action, message.request_id, **of_run))


def _named(accepted: Accepted) -> dict[str, str | None]:
    return {"run_id": accepted.run_id, "session_id": accepted.session_id, "signal_id": accepted.signal_id}


def _follow(peer: Peer, follower: Follower, first: int) -> None:
    """Send the events from `first` on, if the connection's token is still valid."""
    follower.begin(first)
    if peer.may_follow:
        peer.followers.follow(follower)


@contextlib.contextmanager
def _holding(peer: Peer, follower: Follower | None) -> Iterator[None]:
    """Hold back the events of a followed run within this block."""
    if follower is not None:
        follower.cursor.held = True
    try:
        yield
    finally:
        if follower is not None:
            follower.cursor.held = False
            peer.wake()


Handler = Callable[[Peer, Any], Awaitable[None]]

ACTIONS: Final[dict[type[AnyClientMessage], Handler]] = {
    Authenticate: authenticate,
    StartWorkflow: start,
    ContinueWorkflow: continue_,
    Reconnect: reconnect,
    CancelWorkflow: cancel,
    SendSignal: signal,
    Claim: claim,
    Release: release,
    Delegate: delegate,
    Unfollow: unfollow,
    FollowRuns: follow_runs,
    UnfollowRuns: unfollow_runs,
    FollowInbox: follow_inbox,
    UnfollowInbox: unfollow_inbox,
    Respond: respond,
    Ping: ping,
}
"""The handler of each message."""
