"""Half-written answers: what is kept of them, and who is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.following.test_presence import Air

from interlock.auth import Principal
from interlock.following.drafts import Drafts, FollowedDrafts, without_secrets
from interlock.following.sink import Sink
from interlock.store.port import StoreUnavailable
from interlock.store.ports.drafts import StoredDraft
from interlock_protocol.codec import JSON

SECRET = {"name": "pin", "secret": True}
ADA, BOB = (Principal(name, frozenset()) for name in ("ada", "bob"))


class Store:
    """Keeps the latest of each person and question, unless it is away."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], StoredDraft] = {}
        self.is_away = False

    async def keep_draft(self, draft: StoredDraft) -> bool:
        key = draft.user_id, draft.requirement_id
        is_new = key not in self.kept or self.kept[key].revision < draft.revision
        if is_new:
            self.kept[key] = draft
        return is_new

    async def drafts(self, account: str, user_id: str) -> Sequence[StoredDraft]:
        if self.is_away:
            raise StoreUnavailable
        return [each for each in self.kept.values() if each.user_id == user_id]

    async def forget_drafts(self, limit: int = 1000) -> int:
        return 0


async def told(followed: FollowedDrafts) -> list[tuple[str, int]]:
    """What the connection is told now."""
    said: list[Any] = []

    async def room() -> None: ...

    async def send(frames: Sequence[Any]) -> None:
        said.extend(JSON.decode(frame) for frame in frames)

    if followed.has_news:
        await followed.deliver(Sink(JSON, said.append, room, send))
    return [(each["interaction_id"], each["revision"]) for each in said]


async def test_all_connections_of_the_author_but_the_one_it_came_on_are_told_on_every_node() -> None:
    store, air = Store(), Air()
    here, there = (Drafts(store, air.at(node), lambda: 1) for node in ("a", "b"))
    one, two, far = here.follow(ADA.person, print), here.follow(ADA.person, print), there.follow(ADA.person, print)
    other = there.follow(BOB.person, print)
    every = (one, two, far, other)
    assert [await told(each) for each in every] == [[]] * 4
    await here.keep(ADA, "r1.run", 2, "x", one)
    assert [await told(each) for each in every] == [[], [("r1.run", 2)], [("r1.run", 2)], []]
    await there.keep(ADA, "r1.run", 1, "late", far)
    assert [await told(each) for each in every] == [[], [], [("r1.run", 2)], []]
    for each in every:
        each.close()
        each.close()
    assert air.ears == []


async def test_drafts_are_told_when_the_store_is_back() -> None:
    store = Store()
    drafts = Drafts(store, Air().at("a"), lambda: 1)
    followed = drafts.follow(ADA.person, lambda: None)
    await drafts.keep(ADA, "r1.run", 1, "x", None)
    store.is_away = True
    assert await told(followed) == []
    assert not followed.has_news, "it rests"
    store.is_away = False
    followed._rest.end()
    assert await told(followed) == [("r1.run", 1)]
    followed.close()


@pytest.mark.parametrize(
    ("asked", "content", "kept"),
    [
        ({"user_input_schema": [{"name": "pin", "secret": True}]}, {"pin": "1", "a": 2}, {"a": 2}),
        ({"fields": [SECRET]}, {"deep": [{"pin": "1"}]}, {"deep": [{}]}),
        (
            {"fields": [SECRET]},
            [{"name": "pin", "value": "1"}, {"name": "b"}],
            [{"name": "b"}],
        ),
        ({"properties": {"pin": {"writeOnly": True, "format": "password"}}}, {"pin": "1"}, {}),
        ({"fields": [{"name": "pin"}]}, {"pin": "1"}, {"pin": "1"}),
    ],
)
def test_what_is_typed_into_secret_fields_is_not_kept(asked: Any, content: Any, kept: Any) -> None:
    assert without_secrets(content, asked) == kept
