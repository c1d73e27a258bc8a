"""The list of what waits for somebody, as the store finds it, and as `may` decides it of every run there is."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, product
from typing import Any

import pytest
from tests.contract.store.samples import COMPLETED, PAUSED, RUNNING, new_run, settlement

from interlock.auth import Principal, Verb, may
from interlock.auth.principal import ADMIN, DECIDE, EXECUTE, READ
from interlock.following.feed import Feed
from interlock.following.lists import FollowedList
from interlock.store.port import ListedRun, RunFilter, Store
from interlock_protocol.messages import FollowRuns

USERS = ("ada", "bob", "carol", "dan")
GROUPS = ("x", "y")
NAMES = (*USERS, *(f"group:{group}" for group in GROUPS), "group:nobody")


@dataclass(frozen=True)
class Asked:
    """A requirement, as `may` has to know it."""

    assignees: Sequence[str] | None


def principals() -> Iterator[Principal]:
    """Every user, in any groups, with any scopes."""
    scopes = (EXECUTE, DECIDE, READ)
    sets = list(chain.from_iterable(combinations(scopes, size) for size in range(1, 4)))
    for user, groups, held in product(USERS, ((), ("x",), GROUPS), [*sets, (ADMIN,)]):
        yield Principal(user, frozenset(held), frozenset(groups))


async def made(store: Store, draw: random.Random, count: int) -> None:
    """Runs that have come to wait for whomever, and some that went on."""
    for number in range(count):
        run_id = f"run{number:03}"
        owner, workflow_id = draw.choice(USERS), draw.choice(["release", "other"])
        await store.create_run(new_run(run_id, user_id=owner, workflow_id=workflow_id, created_at=number // 3))
        for step in range(1, 1 + draw.randrange(4)):
            pending = [requirement(draw, f"r{n}") for n in range(draw.randrange(4))]
            named = sorted({name for each in pending for name in each.get("assignees") or ()})
            status = draw.choice([RUNNING, PAUSED, PAUSED, COMPLETED])
            stands = replace(settlement(run_id, status, step), pending=tuple(pending), assignees=tuple(named))
            await store.settle(stands)


def requirement(draw: random.Random, id_: str) -> dict[str, Any]:
    """One that names nobody, in either way, or somebody."""
    named: Any = draw.choice([None, [], [""], draw.sample(NAMES, draw.randint(1, 3))])
    return {"id": id_, "kind": "requires_confirmation", **({} if named is None else {"assignees": named})}


def waits(principal: Principal, run: ListedRun) -> bool:
    """The answer, of what a row says."""
    asked = (Asked(each.get("assignees")) for each in run.pending)  # type: ignore[arg-type]
    return may(principal, Verb.READ, run) and any(may(principal, Verb.DECIDE, run, each) for each in asked)


FILTERS: list[dict[str, Any]] = [{}, {}, {"workflow_id": "other"}, {"status": ["RUNNING"]}, {"session_id": "elsewhere"}]


@pytest.mark.parametrize("seed", range(3))
async def test_the_list_is_what_may_says_of_all_runs(store: Store, seed: int) -> None:
    draw = random.Random(seed)
    await made(store, draw, 60)
    page = await store.runs(RunFilter(limit=60))
    feed = Feed(store)
    for principal in principals():
        filter_, limit = draw.choice(FILTERS), draw.choice((4, 100))
        expected = [
            run.run_id
            for run in page.runs
            if run.status in (PAUSED, RUNNING)
            and waits(principal, run)
            and filter_.get("workflow_id") in (None, run.workflow_id)
            and filter_.get("session_id") in (None, run.session_id)
            and run.status in (filter_.get("status") or (PAUSED, RUNNING))
        ]
        asked = FollowRuns.model_validate({"filter": {"waiting_for_me": True, **filter_}, "limit": limit})
        *told, listed = await FollowedList(feed, store, principal, asked, lambda: None).news()
        assert [each["run"]["run_id"] for each in told] == expected[:limit], (principal, filter_)
        assert (listed["count"], listed["more"]) == (len(told), len(expected) > limit)
