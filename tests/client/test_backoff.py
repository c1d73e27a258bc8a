"""How long a client waits before it tries again."""

from __future__ import annotations

import random

from interlock_client.backoff import Backoff


def test_bound_doubles_up_to_the_longest_and_progress_brings_it_back() -> None:
    backoff = Backoff(first=0.1, longest=1.0)
    bounds = []
    for _ in range(6):
        bounds.append(backoff.bound)
        backoff.delay()
    assert bounds == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    backoff.progressed()
    assert backoff.bound == 0.1


def test_delays_are_spread_over_the_whole_bound() -> None:
    delays = [Backoff(failures=3, _random=random.Random(seed)).delay() for seed in range(300)]
    assert min(delays) < 0.05
    assert max(delays) > 0.75
    assert max(delays) <= 0.8


def test_server_that_sends_away_is_left_alone_for_longer() -> None:
    backoff = Backoff()
    backoff.sent_away()
    assert backoff.bound == 1.6


def test_bound_of_a_very_long_outage_is_a_number() -> None:
    assert Backoff(failures=100_000).bound == 10.0
