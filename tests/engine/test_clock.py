"""The store's clock, as a node knows it between two readings."""

from __future__ import annotations

import time

import pytest
from tests.live import eventually

from interlock.engine.clock import Clock, node_ms

HOUR_MS = 60 * 60 * 1000


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
