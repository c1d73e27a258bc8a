"""W1 and W2: how soon webhooks are sent, and how many a second.

The receiver is in this process, and so shares the machine with the server: it reads a request, notes it, and answers.
W2 is a server that is started on what others have left to deliver, to it and to a receiver that never answers.
"""

import asyncio
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, time_ns

from sqlalchemy import Connection, select
from tests.bench.client import BenchError
from tests.bench.inbox import opened
from tests.bench.machines import APPROVAL, NAME, ORDER
from tests.bench.memory import own_memory
from tests.bench.rest import HALTED, rest
from tests.bench.sizes import Figures, Sizes
from tests.bench.systems import Storage, System

from interlock.auth import Principal
from interlock.database import Database
from interlock.identity.directory import facts_of
from interlock.secrets.known import Known
from interlock.secrets.vault import KeyedVault, new_key
from interlock.store.port import FoundMilestone, NewRun, Settlement
from interlock.store.ports.webhooks import Subscription
from interlock.store.sql import SqlStore
from interlock.store.webhook_tables import webhook_deliveries
from interlock.webhooks.events import EVENTS
from interlock.webhooks.keys import SigningKeys
from interlock.webhooks.signing import new_secret
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import RunStatus

PATIENCE = 120.0
AT_A_TIME = 100
DATA = '{"instance_id": "%s", "workflow_name": "bench", "workflow_data": {"text": "' + "x" * 500 + '"}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
_ID = re.compile(rb"\r\nwebhook-id: (\S+)", re.IGNORECASE)


@dataclass
class Receiver:
    """What came, by delivery: the time in ms since 1970, and by this process's counter. `is_silent` never answers."""

    is_silent: bool = False
    port: int = 0
    came: dict[str, tuple[float, float]] = field(default_factory=dict)
    open: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._receiver.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiver.open -= 1

    def data_received(self, data: bytes) -> None:
        at = time_ns() / 1e6, perf_counter()
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end]
            length, name = _LENGTH.search(head), _ID.search(head)
            if length is None or name is None or len(self._read) < end + 4 + int(length[1]):
                return
            self._read = self._read[end + 4 + int(length[1]) :]
            self._receiver.came.setdefault(name[1].decode(), at)
            self._receiver.news.set()
            if not self._receiver.is_silent:
                self._transport.write(ANSWER)


@asynccontextmanager
async def receiving(*, is_silent: bool = False) -> AsyncIterator[Receiver]:
    made = Receiver(is_silent)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(made), "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


async def delivering_soon(system: System, sizes: Sizes) -> Figures:
    """How many ms after it is in the outbox an event is at its receiver."""
    async with receiving() as receiver:
        with _storage(system) as (folder, storage, key):
            async with opened(storage) as database:
                await _subscribe(SqlStore(database), receiver, key)
            with system.kind.serve(system.kind, folder, storage) as server:
                async with rest(server) as client:
                    await client.publish(APPROVAL)
                    for number in range(sizes.latencies):
                        await client.create(NAME, ORDER, HALTED)
                        await _until(receiver, 2 * (number + 1))
            async with opened(storage) as database:
                written = await database.read(_written)
    return {"W1": [median(at - written[name] for name, (at, _) in receiver.came.items())]}


async def delivering_much(system: System, sizes: Sizes) -> Figures:
    """Deliveries a second to one receiver while another hangs, and by how many MB the server grows meanwhile."""
    async with receiving() as receiver, receiving(is_silent=True) as silent:
        with _storage(system) as (folder, storage, key):
            async with opened(storage) as database:
                await _left(database, (receiver, silent), sizes.deliveries, key)
            with system.kind.serve(system.kind, folder, storage) as server:
                await _until(receiver, sizes.deliveries // 10)
                before, begun = own_memory(server.pid), perf_counter()
                first = len(receiver.came)
                await _until(receiver, sizes.deliveries)
                rate = (sizes.deliveries - first) / (perf_counter() - begun)
                grown = own_memory(server.pid) - before
    if silent.open > 1:
        raise BenchError(f"a receiver that hangs has {silent.open} connections")
    return {"W2 rate": [rate], "W2 memory": [max(grown / 1e6, 0.0)]}


async def _until(receiver: Receiver, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(receiver.came) < count:
            receiver.news.clear()
            await receiver.news.wait()


@contextmanager
def _storage(system: System) -> Iterator[tuple[Path, Storage, str]]:
    """A folder, a storage of its own with what a server needs to deliver here, and its key."""
    key = new_key()
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as name, system.kind.storage(Path(name)) as storage:
        allowed = {"INTERLOCK_WEBHOOK_ALLOW": "127.0.0.1", "INTERLOCK_LIMIT_WEBHOOKS": "off"}
        yield Path(name), {**storage, **allowed, "INTERLOCK_SECRETS_KEYS": key}, key


async def _subscribe(store: SqlStore, receiver: Receiver, key: str) -> None:
    id_ = f"whsub_{secrets.token_hex(8)}"
    keys = SigningKeys(lambda: KeyedVault([key]), Known())
    await store.add_subscription(
        Subscription(
            id=id_,
            account=DEFAULT_ACCOUNT,
            url=f"http://127.0.0.1:{receiver.port}/hook",
            events=EVENTS,
            secret=keys.sealed(DEFAULT_ACCOUNT, id_, new_secret()),
            creator=facts_of(Principal("admin", frozenset({"admin"}))),
            created_at=0,
            updated_at=0,
        )
    )


async def _left(database: Database, receivers: tuple[Receiver, ...], deliveries: int, key: str) -> None:
    """Runs with an event each, for each of these receivers."""
    store = SqlStore(database)
    for receiver in receivers:
        await _subscribe(store, receiver, key)
    for first in range(0, deliveries, AT_A_TIME):
        await asyncio.gather(*(_told(store, number) for number in range(first, min(first + AT_A_TIME, deliveries))))


async def _told(store: SqlStore, number: int) -> None:
    run_id, now = f"run-{number}", time_ns() // 1_000_000
    await store.create_run(NewRun(run_id, "bench", "1.0", "hash", "session", "admin", {}, now))
    told = FoundMilestone(epoch=1, index=9, at=now, event="workflow.instance.completed", data=DATA % run_id)
    await store.settle(Settlement(run_id, RunStatus.COMPLETED, 1, 10, updated_at=now, milestones=(told,)))


def _written(connection: Connection) -> dict[str, int]:
    """When each delivery was written."""
    rows = connection.execute(select(webhook_deliveries.c.id, webhook_deliveries.c.created_at))
    return {row.id: row.created_at for row in rows}
