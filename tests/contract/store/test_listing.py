"""What `Runs` promises of lists."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest
from tests.contract.store.samples import ALICE, BOB, COMPLETED, PAUSED, RUNNING, make_runs, new_run, settlement

from interlock.store.port import RunFilter, Store


async def pages(store: Store, which: RunFilter) -> list[list[str]]:
    found = []
    while True:
        page = await store.runs(which)
        found.append([run.run_id for run in page.runs])
        if page.next_cursor is None:
            return found
        which = replace(which, cursor=page.next_cursor)


@pytest.mark.parametrize("limit", [1, 3, 4, 10, 11, 50])
async def test_pages_hold_every_run_once_newest_first(store: Store, limit: int) -> None:
    newest_first = await make_runs(store, 10)
    found = await pages(store, RunFilter(user_id=ALICE, limit=limit))
    assert [run_id for page in found for run_id in page] == newest_first
    assert all(len(page) == limit for page in found[:-1])
    assert found[-1]


async def test_runs_created_meanwhile_do_not_disturb_the_pages(store: Store) -> None:
    newest_first = await make_runs(store, 12)
    which = RunFilter(limit=5)
    found: list[str] = []
    for n in range(3):
        page = await store.runs(which)
        found += [run.run_id for run in page.runs]
        await store.create_run(new_run(f"later{n}", created_at=5000 + n))
        await store.settle(settlement(found[0], PAUSED, n + 1))
        which = replace(which, cursor=page.next_cursor)
    assert found == newest_first


async def test_nobody_has_no_runs_and_no_next_page(store: Store) -> None:
    await make_runs(store, 3)
    assert await pages(store, RunFilter(user_id=BOB)) == [[]]
    assert await pages(store, RunFilter(or_assignees=frozenset({BOB}))) == [[]]


async def test_filters_narrow_the_list(store: Store) -> None:
    await store.create_run(new_run("a1", created_at=1))
    await store.create_run(new_run("a2", workflow_id="other", created_at=2))
    await store.create_run(new_run("b1", user_id=BOB, created_at=3))
    await store.settle(settlement("b1", PAUSED, 1))
    assert await pages(store, RunFilter()) == [["b1", "a2", "a1"]]
    assert await pages(store, RunFilter(user_id=ALICE)) == [["a2", "a1"]]
    assert await pages(store, RunFilter(workflow_id="release")) == [["b1", "a1"]]
    assert await pages(store, RunFilter(statuses=frozenset({PAUSED, RUNNING}))) == [["b1"]]
    assert await pages(store, RunFilter(user_id=ALICE, statuses=frozenset({PAUSED}))) == [[]]


async def test_an_assignee_finds_own_runs_and_those_that_ever_named_it(store: Store) -> None:
    for n in range(8):
        await store.create_run(new_run(f"r{n}", user_id=BOB if n % 4 == 0 else ALICE, created_at=n))
    for n, assignees in {1: (BOB,), 2: ("group:x",), 3: ("carol",), 4: (BOB, "group:x")}.items():
        await store.settle(replace(settlement(f"r{n}", PAUSED, 1), assignees=assignees))
    await store.settle(settlement("r1", COMPLETED, 2))
    whom = frozenset({BOB, "group:x"})
    assert await pages(store, RunFilter(user_id=BOB, or_assignees=whom, limit=2)) == [["r4", "r2"], ["r1", "r0"]]
    assert await pages(store, RunFilter(or_assignees=whom)) == [["r4", "r2", "r1"]]
    paused = frozenset({PAUSED})
    assert await pages(store, RunFilter(user_id=BOB, or_assignees=whom, statuses=paused)) == [["r4", "r2"]]
    page = await store.runs(RunFilter(or_assignees=whom))
    assert [run.assignees for run in page.runs] == [(BOB, "group:x"), ("group:x",), (BOB,)]


FORGED = ["null", "[]", "[1]", "[1,2]", '["a","b"]', '[-1,"a"]', '[true,"a"]', r'[1,"\u0000"]', f'[{2**63},"a"]']


@pytest.mark.parametrize("cursor", ["", "x", "é", *(urlsafe_b64encode(it.encode()).decode() for it in FORGED)])
async def test_a_forged_cursor_is_a_value_error(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.runs(RunFilter(cursor=cursor))
