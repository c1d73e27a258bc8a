"""The errors of runs: each is there once, for whoever may read the run, and found by an index whatever is asked."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, text
from tests.contract.store.samples import ALICE, COMPLETED, PAUSED, RUNNING, new_run, settlement
from tests.contract.store.test_lists_in_accounts import ACCOUNTS, made, placed

from interlock.auth import Verb, may
from interlock.database import Database
from interlock.following.lists import errors_seen_by
from interlock.store.port import ErrorFilter, FoundError, RunFilter, Store
from interlock.store.statements.errors import list_errors
from interlock_protocol.types import RunStatus

FAILED = RunStatus.ERROR


def found(index: int, *, at: int = 5, epoch: int = 0, **fields: Any) -> FoundError:
    said = {"code": "script_error", "message": "It broke."}
    given: dict[str, Any] = {**said, "step_id": "s", "state": "submit", **fields}
    return FoundError(index=index, at=at, epoch=epoch, **given)


async def told(store: Store, **which: Any) -> list[tuple[str, int, int, bool]]:
    page = await store.errors(ErrorFilter(**which))
    return [(each.run_id, each.epoch, each.index, each.is_fatal) for each in page.errors]


async def test_an_error_comes_with_a_settlement_and_has_what_its_run_has(store: Store) -> None:
    await store.create_run(replace(new_run("run"), account="acme", namespace="org_x"))
    error = found(3, thread_id="thread_main", message="broke \x00 in „ja“")
    await store.settle(replace(settlement("run", RUNNING, 4), errors=(error,)))
    (listed,) = (await store.errors(ErrorFilter("acme"))).errors
    assert (listed.workflow_id, listed.version, listed.namespace) == ("release", "1.0", "org_x")
    assert (listed.epoch, listed.index, listed.at, listed.is_fatal) == (0, 3, 5, False)
    assert (listed.state, listed.thread_id, listed.code) == ("submit", "thread_main", "script_error")
    assert listed.message.startswith("broke ")
    assert await told(store) == []


async def test_a_run_without_a_namespace_has_its_errors_in_its_owners(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(replace(settlement("run", RUNNING, 4), errors=(found(1),)))
    assert [each.namespace for each in (await store.errors(ErrorFilter())).errors] == [f"user_{ALICE}"]


async def test_an_error_is_there_once_however_often_it_is_settled(store: Store) -> None:
    await store.create_run(new_run("run"))
    stands = replace(settlement("run", RUNNING, 4), errors=(found(1), found(2)))
    for _ in range(2):
        await store.settle(stands)
    await store.settle(replace(settlement("run", COMPLETED, 9), errors=(found(2), found(7))))
    assert await told(store) == [("run", 0, 7, False), ("run", 0, 2, False), ("run", 0, 1, False)]


async def test_a_settlement_that_comes_too_late_writes_no_errors(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(settlement("run", RUNNING, 9, epoch=2))
    await store.settle(replace(settlement("run", RUNNING, 4, epoch=1), errors=(found(1, epoch=1),)))
    await store.settle(replace(settlement("other", RUNNING, 4), errors=(found(1),)))
    assert await told(store) == []


@pytest.mark.parametrize("together", [True, False])
async def test_the_end_of_a_run_makes_the_latest_error_of_its_step_fatal(store: Store, together: bool) -> None:
    await store.create_run(new_run("run"))
    errors = (found(1), found(2), found(3, step_id="other"))
    end = found(5, is_fatal=True, repeats=True)
    if not together:
        await store.settle(replace(settlement("run", RUNNING, 4), errors=errors))
    stands = replace(settlement("run", FAILED, 6), errors=(*errors, end) if together else (end,))
    for _ in range(2):
        await store.settle(stands)
        assert await told(store) == [("run", 0, 3, False), ("run", 0, 2, True), ("run", 0, 1, False)]


async def test_an_end_whose_error_isnt_there_is_an_error_of_its_own(store: Store) -> None:
    await store.create_run(new_run("run"))
    stands = replace(settlement("run", FAILED, 6), errors=(found(5, is_fatal=True, repeats=True),))
    for _ in range(2):
        await store.settle(stands)
        assert await told(store) == [("run", 0, 5, True)]


async def test_forgetting_a_runs_errors_leaves_those_of_others(store: Store) -> None:
    for run_id in ("a", "b"):
        await store.create_run(new_run(run_id))
        await store.settle(replace(settlement(run_id, FAILED, 6), errors=(found(5),)))
    await store.forget_errors("a")
    assert await told(store) == [("b", 0, 5, False)]


async def filled(store: Store, draw: random.Random) -> list[tuple[str, FoundError]]:
    """Errors of runs of everybody's, some at the same time."""
    await made(store, draw, 60)
    errors: list[tuple[str, FoundError]] = []
    for account in ACCOUNTS:
        for run in (await store.runs(RunFilter(account, limit=90))).runs:
            if not run.status.is_final:
                code = draw.choice(("script_error", "http_error"))
                new = tuple(found(n, at=draw.randrange(9), code=code) for n in range(draw.randrange(3)))
                stands = settlement(run.run_id, PAUSED, 9)
                await store.settle(replace(stands, pending=run.pending, assignees=run.assignees, errors=new))
                errors += [(run.run_id, each) for each in new]
    return errors


