"""The actions of clients: a table of message models and handlers. A new action is a function and a row.

Laws:
- An `ack` comes before the events that it acknowledges: while an action changes a run that its connection follows, the
  run's events are held back.
- An action that makes its connection follow a run begins watching the run before it reads its state.
- A refused action has changed nothing, and makes its connection follow no run.

Source: `docs/protocol.md`, "Actions" and "Reconnecting".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from interlock.engine.engine import Accepted
from interlock.following.follower import Follower
from interlock.following.resume import resumable, resume
from interlock.socket.inbox_actions import attend, draft, follow_inbox, respond, seen, unfollow_inbox
from interlock.socket.peer import Peer, acknowledge, holding
from interlock_protocol import control
from interlock_protocol.messages import (
    AnyClientMessage,
    Authenticate,
    CancelWorkflow,
    Claim,
    ContinueWorkflow,
    Delegate,
    Draft,
    FollowInbox,
    FollowRuns,
    Ping,
    Reconnect,
    Release,
    Respond,
    Seen,
    SendSignal,
    StartWorkflow,
    Unfollow,
    UnfollowInbox,
    UnfollowRuns,
)


async def authenticate(peer: Peer, message: Authenticate) -> None:
    await peer.authenticate(message)


async def ping(peer: Peer, message: Ping) -> None:
    peer.say(control.pong(message.request_id))


# ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────


async def start(peer: Peer, message: StartWorkflow) -> None:
    accepted = await peer.engine.start(peer.who, message)
    with peer.followers.watching(accepted.run_id) as follower:
        if accepted.first_index is not None:
            acknowledge(peer, message, accepted)
            _follow(peer, follower, 0)
            return
        # Its key was used before: the run may have gone on since.
        head = await peer.engine.runs.head(accepted.run_id)
        follower.cursor.told(head.epoch, head.next_index)
        acknowledge(peer, message, accepted)
        if peer.followers.get(accepted.run_id) is None:
            _follow(peer, follower, 0)


async def continue_(peer: Peer, message: ContinueWorkflow) -> None:
    follower = peer.followers.get(message.run_id)
    if follower is not None:
        seen = follower.cursor.next_index
        with holding(peer, follower):
            acknowledge(peer, message, await peer.engine.continue_run(peer.who, message, seen=seen))
        return
    with peer.followers.watching(message.run_id) as follower:
        accepted = await peer.engine.continue_run(peer.who, message)
        acknowledge(peer, message, accepted)
        if accepted.first_index is not None:
            _follow(peer, follower, accepted.first_index)


async def cancel(peer: Peer, message: CancelWorkflow) -> None:
    with holding(peer, peer.followers.get(message.run_id)):
        acknowledge(peer, message, await peer.engine.cancel_run(peer.who, message))


async def signal(peer: Peer, message: SendSignal) -> None:
    with holding(peer, peer.followers.get(message.run_id)):
        acknowledge(peer, message, await peer.engine.signal(peer.who, message))


async def reconnect(peer: Peer, message: Reconnect) -> None:
    """Move the cursor to where the client left off, and announce what follows."""
    facts = await resumable(peer.engine, peer.who, message)
    with peer.followers.watching(facts.run_id) as follower:
        answer = await resume(peer.engine, message, follower.cursor)
        peer.followers.unfollow(facts.run_id)
        acknowledge(peer, message, Accepted(facts.run_id, facts.session_id))
        follower.begin_with(answer)
        if peer.may_follow and not follower.is_over:
            peer.followers.follow(follower)


async def unfollow(peer: Peer, message: Unfollow) -> None:
    facts = await peer.engine.runs.readable(peer.who, message.run_id)
    peer.followers.unfollow(message.run_id)
    acknowledge(peer, message, Accepted(facts.run_id, facts.session_id))


# ── Lists of runs ───────────────────────────────────────────────────────────────────────────────────────


async def follow_runs(peer: Peer, message: FollowRuns) -> None:
    if peer.may_follow:
        peer.lists.follow(peer.who, message)
    acknowledge(peer, message)


async def unfollow_runs(peer: Peer, message: UnfollowRuns) -> None:
    peer.lists.unfollow("runs", message.list)
    acknowledge(peer, message)


# ── Helpers ─────────────────────────────────────────────────────────────────────────────────────────────


def _follow(peer: Peer, follower: Follower, first: int) -> None:
    """Send the events from `first` on, if the connection's token is still valid."""
    follower.begin(first)
    if peer.may_follow:
        peer.followers.follow(follower)


Handler = Callable[[Peer, Any], Awaitable[None]]

ACTIONS: Final[dict[type[AnyClientMessage], Handler]] = {
    Authenticate: authenticate,
    StartWorkflow: start,
    ContinueWorkflow: continue_,
    Reconnect: reconnect,
    CancelWorkflow: cancel,
    SendSignal: signal,
    Claim: attend,
    Release: attend,
    Delegate: attend,
    Unfollow: unfollow,
    FollowRuns: follow_runs,
    UnfollowRuns: unfollow_runs,
    FollowInbox: follow_inbox,
    UnfollowInbox: unfollow_inbox,
    Respond: respond,
    Seen: seen,
    Draft: draft,
    Ping: ping,
}
"""The handler of each message."""
