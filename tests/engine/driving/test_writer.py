"""The owner's pen, on a real log: what is emitted gets there in order and once, others' entries find their place."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.live import eventually
from tests.support.storage import Storage, fresh

from interlock import Confirm, Parallel, Step, StepInput, Workflow
from interlock.engine.clock import Clock
from interlock.engine.driving import writer as journal_module
from interlock.engine.driving.writer import BATCH_BYTES, BATCH_EVENTS, LogShorter, OwnershipLost, Writer
from interlock.log.port import Append, Appended, Claimed, Entry, Reason, Refused
from interlock.workflow.run.advance import advance, recovered, started
from interlock.workflow.run.events import Draft, run_event
from interlock.workflow.run.fold import fold
from interlock.workflow.run.snapshots import paused
from interlock.workflow.run.state import RunState, dump
from interlock_protocol.codec import event_body
from interlock_protocol.types import RunStatus

RUN = "run-1"


def nothing(_: StepInput) -> None:
    """Never runs here."""


FORK = Workflow(
    "fork",
    steps=[Parallel("both", [Step(name, nothing, human_review=Confirm(f"{name}?")) for name in ("left", "right")])],
)
"""Two branches, each of which waits for somebody."""


class Owned:
    """A run that this test owns, and the writer it writes with."""

    def __init__(self, storage: Storage, writer: Writer) -> None:
        self.storage = storage
        self.writer = writer
        self.woken = 0

    @property
    def state(self) -> RunState:
        return self.writer.state

    def emit_all(self) -> None:
        """Emit everything that follows from the state."""
        while drafts := advance(FORK, self.state, 1).drafts:
            for draft in drafts:
                self.writer.emit(draft)

    async def agrees(self) -> None:
        """The state is the fold of the log, to the last detail."""
        assert dump(self.state) == dump(await self.storage.folded(FORK, RUN))
        assert self.state.next_index == self.writer.durable_next

    async def waiting(self) -> None:
        """Bring the run to where both branches wait, all of it in the log."""
        self.emit_all()
        await self.writer.flush()


async def owned(storage: Storage, *, listening: bool = True) -> Owned:
    """Claim a run that has no log yet.

    Args:
        listening: be told what others append through this process; else it has to be read.
    """
    claimed = await storage.log.claim(RUN, "me", create_epoch=1)
    assert isinstance(claimed, Claimed)

    def wake() -> None:
        found.woken += 1

    found = Owned(storage, Writer(storage.log, Clock(), fresh(FORK, RUN), claimed.generation, wake))
    if listening:
        storage.log.listen(lambda _, batch: found.writer.told(batch))
    return found


def custom(state: RunState, number: int = 0, size: int = 0) -> Draft:
    """An event that changes nothing."""
    event = run_event(state, FORK.name, "CustomEvent", data=f"{number} ".ljust(size, "."))
    return Draft({**event, "name": "n"})


# ── Flushing ────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_piled_up_is_one_append_and_the_state_is_its_fold(storage: Storage) -> None:
    run = await owned(storage)
    run.emit_all()
    assert (run.writer.has_drafts, await storage.batches(RUN)) == (True, [])
    await run.writer.flush()
    assert not run.writer.has_drafts
    assert len(await storage.batches(RUN)) == 1
    assert await storage.names(RUN) == ["WorkflowStarted", "ParallelExecutionStarted", "StepPaused", "StepPaused"]
    await run.agrees()
    head = await storage.log.head(RUN)
    assert head is not None
    assert (head.status, head.pending) == (RunStatus.RUNNING, frozenset(run.state.requirements))


async def test_flush_of_nothing_appends_nothing(storage: Storage) -> None:
    run = await owned(storage)
    await run.writer.flush()
    assert not storage.log.begun.is_set()


async def test_what_is_emitted_during_an_append_goes_with_the_next(storage: Storage) -> None:
    run = await owned(storage)
    run.writer.emit(started(FORK, run.state))
    storage.log.way.clear()
    flushing = asyncio.create_task(run.writer.flush())
    await storage.log.begun.wait()
    for number in range(3):
        run.writer.emit(custom(run.state, number))
    storage.log.way.set()
    await flushing
    assert [len(batch.entries) for batch in await storage.batches(RUN)] == [1, 3]
    await run.agrees()


async def test_what_is_long_takes_several_appends_and_others_may_come_between(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "APPEND_EVENTS", 3)
    run = await owned(storage)
    run.emit_all()
    assert run.writer.is_long
    storage.log.way.clear()
    flushing = asyncio.create_task(run.writer.flush())
    await storage.log.begun.wait()
    for number in range(3):
        run.writer.emit(custom(run.state, number))
    storage.log.way.set()
    await flushing
    assert [len(batch.entries) for batch in await storage.batches(RUN)] == [3, 3, 1]
    await run.agrees()


async def test_event_is_stamped_when_it_is_emitted_and_streamed_bytes_are_stored_as_they_are(storage: Storage) -> None:
    run = await owned(storage)
    before = run.writer.clock.now_ms()
    run.writer.emit(started(FORK, run.state))
    run.writer.emit_streamed("RunResponseContentEvent", b'{"event":"RunResponseContentEvent","content":"a"}')
    await run.writer.flush()
    (batch,) = await storage.batches(RUN)
    assert batch.entries[1].body == b'{"event":"RunResponseContentEvent","content":"a"}'
    assert before <= (await storage.events(RUN))[0]["created_at"] <= run.writer.clock.now_ms()
    await run.agrees()


async def test_nothing_is_written_after_the_end(storage: Storage) -> None:
    run = await owned(storage)
    run.writer.emit(started(FORK, run.state))
    run.writer.emit(Draft(run_event(run.state, FORK.name, "WorkflowError", error="no", error_type="E")))
    run.writer.emit(custom(run.state))
    run.writer.emit_streamed("RunResponseContentEvent", b"{}")
    await run.writer.flush()
    assert await storage.names(RUN) == ["WorkflowStarted", "WorkflowError"]
    await run.agrees()


async def test_owner_is_told_that_it_isn_t_any_more(storage: Storage) -> None:
    run = await owned(storage)
    run.writer.emit(started(FORK, run.state))
    await run.writer.flush()
    await storage.log.claim(RUN, "another")
    run.writer.emit(custom(run.state))
    with pytest.raises(OwnershipLost) as lost:
        await run.writer.flush()
    assert lost.value.reason is Reason.NOT_OWNER
    assert await storage.names(RUN) == ["WorkflowStarted"]


# ── Room ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("events", "size"), [(BATCH_EVENTS, 0), (1, BATCH_BYTES)])
async def test_batch_is_full_at_its_number_of_events_or_of_bytes(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, events: int, size: int
) -> None:
    monkeypatch.setattr(journal_module, "BATCH_SECONDS", 3600.0)
    run = await owned(storage)
    was_full = []
    for number in range(events):
        was_full.append(run.writer.is_full)
        run.writer.emit(custom(run.state, number, size))
    assert (any(was_full), run.writer.is_full) == (False, True)
    await run.writer.flush()
    assert [run.writer.is_full] == [False]


async def test_batch_is_full_when_its_oldest_event_has_waited(storage: Storage) -> None:
    run = await owned(storage)
    run.writer.emit(custom(run.state))
    await eventually(lambda: run.writer.is_full)


async def test_there_is_room_as_soon_as_the_batch_is_on_its_way(storage: Storage) -> None:
    run = await owned(storage)
    run.writer.emit(started(FORK, run.state))
    waiting = [asyncio.create_task(run.writer.room()) for _ in range(3)]
    gone = asyncio.create_task(run.writer.room())
    await asyncio.sleep(0)
    assert run.woken > 1, "whoever waits for room wakes the owner"
    gone.cancel()
    storage.log.way.clear()
    flushing = asyncio.create_task(run.writer.flush())
    await asyncio.gather(*waiting)
    assert not flushing.done()
    storage.log.way.set()
    await flushing


# ── Others' entries ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("listening", [True, False])
async def test_what_came_to_stand_before_ours_is_folded_there_and_ours_is_shifted(
    storage: Storage, listening: bool
) -> None:
    run = await owned(storage, listening=listening)
    await run.waiting()
    run.writer.emit(custom(run.state))  # emitted at index 4, and not yet in the log
    await storage.confirm(FORK, RUN, "right")
    await storage.confirm(FORK, RUN, "left")
    await run.writer.flush()
    assert (await storage.names(RUN))[4:] == ["StepContinued", "StepContinued", "CustomEvent"]
    assert run.state.requirements == {}
    await run.agrees()


async def test_pause_that_is_on_its_way_is_shifted_by_a_decision(storage: Storage) -> None:
    """Where a pause stands is a part of the state: it moves with what came before it."""
    run = await owned(storage)
    for draft in (started(FORK, run.state), *_first_pause(run.state)):
        run.writer.emit(draft)
    await run.writer.flush()
    run.emit_all()  # the other pause
    await storage.confirm(FORK, RUN, "left")
    await run.writer.flush()
    assert (await storage.names(RUN))[-2:] == ["StepContinued", "StepPaused"]
    await run.agrees()


def _first_pause(before: RunState) -> list[Draft]:
    """The events of a fork up to the first of its two pauses."""
    state = fresh(FORK, before.run_id)
    drafts: list[Draft] = []
    for _ in range(3):
        (*_, draft) = advance(FORK, state, 1).drafts[:1]
        fold(state, {**draft.event, "created_at": 1}, draft.private)
        drafts.append(draft)
    return drafts[1:]


@pytest.mark.parametrize("listening", [True, False])
async def test_owner_catches_up_with_what_others_appended(storage: Storage, listening: bool) -> None:
    run = await owned(storage, listening=listening)
    await run.waiting()
    woken = run.woken
    await storage.confirm(FORK, RUN, "left")
    assert (run.woken > woken, run.writer.is_behind) == (listening, listening)
    await run.writer.catch_up()
    assert not run.writer.is_behind
    assert [each.path[-1] for each in run.state.requirements.values()] == ["right"]
    await run.agrees()
    await run.writer.catch_up()
    await run.agrees()


@pytest.mark.parametrize("listening", [True, False])
async def test_owner_whose_append_comes_to_stand_behind_another_s_looks_again(
    storage: Storage, listening: bool
) -> None:
    run = await owned(storage, listening=listening)
    await run.waiting()
    run.writer.emit(custom(run.state))
    await storage.confirm(FORK, RUN, "left")
    woken = run.woken
    await run.writer.flush()
    assert [each.path[-1] for each in run.state.requirements.values()] == ["right"]
    assert run.woken > woken, "what the owner goes on with may have been decided just now"


async def test_only_a_decision_or_an_end_may_come_to_stand_before_what_was_folded(storage: Storage) -> None:
    """Anything else that somebody appends to an owned run would be folded to another state than the log's."""
    run = await owned(storage)
    await run.waiting()
    run.writer.emit(custom(run.state))
    foreign = Entry(event_body(run_event(run.state, "fork", "WorkflowRecovered", interrupted_steps=[])))
    assert isinstance(await storage.log.append(Append(RUN, "foreign", [foreign])), Appended)
    with pytest.raises(AssertionError, match="WorkflowRecovered of run run-1"):
        await run.writer.flush()


