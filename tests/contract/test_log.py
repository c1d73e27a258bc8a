"""The laws of `interlock.log.port`, held against every adapter on its real store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from tests.contract.log_fixtures import (
    BRIEF_LEASE_MS,
    LossyProxy,
    RedisRig,
    Rig,
    alone,
    eventually,
    lossy_proxy,
    open_redis_rig,
    redis_rig,
    rig,
)
from tests.support.services import Master

from interlock.log.port import (
    REMEMBERED_APPENDS,
    Append,
    Appended,
    Batch,
    Claimed,
    Entry,
    Head,
    Log,
    LogUnavailable,
    LogUnfit,
    Reason,
    Refused,
)
from interlock.log.redis import RedisLog, refuse_unfit
from interlock_protocol.types import FINAL_STATUSES, RunStatus

__all__ = ["redis_rig", "rig"]

RUN = "run-1"
_numbers = count()


def entries(*bodies: str) -> list[Entry]:
    return [Entry(body.encode()) for body in bodies]


def append(*bodies: str, run_id: str = RUN, append_id: str | None = None, **conditions: Any) -> Append:
    return Append(run_id, append_id or f"append-{next(_numbers)}", entries(*(bodies or ("x",))), **conditions)


def servers_of(client: Redis | RedisCluster) -> Sequence[Redis | ClusterNode]:
    """The Redis, or each master of a Cluster."""
    return client.get_primaries() if isinstance(client, RedisCluster) else [client]


async def claim(log: Log, owner: str = "one", run_id: str = RUN) -> int:
    """The generation of a claim that must succeed; the run is made if need be."""
    claimed = await log.claim(run_id, owner, create_epoch=1)
    assert isinstance(claimed, Claimed)
    return claimed.generation


async def write(log: Log, what: Append) -> Appended:
    appended = await log.append(what)
    assert isinstance(appended, Appended), appended
    return appended


async def head_of(log: Log, run_id: str = RUN) -> Head:
    head = await log.head(run_id)
    assert head is not None
    return head


async def everything(log: Log, run_id: str = RUN, first_index: int = 0, **page: int) -> list[Entry]:
    """All entries from an index on, through as many pages as it takes; their places are checked on the way."""
    found: list[Entry] = []
    while batches := await log.read(run_id, first_index, **page):
        for batch in batches:
            assert batch.first_index == first_index
            assert batch.entries
            found += batch.entries
            first_index = batch.next_index
    return found


def bodies(found: Sequence[Entry]) -> list[str]:
    return [entry.body.decode() for entry in found]


def refused(result: object) -> Reason | None:
    return result.reason if isinstance(result, Refused) else None


# --- claims ---


async def test_claim_makes_a_pending_run_when_told_to(rig: Rig) -> None:
    claimed = await rig.log.claim(RUN, "one", create_epoch=3)

    assert claimed == Claimed(1, Head(RUN, 3, 0, RunStatus.PENDING, frozenset(), "one", 1))
    assert await rig.log.head(RUN) == claimed.head


async def test_claim_of_an_unknown_run_is_refused(rig: Rig) -> None:
    assert await rig.log.claim(RUN, "one") == Refused(Reason.NO_RUN)
    assert await rig.log.head(RUN) is None


async def test_claim_does_not_remake_a_run_that_is(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(generation=generation, status=RunStatus.RUNNING))

    again = await rig.log.claim(RUN, "one", create_epoch=7)

    assert again == Claimed(2, Head(RUN, 1, 1, RunStatus.RUNNING, frozenset(), "one", 2), abandoned=True)


async def test_epochs_begin_at_one(rig: Rig) -> None:
    with pytest.raises(ValueError, match="begin at 1"):
        await rig.log.claim(RUN, "one", create_epoch=0)


async def test_claim_of_an_ended_run_is_refused(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(generation=generation, status=RunStatus.COMPLETED))

    for owner in ("one", "two"):
        assert refused(await rig.log.claim(RUN, owner)) == Reason.ENDED


async def test_fifty_claims_at_once_give_fifty_generations(rig: Rig) -> None:
    generations = await asyncio.gather(*(claim(rig.log) for _ in range(50)))

    assert sorted(generations) == list(range(1, 51))


async def test_second_owner_fences_the_first_for_good(rig: Rig) -> None:
    first = await claim(rig.log, "one")
    await write(rig.log, append("a", generation=first))
    await rig.let_lease_end("one")
    other = await rig.another()
    if rig.has_leases:
        assert await rig.log.release(RUN, first, expect_next=1) is None
    second = await claim(other, "two")

    assert refused(await rig.log.append(append(generation=first))) == Reason.NOT_OWNER
    assert refused(await rig.log.release(RUN, first, expect_next=1)) == Reason.NOT_OWNER
    await write(other, append("b", generation=second))
    assert await other.release(RUN, second, expect_next=2) is None

    assert refused(await rig.log.append(append(generation=first))) == Reason.NOT_OWNER
    assert bodies(await everything(rig.log)) == ["a", "b"]


# --- releases ---


async def test_released_run_is_nobodys(rig: Rig) -> None:
    generation = await claim(rig.log)

    assert await rig.log.release(RUN, generation, expect_next=0) is None

    assert (await head_of(rig.log)).owner is None
    assert refused(await rig.log.append(append(generation=generation))) == Reason.NOT_OWNER
    assert await claim(rig.log, "two") == generation + 1


async def test_claim_tells_whether_the_owner_before_let_go(rig: Rig) -> None:
    first = await rig.log.claim(RUN, "one", create_epoch=1)
    again = await rig.log.claim(RUN, "one")
    assert isinstance(first, Claimed)
    assert isinstance(again, Claimed)
    await rig.log.release(RUN, again.generation, expect_next=0)
    released = await rig.log.claim(RUN, "one")
    assert isinstance(released, Claimed)

    assert [first.abandoned, again.abandoned, released.abandoned] == [False, True, False]


async def test_offered_run_is_ownerless_until_it_is_claimed(rig: Rig) -> None:
    await rig.log.offer(RUN, create_epoch=1)
    await rig.log.offer(RUN, create_epoch=2)

    assert await rig.log.ownerless() == [RUN]
    assert await rig.log.head(RUN) == Head(RUN, 1, 0, RunStatus.PENDING, frozenset(), None, 0)
    claimed = await rig.log.claim(RUN, "one", create_epoch=1)
    assert claimed == Claimed(1, Head(RUN, 1, 0, RunStatus.PENDING, frozenset(), "one", 1))
    assert await rig.log.ownerless() == []


async def test_release_is_refused_when_the_log_has_grown(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append("decision"))

    refusal = await rig.log.release(RUN, generation, expect_next=0)

    assert refusal == Refused(Reason.TAIL_MOVED, await head_of(rig.log))
    assert (await head_of(rig.log)).owner == "one"


async def test_release_can_be_repeated(rig: Rig) -> None:
    generation = await claim(rig.log)
    assert await rig.log.release(RUN, generation, expect_next=0) is None
    await write(rig.log, append("decision"))

    assert await rig.log.release(RUN, generation, expect_next=0) is None


async def test_release_of_an_ended_run_is_fine(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append(generation=generation, status=RunStatus.ERROR))

    assert refused(await rig.log.release(RUN, generation, expect_next=0)) == Reason.TAIL_MOVED
    assert await rig.log.release(RUN, generation, expect_next=1) is None


async def test_release_of_an_unknown_run_is_refused(rig: Rig) -> None:
    assert await rig.log.release(RUN, 1, expect_next=0) == Refused(Reason.NO_RUN)


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


# --- reading ---


async def test_reading_at_or_beyond_the_tail_gives_nothing(rig: Rig) -> None:
    assert await rig.log.read(RUN, 0) == []
    await claim(rig.log)
    assert await rig.log.read(RUN, 0) == []
    await write(rig.log, append("a", "b"))
    assert await rig.log.read(RUN, 2) == []
    assert await rig.log.read(RUN, 100) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(sizes=[1], max_bytes=1)
@given(
    sizes=st.lists(st.integers(1, 12) | st.just(300), min_size=1, max_size=12),
    max_bytes=st.sampled_from([1, 100, 1000, 100_000]),
)
async def test_every_start_gives_the_exact_suffix(rig: Rig, sizes: list[int], max_bytes: int) -> None:
    run_id = f"run-{next(_numbers)}"
    await claim(rig.log, run_id=run_id)
    written: list[Entry] = []
    for size in sizes:
        batch = [Entry(b"%d" % number, b"p" if number % 7 == 0 else None) for number in range(size)]
        await write(rig.log, Append(run_id, f"append-{len(written)}", batch))
        written += batch

    for start in range(0, len(written) + 2, 1 + len(written) // 20):
        page = await rig.log.read(run_id, start)
        assert [entry for batch in page for entry in batch.entries] == written[start:]
    middle = len(written) // 2
    assert await everything(rig.log, run_id, middle, max_bytes=max_bytes) == written[middle:]


async def test_page_ends_at_its_limit_but_has_one_batch(rig: Rig) -> None:
    await claim(rig.log)
    for _ in range(40):
        await write(rig.log, append("x" * 1000))

    assert len(await rig.log.read(RUN, 3, max_bytes=1)) == 1
    assert len(await rig.log.read(RUN, 3, max_bytes=10_500)) == 10
    assert len(await rig.log.read(RUN, 3)) == 37


async def test_long_log_of_small_batches_is_read_in_full(rig: Rig) -> None:
    generation = await claim(rig.log)
    for number in range(700):
        await write(rig.log, append(str(number), generation=generation))

    assert bodies([entry for batch in await rig.log.read(RUN, 0) for entry in batch.entries]) == [
        str(number) for number in range(700)
    ]


# --- listening ---


class Ear:
    """What a listener heard, per run: (first index, body) of each entry."""

    def __init__(self, log: Log) -> None:
        self.batches: list[tuple[str, Batch]] = []
        log.listen(lambda run_id, batch: self.batches.append((run_id, batch)))

    def indexes(self, run_id: str = RUN) -> list[int]:
        mine = [batch for heard, batch in self.batches if heard == run_id]
        return [index for batch in mine for index in range(batch.first_index, batch.next_index)]


async def test_listener_hears_each_batch_before_its_writer(rig: Rig) -> None:
    ear = Ear(rig.log)
    await claim(rig.log)
    what = append("a", "b")
    await write(rig.log, what)

    assert ear.batches == [(RUN, Batch(1, 0, tuple(what.entries)))]


async def test_listener_hears_no_refusal_no_repeat_and_no_other_process(rig: Rig) -> None:
    other = await rig.another()
    await claim(rig.log)
    ear = Ear(rig.log)
    what = append()
    await write(rig.log, what)
    await write(rig.log, what)
    await rig.log.append(append(resolves=["none"]))
    await write(other, append())

    assert ear.indexes() == [0]


async def test_append_with_a_lost_reply_is_heard_of_once(rig: Rig) -> None:
    await claim(rig.log)
    ear = Ear(rig.log)
    what = append()
    with rig.losing_a_reply(), pytest.raises(LogUnavailable):
        await rig.log.append(what)
    assert ear.indexes() == []

    await write(rig.log, what)
    await write(rig.log, what)

    assert ear.indexes() == [0]


async def test_lost_append_that_others_overtook_is_left_to_be_read(rig: Rig) -> None:
    await claim(rig.log)
    ear = Ear(rig.log)
    what = append("lost")
    with rig.losing_a_reply(), pytest.raises(LogUnavailable):
        await rig.log.append(what)
    await write(rig.log, append("next"))
    assert (await write(rig.log, what)).first_index == 0

    assert ear.indexes() == [1], "in order, with a hole that is read"


async def test_cancelled_append_is_finished_and_told(rig: Rig) -> None:
    await claim(rig.log)
    ear = Ear(rig.log)
    writing = asyncio.create_task(rig.log.append(append("a")))
    await asyncio.sleep(0)
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing

    assert (await write(rig.log, append("b"))).first_index == 1
    assert ear.indexes() == [0, 1]


async def test_owner_streams_while_others_append(rig: Rig) -> None:
    generation = await claim(rig.log)
    ear = Ear(rig.log)
    placed: dict[int, str] = {}

    async def stream() -> None:
        for number in range(40):
            batch = [f"owner-{number}-{part}" for part in range(1 + number % 3)]
            result = await write(rig.log, append(*batch, generation=generation))
            placed.update(enumerate(batch, result.first_index))

    async def intervene(number: int) -> None:
        for turn in range(10):
            result = await write(rig.log, append(f"other-{number}-{turn}"))
            placed[result.first_index] = f"other-{number}-{turn}"

    await asyncio.gather(stream(), *(intervene(number) for number in range(8)))

    assert sorted(placed) == list(range(len(placed)))
    assert bodies(await everything(rig.log)) == [placed[index] for index in sorted(placed)]
    assert ear.indexes() == sorted(placed)


async def test_runs_do_not_wait_for_each_other(rig: Rig) -> None:
    runs = [f"many-{number}" for number in range(40)]
    await asyncio.gather(*(claim(rig.log, run_id=run_id) for run_id in runs))
    results = await asyncio.gather(*(write(rig.log, append(run_id=run_id)) for run_id in runs * 2))

    assert sorted(result.first_index for result in results) == [0] * 40 + [1] * 40


# --- what is gone ---


async def test_trimmed_log_begins_with_the_batch_that_holds_the_index(rig: Rig) -> None:
    generation = await claim(rig.log)
    for number in range(4):
        await write(rig.log, append(*[f"{number}-{part}" for part in range(10)], generation=generation))

    assert await rig.log.trim(RUN, 25) == 20

    assert (await head_of(rig.log)).first_index == 20
    assert await rig.log.read(RUN, 0) == await rig.log.read(RUN, 19) == []
    assert bodies(await everything(rig.log, first_index=20))[0] == "2-0"
    assert await rig.log.trim(RUN, 5) == 20
    assert (await write(rig.log, append("more", generation=generation))).first_index == 40


async def test_whole_log_of_an_ended_run_can_be_trimmed(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append("a", "b", generation=generation))
    await write(rig.log, append("c", generation=generation, status=RunStatus.COMPLETED))
    await rig.log.archive(RUN)

    assert await rig.log.trim(RUN, 3) == 3

    head = await head_of(rig.log)
    assert (head.first_index, head.next_index, head.status) == (3, 3, RunStatus.COMPLETED)
    assert await rig.log.read(RUN, 0) == []


async def test_unknown_run_has_nothing_to_trim(rig: Rig) -> None:
    assert await rig.log.trim("nobody's", 5) == 0


async def test_begun_epoch_has_no_owner_and_none_of_what_was_before(rig: Rig) -> None:
    generation = await claim(rig.log)
    await write(rig.log, append("a", "b", generation=generation, opens=["x"]))

    assert await rig.log.begin(RUN, epoch=2, first_index=1, status=RunStatus.PAUSED, pending=["y"]) is True
    assert await rig.log.begin(RUN, epoch=2, first_index=9, status=RunStatus.PAUSED, pending=[]) is False

    head = await head_of(rig.log)
    place = (head.epoch, head.first_index, head.next_index, head.status, head.pending, head.owner)
    assert place == (2, 1, 1, RunStatus.PAUSED, frozenset({"y"}), None)
    assert refused(await rig.log.append(append("late", generation=generation))) == Reason.NOT_OWNER
    assert refused(await rig.log.append(append("late", resolves=["x"]))) == Reason.NOT_PENDING
    assert await write(rig.log, append("again", resolves=["y"])) == Appended(2, 1, 2, owned=False)
    assert bodies(await everything(rig.log, first_index=1)) == ["again"]
    assert await claim(rig.log) > generation


async def test_epoch_of_a_run_that_has_no_head_can_be_begun(rig: Rig) -> None:
    assert await rig.log.begin(RUN, epoch=3, first_index=7, status=RunStatus.RUNNING, pending=[]) is True
    assert await rig.log.ownerless() == [RUN]
    assert (await write(rig.log, append("a"))).first_index == 7


# --- runs that need an owner ---


async def test_ownerless_are_active_runs_that_nobody_owns_and_ended_ones_to_archive(rig: Rig) -> None:
    generations = {run_id: await claim(rig.log, run_id=run_id) for run_id in ("new", "busy", "waiting", "over")}
    await write(rig.log, append(run_id="waiting", status=RunStatus.PAUSED))
    await write(rig.log, append(run_id="over", status=RunStatus.COMPLETED))
    assert await rig.log.ownerless() == []
    for run_id, tail in (("new", 0), ("waiting", 1), ("over", 1)):
        assert await rig.log.release(run_id, generations[run_id], expect_next=tail) is None
    await rig.log.archive("over")
    assert await rig.log.ownerless() == ["new"]

    await write(rig.log, append(run_id="waiting", status=RunStatus.RUNNING))
    await write(rig.log, append(run_id="waiting"))
    assert sorted(await rig.log.ownerless()) == ["new", "waiting"]

    await claim(rig.log, run_id="waiting")
    await write(rig.log, append(run_id="new", status=RunStatus.CANCELLED))
    assert await rig.log.ownerless() == (["new"] if rig.has_archive else [])
    await rig.log.archive("new")
    assert await rig.log.ownerless() == []


async def test_ownerless_keeps_to_its_limit(rig: Rig) -> None:
    for number in range(12):
        generation = await claim(rig.log, run_id=f"many-{number}")
        await rig.log.release(f"many-{number}", generation, expect_next=0)

    assert len(set(await rig.log.ownerless(5))) == 5
    assert len(set(await rig.log.ownerless())) == 12


async def test_runs_of_a_process_that_is_gone_are_ownerless_after_a_restart(rig: Rig) -> None:
    if rig.has_leases:
        pytest.skip("its leases end instead")
    generation = await claim(rig.log)
    restarted = await rig.another()

    assert await restarted.ownerless() == [RUN]
    assert refused(await rig.log.append(append(generation=generation))) == Reason.NOT_OWNER
    assert await claim(restarted, "new") == generation + 1


async def test_renewing_is_fine_with_nothing_to_renew(rig: Rig) -> None:
    await rig.log.renew("nobody")


async def test_archive_of_a_run_that_has_not_ended_is_refused(rig: Rig) -> None:
    assert await rig.log.archive(RUN) is False
    await claim(rig.log)
    assert await rig.log.archive(RUN) is False


# --- any interleaving: a model of the head ---


class Model:
    """What the port says, in the fewest words."""

    def __init__(self, run_id: str, has_leases: bool, has_archive: bool) -> None:
        self.head: Head | None = None
        self.run_id = run_id
        self.has_leases = has_leases
        self.has_archive = has_archive
        self.owner: str | None = None
        self.dead: set[str] = set()
        self.log: list[Entry] = []
        self.owners: list[tuple[Append, int]] = []
        self.others: list[tuple[Append, int]] = []

    def look(self) -> Head | None:
        return self.head and self._changed(owner=self.live_owner)

    @property
    def needs_owner(self) -> bool:
        if self.head is None or self.owner is not None:  # leases end for those who wait for it; here nobody does
            return False
        return self.head.status in (RunStatus.PENDING, RunStatus.RUNNING) or (
            self.has_archive and self.head.status.is_final
        )

    @property
    def live_owner(self) -> str | None:
        return None if self.has_leases and self.owner in self.dead else self.owner

    def _changed(self, **changes: Any) -> Head:
        assert self.head is not None
        return Head(**{name: changes.get(name, getattr(self.head, name)) for name in Head.__slots__})

    def claim(self, owner: str) -> Reason | int:
        if self.head is None:
            self.head = Head(self.run_id, 1, 0, RunStatus.PENDING, frozenset(), None, 0)
        if self.head.status.is_final:
            return Reason.ENDED
        if self.has_leases and self.live_owner not in (None, owner):
            return Reason.OWNED
        self.abandoned = self.owner is not None
        self.owner = owner
        self.dead.discard(owner)
        self.head = self._changed(generation=self.head.generation + 1)
        return self.head.generation

    def release(self, generation: int, expect_next: int) -> Reason | None:
        if self.head is None:
            return Reason.NO_RUN
        if self.head.generation != generation:
            return Reason.NOT_OWNER
        if self.owner is not None and self.head.next_index != expect_next:
            return Reason.TAIL_MOVED
        self.owner = None
        return None

    def append(self, what: Append) -> Reason | Appended:
        if self.head is None:
            return Reason.NO_RUN
        remembered = self.others[-REMEMBERED_APPENDS:] if what.generation is None else self.owners[-1:]
        for before, first in remembered:
            if before.append_id == what.append_id:
                return Appended(1, first, first + len(what.entries), owned=self.live_owner is not None)
        if reason := self._refusal(self.head, what):
            return reason
        first = len(self.log)
        (self.others if what.generation is None else self.owners).append((what, first))
        self.log += what.entries
        status = what.status or self.head.status
        pending = (self.head.pending - {*what.resolves, *what.withdraws}) | set(what.opens)
        self.head = self._changed(
            next_index=len(self.log), status=status, pending=frozenset() if status.is_final else pending
        )
        return Appended(1, first, len(self.log), owned=what.generation is not None or self.live_owner is not None)

    def _refusal(self, head: Head, what: Append) -> Reason | None:
        if what.generation is not None and (self.owner is None or what.generation != head.generation):
            return Reason.NOT_OWNER
        if head.status.is_final:
            return Reason.ENDED
        if not set(what.resolves) <= head.pending:
            return Reason.NOT_PENDING
        if what.expect_next is not None and what.expect_next != head.next_index:
            return Reason.TAIL_MOVED
        return None


ACTORS = st.sampled_from(["one", "two", "three"])
REQUIREMENTS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2)
STATUSES = st.none() | st.sampled_from([RunStatus.RUNNING, RunStatus.PAUSED])
EXPECTED = st.sampled_from([None, None, None, 0, -1])
"""Nothing; the tail as it is; something else."""
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), ACTORS),
        st.tuples(st.just("own"), ACTORS, st.integers(1, 3), REQUIREMENTS, REQUIREMENTS, STATUSES, EXPECTED),
        st.tuples(st.just("own"), ACTORS, st.integers(1, 3), REQUIREMENTS, REQUIREMENTS, STATUSES, EXPECTED),
        st.tuples(st.just("decide"), REQUIREMENTS, EXPECTED),
        st.tuples(st.just("decide"), REQUIREMENTS, EXPECTED),
        st.tuples(st.just("lose reply of"), REQUIREMENTS, EXPECTED),
        st.tuples(st.just("repeat"), st.integers(1, 20)),
        st.tuples(st.just("release"), ACTORS, st.sampled_from([0, 0, 0, -1])),
        st.tuples(st.just("crash"), ACTORS),
        st.tuples(st.sampled_from(["cancel", "look", "look"])),
    ),
    min_size=12,
    max_size=60,
)


class Interleaving:
    """Does each step with the log and with the model, and compares."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.log = rig.log
        self.run_id = f"run-{next(_numbers)}"
        self.model = Model(self.run_id, rig.has_leases, rig.has_archive)
        self.generations = dict.fromkeys(["one", "two", "three"], 0)
        self.sent: list[Append] = []

    async def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("claim", owner):
                await self.claim(owner)
            case ("own", owner, size, opens, withdraws, status, expected):
                conditions = {"opens": opens, "withdraws": withdraws, "status": status}
                what = self.new(size, expected, generation=self.generations[owner], **conditions)
                await self.append(what)
            case ("decide", resolves, expected):
                await self.append(self.new(1, expected, resolves=resolves, status=RunStatus.RUNNING))
            case ("lose reply of", resolves, expected):
                await self.append(self.new(1, expected, resolves=resolves), losing=True)
            case ("repeat", back):
                if len(self.sent) >= back:
                    await self.append(self.sent[-back])
            case ("release", owner, off):
                await self.release(owner, len(self.model.log) + off)
            case ("crash", owner):
                self.model.dead.add(owner)
                await self.rig.let_lease_end(owner)
            case ("cancel",):
                await self.append(self.new(1, None, status=RunStatus.CANCELLED))
            case _:
                assert await self.log.head(self.run_id) == self.model.look()

    def new(self, size: int, expected: int | None, **conditions: Any) -> Append:
        expect_next = None if expected is None else len(self.model.log) + expected
        batch = [f"{next(_numbers)}" for _ in range(size)]
        return append(*batch, run_id=self.run_id, expect_next=expect_next, **conditions)

    async def claim(self, owner: str) -> None:
        wanted = self.model.claim(owner)
        result = await self.log.claim(self.run_id, owner, create_epoch=1)
        if isinstance(wanted, int) and refused(result) == Reason.OWNED:
            # Its process hasn't been in touch with Redis for a whole lease: ask one that has, or soon will have.
            result = await self.claim_with_brief_leases(owner)
        if isinstance(wanted, Reason):
            assert refused(result) == wanted
        else:
            assert result == Claimed(wanted, self._head(), self.model.abandoned)
            self.generations[owner] = wanted

    async def claim_with_brief_leases(self, owner: str) -> Claimed | Refused:
        assert isinstance(self.rig, RedisRig)
        brief = self.rig.brief
        result = await eventually(
            lambda: brief.claim(self.run_id, owner, create_epoch=1), lambda result: refused(result) is None
        )
        await self.log.renew(owner)
        return result

    def _head(self) -> Head:
        head = self.model.look()
        assert head is not None
        return head

    async def append(self, what: Append, *, losing: bool = False) -> None:
        wanted = self.model.append(what)
        if losing:
            with self.rig.losing_a_reply(), pytest.raises(LogUnavailable):
                await self.log.append(what)
        result = await self.log.append(what)
        if isinstance(wanted, Reason):
            assert refused(result) == wanted
            assert isinstance(result, Refused)
            assert result.head == self.model.look()
        else:
            self.sent.append(what)
            assert result == wanted

    async def release(self, owner: str, expect_next: int) -> None:
        generation = self.generations[owner]
        wanted = self.model.release(generation, expect_next)
        assert refused(await self.log.release(self.run_id, generation, expect_next=expect_next)) == wanted

    async def check(self) -> None:
        head = self.model.look()
        assert await self.log.head(self.run_id) == head
        assert (self.run_id in await self.log.ownerless()) == self.model.needs_owner
        assert await everything(self.log, self.run_id) == self.model.log