async def test_the_errors_one_sees_are_those_of_the_runs_that_may_lets_one_read_page_by_page(store: Store) -> None:
    draw = random.Random(11)
    errors = await filled(store, draw)
    runs = {run.run_id: run for account in ACCOUNTS for run in (await store.runs(RunFilter(account, limit=90))).runs}
    errors.sort(key=lambda each: (each[1].at, each[0], each[1].epoch, each[1].index), reverse=True)
    assert len(errors) > 20
    for number, principal in enumerate(placed(draw)):
        since, code, namespace = draw.choice((None, 3)), draw.choice((None, "http_error")), draw.choice((None, "org_x"))
        seen = [
            (run_id, each.index)
            for run_id, each in errors
            if may(principal, Verb.READ, runs[run_id])
            and (since is None or each.at > since)
            and code in (None, each.code)
            and namespace in (None, runs[run_id].namespace)
        ]
        which = replace(errors_seen_by(principal), since=since, code=code, namespace=namespace, limit=3 + number % 40)
        paged: list[tuple[str, int]] = []
        while True:
            page = await store.errors(which)
            paged += [(each.run_id, each.index) for each in page.errors]
            if page.next_cursor is None:
                break
            which = replace(which, cursor=page.next_cursor)
        assert paged == seen, (principal, which)


@pytest.mark.parametrize("cursor", ["", "x", "!", "bnVsbA", "WzEsImEiLDEsLTFd", "WzEsImEiXQ", "ü"])
async def test_a_cursor_that_isnt_ours_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.errors(ErrorFilter(cursor=cursor))


SEEN: list[dict[str, Any]] = [
    {"user_id": None, "or_namespaces": frozenset(), "or_assignees": frozenset()},
    {"user_id": None, "or_namespaces": frozenset({"org_x"}), "or_assignees": frozenset()},
    {"user_id": ALICE, "or_namespaces": frozenset({"org_x"}), "or_assignees": frozenset({ALICE, "group:x"})},
]
FILTERS: list[dict[str, Any]] = [
    {"workflow_id": workflow, "code": code, "namespace": namespace, "since": since, "until": until, "before": before}
    for workflow, code, namespace, (since, until), before in product(
        (None, "release"),
        (None, "script_error"),
        (None, "org_x", "org_y"),
        ((None, None), (5, 900)),
        (None, (9, "run", 0, 3)),
    )
]


async def test_every_filter_finds_its_page_by_an_index_in_the_order_of_the_list(database: Database) -> None:
    def plans(connection: Connection) -> list[tuple[dict[str, Any], str]]:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        explain = "EXPLAIN" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        dialect: Any = connection.dialect
        planned = []
        for asked in ({"account": "acme", "limit": 100, **seen, **filter_} for seen in SEEN for filter_ in FILTERS):
            compiled = list_errors(**asked).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
            lines = connection.exec_driver_sql(f"{explain} {compiled}").all()
            planned.append((asked, "\n".join(str(line[-1]) for line in lines)))
        return planned

    for asked, plan in await database.read(plans):
        assert "Seq Scan on run_errors" not in plan, (asked, plan)
        assert "SCAN run_errors" not in plan, (asked, plan)
        if asked["or_assignees"] and asked["namespace"] != "org_x":
            continue  # of several pages, the rows are put together
        assert "TEMP B-TREE" not in plan, (asked, plan)
        assert "Sort" not in plan, (asked, plan)
        # PostgreSQL chooses by its statistics, of which an empty table has none.
        best = best_for(asked) if database.dialect == "sqlite" else ("",)
        assert any(f"ix_run_errors_{name}" in plan for name in best), (best, plan, asked)


def best_for(asked: dict[str, Any]) -> tuple[str, ...]:
    """The indexes of which each finds no more than it has to, but for a filter inside a namespace."""
    if asked["or_namespaces"] or asked["namespace"]:
        return ("namespace", "both", "workflow", "code")
    if asked["workflow_id"] and asked["code"]:
        return ("both", "workflow", "code")
    return ("workflow",) if asked["workflow_id"] else ("code",) if asked["code"] else ("account",)
