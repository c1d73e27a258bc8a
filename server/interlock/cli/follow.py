"""`interlock follow`: prints the events of a run, one line each.

Laws:
- Each event is printed once, in order, across reconnections; the command ends when the run ends.
- With `--json`, standard output has JSON and nothing else: each line is an event as the server sent it.
"""

from __future__ import annotations

import json
from typing import IO

from interlock.cli.exits import ExitCode, exit_code
from interlock.cli.target import Target
from interlock.cli.words import decided, duration, in_short
from interlock_client import Run
from interlock_client.cursor import event_index
from interlock_client.tools import waiting
from interlock_protocol.messages import (
    RunResponseContentEvent,
    ServerMessage,
    SignalReceived,
    StepCompleted,
    StepContinued,
    StepError,
    StepEvent,
    StepExecutorContinued,
    StepExecutorPaused,
    StepOutputReview,
    StepPaused,
    StepSkipped,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowError,
    WorkflowRunOutput,
    WorkflowStarted,
)
from interlock_protocol.types import JsonValue


class Follow:
    """One `follow` command: the run, the first event, and the format."""

    def __init__(self, target: Target, run_id: str, *, first: int, as_json: bool, out: IO[str], err: IO[str]) -> None:
        self._target = target
        self._run_id = run_id
        self._first = first
        self._as_json = as_json
        self._out = out
        self._err = err
        self._run: Run | None = None

    async def to_the_end(self) -> ExitCode:
        """Print the events until the run ends."""
        async with self._target.connect(on_disconnect=self._lost) as client:
            last = self._first - 1 if self._first > 0 else None
            self._run = await client.follow(self._run_id, last_event_index=last)
            async for event in self._run:
                print(as_json(event) if self._as_json else as_line(event), file=self._out, flush=True)
            return exit_code(self._run.status)

    def leave(self) -> ExitCode:
        """Say how to come back, after Ctrl-C."""
        if self._run is None:
            return ExitCode.INTERRUPTED
        last = self._run.last_event_index
        place = "" if last is None else f" --from {last + 1}"
        print(f"The run goes on without you: interlock follow {self._run_id}{place}", file=self._err)
        return ExitCode.LEFT

    def _lost(self, reason: str) -> None:
        print(f"connection lost ({reason}); reconnecting", file=self._err, flush=True)


def as_json(event: ServerMessage) -> str:
    """The event as JSON, with exactly the fields that the server sent."""
    return json.dumps(event.model_dump(mode="json", exclude_unset=True), ensure_ascii=False)


def as_line(event: ServerMessage) -> str:
    """An event on one line: index, name, place, and its most important content."""
    index = event_index(event)
    place = "/".join(map(str, event.step_path)) or event.step_name if isinstance(event, StepEvent) else ""
    parts = [f"{'' if index is None else index:>6}", f"{event.event:<24}", in_short(place), _gist(event)]
    return "  ".join(part for part in parts if part).rstrip()


def _gist(event: ServerMessage) -> str:
    if isinstance(event, StepContinued | StepExecutorContinued):
        return decided(event, None)
    if isinstance(event, StepCompleted):
        return f"{duration(event.duration_ms)}  {_quoted(event.content)}"
    if isinstance(event, StepExecutorPaused):
        return ", ".join(in_short(tool.name) for tool in waiting(event.executor_requirements))
    for kind, name in _TELLING:
        if isinstance(event, kind):
            return _quoted(getattr(event, name))
    return ""


def _quoted(value: JsonValue) -> str:
    return "" if value is None else in_short(json.dumps(value, ensure_ascii=False))


_TELLING: tuple[tuple[type[ServerMessage], str], ...] = (
    (WorkflowStarted, "input"),
    (RunResponseContentEvent, "content"),
    (SignalReceived, "topic"),
    (StepError, "error"),
    (StepSkipped, "reason"),
    (StepOutputReview, "step_output"),
    (StepPaused, "requirement_id"),
    (WorkflowRunOutput, "status"),
    (WorkflowCompleted, "content"),
    (WorkflowCancelled, "reason"),
    (WorkflowError, "error"),
)