async def test_what_a_new_owner_appended_ends_the_old_one_which_has_yet_to_write(storage: Storage) -> None:
    """A process that stood still for longer than its lease finds another's events before its own."""
    run = await owned(storage)
    await run.waiting()
    run.writer.emit(custom(run.state))
    claimed = await storage.log.claim(RUN, "another")
    assert isinstance(claimed, Claimed)
    theirs = Entry(event_body(run_event(run.state, "fork", "WorkflowRecovered", interrupted_steps=[])))
    appended = await storage.log.append(Append(RUN, "theirs", [theirs], generation=claimed.generation))
    assert isinstance(appended, Appended)
    run.writer.hinted(appended.next_index)
    with pytest.raises(OwnershipLost) as lost:
        await run.writer.catch_up()
    assert lost.value.reason is Reason.NOT_OWNER


# ── Alone ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_piled_up", [True, False])
@pytest.mark.parametrize("listening", [True, False])
async def test_nothing_is_appended_alone_that_was_made_without_what_others_decided(
    storage: Storage, listening: bool, is_piled_up: bool
) -> None:
    """Also if their decision is only found by writing what had piled up."""
    run = await owned(storage, listening=listening)
    await run.waiting()
    alone = custom(run.state, 7)
    if is_piled_up:
        run.writer.emit(custom(run.state))
    await storage.confirm(FORK, RUN, "left")
    assert not await run.writer.append_alone(alone)
    assert (await storage.names(RUN))[4:] == ["StepContinued", *["CustomEvent"] * is_piled_up]
    await run.agrees()
    assert await run.writer.append_alone(custom(run.state, 7))
    await run.agrees()


