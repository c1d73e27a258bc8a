"""Ids in order of time."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from interlock.ids import time_ordered

TIMES = st.integers(0, (1 << 48) - 1)


@given(TIMES, TIMES)
def test_ids_sort_as_their_times_do(one: int, other: int) -> None:
    if one != other:
        assert (time_ordered(one) < time_ordered(other)) is (one < other)


@given(TIMES)
def test_an_id_is_a_uuid_of_version_7_that_says_when_it_was_made(now: int) -> None:
    made = uuid.UUID(hex=time_ordered(now))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == now


@given(st.integers())
def test_any_clock_gives_an_id(now: int) -> None:
    assert len(time_ordered(now)) == 32


def test_ids_of_one_millisecond_differ() -> None:
    assert len({time_ordered(0) for _ in range(10_000)}) == 10_000
