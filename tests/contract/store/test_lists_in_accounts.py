"""Lists as the store finds them, and as `may` decides them of every run there is: in accounts and namespaces."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.store.samples import COMPLETED, PAUSED, RUNNING, new_run, settlement
from tests.contract.store.test_inbox import USERS, principals, requirement, waits

from interlock.auth import Kind, Principal, Verb, may
from interlock.following.feed import Feed
from interlock.following.lists import FollowedList
from interlock.store.port import ListedRun, RunFilter, Store
from interlock_protocol.messages import FollowRuns

ACCOUNTS = ("default", "acme")
NAMESPACES = ("", "", "user_ada", "org_x", "org_y", "project.p", "project.q")
FILTERS: list[dict[str, Any]] = [{}, {}, {"namespace": "org_x"}, {"namespace": "user_ada"}, {"status": ["RUNNING"]}]


async def made(store: Store, draw: random.Random, count: int) -> None:
    """Runs of all accounts, in all namespaces, that have come to wait for whomever, and some that have ended."""
    for number in range(count):
        run = new_run(f"run{number:03}", user_id=draw.choice(USERS), created_at=number // 3)
        await store.create_run(replace(run, account=draw.choice(ACCOUNTS), namespace=draw.choice(NAMESPACES)))
        pending = tuple(requirement(draw, f"r{n}") for n in range(draw.randrange(4)))
        named = {name for each in pending for name in each.get("assignees") or ()}
        stands = settlement(run.run_id, draw.choice([RUNNING, PAUSED, PAUSED, COMPLETED]), 1)
        await store.settle(replace(stands, pending=pending, assignees=tuple(sorted(map(str, named)))))


def placed(draw: random.Random) -> Iterator[Principal]:
    """Every user, with any groups and scopes, somewhere."""
    for each in principals():
        given = frozenset(draw.sample(("project.p", "project.q", "user_bob"), draw.randrange(3)))
        kind = draw.choice([Kind.USER, Kind.USER, Kind.SERVICE])
        yield replace(each, account=draw.choice(ACCOUNTS), namespaces=given, kind=kind)


def is_asked_for(run: ListedRun, asked: FollowRuns) -> bool:
    which = asked.filter
    return which.namespace in (None, run.namespace) and (not which.status or run.status in which.status)


@pytest.mark.parametrize("waiting", [False, True])
async def test_a_list_is_what_may_says_of_the_runs_of_all_accounts(store: Store, waiting: bool) -> None:
    draw = random.Random(7)
    await made(store, draw, 90)
    runs = [run for account in ACCOUNTS for run in (await store.runs(RunFilter(account, limit=90))).runs]
    assert len(runs) == 90
    runs.sort(key=lambda run: (run.created_at, run.run_id), reverse=True)
    feed = Feed(store)
    for principal in placed(draw):
        limit = draw.choice((4, 100))
        filter_ = {**draw.choice(FILTERS), **({"waiting_for_me": True} if waiting else {})}
        asked = FollowRuns.model_validate({"filter": filter_, "limit": limit})
        seen = [run.run_id for run in runs if is_asked_for(run, asked) and is_seen(principal, run, waiting=waiting)]
        *told, listed = await FollowedList(feed, store, principal, asked, lambda: None).news()
        assert [each["run"]["run_id"] for each in told] == seen[:limit], (principal, filter_)
        assert listed["more"] == (len(seen) > limit)


def is_seen(principal: Principal, run: ListedRun, *, waiting: bool) -> bool:
    if waiting:
        return run.status in (PAUSED, RUNNING) and waits(principal, run)
    return may(principal, Verb.READ, run)
