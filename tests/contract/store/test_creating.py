"""What keeps a run from being created: a business key that is in use, and a namespace that is full."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.store.samples import BOB, CANCELLED, COMPLETED, PAUSED, RUNNING, key, new_run, settlement

from interlock.store.port import KeyTaken, NamespaceFull, NewRun, Outcome, RunFilter, Store


def keyed(run_id: str, business_key: str = "order-1", **fields: Any) -> NewRun:
    return replace(new_run(run_id), business_key=business_key, **fields)


def instance(name: str, most: int = 2, namespace: str = "ns", **fields: Any) -> NewRun:
    return replace(new_run(f"inst_{name}"), namespace=namespace, most_active=most, **fields)


# ── Business keys ───────────────────────────────────────────────────────────────────────────────────────


async def test_business_key_is_one_active_runs_and_free_after_its_end(store: Store) -> None:
    assert await store.create_run(keyed("one")) is None
    for status, index in ((RUNNING, 1), (PAUSED, 2)):
        await store.settle(settlement("one", status, index))
        assert await store.create_run(keyed("two", user_id=BOB)) == KeyTaken("one")
    assert await store.run("two") is None
    await store.settle(settlement("one", COMPLETED, 3))
    assert await store.create_run(keyed("two")) is None
    assert await store.create_run(keyed("three")) == KeyTaken("two")


async def test_business_key_is_of_a_workflow_of_an_account(store: Store) -> None:
    assert await store.create_run(keyed("one")) is None
    assert await store.create_run(keyed("two", workflow_id="other")) is None
    assert await store.create_run(keyed("three", account="acme")) is None
    assert await store.create_run(keyed("four", "order-2")) is None
    assert await store.create_run(new_run("five")) is None
    assert await store.create_run(new_run("six")) is None


async def test_key_of_a_request_counts_before_the_business_key_that_its_run_has(store: Store) -> None:
    assert await store.create_run(keyed("one"), key()) is None
    assert await store.create_run(keyed("two"), key()) == Outcome("body", "one")
    assert await store.create_run(keyed("two"), key("another")) == KeyTaken("one")
    assert await store.outcome("alice", "another") is None, "the refused request may be sent again"


async def test_of_many_at_once_one_gets_the_business_key(store: Store) -> None:
    made = await asyncio.gather(*(store.create_run(keyed(f"run-{number}")) for number in range(8)))
    (winner,) = [number for number, each in enumerate(made) if each is None]
    assert {each for each in made if each is not None} == {KeyTaken(f"run-{winner}")}


async def test_rows_and_lists_have_the_business_key_and_what_a_run_repeats(store: Store) -> None:
    origin: Any = {"state": "pay", "data": {"a": 1}}
    await store.create_run(keyed("one", retried_from="zero", origin=origin))
    await store.create_run(keyed("two", "order-2"))
    row = await store.run("one")
    assert row is not None
    assert (row.business_key, row.retried_from, row.origin) == ("order-1", "zero", origin)
    page = await store.runs(RunFilter(business_key="order-1"))
    assert [(each.run_id, each.business_key, each.retried_from) for each in page.runs] == [("one", "order-1", "zero")]


# ── Namespaces ──────────────────────────────────────────────────────────────────────────────────────────


async def test_namespace_takes_as_many_active_instances_as_it_may(store: Store) -> None:
    assert await store.create_run(instance("one")) is None
    assert await store.create_run(instance("two"), key()) is None
    assert await store.create_run(instance("three")) == NamespaceFull(2)
    assert await store.create_run(instance("three"), key("new")) == NamespaceFull(2)
    assert await store.create_run(instance("three"), key()) == Outcome("body", "inst_two")
    assert await store.create_run(instance("four", namespace="other")) is None
    assert await store.create_run(instance("five", account="acme")) is None
    assert await store.create_run(replace(new_run("run-six"), namespace="ns")) is None
    await store.settle(settlement("inst_one", CANCELLED, 1))
    assert await store.create_run(instance("three"), key("new")) is None


@pytest.mark.parametrize("most", [1, 3])
async def test_nothing_that_was_refused_counts(store: Store, most: int) -> None:
    for number in range(most + 3):
        made = await store.create_run(instance(f"{number}", most, business_key=f"order-{number}"))
        assert made == (None if number < most else NamespaceFull(most))
