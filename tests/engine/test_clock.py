"""The store's clock, as a node knows it between two readings."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.live import eventually

from interlock.engine.clock import Clock, node_ms

MINUTE_MS = 60 * 1000
HOUR_MS = 60 * MINUTE_MS
OFF = st.integers(-HOUR_MS, HOUR_MS)
TOOK = st.integers(0, 2_000)


def test_it_says_what_the_store_said() -> None:
    clock = Clock()
    clock.set(node_ms() - HOUR_MS)
    assert abs(clock.now_ms() + HOUR_MS - node_ms()) < HOUR_MS / 2


async def test_it_goes_on_between_two_readings() -> None:
    clock = Clock()
    clock.set(1_000)
    await eventually(lambda: clock.now_ms() > 1_000)


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS])
def test_node_whose_time_of_day_jumps_counts_on(jump_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, time_ns = Clock(), time.time_ns
    clock.set(10 * HOUR_MS)
    monkeypatch.setattr(time, "time_ns", lambda: time_ns() + jump_ms * 1_000_000)
    assert abs(clock.now_ms() - 10 * HOUR_MS) < HOUR_MS / 2


@dataclass
class World:
    """The time as it goes by, a store whose clock is off by so much, and a node that counts."""

    off: int
    now: int = 10**12
    counted: int = 0

    def pass_by(self, ms: int) -> None:
        self.now += ms
        self.counted += ms

    @property
    def store_ms(self) -> int:
        return self.now + self.off

    def ask(self, clock: Clock, there: int, back: int) -> None:
        asked_at = clock.counted_ms()
        self.pass_by(there)
        said = self.store_ms
        self.pass_by(back)
        clock.set(said, asked_at=asked_at)


@settings(max_examples=300, deadline=None, database=None)
@given(off=OFF, asked=st.lists(st.tuples(TOOK, TOOK, st.integers(0, MINUTE_MS)), min_size=1))
def test_node_whose_own_clock_is_off_is_as_near_to_the_store_as_its_quickest_answer_was(
    off: int, asked: list[tuple[int, int, int]]
) -> None:
    world = World(off)
    clock = Clock(lambda: world.counted)
    said = -HOUR_MS
    for there, back, later in asked:
        world.ask(clock, there, back)
        for ms in (0, later):
            world.pass_by(ms)
            assert clock.now_ms() >= said
            said = clock.now_ms()
    world.pass_by(2 * sum(there + back for there, back, _ in asked))  # at half the speed
    assert abs(clock.now_ms() - world.store_ms) <= min(there + back for there, back, _ in asked)


@settings(max_examples=300, deadline=None, database=None)
@given(jumps=st.lists(st.tuples(OFF, TOOK, st.integers(0, MINUTE_MS)), min_size=1))
def test_it_never_goes_backwards_whatever_the_store_says(jumps: list[tuple[int, int, int]]) -> None:
    world = World(0)
    clock = Clock(lambda: world.counted)
    world.ask(clock, 0, 0)
    said = clock.now_ms()
    for off, took, later in jumps:
        world.off = off
        world.ask(clock, took, took)
        before = clock.now_ms()
        world.pass_by(later)
        assert said <= before <= clock.now_ms()
        assert clock.now_ms() - before >= later // 2, "whatever waits for a time waits twice as long at most"
        said = clock.now_ms()
    world.pass_by(4 * HOUR_MS + 4 * 2 * 2_000)
    assert abs(clock.now_ms() - world.store_ms) <= 2 * jumps[-1][1], "it comes back to the store's time"
