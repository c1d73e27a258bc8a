"""Workflows under test: run one in this process, answer its pauses, inspect its events.

    async with running(workflow, message="3 crates of apples") as run:
        pause = await run.paused()
        await pause.confirm()
        assert await run.completed() == "Ordered."

Laws:
- Engine, log and store are the real ones, on a temporary SQLite file. Nothing is read from the environment, and no port
  is opened.
- A test sees what a client sees: the events as they are sent, and the pauses of the Python client.
- Every wait has a deadline. It ends at once when the awaited event can't come any more, and reports the run's state.
- The test moves the time by which timeouts fire and steps are retried. It never follows the store's clock.
- A test's mistake raises `Unexpected`, an AssertionError. A refusal by the server raises its `Refusal`.
"""

from __future__ import annotations

from interlock.auth import ALL_SCOPES
from interlock.testing.followed import Unexpected
from interlock.testing.runs import Run, running
from interlock.testing.steps import StepRun
from interlock_client.pauses import Pause
from interlock_protocol.errors import ErrorCode, Refusal

__all__ = ["ALL_SCOPES", "ErrorCode", "Pause", "Refusal", "Run", "StepRun", "Unexpected", "running"]
