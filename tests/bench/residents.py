"""B5 and B8: what sockets and paused runs cost while nothing happens. Each on a server that was just started."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import perf_counter

import redis
from tests.bench.client import BenchError
from tests.bench.listeners import listeners
from tests.bench.memory import memory_of
from tests.bench.sizes import Figures, Sizes
from tests.bench.systems import ROOT, Storage, System, without_settings

WARM_SOCKETS = 20
AT_REST_SECONDS = 5.0
"""How long a server is left alone: whatever it does at its start, and now and then, it has done once."""

MB = 2**20


async def idle_sockets(system: System, sizes: Sizes) -> Figures:
    """KB of the server's memory for each socket, that follows a run of its own where the system has that."""
    with _folder() as folder, system.kind.storage(folder) as storage:
        runs: Sequence[str | None] = [None] * sizes.sockets
        if storage:
            runs = await paused_runs(storage, sizes.sockets)
        with system.kind.serve(system.kind, folder, storage) as server:
            async with listeners(server, runs[:WARM_SOCKETS]):
                pass
            before = await memory_of(server.pid)
            async with listeners(server, runs):
                after = await memory_of(server.pid)
    return {"B5": [(after - before) / 1024 / sizes.sockets]}


async def idle_runs(system: System, sizes: Sizes) -> Figures:
    """MB of the server's memory for the paused runs there are, and seconds until it listens; MB of Redis's, too."""
    with _folder() as folder, system.kind.storage(folder) as storage:
        async with _at_rest(system, folder, storage) as (memory, _):
            without = memory
        empty = _redis_memory(storage)
        await paused_runs(storage, sizes.paused)
        in_redis = [(_redis_memory(storage)[0] - before) / MB for before in empty]
        async with _at_rest(system, folder, storage) as (memory, seconds):
            figures: Figures = {"B8 memory": [(memory - without) / MB], "B8 start": [seconds]}
    return figures | {"B8 Redis": in_redis} if in_redis else figures


async def paused_runs(storage: Storage, count: int) -> list[str]:
    """Make runs that wait, on a storage that no server uses; their ids."""
    hands = 2 if "INTERLOCK_REDIS_URL" in storage else 1  # one process has an SQLite file
    made = await asyncio.gather(*(_some_paused_runs(storage, count // hands) for _ in range(hands)))
    return [run_id for some in made for run_id in some]


async def _some_paused_runs(storage: Storage, count: int) -> list[str]:
    command = (sys.executable, "-m", "tests.bench.paused", str(count))
    pipe = asyncio.subprocess.PIPE
    environment = {**without_settings(), **storage}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe)
    try:
        ids, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BenchError(f"No paused runs could be made: {errors.decode()[-1000:]}")
    return ids.decode().split()


@asynccontextmanager
async def _at_rest(system: System, folder: Path, storage: Storage) -> AsyncIterator[tuple[int, float]]:
    """A server that has had time to settle: its memory, and how long its start took."""
    started = perf_counter()
    with system.kind.serve(system.kind, folder, storage) as server:
        seconds = perf_counter() - started
        async with listeners(server, [None]):
            pass
        await asyncio.sleep(AT_REST_SECONDS)
        yield await memory_of(server.pid), seconds


def _redis_memory(storage: Storage) -> list[int]:
    """What Redis says it uses; nothing where there is none."""
    url = storage.get("INTERLOCK_REDIS_URL")
    if url is None:
        return []
    with redis.Redis.from_url(url) as client:
        return [int(client.info("memory")["used_memory"])]


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        yield Path(folder)
