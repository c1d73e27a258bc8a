"""Appends, their conditions and their repeats, held against every adapter on its real store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.contract.log.fixtures import (
    Rig,
    redis_rig,
    rig,
)
from tests.contract.log.samples import RUN, append, bodies, claim, everything, head_of, refused, write

from interlock.log.port import (
    REMEMBERED_APPENDS,
    Append,
    Appended,
    Batch,
    Entry,
    Head,
    LogUnavailable,
    Reason,
    Refused,
)
from interlock_protocol.types import FINAL_STATUSES, RunStatus

__all__ = ["redis_rig", "rig"]


# --- appends and their conditions ---


async def test_appends_stand_one_after_the_other(rig: Rig) -> None:
    generation = await claim(rig.log)

    assert await write(rig.log, append("a", "b", generation=generation)) == Appended(1, 0, 2, owned=True)
    assert await write(rig.log, append("c")) == Appended(1, 2, 3, owned=True)
    assert await rig.log.release(RUN, generation, expect_next=3) is None
    assert await write(rig.log, append("d")) == Appended(1, 3, 4, owned=False)

    assert bodies(await everything(rig.log)) == ["a", "b", "c", "d"]


async def test_append_to_an_unknown_run_is_refused(rig: Rig) -> None:
    assert await rig.log.append(append(generation=1)) == Refused(Reason.NO_RUN)
    assert await rig.log.read(RUN, 0) == []


async def test_append_of_nothing_is_a_mistake(rig: Rig) -> None:
    with pytest.raises(ValueError, match="at least one"):
        await rig.log.append(Append(RUN, "empty", []))


async def test_private_parts_come_back_with_their_entries(rig: Rig) -> None:
    await claim(rig.log)
    written = [Entry(b"a"), Entry(b"b", b"{}"), Entry(b"c"), Entry("ü".encode(), bytes(range(256)))]
    await write(rig.log, Append(RUN, "first", written))

    assert await rig.log.read(RUN, 0) == [Batch(1, 0, tuple(written))]
    assert await rig.log.read(RUN, 1) == [Batch(1, 1, tuple(written[1:]))]


async def test_requirements_are_opened_resolved_and_withdrawn(rig: Rig) -> None:
    await claim(rig.log)
    await write(rig.log, append(opens=["a", "b", "ü", "b"]))
    assert (await head_of(rig.log)).pending == {"a", "b", "ü"}

    await write(rig.log, append(resolves=["a", "ü"], withdraws=["b", "never"], opens=["c", "b"]))
    assert (await head_of(rig.log)).pending == {"b", "c"}

    await write(rig.log, append(resolves=["b", "c", "b"]))
    assert (await head_of(rig.log)).pending == frozenset()


async def test_decision_on_what_is_not_pending_is_refused(rig: Rig) -> None:
    await claim(rig.log)
    await write(rig.log, append(opens=["a"]))

    refusal = await rig.log.append(append(resolves=["a", "b"]))

    assert refusal == Refused(Reason.NOT_PENDING, await head_of(rig.log))
    assert (await head_of(rig.log)).pending == {"a"}
    assert (await head_of(rig.log)).next_index == 1


async def test_append_with_a_moved_tail_is_refused(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(generation=generation, expect_next=0))

    assert refused(await rig.log.append(append(expect_next=0))) == Reason.TAIL_MOVED
    assert refused(await rig.log.append(append(generation=generation, expect_next=2))) == Reason.TAIL_MOVED
    await write(rig.log, append(expect_next=1))


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES))
async def test_nothing_is_appended_after_the_end(rig: Rig, status: RunStatus) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(opens=["a", "b"]))
    await write(rig.log, append("end", resolves=["a"], opens=["c"], status=status))

    assert await head_of(rig.log) == Head(RUN, 1, 2, status, frozenset(), "one", generation)
    assert refused(await rig.log.append(append())) == Reason.ENDED
    assert refused(await rig.log.append(append(resolves=["b"], expect_next=0))) == Reason.ENDED
    assert refused(await rig.log.append(append(generation=generation))) == Reason.ENDED
    assert bodies(await everything(rig.log)) == ["x", "end"]


async def test_first_reason_that_applies_is_the_one_given(rig: Rig) -> None:
    wrong: dict[str, Any] = {"generation": 99, "resolves": ["none"], "expect_next": 99}
    assert refused(await rig.log.append(append(**wrong))) == Reason.NO_RUN
    generation = await claim(rig.log)
    assert refused(await rig.log.append(append(**wrong))) == Reason.NOT_OWNER
    wrong["generation"] = generation
    assert refused(await rig.log.append(append(**wrong))) == Reason.NOT_PENDING
    del wrong["resolves"]
    assert refused(await rig.log.append(append(**wrong))) == Reason.TAIL_MOVED
    await write(rig.log, append(status=RunStatus.CANCELLED))
    assert refused(await rig.log.append(append(**wrong))) == Reason.ENDED
    assert refused(await rig.log.append(append(**{**wrong, "generation": 99}))) == Reason.NOT_OWNER


async def test_fifty_decisions_at_once_have_one_winner(rig: Rig) -> None:
    await claim(rig.log)
    await write(rig.log, append(opens=["a"]))
    other = await rig.another()

    results = await asyncio.gather(
        *((rig.log, other)[n % 2].append(append(f"decision-{n}", resolves=["a"])) for n in range(50))
    )

    assert [refused(result) for result in results].count(Reason.NOT_PENDING) == 49
    winner = next(n for n, result in enumerate(results) if isinstance(result, Appended))
    assert bodies(await everything(rig.log)) == ["x", f"decision-{winner}"]


# --- repeats ---


async def test_repeated_append_gets_the_first_result_and_writes_nothing(rig: Rig) -> None:
    generation = await claim(rig.log)
    owners, others = append("a", "b", generation=generation, expect_next=0), append("c", opens=["r"])
    first, second = await write(rig.log, owners), await write(rig.log, others)

    assert await rig.log.append(owners) == first
    assert await rig.log.append(others) == second
    assert bodies(await everything(rig.log)) == ["a", "b", "c"]


async def test_repeat_is_answered_before_any_refusal(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(opens=["a"]))
    decision = append(resolves=["a"], expect_next=1)
    end = append(generation=generation, status=RunStatus.COMPLETED)
    decided, ended = await write(rig.log, decision), await write(rig.log, end)

    assert await rig.log.append(decision) == decided
    assert await rig.log.append(end) == ended
    assert await rig.log.release(RUN, generation, expect_next=3) is None
    assert await rig.log.append(end) == Appended(1, 2, 3, owned=False)


async def test_repeat_is_known_by_another_process(rig: Rig) -> None:
    await claim(rig.log)
    decision = append()
    first = await write(rig.log, decision)
    again = await (await rig.another()).append(decision)

    assert isinstance(again, Appended)
    assert (again.first_index, again.next_index) == (first.first_index, first.next_index)


async def test_the_last_appends_of_others_are_remembered_and_of_the_owner_one(rig: Rig) -> None:
    generation = await claim(rig.log)
    owners = append(generation=generation)
    await write(rig.log, owners)
    decisions = [append() for _ in range(REMEMBERED_APPENDS + 1)]
    first = [await write(rig.log, decision) for decision in decisions]

    assert [await rig.log.append(decision) for decision in decisions[1:]] == first[1:]
    assert await rig.log.append(owners) == Appended(1, 0, 1, owned=True)

    assert (await write(rig.log, decisions[0])).first_index == REMEMBERED_APPENDS + 2
    await write(rig.log, append(generation=generation))
    assert (await write(rig.log, owners)).first_index == REMEMBERED_APPENDS + 4


async def test_append_of_the_owner_that_arrives_again_after_its_next_is_not_written_twice(rig: Rig) -> None:
    """A request whose sender gave it up may be under way for longer than the one that was sent in its place."""
    generation = await claim(rig.log)
    first = append("a", generation=generation, known_next=0)
    await write(rig.log, first)
    await write(rig.log, append("decided", opens=["r"]))
    await write(rig.log, append("b", generation=generation, known_next=1))

    assert refused(await rig.log.append(first)) == Reason.TAIL_MOVED
    assert bodies(await everything(rig.log)) == ["a", "decided", "b"]
    assert (await write(rig.log, append("c", generation=generation, known_next=3))).first_index == 3


async def test_append_whose_reply_was_lost_is_sent_again(rig: Rig) -> None:
    generation = await claim(rig.log)
    for what in (append("a", generation=generation), append("b", opens=["r"]), append("c", resolves=["r"])):
        with rig.losing_a_reply(), pytest.raises(LogUnavailable):
            await rig.log.append(what)
        await write(rig.log, what)

    assert bodies(await everything(rig.log)) == ["a", "b", "c"]
