"""Whatever a server's streams look like when they are cut and asked for again, each index comes once and in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock_client.cursor import Cursor, Hole, Sync, event_index
from interlock_protocol.messages import (
    CatchUp,
    Gap,
    Replay,
    RunResponseContentEvent,
    ServerMessage,
    Subscribed,
    UnknownEvent,
    WorkflowCompleted,
    WorkflowRunOutput,
)
from interlock_protocol.types import RunStatus

RUN = "run-1"


def event(index: int, *, epoch: int = 1, last: bool = False) -> ServerMessage:
    place = {"run_id": RUN, "workflow_id": "w", "event_index": index, "epoch": epoch}
    if last:
        return WorkflowCompleted(**place)
    step = {"step_id": "s", "step_name": "s", "step_index": 0, "content": str(index)}
    return RunResponseContentEvent(**place, **step)


def snapshot(as_of: int, *, epoch: int = 1, status: RunStatus = RunStatus.PAUSED) -> WorkflowRunOutput:
    return WorkflowRunOutput(run_id=RUN, workflow_id="w", epoch=epoch, as_of=as_of, status=status)


def gap(next_index: int, *, epoch: int = 1, asked: int = 0) -> Gap:
    return Gap(
        run_id=RUN, epoch=epoch, requested_event_index=asked, earliest_event_index=0, next_event_index=next_index
    )


def caught_up(first: int, count: int = 1) -> CatchUp:
    counts = {"missed_events": count, "first_event_index": first, "current_event_count": 9}
    return CatchUp(run_id=RUN, status=RunStatus.RUNNING, epoch=1, **counts)


def subscribed() -> Subscribed:
    return Subscribed(run_id=RUN, status=RunStatus.PAUSED, epoch=1, next_event_index=0)


def answered(cursor: Cursor, answer: ServerMessage) -> list[ServerMessage]:
    cursor.ask("r")
    cursor.acknowledged()
    return cursor.take(answer)


@given(st.lists(st.integers(min_value=0, max_value=12), max_size=30))
def test_streams_cut_anywhere_make_one_stream(cuts: list[int]) -> None:
    cursor = Cursor(RUN, streaming=True)
    taken = []
    for length in [*cuts, 40]:
        start = 0 if cursor.last is None else cursor.last + 1
        # The server may well repeat a little.
        for index in range(max(0, start - 2), min(start + length, 40)):
            taken += [event_index(each) for each in cursor.take(event(index, last=index == 39))]
        if cursor.ended:
            break
        cursor.stop()
        answered(cursor, caught_up(start))
    assert taken == list(range(40))
    assert cursor.ended


def test_hole_is_never_handed_on() -> None:
    cursor = Cursor(RUN, streaming=True)
    cursor.take(event(0))
    with pytest.raises(Hole, match="event 1-2 came where 1-1 was due"):
        cursor.take(event(2))
    with pytest.raises(Hole):
        cursor.take(event(1, epoch=2))
    assert cursor.last == 0


def test_events_of_the_old_stream_are_stale_until_the_answer() -> None:
    cursor = Cursor(RUN, streaming=True)
    cursor.take(event(0))
    cursor.stop()
    assert cursor.take(event(1)) == []
    asked = cursor.ask("r", workflow_id="w")
    assert (asked.last_event_index, asked.epoch, asked.request_id) == (0, 1, "r")
    assert cursor.take(subscribed()) == []  # of the stream before
    assert cursor.take(event(5)) == []
    cursor.acknowledged()
    assert cursor.take(event(5)) == []
    cursor.take(caught_up(1))
    assert len(cursor.take(event(1))) == 1


def test_gap_moves_the_cursor_together_with_its_snapshot() -> None:
    cursor = Cursor(RUN, last=3, epoch=1)
    assert answered(cursor, gap(8, epoch=2)) == []
    assert (cursor.last, cursor.epoch) == (3, 1)
    cursor.stop()  # the connection dies between the two
    assert cursor.ask("r").last_event_index == 3
    cursor.acknowledged()
    cursor.take(gap(8, epoch=2))
    assert [each.event for each in cursor.take(snapshot(7, epoch=2))] == ["gap", "WorkflowRunOutput"]
    assert (cursor.last, cursor.epoch, cursor.end) == (7, 2, 8)
    assert len(cursor.take(event(8, epoch=2))) == 1


def test_gap_to_the_very_beginning_waits_for_index_0() -> None:
    cursor = Cursor(RUN, last=3, epoch=1)
    answered(cursor, gap(0, epoch=2))
    cursor.take(snapshot(-1, epoch=2))
    assert cursor.last is None
    assert len(cursor.take(event(0, epoch=2))) == 1


def test_gap_of_a_finished_run_is_the_end() -> None:
    cursor = Cursor(RUN, last=9, epoch=1)
    answered(cursor, gap(4, asked=10))
    assert len(cursor.take(snapshot(3, status=RunStatus.CANCELLED))) == 2
    assert cursor.ended


def test_snapshot_that_was_asked_for_is_asked_for_until_it_comes() -> None:
    cursor = Cursor(RUN, snapshot=True)
    assert cursor.ask("r").snapshot
    cursor.stop()
    assert cursor.ask("r").snapshot
    cursor.acknowledged()
    assert len(cursor.take(snapshot(4))) == 1
    assert cursor.take(subscribed()) == []
    assert len(cursor.take(event(5))) == 1
    again = cursor.ask("r")
    assert (again.snapshot, again.last_event_index) == (False, 5)


def test_finished_run_without_anything_missed_ends_with_the_replay() -> None:
    cursor = Cursor(RUN, last=9, epoch=1)
    replay = Replay(run_id=RUN, status=RunStatus.COMPLETED, epoch=1, total_events=10, missed_events=0)
    assert answered(cursor, replay) == [replay]
    assert cursor.ended
    assert cursor.take(event(10)) == []


def test_end_is_what_the_server_had_when_it_was_asked() -> None:
    cursor = Cursor(RUN, streaming=True)
    assert cursor.end == 0
    answered(cursor, caught_up(0, 9))
    assert cursor.end == 9
    cursor.take(event(0))
    assert cursor.end == 9


def test_event_of_a_later_protocol_counts_too() -> None:
    cursor = Cursor(RUN, streaming=True)
    news = UnknownEvent.model_validate(
        {"event": "Tomorrow", "run_id": RUN, "event_index": 0, "epoch": 1, "mood": "good"}
    )
    assert cursor.take(news) == [news]
    assert len(cursor.take(event(1))) == 1


def test_new_cursor_asks_for_everything() -> None:
    asked = Cursor(RUN).ask("r")
    assert (asked.last_event_index, asked.epoch, asked.snapshot) == (None, None, False)
    assert Cursor(RUN, streaming=True).sync is Sync.STREAMING
