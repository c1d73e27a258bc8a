"""M5: the halted instances of a namespace, among very many of all kinds; over HTTP, on a server of its own.

One instance really ran to its halt. The others are copies of its row, written past the store by the database itself:
half of all are in the namespace that is asked for, the others in a thousand others, and of a hundred one is halted.
"""

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from sqlalchemy import BigInteger, Connection, String, case, cast, func, insert, literal, select, text
from tests.bench.client import BenchError
from tests.bench.inbox import opened
from tests.bench.rest import HALTED, rest
from tests.bench.sizes import Figures, Sizes
from tests.bench.systems import Storage, System

from interlock.database import Database
from interlock.store.tables import runs
from interlock_protocol.types import RunStatus

NAMESPACE = "bench"
OTHERS = 1_000
HALTED_EACH = 100
PAGE = 50
LOOKS = 100
AT_A_TIME = 20_000
A_MINUTE_MS = 60_000
"""How long each instance was made after the one before it."""


async def many_instances(system: System, sizes: Sizes) -> Figures:
    """Milliseconds for the first page: the median of many looks."""
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as name, system.kind.storage(Path(name)) as storage:
        folder, kind = Path(name), system.kind
        with kind.serve(kind, folder, storage) as server:
            async with rest(server) as client:
                await client.create("turns", {}, HALTED, namespace=NAMESPACE)
        await _fill(storage, sizes.listed)
        with kind.serve(kind, folder, storage) as server:
            return {"M5": [await _look(server)]}


async def _look(server: System) -> float:
    seconds = []
    async with rest(server) as client:
        for _ in range(LOOKS):
            begun = perf_counter()
            page = await client.get("/workflows/instances", namespace=NAMESPACE, status=HALTED)
            seconds.append(perf_counter() - begun)
            if len(page["instances"]) != PAGE:
                raise BenchError(f"{len(page['instances'])} instances are listed where {PAGE} should be")
    return median(seconds) * 1000


async def _fill(storage: Storage, count: int) -> None:
    """Make so many instances; then the database may look at what it has, as it does by itself."""
    async with opened(storage) as database:
        columns = await database.read(_original)
        for first in range(1, count, AT_A_TIME):
            await _copy(database, columns, first, min(first + AT_A_TIME, count))
        await database.write(lambda connection: connection.execute(text("ANALYZE")), long=True)


def _original(connection: Connection) -> dict[str, Any]:
    return dict(connection.execute(select(runs)).mappings().one())


async def _copy(database: Database, original: dict[str, Any], first: int, end: int) -> None:
    """Make the instances with the numbers from `first` to before `end`, older ones with higher numbers."""
    numbers = select(literal(first, BigInteger).label("number")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.number + 1).where(numbers.c.number < end - 1))
    number = numbers.c.number
    is_halted, time = number % HALTED_EACH == 0, original["created_at"] - number * A_MINUTE_MS
    others = literal("other-") + cast(number % OTHERS, String)
    own = {
        "run_id": literal("inst_") + func.substr(cast(number + 10**10, String), 2),
        "status": case((is_halted, RunStatus.PAUSED.value), else_=RunStatus.COMPLETED.value),
        "pending": case((is_halted, original["pending"]), else_="[]"),
        "created_at": time,
        "updated_at": time,
        "namespace": case((number // HALTED_EACH % 2 == 0, NAMESPACE), else_=others),
    }
    columns = [
        own.get(column.name, literal(original[column.name], column.type)).label(column.name) for column in runs.c
    ]
    statement = insert(runs).from_select([column.name for column in runs.c], select(*columns))
    await database.write(lambda connection: connection.execute(statement) and None, long=True)