async def test_what_is_streamed_meanwhile_stands_after_what_is_appended_alone(storage: Storage) -> None:
    run = await owned(storage)
    await run.waiting()
    storage.log.begun.clear()
    storage.log.way.clear()
    appending = asyncio.create_task(run.writer.append_alone(custom(run.state, 1)))
    await storage.log.begun.wait()
    run.writer.emit_streamed("CustomEvent", event_body(custom(run.state, 2).event))
    storage.log.way.set()
    assert await appending
    await run.writer.flush()
    bodies = [entry.body for batch in await storage.batches(RUN) for entry in batch.entries]
    assert [b'"1 "' in bodies[-2], b'"2 "' in bodies[-1]] == [True, True]
    await run.agrees()


# ── Pausing ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_pause_is_in_the_log_and_then_in_the_state(storage: Storage) -> None:
    run = await owned(storage)
    run.emit_all()
    assert await run.writer.flush_and_pause(paused(FORK, run.state))
    assert (await storage.names(RUN))[-1] == "WorkflowRunOutput"
    assert run.state.status is RunStatus.PAUSED
    await run.agrees()


@pytest.mark.parametrize("listening", [True, False])
async def test_nothing_pauses_when_somebody_has_decided_meanwhile(storage: Storage, listening: bool) -> None:
    run = await owned(storage, listening=listening)
    await run.waiting()
    run.writer.emit(custom(run.state))
    await storage.confirm(FORK, RUN, "left")
    assert not await run.writer.flush_and_pause(paused(FORK, run.state))
    assert (await storage.names(RUN))[4:] == ["StepContinued", "CustomEvent"], "what was emitted is there, no pause is"
    assert run.state.status is RunStatus.RUNNING
    await run.agrees()
    run.emit_all()
    assert await run.writer.flush_and_pause(paused(FORK, run.state))
    await run.agrees()


