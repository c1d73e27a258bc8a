"""Runs whose logs older versions began go on to the end that they had: the same is asked under the same ids."""

from __future__ import annotations

from typing import Any

import pytest
from tests.replay.recording import FINAL, LOGS, read
from tests.replay.scenarios import SCENARIOS
from tests.workflow.simulation import Simulation, called

from interlock.engine.work.functions import call, execute
from interlock.workflow.activities import Activity, BundleVersion, Evaluation, Expression, Function
from interlock.workflow.program import Draft, Environment, Work
from interlock.workflow.run.events import takes_signal
from interlock.workflow.run.fold import fold
from interlock.workflow.run.state import RunState
from interlock_protocol.types import RunStatus

ELSEWHERE = {
    "cancelled": "a person ends it",
    "error_retried_by_a_person": "its step counts its calls in memory",
    "restart": "its step hangs until the server goes",
    "restart_asks": "its step hangs until the server goes",
    "retries": "its step counts its calls in memory",
    "session": "it tells of other runs",
    "time_limit": "its step hangs for longer than it may",
}
"""What doesn't come to its end by its decisions alone."""

NAMES = sorted({path.stem for path in LOGS.glob("*.json")} & set(SCENARIOS) - set(ELSEWHERE))


class _Nowhere:
    """Where what a step streams goes."""

    is_full = False

    def content(self, text: str) -> None: ...

    def custom(self, name: str, data: Any) -> None: ...

    def tool(self, event: str, tool: Any) -> None: ...

    async def room(self) -> None: ...


async def came_to(activity: Activity) -> Any:
    match activity:
        case Function(function, given):
            return await execute(function, given, _Nowhere(), begin=lambda: lambda: None)
        case Evaluation(function, given) if not isinstance(function, Expression):
            return await call(function, given)
        case BundleVersion():
            return "v1"
    return called(activity)


async def result_of(run: Simulation, work: Work) -> Any:
    calls, result = run.program.calls(run.state, work, Environment()), None
    while True:
        try:
            activity = calls.send(result)
        except StopIteration as end:
            return end.value
        result = await came_to(activity)


async def go_on(run: Simulation) -> None:
    """As far as it goes without people."""
    run.settle()
    while run.running:
        work = run.running.pop(next(iter(run.running)))
        try:
            drafts = run.program.concluded(run.state, work, await result_of(run, work), run.clock)
        except Exception as error:
            drafts = (run.program.failed(run.state, work, error, run.clock),)
        for draft in drafts:
            run.emit(draft)
        run.settle()


def begun(name: str, cut: int) -> tuple[Simulation, list[dict[str, Any]]]:
    """A run as far as the first `cut` entries of its log, and the decisions and signals that are still to come."""
    fixture = read(LOGS / f"{name}.json")
    run = Simulation(SCENARIOS[name].workflow)
    run.state = RunState(**fixture["run"])
    run.state.fingerprint = run.workflow.fingerprint
    for entry in fixture["entries"][:cut]:
        run.log.append((entry["event"], entry.get("private"), ()))
        fold(run.state, entry["event"], entry.get("private"))
    run.clock = fixture["entries"][cut - 1]["event"]["created_at"]
    return run, [entry for entry in fixture["entries"][cut:] if is_of_others(entry["event"])]


def is_of_others(event: dict[str, Any]) -> bool:
    """Return True if somebody else than the run's owner has appended it. A signal that is taken is the owner's."""
    return event["event"] == "SignalReceived" or ("decision" in event and not takes_signal(event))


def pauses(name: str) -> list[int]:
    """After how many entries of its log a run has paused; of one that never does, where it has begun."""
    events = [entry["event"]["event"] for entry in read(LOGS / f"{name}.json")["entries"]]
    return [index for index, event in enumerate(events, 1) if event == "WorkflowRunOutput"] or [1]


@pytest.mark.parametrize("at", ["first", "last"])
@pytest.mark.parametrize("name", NAMES)
async def test_run_that_was_begun_by_an_older_version_comes_to_its_end(name: str, at: str) -> None:
    fixture = read(LOGS / f"{name}.json")
    run, decisions = begun(name, pauses(name)[0 if at == "first" else -1])
    await go_on(run)
    for entry in decisions:
        event = {key: value for key, value in entry["event"].items() if key not in ("event_index", "epoch")}
        if "decision" in event:
            assert event["requirement_id"] in run.state.requirements, "it is asked under the id that it had"
        run.emit(Draft(event, entry.get("private")))
        await go_on(run)
    was = fixture["entries"][-1]["event"]
    assert was["event"] in FINAL
    assert run.state.status is not RunStatus.PAUSED
    keys = ("event", "content", "error", "error_type", "reason")
    assert {key: run.last.get(key) for key in keys} == {key: was.get(key) for key in keys}
