"""What a head says of the reducer that may drive its run, held against every adapter."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import text
from tests.contract.log.fixtures import Rig, redis_rig, rig

from interlock.database import Database
from interlock.log.port import Append, Appended, Claimed, Entry, Log, Reason, Refused
from interlock.log.sql import SqlLog
from interlock_protocol.types import RunStatus

__all__ = ["redis_rig", "rig"]

RUN = "run-1"
OLDER, NEWER = 3, 4
_numbers = count()


def append(**more: Any) -> Append:
    return Append(RUN, f"reducers-{next(_numbers)}", [Entry(b"x")], **more)


async def claimed(log: Log, owner: str) -> int:
    result = await log.claim(RUN, owner, create_epoch=1)
    assert isinstance(result, Claimed)
    return result.generation


async def asking(log: Log, *, reducer: int) -> None:
    """A run that waits for a decision, after an append that needs this reducer."""
    generation = await claimed(log, "newer")
    asks = append(generation=generation, opens=["r1"], status=RunStatus.PAUSED, reducer=reducer)
    assert isinstance(await log.append(asks), Appended)
    assert await log.release(RUN, generation, expect_next=1) is None


def decides(**more: Any) -> Append:
    return append(resolves=["r1"], status=RunStatus.RUNNING, **more)


async def test_run_with_nothing_new_is_claimed_decided_and_driven_by_an_older_process(rig: Rig) -> None:
    older, newer = await rig.another(reducer=OLDER), await rig.another(reducer=NEWER)
    await asking(newer, reducer=0)
    assert isinstance(await older.append(decides()), Appended)
    generation = await claimed(older, "older")
    assert isinstance(await older.append(append(generation=generation, reducer=OLDER)), Appended)
    head = await newer.head(RUN)
    assert head is not None
    assert head.reducer == OLDER


async def test_what_an_older_process_cannot_fold_keeps_it_from_claiming_and_deciding(rig: Rig) -> None:
    older, newer = await rig.another(reducer=OLDER), await rig.another(reducer=NEWER)
    await asking(newer, reducer=NEWER)
    before = await newer.head(RUN)
    for refused in (
        await older.claim(RUN, "older"),
        await older.append(decides()),
        await older.append(append(status=RunStatus.CANCELLED)),
        await older.append(append(generation=1)),
        await older.append(append(expect_next=7)),
    ):
        assert isinstance(refused, Refused)
        assert (refused.reason, refused.head) == (Reason.TOO_NEW, before)
    assert await newer.head(RUN) == before
    assert isinstance(await newer.append(decides()), Appended)
    assert await claimed(newer, "newer")


async def test_it_rises_with_others_appends_too_and_their_older_owner_can_only_let_go(rig: Rig) -> None:
    older, newer = await rig.another(reducer=OLDER), await rig.another(reducer=NEWER)
    generation = await claimed(older, "older")
    assert isinstance(await newer.append(append(reducer=NEWER)), Appended)
    refused = await older.append(append(generation=generation))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.TOO_NEW
    assert await older.release(RUN, generation, expect_next=1) is None
    assert isinstance(await newer.claim(RUN, "newer"), Claimed)


async def test_it_never_falls_and_a_refused_append_does_not_raise_it(rig: Rig) -> None:
    log = await rig.another(reducer=NEWER)
    await asking(log, reducer=OLDER)
    for more in ({"reducer": 1}, {}, {"status": RunStatus.RUNNING}):
        assert isinstance(await log.append(append(**more)), Appended)
    assert isinstance(await log.append(append(reducer=NEWER, expect_next=99)), Refused)
    head = await log.head(RUN)
    assert head is not None
    assert head.reducer == OLDER


async def test_append_that_was_written_is_repeated_whatever_came_after_it(rig: Rig) -> None:
    older, newer = await rig.another(reducer=OLDER), await rig.another(reducer=NEWER)
    await asking(newer, reducer=0)
    decision = decides()
    first = await older.append(decision)
    assert isinstance(await newer.append(append(reducer=NEWER)), Appended)
    again = await older.append(decision)
    assert isinstance(first, Appended)
    assert isinstance(again, Appended)
    assert again.first_index == first.first_index


async def test_ended_run_is_none_of_an_older_process(rig: Rig) -> None:
    older, newer = await rig.another(reducer=OLDER), await rig.another(reducer=NEWER)
    generation = await claimed(newer, "newer")
    ends = append(generation=generation, status=RunStatus.COMPLETED, reducer=NEWER)
    assert isinstance(await newer.append(ends), Appended)
    assert [each.reason for each in [await older.claim(RUN, "o")] if isinstance(each, Refused)] == [Reason.TOO_NEW]
    assert [each.reason for each in [await newer.claim(RUN, "n")] if isinstance(each, Refused)] == [Reason.ENDED]


@pytest.mark.parametrize("reducer", [0, NEWER])
async def test_later_epoch_begins_with_what_its_snapshot_needs(rig: Rig, reducer: int) -> None:
    older, newer = await rig.another(reducer=OLDER), await rig.another(reducer=NEWER)
    await asking(newer, reducer=NEWER - 1)
    assert await newer.begin(RUN, epoch=2, first_index=1, status=RunStatus.PAUSED, pending=["r1"], reducer=reducer)
    head = await newer.head(RUN)
    assert head is not None
    assert head.reducer == reducer
    assert isinstance(await older.claim(RUN, "older"), Claimed if reducer == 0 else Refused)


async def test_head_that_an_earlier_release_wrote_is_anybodys(database: Database) -> None:
    written = text(
        "INSERT INTO log_heads (run_id, epoch, next_index, status, pending, owner, generation, recent)"
        " VALUES ('run-1', 1, 0, 'PENDING', '[]', NULL, 1, '[null, []]')"
    )
    await database.write(lambda connection: connection.execute(written))
    assert isinstance(await SqlLog(database, reducer=1).claim(RUN, "older"), Claimed)