async def do_all(rig: Rig, steps: list[tuple[Any, ...]]) -> None:
    interleaving = Interleaving(rig)
    for step in steps:
        await interleaving.do(step)
    await interleaving.check()


OF_A_RUN = settings(deadline=None, suppress_health_check=list(HealthCheck))
FIXED = [
    [("claim", "one"), ("own", "one", 1, ["a"], [], None, None), ("decide", ["a"], None), ("decide", ["a"], None)],
    [("claim", "one"), ("crash", "one"), ("claim", "two"), ("own", "one", 1, [], [], None, None), ("repeat", 1)],
    [("claim", "one"), ("lose reply of", [], None), ("release", "one", 0), ("cancel",), ("repeat", 1)],
]


@pytest.mark.parametrize("rig", ["sqlite"], indirect=True)
@settings(OF_A_RUN, max_examples=250)
@given(steps=STEPS)
async def test_any_interleaving_goes_as_the_model_says(rig: Rig, steps: list[tuple[Any, ...]]) -> None:
    await do_all(rig, steps)


@pytest.mark.parametrize("rig", ["postgresql", "redis"], indirect=True)
@settings(OF_A_RUN, max_examples=25)
@example(FIXED[0])
@example(FIXED[1])
@example(FIXED[2])
@given(steps=STEPS)
async def test_servers_go_as_the_model_says(rig: Rig, steps: list[tuple[Any, ...]]) -> None:
    await do_all(rig, steps)


