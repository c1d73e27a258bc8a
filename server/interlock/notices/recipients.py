"""Whom a pause waits for, and where they are told.

Laws:
- Asked are the requirement's assignees: people, and the members of groups in the directory; without any, who started
  the run.
- Nobody is told who is disabled, and nobody of another account.
- A room is told if it is for somebody, or a group, that the requirement names, or for everybody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from interlock.notices.words import Pause
from interlock.outgoing.channels import EVERYBODY, Channel, Channels
from interlock.store.ports.directory import DirectoryStore, Member
from interlock.store.ports.notices import NoticeAddresses

logger = structlog.get_logger(__name__)

GROUP: Final = "group:"
PAGE: Final = 200
MOST: Final = 2000
"""How many people are told of one pause."""


class Known(DirectoryStore, NoticeAddresses, Protocol):
    """The ports that are used here."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where one notice goes: a person by a channel, or (`user_id` is empty) the channel's room."""

    channel: str
    user_id: str = ""


def named_by(pause: Pause) -> Sequence[str]:
    """Whom a requirement names: ids, and `group:NAME`; else who started the run."""
    named = pause.requirement.get("assignees")
    ids = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    return ids or [pause.user_id]


async def recipients(store: Known, channels: Channels, pause: Pause, named: Sequence[str]) -> list[Recipient]:
    """Where those are told of a pause who are named: ids, and `group:NAME`."""
    ours = [each for each in channels.values() if each.is_of(pause.account)]
    found = [Recipient(each.name) for each in ours if not each.is_personal and _is_for(each, named)]
    personal = [each for each in ours if each.is_personal]
    if personal:
        found += [each async for each in _people(store, personal, pause.account, named)]
    return found


async def _people(
    store: Known, channels: Sequence[Channel], account: str, named: Sequence[str]
) -> AsyncIterator[Recipient]:
    people = [each async for each in _asked(store, account, named)]
    if len(people) > MOST:
        logger.warning("notices_too_many", people=len(people), told=MOST)
    addresses = await store.notice_addresses(account, people[:MOST])
    for user_id in people[:MOST]:
        theirs = [each for each in channels if each.name in addresses.get(user_id, {})]
        if theirs and (standing := await standing_of(store, account, user_id)) is not None:
            for channel in theirs:
                if _is_for(channel, standing):
                    yield Recipient(channel.name, user_id)


async def _asked(store: Known, account: str, named: Iterable[str]) -> AsyncIterator[str]:
    """The ids of all who are asked, each once."""
    told: set[str] = set()
    for each in named:
        ids = _members(store, account, each.removeprefix(GROUP)) if each.startswith(GROUP) else _alone(each)
        async for user_id in ids:
            if user_id not in told:
                told.add(user_id)
                yield user_id


async def _alone(user_id: str) -> AsyncIterator[str]:
    yield user_id


async def _members(store: Known, account: str, group: str) -> AsyncIterator[str]:
    cursor: str | None = None
    while (page := await store.members_of_group(account, group, limit=PAGE, cursor=cursor)) is not None:
        for member in page.members:
            if member.disabled_at is None:
                yield member.user_id
        cursor = page.next_cursor
        if cursor is None:
            return


async def standing_of(store: Known, account: str, user_id: str) -> Sequence[str] | None:
    """What somebody may be named by: their id and their groups; None if they are to be told nothing any more."""
    member = await store.member(account, user_id)
    if member is None:
        return [user_id]  # a token of the operator's, or of an identity provider, says who they are
    return None if member.disabled_at is not None else _names_of(member)


def _names_of(member: Member) -> list[str]:
    return [member.user_id, *(f"{GROUP}{each}" for each in sorted(member.groups))]


def _is_for(channel: Channel, names: Iterable[str]) -> bool:
    return EVERYBODY in channel.who or not channel.who.isdisjoint(names)


async def address_now(store: Known, channel: Channel, pause: Pause, user_id: str) -> str | None:
    """The address at which somebody is to be told now; None if they aren't: by then, much may have changed."""
    standing = await standing_of(store, pause.account, user_id)
    if standing is None or not _is_for(channel, standing) or set(standing).isdisjoint(named_by(pause)):
        return None
    return (await store.notice_addresses(pause.account, [user_id])).get(user_id, {}).get(channel.name)
