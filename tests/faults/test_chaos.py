"""Chaos, as much of it as a test suite has time for. `make chaos MINUTES=10` has more."""

from __future__ import annotations

import asyncio
import io
import os
import time
from pathlib import Path

import pytest
import uvloop
from rich.console import Console
from tests.faults.chaos import Options, chaos
from tests.faults.report import Outcome, show

SEED = int(os.environ.get("SEED") or time.time())
"""Another one each time; it is shown with what it found."""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]


def shown(outcome: Outcome) -> str:
    console = Console(file=io.StringIO(), width=120)
    show(console, outcome)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def run(folder: Path, options: Options) -> Outcome:
    """As `make chaos` does, on a fast loop: clients and proxies share it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(chaos(folder, options))


def test_a_minute_of_chaos_loses_repeats_and_invents_nothing(tmp_path: Path) -> None:
    outcome = run(tmp_path, Options(SEED, minutes=1.0, at_once=16))
    print(shown(outcome))
    assert not outcome.found, shown(outcome)
    assert outcome.hurter.done.total() > 10


def test_a_minute_of_chaos_on_a_redis_cluster_does_neither(tmp_path: Path) -> None:
    outcome = run(tmp_path, Options(SEED + 1, minutes=1.0, redis="cluster", at_once=12))
    print(shown(outcome))
    assert not outcome.found, shown(outcome)
    assert outcome.hurter.done.total() > 5
