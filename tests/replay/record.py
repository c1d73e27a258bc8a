"""The recorder.

    python -m tests.replay.record NAME …     records the logs of these scenarios
    python -m tests.replay.record --all      those of all scenarios that have none

`crash` is recorded with a process that is killed while a step runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.replay.playing import echo
from tests.replay.recording import LOGS, entries_of, fixture_of, write
from tests.replay.scenarios import SCENARIOS

from interlock import Parallel, Step, StepInput, Workflow
from interlock.app import Interlock
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.auth.tokens import StaticTokens
from interlock.engine.driving.loading import first_state
from interlock.settings import Settings
from interlock.testing import running
from interlock.workflow.run.state import RunState
from interlock_protocol.messages import StartWorkflow

CRASH = "crash"


async def record(name: str) -> dict[str, Any]:
    """Play a scenario and return its fixture."""
    scenario = SCENARIOS[name]
    async with running(scenario.workflow, message=scenario.message, deadline=30) as run:
        await scenario.play(run)
        services = run._server._services
        row = await services.store.run(run.run_id)
        assert row is not None
        return fixture_of(scenario.what, first_state(row), await entries_of(services.engine.log, run.run_id))


# ── A crash ─────────────────────────────────────────────────────────────────────────────────────────────


async def die(step_input: StepInput) -> str:
    """Take the process down at the first try."""
    if step_input.attempt == 1:
        await asyncio.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    return f"attempt {step_input.attempt}"


CRASHING = Workflow("crash", steps=[echo, Parallel("both", [Step("dies", die), Step("survives", echo)])])


async def _serve(folder: Path, *, start: bool) -> tuple[RunState, list[dict[str, Any]]]:
    """Run the crashing workflow, or take it up again, and return its log."""
    server = Interlock([CRASHING], Settings(data_dir=folder), StaticTokens({}))
    await server.start()
    services = server.services()
    if start:
        await services.engine.start(Principal("tester", USER_SCOPES), StartWorkflow(workflow_id="crash", message="hi"))
    while True:
        rows = await services.store.unfinished()
        (run_id,) = rows or [(folder / "run").read_text()]
        (folder / "run").write_text(run_id)
        entries = await entries_of(services.engine.log, run_id)
        if entries and entries[-1]["event"]["event"] == "WorkflowCompleted":
            break
        await asyncio.sleep(0.02)
    row = await services.store.run(run_id)
    assert row is not None
    await server.stop()
    return first_state(row), entries


def record_crash() -> dict[str, Any]:
    """Start a run in a process that dies of it, and let this one take it up."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "tests.replay.record", "--die", name]
        died = subprocess.run(command, timeout=60, check=False)
        assert died.returncode == -signal.SIGKILL, died.returncode
        start, entries = asyncio.run(_serve(Path(name), start=False))
    return fixture_of("A process that is killed while a step runs, in one of two branches.", start, entries)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.replay.record", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], CRASH, *SCENARIOS])
    parser.add_argument("--all", action="store_true", help="all scenarios that have no log")
    parser.add_argument("--die", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.die is not None:
        asyncio.run(_serve(options.die, start=True))
    known = {path.stem for path in LOGS.glob("*.json")}
    for name in [each for each in (CRASH, *SCENARIOS) if each not in known] if options.all else options.names:
        fixture = record_crash() if name == CRASH else asyncio.run(record(name))
        print(f"{write(name, fixture).name}: {len(fixture['entries'])} events")


if __name__ == "__main__":
    main()
