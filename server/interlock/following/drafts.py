"""Half-written answers, and those of a person's connections that are told of them.

Laws:
- A draft is its author's alone: nobody else is told of it, and it is in no log.
- The highest revision is what everybody has at last. A connection isn't told of what came on it.
- What is told is what the store has when it is told; so drafts that come fast cost one message.

Source: `docs/protocol.md`, "Inboxes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from interlock.auth import Principal
from interlock.following.rest import Rest
from interlock.following.sink import Sink
from interlock.log.topics import Topics
from interlock.store.port import StoreUnavailable
from interlock.store.ports.drafts import Drafts as Kept
from interlock.store.ports.drafts import StoredDraft
from interlock_protocol import control
from interlock_protocol.interactions import ids_of, interaction_id
from interlock_protocol.types import JsonObject, JsonValue

Person = tuple[str, str]
"""An account, and a user of it."""

ALL: Final = ""
"""Instead of an address: every draft of a person."""


@dataclass(slots=True)
class _OnePerson:
    """The connections of a person that are told of their drafts."""

    followed: set[FollowedDrafts] = field(default_factory=set)
    leave: Callable[[], None] = lambda: None


class Drafts:
    """The drafts of everybody.

    Args:
        clock: the time by the store's clock, in milliseconds since 1970.
    """

    def __init__(self, store: Kept, topics: Topics, clock: Callable[[], int]) -> None:
        self.store = store
        self._topics = topics
        self._clock = clock
        self._people: dict[Person, _OnePerson] = {}

    async def keep(
        self, principal: Principal, address: str, revision: int, content: JsonValue, by: FollowedDrafts | None
    ) -> None:
        """Keep a draft, and tell the person's other connections; one that comes too late tells only its own.

        Args:
            by: what the connection that it came on follows of drafts.

        Raises:
            StoreUnavailable: it isn't kept.
        """
        requirement_id, run_id = ids_of(address)
        user_id, account = principal.user_id, principal.account
        draft = StoredDraft(user_id, run_id, requirement_id, revision, content, self._clock(), account)
        if await self.store.keep_draft(draft):
            self._heard(principal.person, address, by)
            self._topics.say(_topic(principal.person), address)
        elif by is not None:
            by.changed(address)

    def follow(self, person: Person, wake: Callable[[], None]) -> FollowedDrafts:
        """Follow a person's drafts, all of them first.

        Args:
            wake: called on the event loop when there is something to tell. It must not block.
        """
        one = self._people.get(person)
        if one is None:
            one = self._people[person] = _OnePerson()
            heard = partial(self._heard, person)
            one.leave = self._topics.hear(_topic(person), heard, partial(heard, ALL))
        followed = FollowedDrafts(self, person, wake)
        one.followed.add(followed)
        return followed

    def unfollow(self, followed: FollowedDrafts) -> None:
        """Follow them no more. Idempotent."""
        one = self._people.get(followed.person)
        if one is not None:
            one.followed.discard(followed)
            if not one.followed:
                one.leave()
                del self._people[followed.person]

    def _heard(self, person: Person, address: str, by: FollowedDrafts | None = None) -> None:
        one = self._people.get(person)
        for each in () if one is None else one.followed:
            if each is not by:
                each.changed(address)


class FollowedDrafts:
    """A person's drafts, as one connection follows them."""

    __slots__ = ("_changed", "_drafts", "_rest", "_wake", "person")

    def __init__(self, drafts: Drafts, person: Person, wake: Callable[[], None]) -> None:
        self.person = person
        self._drafts = drafts
        self._wake = wake
        self._rest = Rest(wake)
        self._changed: set[str] = {ALL}

    def changed(self, address: str) -> None:
        """Note that there is something to tell of a question, or of `ALL`."""
        if ALL not in self._changed:
            self._changed = {ALL} if address == ALL else self._changed | {address}
        self._wake()

    @property
    def has_news(self) -> bool:
        return bool(self._changed) and not self._rest.is_on

    def close(self) -> None:
        """Stop following."""
        self._changed = set()
        self._rest.end()
        self._drafts.unfollow(self)

    async def deliver(self, sink: Sink) -> None:
        """Tell what has changed, as it is by now; if it can't be read, try again later."""
        await sink.room()
        changed, self._changed = self._changed, set()
        try:
            kept = await self._drafts.store.drafts(*self.person)
        except StoreUnavailable:
            self._changed |= changed
            self._rest.begin()
            return
        told = [sink.codec.encode(each) for each in _told(kept, changed)]
        if told:
            await sink.send(told)


def _told(kept: Iterable[StoredDraft], changed: set[str]) -> Iterator[dict[str, Any]]:
    for each in kept:
        address = interaction_id(each.requirement_id, each.run_id)
        if address in changed or (ALL in changed and each.content is not None):
            yield control.inbox_draft(interaction_id=address, revision=each.revision, content=each.content)


def _topic(person: Person) -> str:
    return f"drafts:{person[0]}:{person[1]}"


# ── What isn't kept ─────────────────────────────────────────────────────────────────────────────────────


def without_secrets(content: JsonValue, asked: JsonObject) -> JsonValue:
    """A draft without what is typed into the secret fields of its question."""
    names = set(_secret_names(asked))
    return _without(content, names) if names else content


def _secret_names(asked: JsonValue) -> Iterator[str]:
    if isinstance(asked, dict):
        name = asked.get("name")
        if asked.get("secret") is True and isinstance(name, str):
            yield name
        for key, shape in asked.items():
            if isinstance(shape, dict) and shape.get("writeOnly") is True and shape.get("format") == "password":
                yield key
    for each in asked.values() if isinstance(asked, dict) else asked if isinstance(asked, list) else ():
        yield from _secret_names(each)


def _without(content: JsonValue, names: set[str]) -> JsonValue:
    if isinstance(content, dict):
        return {key: _without(value, names) for key, value in content.items() if key not in names}
    if isinstance(content, list):
        return [_without(each, names) for each in content if not (_is_named(each, names))]
    return content


def _is_named(field: JsonValue, names: set[str]) -> bool:
    """Whether it is a field with its value beside its name."""
    return isinstance(field, dict) and field.get("name") in names
