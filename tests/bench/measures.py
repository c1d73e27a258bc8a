"""The measurements: each does its work once, on a system that runs, and says what it measured.

What is named here `B1`, `M1` … is explained in `report.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from tests.bench.audience import audience
from tests.bench.client import BenchError
from tests.bench.delivering import delivering_much, delivering_soon
from tests.bench.inbox import inbox
from tests.bench.inboxes import answered, told
from tests.bench.machines import history, instances, scripts
from tests.bench.many_instances import many_instances
from tests.bench.residents import idle_runs, idle_sockets
from tests.bench.sizes import Figures, Sizes
from tests.bench.subscribed import subscribed
from tests.bench.systems import System
from tests.bench.takeover import takeover

_WINDOW = 1_000


async def warm_up(system: System, sizes: Sizes) -> None:
    """First connections, first imports, first rows of a table: nobody's steady state."""
    async with system.client() as client:
        await client.deltas_of_new_run(sizes.deltas // 4)
    if "B2" in system.kind.does:
        await _many_runs(system, sizes.at_a_time * 2, sizes.at_a_time)


async def stream(system: System, sizes: Sizes) -> Figures:
    async with system.client() as client:
        arrivals = await client.deltas_of_new_run(sizes.deltas)
    _expect(len(arrivals.times), sizes.deltas)
    return {"B1": [arrivals.rate]}


async def many_runs(system: System, sizes: Sizes) -> Figures:
    return {"B2": [await _many_runs(system, sizes.runs, sizes.at_a_time)]}


async def one_at_a_time(system: System, sizes: Sizes) -> Figures:
    to_pause, to_complete = [], []
    async with system.client() as client:
        for _ in range(sizes.latencies):
            started = perf_counter()
            paused = await client.start("review")
            decided = perf_counter()
            await client.approve(paused)
            to_pause.append(decided - started)
            to_complete.append(perf_counter() - decided)
    return {"B2' pause": [median(to_pause) * 1000], "B2' complete": [median(to_complete) * 1000]}


async def large_run(system: System, sizes: Sizes) -> Figures:
    """One run for two rows: how an event's cost grows while it is live, and how fast it is read again."""
    async with system.client() as client:
        live = await client.deltas_of_new_run(sizes.large)
    async with system.client() as client:
        replayed = await client.deltas_of_finished_run(live.run_id)
    _expect(len(live.times), sizes.large)
    _expect(len(replayed.times), sizes.large)
    return {"B3": [replayed.rate_since_asked], "B6": [_growth(live.times)]}


async def chained_confirmations(system: System, sizes: Sizes) -> Figures:
    async with system.client() as client:
        before = client.bytes_received
        event, decisions = await client.start("chain"), 0
        while event["event"] != "WorkflowCompleted":
            event, decisions = await client.approve(event), decisions + 1
        _expect(decisions, 20)
        return {"B6'": [(client.bytes_received - before) / 1e6]}


@dataclass(frozen=True, slots=True)
class Measure:
    """A measurement.

    Args:
        needs: the row that a system must be able to do.
        rows: the rows it fills.
        once: it is done in the last pass only: what it measures hardly differs from time to time, or it takes long. And
            the hundreds of megabytes that some of these write keep the disk busy, which is no part of another's figure.
    """

    work: Callable[[System, Sizes], Awaitable[Figures]]
    needs: str
    rows: frozenset[str]
    once: bool = False

    @property
    def name(self) -> str:
        return self.work.__name__.replace("_", " ")


MEASURES = (
    Measure(stream, "B1", frozenset({"B1"})),
    Measure(many_runs, "B2", frozenset({"B2"})),
    Measure(one_at_a_time, "B2'", frozenset({"B2'"})),
    Measure(large_run, "B3", frozenset({"B3", "B6"})),
    Measure(chained_confirmations, "B6'", frozenset({"B6'"})),
    Measure(audience, "B4", frozenset({"B4"})),
    Measure(instances, "M1", frozenset({"M1", "M2"})),
    Measure(scripts, "M3", frozenset({"M3"})),
    Measure(delivering_soon, "W1", frozenset({"W1"})),
    Measure(delivering_much, "W2", frozenset({"W2"}), once=True),
    Measure(subscribed, "W3", frozenset({"W3"}), once=True),
    Measure(idle_sockets, "B5", frozenset({"B5"}), once=True),
    Measure(takeover, "B7", frozenset({"B7"}), once=True),
    Measure(idle_runs, "B8", frozenset({"B8"}), once=True),
    Measure(inbox, "I1", frozenset({"I1"}), once=True),
    Measure(answered, "I2", frozenset({"I2"})),
    Measure(told, "I3", frozenset({"I3"}), once=True),
    Measure(history, "M4", frozenset({"M4"}), once=True),
    Measure(many_instances, "M5", frozenset({"M5"}), once=True),
)


async def _many_runs(system: System, runs: int, at_a_time: int) -> float:
    """Runs a second, of runs with a connection each."""
    waiting = iter(range(runs))

    async def worker() -> None:
        for _ in waiting:
            async with system.client() as client:
                await client.approve(await client.start("review"))

    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(worker())
    return runs / (perf_counter() - started)


def _growth(times: list[float]) -> float:
    """The cost of an event in the run's last tenth over that after its first thousand: medians of windows."""
    windows = [
        times[end] - times[end - _WINDOW] for end in range(2 * _WINDOW, len(times), _WINDOW)
    ]  # the first thousand is the start-up
    tenth = max(1, len(times) // _WINDOW // 10)
    return median(windows[-tenth:]) / median(windows[:tenth])


def _expect(found: int, expected: int) -> None:
    if found != expected:
        raise BenchError(f"{found} where {expected} were expected")