# --- Redis: leases ---


async def test_unexpired_lease_refuses_another_owner(redis_rig: RedisRig) -> None:
    await claim(redis_rig.log, "one")
    other = await redis_rig.another()

    assert await other.claim(RUN, "two") == Refused(Reason.OWNED, await head_of(other))
    assert (await head_of(other)).owner == "one"


async def test_run_whose_owner_is_silent_for_a_lease_can_be_claimed(redis_rig: RedisRig) -> None:
    brief = redis_rig.brief
    generation = await claim(brief, "one")

    assert await eventually(brief.ownerless, lambda runs: runs) == [RUN]
    assert (await head_of(brief)).owner is None
    assert await claim(brief, "two") == generation + 1
    assert refused(await brief.append(append(generation=generation))) == Reason.NOT_OWNER


async def test_owner_that_renews_keeps_its_runs(redis_rig: RedisRig) -> None:
    brief, other = redis_rig.brief, await redis_rig.another()
    await claim(brief, "one")
    await brief.renew("one")
    deadline = asyncio.get_running_loop().time() + 3 * BRIEF_LEASE_MS / 1000

    while asyncio.get_running_loop().time() < deadline:
        # From another process with long leases: a stall of this machine must not fail the test.
        await other.renew("one")
        assert refused(await brief.claim(RUN, "two")) == Reason.OWNED
        assert await brief.ownerless() == []


