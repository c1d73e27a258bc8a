"""The actions that are about inboxes, and about one question in them, by its address.

Laws:
- A question that the client may not see isn't there: whoever asks learns nothing about it.
- A connection doesn't begin to follow a run for what it does to a question.

Source: `docs/protocol.md`, "Inboxes".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from interlock.engine.commands.refusals import or_unavailable
from interlock.following.drafts import without_secrets
from interlock.interactions.respond import decision_on, known, takes_response
from interlock.socket.peer import Peer, acknowledge, holding
from interlock.workflow.run.state import RunState
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.interactions import ids_of
from interlock_protocol.limits import MAX_DRAFT_BYTES
from interlock_protocol.messages import Claim, Delegate, Draft, FollowInbox, Release, Respond, Seen, UnfollowInbox


async def follow_inbox(peer: Peer, message: FollowInbox) -> None:
    if peer.may_follow:
        peer.lists.follow(peer.who, message)
    acknowledge(peer, message)


async def unfollow_inbox(peer: Peer, message: UnfollowInbox) -> None:
    peer.lists.unfollow("inbox", message.list)
    acknowledge(peer, message)


async def respond(peer: Peer, message: Respond) -> None:
    """Decide what a question asks."""
    found = await _found(peer, message.interaction_id)
    state, requirement_id = found.state, found.requirement_id
    given = {"response": message.response} if takes_response(state, requirement_id) else message.response
    more: Any = message.model_dump(include={"on_behalf_of", "reason", "idempotency_key"})
    with holding(peer, peer.followers.get(state.run_id)):
        decision = decision_on(state, requirement_id, given, **more)
        acknowledge(peer, message, await peer.engine.continue_run(peer.who, decision))


async def attend(peer: Peer, message: Claim | Release | Delegate) -> None:
    """Claim a question, release it, or hand it over."""
    with holding(peer, peer.followers.get(message.run_id)):
        acknowledge(peer, message, await peer.engine.attend(peer.who, message))


async def seen(peer: Peer, message: Seen) -> None:
    """Note that somebody has seen a question, and whether they look at it now; of one that is over, nothing is kept."""
    if message.looking is False:
        peer.lists.looks.look_away(message.interaction_id)
    found = await _asked(peer, message.interaction_id)
    if found.is_open:
        await or_unavailable(peer.sights.seen(found.state.run_id, found.requirement_id, peer.who.user_id))
        if message.looking and peer.may_follow:
            peer.lists.looks.look(message.interaction_id, peer.who.user_id)
    acknowledge(peer, message)


async def draft(peer: Peer, message: Draft) -> None:
    """Keep what somebody has half-written, for their other devices; of a question that is over, nothing is kept."""
    size = len(to_json(message.content))
    if size > MAX_DRAFT_BYTES:
        sentence = f"has {size} bytes as JSON; at most {MAX_DRAFT_BYTES} are kept"
        wrong: Any = [{"field": "content", "error": sentence}]
        raise Refusal(ErrorCode.INVALID_MESSAGE, f"draft: content {sentence}", details=wrong)
    found = await _asked(peer, message.interaction_id)
    if found.is_open:
        content = without_secrets(message.content, found.state.requirements[found.requirement_id].facts)
        by = peer.lists.drafts
        await or_unavailable(peer.drafts.keep(peer.who, message.interaction_id, message.revision, content, by))
    acknowledge(peer, message)


# ── Finding a question ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Found:
    """A run that the client may read, and the id of what it may ask."""

    state: RunState
    requirement_id: str

    @property
    def is_open(self) -> bool:
        """Whether the run waits for an answer to it."""
        return self.requirement_id in self.state.requirements


async def _found(peer: Peer, address: str) -> _Found:
    try:
        requirement_id, run_id = ids_of(address)
    except ValueError:
        wrong: Any = [{"field": "interaction_id", "error": "isn't one of ours"}]
        sentence = "There is no question of this id; take it from an item of the inbox."
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=wrong) from None
    runs = peer.engine.runs
    await runs.readable(peer.who, run_id)
    state = await runs.state(run_id)
    if requirement_id not in state.requirements:
        state = await runs.state(run_id, fresh=await runs.is_behind(state))
    return _Found(state, requirement_id)


async def _asked(peer: Peer, address: str) -> _Found:
    """The same of something that was asked of people."""
    found = await _found(peer, address)
    asked = known(found.state, found.requirement_id)
    if asked is None or not asked.asks_people:
        sentence = "The run asks no such question; take it from an item of the inbox."
        raise Refusal(ErrorCode.REQUIREMENT_NOT_FOUND, sentence, run_id=found.state.run_id)
    return found
