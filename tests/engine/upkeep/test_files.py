"""What is cleared away of files, and what a crash or a storage that is away leaves to be done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import pytest
from tests.support.live import eventually

from interlock.engine.upkeep.files import ROUND, clear_old_files, clear_regularly
from interlock.files.port import ObjectsUnavailable
from interlock.store.port import Files


class Kept:
    """Files that may go, as a store and a storage of objects in one; every call is noted."""

    def __init__(self, *due: str, away: int = 0) -> None:
        self.rows, self.bytes, self.taken = set(due), set(due), set[str]()
        self.away = away
        self.calls: list[str] = []

    async def take_old_files(self, limit: int = 1) -> tuple[tuple[str, ...], int]:
        taken = tuple(sorted(self.rows - self.taken)[:limit])
        self.taken.update(taken)
        return taken, len(taken)

    async def file_gone(self, file_id: str) -> None:
        self.calls.append(f"row {file_id}")
        self.rows.remove(file_id)

    async def delete(self, key: str) -> None:
        if self.away:
            self.away -= 1
            raise ObjectsUnavailable
        self.calls.append(f"object {key}")
        self.bytes.discard(key)

    async def put(self, key: str, content: AsyncIterator[bytes]) -> None:
        raise AssertionError

    async def get(self, key: str, span: tuple[int, int] | None = None) -> AsyncIterator[bytes] | None:
        raise AssertionError


def files(kept: Kept) -> Files:
    return cast("Files", kept)


async def test_object_goes_before_its_row() -> None:
    kept = Kept("a", "b")
    assert await clear_old_files(files(kept), kept) == 2
    assert kept.calls == ["object a", "row a", "object b", "row b"]


async def test_all_that_may_go_goes_however_much_it_is() -> None:
    kept = Kept(*(f"{number:04}" for number in range(2 * ROUND + 1)))
    assert await clear_old_files(files(kept), kept) == 2 * ROUND + 1
    assert kept.rows == kept.bytes == set()


async def test_no_row_goes_while_its_object_cannot_and_it_is_tried_again() -> None:
    kept = Kept("a", "b", away=1)
    with pytest.raises(ObjectsUnavailable):
        await clear_old_files(files(kept), kept)
    assert kept.rows == kept.bytes == {"a", "b"}
    kept.taken.clear()  # as the time to clear them runs out
    clearing = asyncio.create_task(clear_regularly(files(kept), kept, 0.001))
    await eventually(lambda: not kept.rows)
    clearing.cancel()
    with suppress(asyncio.CancelledError):
        await clearing
    assert kept.bytes == set()
