"""What `Files` promises."""

from __future__ import annotations

import asyncio

from tests.contract.store.samples import ALICE, Clock, new_run

from interlock.store.port import Settlement, Store, StoredFile
from interlock.store.ports.files import (
    CLEARING_SECONDS,
    FILE_KEPT_SECONDS,
    LOOK_SECONDS,
    MAX_USES,
    UNUSED_FILE_SECONDS,
    UPLOAD_SECONDS,
)
from interlock_protocol.types import RunStatus

TYPE, HASH = "image/png", "ab" * 32


async def uploaded(store: Store, file_id: str, account: str = "acme") -> StoredFile:
    await store.begin_file(file_id, ALICE, f"{file_id}.png", account=account)
    made = await store.complete_file(file_id, 12, TYPE, HASH)
    assert made is not None
    return made


async def exists(store: Store, file_id: str) -> bool:
    return file_id in await store.files([file_id], account="acme")


async def old(store: Store) -> list[str]:
    return sorted((await store.take_old_files())[0])


async def ended(store: Store, run_id: str, at: int) -> None:
    await store.settle(Settlement(run_id, RunStatus.COMPLETED, 1, 9, at))


async def test_file_exists_in_its_account_once_it_is_complete(store: Store, clock: Clock) -> None:
    await store.begin_file("file_1", ALICE, "a.png", account="acme")
    assert await store.files(["file_1"], account="acme") == {}
    made = await store.complete_file("file_1", 12, TYPE, HASH)
    assert made == StoredFile("file_1", "acme", ALICE, "a.png", 12, TYPE, HASH, clock.now)
    assert await store.files(["file_1", "file_2"], account="acme") == {"file_1": made}
    assert await store.files(["file_1"], account="other") == {}
    assert await store.files([], account="acme") == {}
    assert await store.files(["\0", "file_1\0", "file_1"], account="acme") == {"file_1": made}
    assert await store.complete_file("file_1", 1, TYPE, HASH) is None
    assert await store.complete_file("file_2", 1, TYPE, HASH) is None


async def test_what_nobody_uses_goes_after_a_day_and_an_upload_that_stopped_after_an_hour(
    store: Store, clock: Clock
) -> None:
    await store.begin_file("stopped", ALICE, "a")
    await uploaded(store, "unused")
    clock.now += UPLOAD_SECONDS * 1000 - 1
    assert await old(store) == []
    clock.now += 1
    assert await old(store) == ["stopped"]
    assert await store.complete_file("stopped", 1, TYPE, HASH) is None
    clock.now += (UNUSED_FILE_SECONDS - UPLOAD_SECONDS) * 1000
    assert await old(store) == ["stopped", "unused"]
    assert not await exists(store, "unused")


async def test_one_node_clears_a_file_and_another_does_if_it_dies_meanwhile(store: Store, clock: Clock) -> None:
    await uploaded(store, "unused")
    clock.now += UNUSED_FILE_SECONDS * 1000
    assert await old(store) == ["unused"]
    assert await old(store) == []
    clock.now += CLEARING_SECONDS * 1000
    assert await old(store) == ["unused"]
    await store.file_gone("unused")
    clock.now += CLEARING_SECONDS * 1000
    assert await old(store) == []


async def test_used_file_goes_seven_days_after_the_last_of_its_runs_has_ended(store: Store, clock: Clock) -> None:
    await store.create_run(new_run("one"))
    await store.create_run(new_run("two"))
    await uploaded(store, "used")
    assert await store.use_files("one", ["used"]) == {"used"}
    assert await store.use_files("two", ["used"]) == {"used"}
    await ended(store, "one", clock.now)
    clock.now += 30 * LOOK_SECONDS * 1000
    assert await old(store) == []
    await ended(store, "two", clock.now)
    clock.now += FILE_KEPT_SECONDS * 1000 - 1
    assert await old(store) == []
    assert await exists(store, "used")
    clock.now += 1
    assert await old(store) == ["used"]
    await store.file_gone("used")
    assert await store.files_used_by("one") == frozenset()


async def test_use_is_told_from_both_sides_and_counted_once(store: Store) -> None:
    await uploaded(store, "file_1")
    await uploaded(store, "file_2")
    for _ in range(2):
        assert await store.use_files("run", ["file_1", "file_2", "missing"]) == {"file_1", "file_2"}
    assert await store.files_used_by("run") == {"file_1", "file_2"}
    assert await store.runs_using("file_1") == ("run",)
    assert await store.use_files("run", []) == frozenset()


async def test_file_is_in_a_bounded_number_of_runs(store: Store) -> None:
    await uploaded(store, "file_1")
    for number in range(MAX_USES):
        assert await store.use_files(f"run-{number:03}", ["file_1"])
    assert await store.use_files("run-000", ["file_1"])
    assert await store.use_files("one more", ["file_1"]) == frozenset()


async def test_what_a_run_uses_is_not_given_up_and_what_is_given_up_is_not_used(store: Store) -> None:
    await uploaded(store, "used")
    await uploaded(store, "unused")
    await store.use_files("run", ["used"])
    assert [await store.give_up_file(each) for each in ("used", "unused", "unused", "missing")] == [
        *(False, True, False, False),
    ]
    assert await store.use_files("run", ["unused", "used"]) == {"used"}
    assert not await exists(store, "unused")
    await store.file_gone("used")
    assert await exists(store, "used")


async def test_same_use_twice_at_the_same_time_is_one(store: Store) -> None:
    for number in range(10):
        file_id = f"file_{number}"
        await uploaded(store, file_id)
        twice = await asyncio.gather(*(store.use_files("run", [file_id]) for _ in range(2)))
        assert twice == [{file_id}, {file_id}]
        assert await store.runs_using(file_id) == ("run",)


async def test_either_a_use_or_a_deletion_at_the_same_time_finds_the_file(store: Store) -> None:
    for number in range(10):
        file_id = f"file_{number}"
        await uploaded(store, file_id)
        used, is_given_up = await asyncio.gather(store.use_files("run", [file_id]), store.give_up_file(file_id))
        assert bool(used) is not is_given_up
        assert await exists(store, file_id) is bool(used)


async def test_user_has_only_so_many_bytes_that_nothing_uses(store: Store) -> None:
    async def begins(file_id: str, user_id: str = ALICE, account: str = "default") -> bool:
        return await store.begin_file(file_id, user_id, "a", account=account, reserved=10, most=25)

    assert [await begins("one"), await begins("two"), await begins("three")] == [True, True, False]
    assert await store.complete_file("one", 3, TYPE, HASH) is not None
    assert [await begins("three"), await begins("four")] == [True, False]
    assert await begins("hers", "bob")
    assert await begins("there", account="acme")
    await store.use_files("run", ["one"])
    await store.give_up_file("two")
    assert [await begins("four"), await begins("five")] == [True, False]
