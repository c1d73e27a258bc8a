"""What `Sessions` promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.contract.store.samples import ALICE, BOB, CANCELLED, COMPLETED, PAUSED, RUNNING, new_run, settlement

from interlock.store.port import Snapshot, Store
from interlock_protocol.types import JsonObject, JsonValue, RunStatus


async def patch(store: Store, index: int, *changes: JsonValue, run_id: str = "run") -> JsonObject:
    return await store.patch_session(ALICE, "session", run_id, [(index, list(changes))])


async def test_a_session_that_nobody_patched_is_empty(store: Store) -> None:
    assert await store.session_state(ALICE, "session") == {}
    assert await store.patch_session(ALICE, "session", "run", []) == {}
    assert await store.session_state(ALICE, "session") == {}


async def test_patches_are_applied_in_order_and_read_back(store: Store) -> None:
    odd: JsonValue = {"ü\x00\u2028": [None, True, 1, 1.0, 2**70]}
    patches: list[tuple[int, list[JsonValue]]] = [
        (3, [["set", ["a", "b"], 1], ["extend", ["list"], [1]]]),
        (7, [["set", ["a", "b"], odd], ["delete", ["nothing"]], ["extend", ["list"], [2, 3]]]),
    ]
    expected = {"a": {"b": odd}, "list": [1, 2, 3]}
    for state in (
        await store.patch_session(ALICE, "session", "run", patches),
        await store.session_state(ALICE, "session"),
    ):
        assert state == expected
        assert repr(state) == repr(expected)  # 1.0 is not 1


async def test_a_patch_that_was_applied_is_not_applied_again(store: Store) -> None:
    first: list[tuple[int, list[JsonValue]]] = [(3, [["extend", ["list"], [3]]]), (5, [["extend", ["list"], [5]]])]
    await store.patch_session(ALICE, "session", "run", first)
    assert await store.patch_session(ALICE, "session", "run", first) == {"list": [3, 5]}
    again: list[tuple[int, list[JsonValue]]] = [*first, (9, [["extend", ["list"], [9]]])]
    assert await store.patch_session(ALICE, "session", "run", again) == {"list": [3, 5, 9]}
    assert await patch(store, 4, ["set", ["list"], []]) == {"list": [3, 5, 9]}
    assert await patch(store, 0, ["extend", ["list"], [0]], run_id="other") == {"list": [3, 5, 9, 0]}


async def test_a_session_belongs_to_one_user(store: Store) -> None:
    await store.patch_session(ALICE, "session", "hers", [(1, [["set", ["of"], ALICE]])])
    await store.patch_session(BOB, "session", "his", [(1, [["set", ["of"], BOB]])])
    await store.patch_session(ALICE, "other", "another", [(1, [["set", ["of"], "nobody"]])])
    assert await store.session_state(ALICE, "session") == {"of": ALICE}
    assert await store.session_state(BOB, "session") == {"of": BOB}


async def test_a_patch_that_is_none_changes_nothing(store: Store) -> None:
    await patch(store, 1, ["set", ["a"], 1])
    with pytest.raises(ValueError, match="change"):
        await store.patch_session(ALICE, "session", "run", [(2, [["set", ["a"], 2]]), (3, [["shout", ["a"]]])])
    assert await store.session_state(ALICE, "session") == {"a": 1}
    assert await patch(store, 2, ["set", ["a"], 3]) == {"a": 3}


async def test_runs_that_patch_one_session_at_once_lose_nothing(store: Store) -> None:
    async def one_run(run: int) -> None:
        for index in range(5):
            changes: list[JsonValue] = [["set", ["of", f"run{run}", f"{index}"], index], ["extend", ["all"], [run]]]
            once = store.patch_session(ALICE, "session", f"run{run}", [(index, changes)])
            again = store.patch_session(ALICE, "session", f"run{run}", [(index, changes)])
            await asyncio.gather(once, again)

    await asyncio.gather(*(one_run(run) for run in range(10)))
    state = await store.session_state(ALICE, "session")
    assert state["of"] == {f"run{run}": {f"{index}": index for index in range(5)} for run in range(10)}
    runs = state["all"]
    assert isinstance(runs, list)
    assert sorted(runs, key=str) == sorted([run for run in range(10) for _ in range(5)], key=str)


async def end(store: Store, run_id: str, status: RunStatus = COMPLETED) -> None:
    snapshot = Snapshot(run_id, 0, 1, 1, f"state of {run_id}".encode())
    await store.settle(replace(settlement(run_id, status, 1), snapshot=snapshot))


async def test_earlier_runs_of_a_session_are_the_latest_that_ended_in_it_oldest_first(store: Store) -> None:
    statuses = [COMPLETED, COMPLETED, CANCELLED, RunStatus.ERROR, COMPLETED, PAUSED, RUNNING, COMPLETED]
    for n, status in enumerate(statuses):
        await store.create_run(replace(new_run(f"run{n}", created_at=100 - n), input={"n": n}))
        await end(store, f"run{n}", status)
    assert list((await store.session(ALICE, "session"))[1]) == [
        (f"run{n}", {"n": n}, f"state of run{n}".encode()) for n in (7, 4, 3, 2, 1, 0)
    ]
    assert [run_id for run_id, _, _ in (await store.session(ALICE, "session", limit=2))[1]] == ["run1", "run0"]


async def test_earlier_runs_are_of_one_user_and_one_session_and_have_a_snapshot(store: Store) -> None:
    await store.create_run(new_run("hers"))
    await store.create_run(new_run("his", user_id=BOB))
    await store.create_run(replace(new_run("elsewhere"), session_id="other"))
    await store.create_run(new_run("without", created_at=2000))
    for run_id in ("hers", "his", "elsewhere"):
        await end(store, run_id)
    await store.settle(settlement("without", COMPLETED, 1))
    assert [run_id for run_id, _, _ in (await store.session(ALICE, "session"))[1]] == ["hers"]
    assert list((await store.session(BOB, "other"))[1]) == []