@pytest.mark.parametrize("redis_rig", ["redis"], indirect=True)
async def test_blocked_event_loop_costs_no_lease(redis_rig: RedisRig) -> None:
    log = redis_rig.direct
    await claim(log, "one")
    await log.renew("one")

    time.sleep(4 * BRIEF_LEASE_MS / 1000)  # noqa: ASYNC251 - that is what is tested

    assert (await head_of(redis_rig.log)).owner == "one"


# --- what other processes do ---


async def test_append_of_another_process_is_hinted_at(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    await claim(redis_rig.log)
    hints: list[tuple[int, int]] = []
    unwatch = redis_rig.log.watch(RUN, lambda *place: hints.append(place))
    await eventually(lambda: _now(hints), lambda found: (1, 0) in found)  # the watch counts from here on

    await write(other, append("a", "b"))
    await eventually(lambda: _now(hints), lambda found: (1, 2) in found)
    unwatch()
    await write(other, append("c"))
    seen = redis_rig.log.watch("another run", lambda *place: hints.append(place))
    await claim(other, run_id="another run")
    await write(other, append("d", run_id="another run"))
    await eventually(lambda: _now(hints), lambda found: (1, 1) in found)

    assert (1, 3) not in hints
    seen()


async def test_what_was_appended_before_a_watch_began_to_count_is_hinted_at(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    await claim(other)
    hints: list[tuple[int, int]] = []
    redis_rig.log.watch(RUN, lambda *place: hints.append(place))
    await write(other, append("a"))

    await eventually(lambda: _now(hints), lambda found: (1, 1) in found)


async def test_watch_goes_on_after_its_connection_was_lost(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    await claim(other)
    hints: list[tuple[int, int]] = []
    redis_rig.direct.watch(RUN, lambda *place: hints.append(place))
    await eventually(lambda: _now(hints), lambda found: (1, 0) in found)

    for server in servers_of(redis_rig.redis):
        await server.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await write(other, append("a"))
    await eventually(lambda: _now(hints), lambda found: (1, 1) in found)
    await write(other, append("b"))
    await eventually(lambda: _now(hints), lambda found: (1, 2) in found)


async def test_watch_goes_on_after_a_hint_that_failed(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    await claim(other)
    hints: list[tuple[int, int]] = []

    def fails_once(*place: int) -> None:
        hints.append((place[0], place[1]))
        if len(hints) == 1:
            raise LookupError("on purpose")

    redis_rig.log.watch(RUN, fails_once)
    await eventually(lambda: _now(hints), lambda found: len(found) > 1)
    await write(other, append("a"))
    await eventually(lambda: _now(hints), lambda found: (1, 1) in found)


async def test_offer_is_heard_by_other_processes(redis_rig: RedisRig) -> None:
    other = await redis_rig.another()
    offers: list[None] = []
    other.on_ready(lambda: offers.append(None))

    async def offered() -> list[None]:
        await redis_rig.log.offer(RUN, create_epoch=1)
        return offers

    await eventually(offered, lambda found: bool(found))


async def _now(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return found


async def test_owner_whose_lease_ended_goes_on_if_nobody_claimed(redis_rig: RedisRig) -> None:
    generation = await claim(redis_rig.log, "one")
    await redis_rig.let_lease_end("one")
    assert await write(redis_rig.log, append()) == Appended(1, 0, 1, owned=False)

    await write(redis_rig.log, append(generation=generation))
    await redis_rig.log.renew("one")

    assert (await head_of(redis_rig.log)).owner == "one"
    assert await redis_rig.log.release(RUN, generation, expect_next=2) is None


async def test_nobody_claims_a_lease_before_having_seen_redis_for_a_lease(redis_rig: RedisRig) -> None:
    await claim(redis_rig.log, "one")
    await redis_rig.let_lease_end("one")
    newcomer = await redis_rig.another()  # with a lease of a minute

    for _ in range(3):
        assert refused(await newcomer.claim(RUN, "two")) == Reason.OWNED
        assert await newcomer.ownerless() == []
    assert await claim(newcomer, "one") == 2, "its own it may claim"


async def test_paused_run_whose_owner_died_before_letting_go_needs_an_owner(redis_rig: RedisRig) -> None:
    brief = redis_rig.brief
    for run_id in (RUN, "let go"):
        generation = await claim(brief, "one", run_id)
        await write(brief, append(run_id=run_id, generation=generation, opens=["a"], status=RunStatus.PAUSED))
    assert await brief.release("let go", generation, expect_next=1) is None
    await redis_rig.let_lease_end("one")

    assert await eventually(brief.ownerless, lambda runs: runs) == [RUN]

    assert (await write(brief, append(run_id="let go", resolves=["a"], status=RunStatus.RUNNING))).owned is False
    assert sorted(await eventually(brief.ownerless, lambda runs: len(list(runs)) == 2)) == ["let go", RUN]


async def test_claim_that_arrives_when_its_sender_has_given_it_up_claims_nothing(redis_rig: RedisRig) -> None:
    log = redis_rig.direct
    sent: list[tuple[Any, ...]] = []
    run = log._link.run

    async def noting(script: str, *parts: Any) -> Any:
        sent.append((script, *parts))
        return await run(script, *parts)

    await log.renew("one")
    log._link.run = noting  # type: ignore[method-assign,assignment]
    generation = await claim(log)
    await write(log, append(generation=generation, opens=["a"], status=RunStatus.PAUSED))
    await log.release(RUN, generation, expect_next=1)

    (script, keys, args), *_ = [each for each in sent if each[0] == "claim"]
    *others, seen = args
    await run(script, keys, (*others, seen - 3000))

    assert (await write(log, append(resolves=["a"], status=RunStatus.RUNNING))).owned is False
    assert await claim(log) == generation + 1


# --- Redis: the archive ---


async def ended_run(log: Log) -> tuple[int, list[Entry]]:
    """Its owner's generation, and what stands in its log."""
    generation = await claim(log)
    for number in range(5):
        await write(log, append(*[f"{number}-{part}" * 100 for part in range(20)], generation=generation))
    await write(log, append("end", generation=generation, status=RunStatus.COMPLETED))
    return generation, await everything(log)


async def test_archived_log_reads_as_before(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    _, written = await ended_run(log)

    assert await log.archive(RUN) is True

    assert not await redis_rig.redis.keys("*:log:*"), "nothing is left of it in Redis"
    assert await everything(log) == written
    assert await everything(log, first_index=37, max_bytes=1) == written[37:]
    assert await log.read(RUN, len(written)) == []
    assert await log.archive(RUN) is True


async def test_tombstone_refuses_and_can_be_released(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    generation, written = await ended_run(log)
    before = await head_of(log)
    end = append()
    assert refused(await log.append(end)) == Reason.ENDED
    await log.archive(RUN)

    assert await log.head(RUN) == before
    assert refused(await log.claim(RUN, "two")) == Reason.ENDED
    assert refused(await log.claim(RUN, "two", create_epoch=2)) == Reason.ENDED
    assert refused(await log.append(append())) == Reason.ENDED
    assert refused(await log.append(append(generation=generation))) == Reason.ENDED
    assert await log.release(RUN, generation, expect_next=len(written)) is None


async def test_repeat_is_known_after_the_archive(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    await claim(log)
    end = append(status=RunStatus.CANCELLED)
    first = await write(log, end)
    await log.archive(RUN)

    assert await log.append(end) == first


async def test_archiving_goes_on_where_it_was_cut_off(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    _, written = await ended_run(log)
    await redis_rig.archive.write(RUN, await head_of(log), (await log.read(RUN, 0))[:2])

    assert await log.archive(RUN) is True
    assert await everything(log) == written


async def test_who_archives_late_takes_nothing_back(redis_rig: RedisRig) -> None:
    """A process that was stopped between its look at a run that waited and what it writes of it."""
    log = redis_rig.log
    generation = await claim(log)
    await write(log, append("a", generation=generation, opens=["x"], status=RunStatus.PAUSED))
    await log.release(RUN, generation, expect_next=1)
    before, copied = await head_of(log), await log.read(RUN, 0)
    await write(log, append("b", resolves=["x"], status=RunStatus.RUNNING))
    await write(log, append("c", generation=await claim(log), status=RunStatus.COMPLETED))
    assert await log.archive(RUN) is True

    await redis_rig.archive.write(RUN, before, copied)

    assert bodies(await everything(log)) == ["a", "b", "c"]
    kept = await redis_rig.archive.head(RUN)
    assert kept is not None
    assert (kept.next_index, kept.status) == (3, RunStatus.COMPLETED)


async def test_head_of_a_log_that_is_archived_in_part_says_how_far(
    redis_rig: RedisRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is seen to be lost, if Redis then loses the rest."""
    log = redis_rig.log
    await ended_run(log)
    write_page = redis_rig.archive.write
    pages = 0

    async def failing(run_id: str, head: Head, batches: Sequence[Batch]) -> None:
        nonlocal pages
        if pages:
            raise LogUnavailable("The database went away.")
        pages += 1
        await write_page(run_id, head, batches)

    redis_rig.archive.write = failing  # type: ignore[method-assign]
    monkeypatch.setattr("interlock.log.redis._COPY_BYTES", 1)
    with pytest.raises(LogUnavailable):
        await log.archive(RUN)

    kept = await redis_rig.archive.head(RUN)
    assert kept is not None
    assert kept.next_index == 20


async def test_log_of_a_run_that_waits_is_archived_and_goes_on_in_redis(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    generation = await claim(log)
    await write(log, append("a", "b", generation=generation, opens=["x"], status=RunStatus.PAUSED))
    assert await log.archive(RUN) is False, "it is owned"
    assert await log.release(RUN, generation, expect_next=2) is None
    assert await log.long_paused(0) == [RUN]
    assert await log.long_paused(60_000) == []

    assert await log.archive(RUN) is True
    assert await redis_rig.redis.keys("*:log:*") == []
    assert await log.long_paused(0) == []
    await write(log, append("c", resolves=["x"], status=RunStatus.RUNNING))
    generation = await claim(log)
    await write(log, append("d", generation=generation, status=RunStatus.COMPLETED))
    assert bodies(await everything(log)) == ["a", "b", "c", "d"]
    assert await log.archive(RUN) is True
    assert bodies(await everything(log)) == ["a", "b", "c", "d"]
    assert await redis_rig.redis.keys("*:log:*") == []


async def test_log_of_which_a_part_is_archived_is_trimmed_on_both_sides(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    generation = await claim(log)
    for number in range(3):
        await write(log, append(f"{number}-a", f"{number}-b", generation=generation))
    await write(log, append("p", generation=generation, opens=["x"], status=RunStatus.PAUSED))
    await log.release(RUN, generation, expect_next=7)
    assert await log.archive(RUN) is True
    await write(log, append("c", resolves=["x"], status=RunStatus.RUNNING))
    await write(log, append("d"))

    assert await log.trim(RUN, 3) == 2
    assert bodies(await everything(log, first_index=2)) == ["1-a", "1-b", "2-a", "2-b", "p", "c", "d"]
    assert await log.trim(RUN, 8) == 8
    assert bodies(await everything(log, first_index=8)) == ["d"]
    assert await log.read(RUN, 7) == []


# --- Redis: the server ---


async def test_scripts_that_redis_forgot_are_sent_again(redis_rig: RedisRig) -> None:
    log, forget = redis_rig.log, redis_rig.redis.script_flush
    await forget()
    generation = await claim(log)
    await forget()
    await write(log, append(generation=generation))
    await forget()
    assert await log.release(RUN, generation, expect_next=1) is None
    await forget()
    await log.renew("one")
    await forget()
    assert await log.ownerless() == [RUN]


async def test_calls_that_pile_up_go_together_and_fail_alone(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    runs = [f"many-{number}" for number in range(100)]
    await asyncio.gather(*(claim(log, run_id=run_id) for run_id in runs[::2]))
    await redis_rig.redis.script_flush()

    results = await asyncio.gather(*(log.append(append(run_id=run_id)) for run_id in runs))

    assert [refused(result) for result in results] == [None, Reason.NO_RUN] * 50


async def test_lost_connection_leaves_no_call_unanswered(redis_rig: RedisRig) -> None:
    log = redis_rig.log
    runs = [f"many-{number}" for number in range(100)]
    await asyncio.gather(*(claim(log, run_id=run_id) for run_id in runs))
    appends = [append(run_id=run_id) for run_id in runs]

    with redis_rig.losing_a_reply():
        results = await asyncio.gather(*map(log.append, appends), return_exceptions=True)

    lost = [what for what, result in zip(appends, results, strict=True) if isinstance(result, LogUnavailable)]
    assert lost
    assert [await log.append(what) for what in lost] == [Appended(1, 0, 1, owned=True)] * len(lost)


@pytest.mark.parametrize("redis_rig", ["redis"], indirect=True)
async def test_redis_that_is_away_is_unavailable_and_found_again(redis_rig: RedisRig, redis_url: str) -> None:
    async with lossy_proxy(*alone(redis_url)) as proxy:
        log = RedisLog(proxy.url, redis_rig.archive, shards=4)
        await log.start()
        what = append(generation=await claim(log))
        with proxy.losing_a_reply(), pytest.raises(LogUnavailable):
            await log.append(what)
        await write(log, what)
        with proxy.losing_a_reply(), pytest.raises(LogUnavailable):
            await log.renew("one")
        await log.renew("one")
        await log.close()

    away = RedisLog(proxy.url, redis_rig.archive)
    with pytest.raises(LogUnavailable):
        await away.start()
    await away.close()


async def test_other_number_of_shards_is_refused(redis_rig: RedisRig) -> None:
    log = RedisLog(redis_rig.url, redis_rig.archive, shards=5)
    with pytest.raises(LogUnfit, match="4 shards, not 5"):
        await log.start()
    await log.close()


SOUND = {"redis_version": "7.2.4", "aof_enabled": "1", "maxmemory": "0", "maxmemory_policy": "noeviction"}


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ({"redis_version": "6.0.16"}, "6.2 or later"),
        ({"aof_enabled": "0"}, "appendonly yes"),
        ({"maxmemory": "1000000", "maxmemory_policy": "allkeys-lru"}, "maxmemory-policy noeviction"),
    ],
)
def test_unfit_redis_is_refused_with_what_to_change(flaw: dict[str, str], words: str) -> None:
    with pytest.raises(LogUnfit, match=words):
        refuse_unfit({**SOUND, **flaw})


@pytest.mark.parametrize(
    "harmless", [{}, {"redis_version": "6.2.0"}, {"maxmemory_policy": "allkeys-lru"}, {"maxmemory": "1000000"}]
)
def test_fit_redis_is_used(harmless: dict[str, str]) -> None:
    refuse_unfit({**SOUND, **harmless})


@contextlib.asynccontextmanager
async def configured(redis: Redis | RedisCluster, setting: str, value: str, usual: str) -> AsyncIterator[None]:
    for server in servers_of(redis):
        await server.execute_command("CONFIG", "SET", setting, value)
    try:
        yield
    finally:
        for server in servers_of(redis):
            await server.execute_command("CONFIG", "SET", setting, usual)


async def test_redis_without_append_only_file_is_refused_or_allowed(redis_rig: RedisRig) -> None:
    log = RedisLog(redis_rig.url, redis_rig.archive, shards=4)
    allowing = RedisLog(redis_rig.url, redis_rig.archive, shards=4, allow_volatile=True)
    async with configured(redis_rig.redis, "appendonly", "no", "yes"):
        with pytest.raises(LogUnfit, match="appendonly yes"):
            await log.start()
        await allowing.start()
    await log.close()
    await allowing.close()


async def test_full_redis_writes_nothing_and_is_unavailable(redis_rig: RedisRig) -> None:
    generation = await claim(redis_rig.log)
    what = append("a", generation=generation, opens=["r"], status=RunStatus.RUNNING)
    before = await head_of(redis_rig.log)
    async with configured(redis_rig.redis, "maxmemory", "1", "0"):
        with pytest.raises(LogUnavailable):
            await redis_rig.log.append(what)
        assert await redis_rig.log.head(RUN) == before

    await write(redis_rig.log, what)
    assert bodies(await everything(redis_rig.log)) == ["a"]


async def test_shards_spread_over_the_masters_of_a_cluster(redis_masters: Sequence[Master], sqlite_url: str) -> None:
    async with open_redis_rig(redis_masters, sqlite_url, shards=64) as rig:
        log = rig.log
        generation, written = await ended_run(log)
        others = [f"other-{number}" for number in range(40)]
        await asyncio.gather(*(claim(log, run_id=run_id) for run_id in others))
        assert all([await server.execute_command("DBSIZE") for server in servers_of(rig.redis)]), "each has a part"
        await log.renew("one")
        assert await log.ownerless() == []
        assert refused(await log.append(append(generation=generation))) == Reason.ENDED
        assert await log.release(RUN, generation, expect_next=len(written)) is None
        assert await log.ownerless() == [RUN]
        assert await log.archive(RUN) is True
        assert await log.ownerless() == []
        assert await everything(log) == written


def test_losing_proxy_says_when_nothing_was_lost() -> None:
    with pytest.raises(AssertionError, match="nothing was lost"), LossyProxy().losing_a_reply():
        pass
