"""`make cluster`: three nodes behind a balancer, for a person to try, until Ctrl-C.

A node that is killed comes back after a while, under another pid.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from tests.faults.cluster import Cluster, Node, cluster
from tests.support.services import free_port

import examples
from interlock import StepInput, Workflow

ABSENCE_SECONDS = 10.0
"""How long a node that was killed stays away."""


async def count(step_input: StepInput) -> AsyncIterator[str]:
    """Counts aloud, twice a second, for as long as it was told to: long enough to kill somebody meanwhile."""
    for number in range(1, 2 * _seconds(step_input.input) + 1):
        yield f"{number} "
        await asyncio.sleep(0.5)


def _seconds(message: object) -> int:
    return int(message) if isinstance(message, str) and message.isdecimal() else 60


workflows = [Workflow("count", steps=[count]), *examples.workflows]


async def main() -> None:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # as Ctrl-C: all is ended in order
    with tempfile.TemporaryDirectory(prefix="interlock-cluster-") as folder:
        print("Starting Redis, PostgreSQL, nginx and three nodes …", flush=True)
        options = {"workflows": "tests.faults.showcase:workflows", "hurtable": False, "port": _port()}
        async with cluster(Path(folder), **options) as made:  # type: ignore[arg-type]
            print(_advice(made), flush=True)
            await asyncio.gather(*(_bring_back(node) for node in made.nodes))


async def _bring_back(node: Node) -> None:
    while True:
        await asyncio.sleep(0.2)
        if not node.is_up:
            print(f"{node.surprises[-1]}; it comes back in {ABSENCE_SECONDS:.0f} s.", flush=True)
            await node.term()
            await asyncio.sleep(ABSENCE_SECONDS)
            await node.start()
            print(f"{node.name} is back: pid {node.pid}, {node.url}", flush=True)


def _port() -> int:
    """The one that was asked for, or a free one."""
    return int(os.environ.get("PORT") or free_port())


def _advice(made: Cluster) -> str:
    """Where it is, and what to type next: it works when it is pasted."""
    script = Path(sysconfig.get_path("scripts")) / "interlock"
    command = shlex.quote(os.path.relpath(script))
    first = made.nodes[0]
    nodes = [f"  {node.name}    pid {node.pid:<8} {node.url}   {node.log}" for node in made.nodes]
    return "\n".join(
        (
            f"Three nodes behind {made.url} (nginx), on one Redis and one PostgreSQL:",
            *nodes,
            f"  token     {made.token}",
            "Next, in another terminal, in this folder:",
            f"  export INTERLOCK_URL={made.url} INTERLOCK_TOKEN={made.token}",
            f"  {command} chat release-review --message .     # a run on some node, that asks you",
            "To see a takeover, start a run on the first node, follow it through the balancer, and kill that node:",
            f"  {command} chat count --message 60 --url {first.url}     # Ctrl-C leaves it running, and says its id",
            f"  {command} follow RUN",
            f"  kill -9 {first.pid}",
            "Ctrl-C here ends all of it.",
        )
    )


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nEnded.", file=sys.stderr)
