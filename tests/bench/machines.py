"""M1 to M4: state machines over HTTP, from a request being sent to its answer being read.

The definition of M1 and M2 is stored and published, as clients have it; what only compares logic (M3), or only makes
many events (M4), is in `workflows.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any, Final, TypeVar

from tests.bench.client import BenchError
from tests.bench.rest import COMPLETED, HALTED, Rest, rest
from tests.bench.sizes import Figures, Sizes
from tests.bench.systems import System
from tests.bench.workflows import LOGIC_STATES

T = TypeVar("T")

APPROVAL: Final[dict[str, Any]] = {
    "name": "bench_approval",
    "initial_state": "submit",
    "states": {
        "submit": {
            "type": "action",
            "logic": {"type": "script", "code": "return { ...input, status: 'pending' }"},
            "transitions": [{"target": "approval"}],
        },
        "approval": {
            "type": "halting",
            "presentation": {
                "type": "form",
                "title": "Purchase of ${workflow_data.amount}",
                "fields": [
                    {"name": "approved", "type": "boolean", "label": "Approve?", "required": True},
                    {"name": "comment", "type": "string", "label": "Comment"},
                ],
            },
            "transitions": [
                {"target": "approved", "condition": {"field": "approved", "equals": True}},
                {"target": "rejected"},
            ],
        },
        "approved": {"type": "terminal"},
        "rejected": {"type": "terminal"},
    },
}
NAME = str(APPROVAL["name"])
ORDER = {"amount": 2500, "description": "desks", "requester": "user_123"}
ANSWER = {"approved": True, "comment": "fine"}

PAGE = 1_000
LOOKS = 50


async def instances(system: System, sizes: Sizes) -> Figures:
    """Instances that halt at their form, a second and ms each; and how they are resumed to their end."""
    async with rest(system, sizes.at_a_time) as client:
        await client.publish(APPROVAL)

        def create(_: object) -> Awaitable[Any]:
            return client.create(NAME, ORDER, HALTED)

        def resume(instance: Any) -> Awaitable[Any]:
            return client.resume(instance, ANSWER, COMPLETED)

        await _many(resume, (await _many(create, range(sizes.at_a_time), sizes.at_a_time))[1], sizes.at_a_time)
        create_rate, halted = await _many(create, range(sizes.instances), sizes.at_a_time)
        resume_rate, _ = await _many(resume, halted, sizes.at_a_time)
        create_ms, halted = await _each(create, range(sizes.latencies))
        resume_ms, _ = await _each(resume, halted)
    return {"M1 rate": [create_rate], "M1 one": [create_ms], "M2 rate": [resume_rate], "M2 one": [resume_ms]}


async def scripts(system: System, sizes: Sizes) -> Figures:
    """How many ms a script in a warm worker takes over an empty Python function, as the logic of one state."""
    async with rest(system) as client:
        await _run_through(client, "scripts", 1)  # it starts the worker
        with_scripts = await _run_through(client, "scripts", sizes.latencies)
        with_functions = await _run_through(client, "functions", sizes.latencies)
        return {"M3": [(with_scripts - with_functions) / LOGIC_STATES]}


async def history(system: System, sizes: Sizes) -> Figures:
    """How many ms the first page of a long history takes."""
    async with rest(system) as client:
        instance = await client.create("turns", {}, HALTED)
        path = f"/workflows/instances/{instance['id']}/history"
        while await _length(client, path) < sizes.events:
            await client.resume(instance, {"turns": 0}, HALTED)

        async def look(_: object) -> Any:
            return await client.get(path)

        ms, pages = await _each(look, range(LOOKS))
        if len(pages[-1]["events"]) != 100:
            raise BenchError(f"a page has {len(pages[-1]['events'])} events where it should have 100")
        return {"M4": [ms]}


async def _run_through(client: Rest, name: str, times: int) -> float:
    """The median of the ms that an instance without a halt takes."""

    def run(_: object) -> Awaitable[Any]:
        return client.create(name, {}, COMPLETED)

    return (await _each(run, range(times)))[0]


async def _length(client: Rest, path: str) -> int:
    """How many events a history has."""
    page = await client.get(path, limit=PAGE)
    length = len(page["events"])
    while page["pagination"]["has_more"]:
        page = await client.get(path, limit=PAGE, cursor=page["pagination"]["next_cursor"])
        length += len(page["events"])
    return length


async def _many(work: Callable[[Any], Awaitable[T]], items: Sequence[Any], at_a_time: int) -> tuple[float, list[T]]:
    """Do some work for each item, some at a time: how many a second, and what came of them."""
    waiting, done = iter(items), list[T]()

    async def worker() -> None:
        for item in waiting:
            done.append(await work(item))

    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(worker())
    return len(items) / (perf_counter() - started), done


async def _each(work: Callable[[Any], Awaitable[T]], items: Sequence[Any]) -> tuple[float, list[T]]:
    """Do some work for one item after the other: the median of its ms, and what came of them."""
    seconds, done = list[float](), list[T]()
    for item in items:
        started = perf_counter()
        done.append(await work(item))
        seconds.append(perf_counter() - started)
    return median(seconds) * 1000, done