async def test_who_lost_the_run_can_t_pause_it(storage: Storage) -> None:
    run = await owned(storage)
    await run.waiting()
    await storage.log.claim(RUN, "another")
    with pytest.raises(OwnershipLost):
        await run.writer.flush_and_pause(paused(FORK, run.state))
    assert "WorkflowRunOutput" not in await storage.names(RUN)


# ── A log that is away ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once."""
    monkeypatch.setattr(journal_module, "RETRY_SECONDS", (0.0,))


@pytest.mark.usefixtures("impatient")
async def test_append_is_tried_until_the_log_answers_and_written_once(storage: Storage) -> None:
    run = await owned(storage)
    run.emit_all()
    storage.log.faults.extend(["before", "after", "before", "after"])
    await run.writer.flush()
    assert not storage.log.faults
    assert len(await storage.batches(RUN)) == 1
    await run.agrees()


@pytest.mark.usefixtures("impatient")
async def test_pause_whose_reply_was_lost_is_no_decision_of_somebody_else(storage: Storage) -> None:
    run = await owned(storage)
    run.emit_all()
    storage.log.faults.append("after")
    assert await run.writer.flush_and_pause(paused(FORK, run.state))
    assert (await storage.names(RUN)).count("WorkflowRunOutput") == 1
    await run.agrees()


@pytest.mark.usefixtures("impatient")
async def test_others_entries_are_read_until_the_log_answers(storage: Storage) -> None:
    run = await owned(storage, listening=False)
    await run.waiting()
    await storage.confirm(FORK, RUN, "left")
    storage.log.faults.extend(["before", "before"])
    await run.writer.catch_up()
    assert not storage.log.faults
    await run.agrees()


async def test_recovery_is_folded_with_its_private_part(storage: Storage) -> None:
    """A handover is private: clients see a `WorkflowRecovered`, the fold that it doesn't count."""
    run = await owned(storage)
    await run.waiting()
    await storage.confirm(FORK, RUN, "left")
    await run.writer.catch_up()
    run.emit_all()
    (draft,) = recovered(FORK, run.state, is_handover=True)
    run.writer.emit(draft)
    await run.writer.flush()
    assert run.state.recoveries == 0
    assert "handover" not in (await storage.events(RUN))[-1]
    await run.agrees()


async def test_append_that_arrives_again_after_the_next_changes_nothing(storage: Storage) -> None:
    run = await owned(storage)
    sent: list[Append] = []
    write = storage.log.append

    async def noting(append: Append) -> Appended | Refused:
        sent.append(append)
        return await write(append)

    storage.log.append = noting  # type: ignore[method-assign]
    run.writer.emit(started(FORK, run.state))
    await run.writer.flush()
    run.writer.emit(custom(run.state))
    await run.writer.flush()
    names = await storage.names(RUN)

    await write(sent[0])
    assert await storage.names(RUN) == names


async def test_entries_that_are_gone_end_the_wait_for_them(storage: Storage) -> None:
    """Nobody reads again and again what isn't there: it is said to be lost."""
    run = await owned(storage, listening=False)
    await run.waiting()
    await storage.confirm(FORK, RUN, "left")
    end = run.writer.durable_next + 1
    await storage.log.trim(RUN, end)
    run.writer.hinted(end)
    with pytest.raises(LogShorter):
        async with asyncio.timeout(30):
            await run.writer.catch_up()


async def test_entries_that_are_gone_from_a_run_that_was_taken_over_are_no_loss(storage: Storage) -> None:
    run = await owned(storage, listening=False)
    await run.waiting()
    await storage.confirm(FORK, RUN, "left")
    end = run.writer.durable_next + 1
    await storage.log.claim(RUN, "you")
    await storage.log.trim(RUN, end)
    run.writer.hinted(end)
    with pytest.raises(OwnershipLost):
        async with asyncio.timeout(30):
            await run.writer.catch_up()


async def test_log_that_is_shorter_than_its_owner_knows_is_no_log_that_has_grown(storage: Storage) -> None:
    run = await owned(storage, listening=False)
    await run.waiting()
    run.writer.durable_next += 1  # as if the last entry had been there
    with pytest.raises(LogShorter):
        await run.writer.catch_up()
