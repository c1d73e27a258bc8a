"""Runs a piece of a run's work: each of its activities, with the runner of its kind.

Laws:
- The program decides what is called, with which arguments, and what follows from the result; the worker decides how it
  is run, and for how long.
- A cancelled run tells its threads so when they ask; the results of these threads are dropped.

Source: `docs/workflows.md`, "Steps".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from interlock.engine.work.agents import run_agent
from interlock.engine.work.expressions import Expressions
from interlock.engine.work.functions import Threads, TimeLimitExceeded, call, execute, time_limited
from interlock.engine.work.logic import LogicRunners
from interlock.engine.work.people import People
from interlock.engine.work.sessions import Sessions
from interlock.engine.work.stream import RunWriter, StepStream
from interlock.engine.work.widgets import bundle_version
from interlock.secrets.port import Vault
from interlock.store.port import Bundles
from interlock.telemetry.counters import Counters
from interlock.telemetry.tracing import Traces
from interlock.workflow.activities import Asks, Returned, asks_nobody
from interlock.workflow.program import (
    Activity,
    AgentTurn,
    BundleVersion,
    Environment,
    Evaluation,
    Expression,
    Function,
    HttpCall,
    Instruct,
    Program,
    RollCall,
    Script,
    SessionRead,
    StepInput,
    ThreadEnd,
    Work,
)


class Worker:
    """Runs the work of one run.

    Args:
        vault: opens the secrets that people typed into forms.
        asks: asks people what steps ask by themselves.

    Attributes:
        is_cancelled: the answer for a step in a thread that asks whether it is cancelled.
        secrets: the secrets that the run's steps were given, redacted from what they log.
    """

    def __init__(
        self,
        program: Program,
        writer: RunWriter,
        sessions: Sessions,
        threads: Threads,
        expressions: Expressions,
        logic: LogicRunners,
        traces: Traces,
        people: People,
        bundles: Bundles,
        vault: Vault | None = None,
        *,
        counters: Counters | None = None,
        asks: Asks = asks_nobody,
    ) -> None:
        self._program = program
        self._threads = threads
        self._writer = writer
        self._sessions = sessions
        self._expressions = expressions
        self._logic = logic
        self._traces = traces
        self._people = people
        self._bundles = bundles
        self._asks = asks
        self._counters = counters or Counters()
        self.is_cancelled = False
        self.secrets: set[str] = set()
        self._streams: dict[Work, StepStream] = {}
        self._given_up: set[Work] = set()
        self._environment = Environment(vault, self.secrets, lambda: self.is_cancelled)

    async def result(self, work: Work) -> Any:
        """Run a piece of work, and return its result: what `Program.concluded` takes.

        Raises:
            BaseException: whatever the code raised, and `OutputError` for a value that can't be a result.
        """
        calls = self._program.calls(self._writer.state, work, self._environment)
        came_to = None
        while True:
            try:
                activity = calls.send(came_to)
            except StopIteration as end:
                return end.value
            came_to = await self._run(activity, work)

    def is_at_work(self, work: Work) -> bool:
        """Return True if a thread is running a step, even if nothing waits for it any more."""
        return work.step_id in self._threads.of(self._writer.state.run_id)

    def give_up(self, work: Work) -> None:
        """Close the stream of work that isn't needed any more, and tell its thread, if it asks."""
        self._given_up.add(work)
        stream = self._streams.get(work)
        if stream is not None:
            stream.close()

    async def _run(self, activity: Activity, work: Work) -> Any:
        match activity:
            case SessionRead():
                return await self._sessions.for_step()
            case Function() | AgentTurn():
                return await self._limited(activity, work)
            case Evaluation(Expression() as expression, StepInput() as given):
                return await self._expressions.value(expression, given)
            case Evaluation(function, StepInput() as given):
                return await call(function, replace(given, _cancelled=lambda: self._is_cancelled(work)))
            case Evaluation(function, given):
                return await call(function, given)
            case Script() | HttpCall() | Instruct():
                return await self._logic_run(activity)
            case RollCall():
                return await self._people.roll(activity)
            case BundleVersion():
                return await bundle_version(self._bundles, activity)
            case ThreadEnd():
                return await self._thread_ended(activity, work)

    async def _logic_run(self, activity: Script | HttpCall | Instruct) -> Returned:
        """Run the logic of a state, and count how long it took, whatever it came to."""
        state, counted, began = self._writer.state, self._counters.by_workflow, time.perf_counter()
        try:
            return await self._logic.run(activity, self._traces.headers(state.run_id), self.secrets.update)
        finally:
            if not isinstance(activity, Instruct):
                durations = counted.scripts if isinstance(activity, Script) else counted.calls
                durations.of(state.account, state.workflow_id).add(time.perf_counter() - began)

    async def _limited(self, activity: Function | AgentTurn, work: Work) -> Any:
        stream = self._streams[work] = StepStream(self._writer, self._program, work, self.secrets)
        try:
            async with time_limited(activity.time_limit) as limit:
                given = replace(
                    activity.given,
                    _cancelled=lambda: self._is_cancelled(work) or limit.expired(),
                    _ask=partial(self._asks, activity.given),
                )
                if isinstance(activity, Function):
                    return await execute(activity.function, given, stream, begin=self._begin(work))
                return await run_agent(activity.agent, activity.paused, given, stream)
        finally:
            del self._streams[work]

    def _is_cancelled(self, work: Work) -> bool:
        return self.is_cancelled or work in self._given_up

    def _begin(self, work: Work) -> Callable[[], Callable[[], None]]:
        return partial(self._threads.begin, self._writer.state.run_id, work.step_id)

    async def _thread_ended(self, activity: ThreadEnd, work: Work) -> None:
        """Return when no thread is still running an earlier try of the step.

        Raises:
            TimeLimitExceeded: it takes longer than a try may take.
        """
        try:
            async with time_limited(activity.time_limit):
                await self._threads.ended(self._writer.state.run_id, work.step_id)
        except TimeLimitExceeded:
            raise TimeLimitExceeded(
                f"its last try is still at work in its thread, {activity.time_limit:g} s after the next was due; "
                "it isn't tried again meanwhile"
            ) from None
