"""A store with subscriptions, receivers on loopback that answer as a test says, and relays that deliver."""

from __future__ import annotations

import asyncio
import json
from collections import Counter as Counts
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest_asyncio
from tests.contract.store.samples import ALICE, RUNNING, Clock, new_run, settlement
from tests.support.live import eventually

from interlock.addresses import Allowed
from interlock.aio.tasks import end
from interlock.auth import Principal
from interlock.database import open_database
from interlock.identity.directory import facts_of
from interlock.outgoing.guarded import Guard, Resolver
from interlock.outgoing.posting import Poster
from interlock.secrets.known import Known
from interlock.secrets.vault import KeyedVault, new_key
from interlock.store.migrate import migrate
from interlock.store.port import FoundMilestone
from interlock.store.ports.webhooks import Delivery, DeliveryFilter, DeliveryStatus, Subscription
from interlock.store.sql import SqlStore
from interlock.telemetry.counters import Counters
from interlock.webhooks.keys import SigningKeys
from interlock.webhooks.lanes import Ports, Room
from interlock.webhooks.relay import Relay
from interlock.webhooks.schedule import Schedule
from interlock.webhooks.sending import Sender
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject

HALTED = "workflow.instance.halted"
SECRET = "whsec_" + "c2VjcmV0" * 5 + "MTIz"
RETRIES = (0, 30_000, 120_000)
OWNER = Principal(ALICE, frozenset({"workflows:read", "webhooks:manage"}))

Body: TypeAlias = dict[str, Any]
Said: TypeAlias = bytes | int | None
Answers: TypeAlias = Callable[[Body], Said | Awaitable[Said]]
"""What a receiver says to a body, at once or later: a status, bytes, or nothing before it closes (None)."""


@dataclass
class Receiver:
    """What it was sent, in order, and how it answers."""

    port: int
    answer: Answers
    bodies: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def runs(self) -> list[str]:
        return [str(each["data"]["run"]) for each in self.bodies]


async def _said(answer: Said | Awaitable[Said], reader: asyncio.StreamReader) -> Said:
    """The answer; None if the other end closes before it is there."""
    if not isinstance(answer, Awaitable):
        return answer
    late, closed = asyncio.ensure_future(answer), asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((late, closed), return_when=asyncio.FIRST_COMPLETED)
        return late.result() if late.done() else None
    finally:
        await end((late, closed))


@asynccontextmanager
async def receiver(answer: Answers = lambda _: 200) -> AsyncIterator[Receiver]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.open += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
                fields = dict(line.split(": ", 1) for line in head)
                made.headers.append(fields)
                body = json.loads(await reader.readexactly(int(fields["Content-Length"])))
                made.bodies.append(body)
                said = await _said(made.answer(body), reader)
                if isinstance(said, int):
                    said = f"HTTP/1.1 {said} X\r\nContent-Length: 2\r\n\r\nok".encode()
                if said is None:
                    return
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            return
        finally:
            made.open -= 1
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    made = Receiver(server.sockets[0].getsockname()[1], answer)
    try:
        yield made
    finally:
        server.close()


@dataclass
class Outbox:
    """A store, and relays that share its work.

    Attributes:
        creators: what becomes of creators at delivery, by their user id; themselves by default.
        paces: for how long each subscription has no room now.
    """

    store: SqlStore
    clock: Clock
    stack: AsyncExitStack
    keys: SigningKeys
    creators: dict[str, Principal | Exception] = field(default_factory=dict)
    paces: dict[str, float] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    relays: list[tuple[Relay, asyncio.Task[None]]] = field(default_factory=list)

    async def subscribe(self, url: str, id_: str = "whsub_1", creator: Principal = OWNER, **fields: Any) -> None:
        new = Subscription(
            id=id_,
            account=DEFAULT_ACCOUNT,
            url=url,
            events=(HALTED,),
            secret=self.keys.sealed(DEFAULT_ACCOUNT, id_, SECRET),
            creator=facts_of(creator),
            created_at=0,
            updated_at=0,
        )
        await self.store.add_subscription(replace(new, **fields))

    async def tell(self, run_id: str, *indices: int) -> None:
        """Write events of a run; a run that isn't there begins."""
        if await self.store.run(run_id) is None:
            await self.store.create_run(new_run(run_id))
        milestones = tuple(
            FoundMilestone(
                epoch=0, index=each, at=self.clock.now, event=HALTED, data=json.dumps({"run": run_id, "index": each})
            )
            for each in indices
        )
        told = settlement(run_id, RUNNING, max(indices) + 1)
        await self.store.settle(replace(told, milestones=milestones, updated_at=self.clock.now))

    def relay(self, seconds: float = 20.0) -> Relay:
        """Another node, which begins to deliver."""
        known = Known()
        ports = Ports(
            store=self.store,
            clock=self.clock,
            schedule=Schedule(RETRIES),
            sender=Sender(known, lambda _: {}, self.clock, seconds),
            keys=self.keys,
            standing=self._standing,
            pace=self._pace,
            counters=self.counters,
            room=Room(),
        )
        guard = Guard(Allowed(["127.0.0.1"]), Resolver())
        made = Relay(ports, lambda: Poster(guard))
        task = asyncio.create_task(made.run(0.02))
        self.relays.append((made, task))
        self.stack.push_async_callback(end, (task,))
        return made

    async def _standing(self, facts: JsonObject) -> Principal:
        found = self.creators.get(str(facts["user_id"]), OWNER)
        if isinstance(found, Exception):
            raise found
        return found

    async def _pace(self, subscription_id: str) -> float | None:
        return self.paces.get(subscription_id)

    async def all(self, id_: str = "whsub_1", **which: Any) -> list[Delivery]:
        """The deliveries of a subscription, in order."""
        page = await self.store.deliveries(DEFAULT_ACCOUNT, id_, DeliveryFilter(limit=1000, **which))
        return list(reversed(page.deliveries))

    async def statuses(self, id_: str = "whsub_1") -> Counts[str]:
        return Counts(each.status.value for each in await self.all(id_))

    async def are(self, id_: str = "whsub_1", **counts: int) -> None:
        """Wait until so many deliveries are so."""
        expected = {DeliveryStatus(name).value: count for name, count in counts.items()}

        async def is_so() -> bool:
            return await self.statuses(id_) == expected

        await eventually(is_so)

    async def subscription(self, id_: str = "whsub_1") -> Subscription:
        found = await self.store.subscription(DEFAULT_ACCOUNT, id_)
        assert found is not None
        return found


@pytest_asyncio.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    clock = Clock()
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/webhooks.db")
    await migrate(database)
    vault = KeyedVault([new_key()])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        yield Outbox(SqlStore(database, clock=clock), clock, stack, SigningKeys(lambda: vault, Known()))
