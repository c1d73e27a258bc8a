"""Receivers of webhooks, while nodes die: one that answers, one that fails, and one that hangs or answers late.

Laws:
- At the end each has got every event of every run, as the run's log has them, in order, and nothing else. What comes
  again is the same again.
- Every delivery is verified by a library that knows nothing of this server.
- A node's death delays what it had taken: in the end that time is passed in the database, instead of waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

import asyncpg
from standardwebhooks import Webhook, WebhookVerificationError
from tests.faults.verdict import Finding, Kind, Story, in_sequence

from interlock.auth import Principal
from interlock.database import open_database
from interlock.identity.directory import facts_of
from interlock.secrets.known import Known
from interlock.secrets.vault import KeyedVault
from interlock.store.ports.webhooks import LISTENING_SECONDS, Subscription
from interlock.store.sql import SqlStore
from interlock.webhooks.events import EVENTS
from interlock.webhooks.keys import SigningKeys
from interlock.webhooks.signing import new_secret
from interlock_protocol.namespaces import DEFAULT_ACCOUNT

MANNERS: Final = ("answers", "fails", "hangs")
FAILS, HANGS, LATE = 0.25, 0.03, 0.1
"""How likely such a receiver does so."""

PATIENCE: Final = 60.0
SETTLING: Final = 2.0
"""How long what is under way has to end before the time of the dead is passed."""

TOLD: Final[Mapping[str, str]] = {
    "WorkflowStarted": "workflow.instance.created",
    "StepPaused": "workflow.instance.halted",
    "StepContinued": "workflow.instance.resumed",
    "StepExecutorContinued": "workflow.instance.resumed",
    "WorkflowCompleted": "workflow.instance.completed",
    "WorkflowError": "workflow.instance.failed",
    "WorkflowCancelled": "workflow.instance.cancelled",
}
"""What is told of an event of a run's log."""


class Arrival(NamedTuple):
    """A delivery as it came."""

    run_id: str
    sequence: int
    event: str
    delivery_id: str


@dataclass
class Listener:
    """A receiver, and what came."""

    manner: str
    chance: Random
    secret: str = field(default_factory=new_secret)
    arrivals: list[Arrival] = field(default_factory=list)
    forged: int = 0
    is_healed: asyncio.Event = field(default_factory=asyncio.Event)
    acknowledged: Counter[bool] = field(default_factory=Counter)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
                fields = dict(line.split(": ", 1) for line in head)
                body = await reader.readexactly(int(fields["Content-Length"]))
                is_fine = await self._is_fine()
                self.acknowledged[is_fine] += 1
                if is_fine:  # what isn't acknowledged counts for nothing
                    self._note(fields, body)
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (200 if is_fine else 500))
                await writer.drain()
        writer.close()

    async def _is_fine(self) -> bool:
        if self.is_healed.is_set() or self.manner == "answers":
            return True
        drawn = self.chance.random()
        if self.manner == "fails":
            return drawn >= FAILS
        if drawn < HANGS:
            await self.is_healed.wait()
            return False
        if drawn < HANGS + LATE:
            await asyncio.sleep(self.chance.uniform(0.2, 2))
        return True

    def _note(self, fields: Mapping[str, str], body: bytes) -> None:
        try:
            said = Webhook(self.secret).verify(body, dict(fields))
        except WebhookVerificationError:
            self.forged += 1
            return
        run_id = str(said["data"]["instance_id"])
        self.arrivals.append(Arrival(run_id, said["sequence"], said["event"], fields["webhook-id"]))


class Listeners:
    """All of them."""

    def __init__(self, database_url: str, listeners: Sequence[Listener]) -> None:
        self._url = database_url.replace("+asyncpg", "")
        self.all = listeners

    async def settle(self) -> None:
        """Have all receivers answer from now on, and wait until nothing is pending, or for too long."""
        for each in self.all:
            each.is_healed.set()
        await asyncio.sleep(SETTLING)
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(
                "UPDATE webhook_deliveries SET due_at = next_attempt_at WHERE due_at > next_attempt_at"
            )
            await connection.execute("UPDATE webhook_subscriptions SET rests_until = NULL")
            until = time.monotonic() + PATIENCE
            pending = "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'"
            while time.monotonic() < until:
                if not await connection.fetchval(pending):
                    return
                await asyncio.sleep(0.25)
        finally:
            await connection.close()

    def judged(self, stories: Iterable[Story], run_ids: Container[str]) -> Iterator[Finding]:
        """What is wrong with what came.

        Args:
            run_ids: all runs that there are, also those whose starter never heard of them.
        """
        by_id = {story.run_id: story for story in stories}
        for each in self.all:
            if each.forged:
                yield Finding(Kind.WRONG_CONTENT, "-", f"{each.forged} deliveries to who {each.manner} are forged")
            came: dict[str, list[Arrival]] = {run_id: [] for run_id in by_id}
            for arrival in each.arrivals:
                came.setdefault(arrival.run_id, []).append(arrival)
            for run_id, arrivals in came.items():
                if run_id in by_id or run_id not in run_ids:
                    yield from judged(f"the webhook that {each.manner}", run_id, arrivals, by_id.get(run_id))


def judged(who: str, run_id: str, arrivals: Sequence[Arrival], story: Story | None) -> Iterator[Finding]:
    """What is wrong with the deliveries of one run to one receiver."""
    if story is None:
        yield Finding(Kind.INVENTED, run_id, f"{who} was told of a run that nobody knows")
        return
    first: dict[int, Arrival] = {}
    for each in arrivals:
        if first.setdefault(each.sequence, each) != each:
            yield Finding(Kind.DIFFERENT, run_id, f"{who} was told {first[each.sequence]}, and then {each}")
    expected = [TOLD[each["event"]] for each in story.log if each["event"] in TOLD]
    for kind, what in in_sequence(who, list(first), len(expected) + 1, 1):
        yield Finding(kind, run_id, what)
    told = [first[number].event for number in sorted(first)]
    if len(told) > len(expected):
        yield Finding(Kind.INVENTED, run_id, f"{who} was told {told}; the log has {expected}")
    if len(told) == len(expected) and told != expected:
        yield Finding(Kind.DIFFERENT, run_id, f"{who} was told {told}; the log has {expected}")


@asynccontextmanager
async def listening(database_url: str, key: str, chance: Random) -> AsyncIterator[Listeners]:
    """Receivers with a subscription each, which all nodes know of."""
    listeners = [Listener(manner, Random(chance.random())) for manner in MANNERS]
    async with contextlib.AsyncExitStack() as stack:
        database = open_database(database_url)
        try:
            for each in listeners:
                server = await asyncio.start_server(each.talk, "127.0.0.1", 0)
                stack.callback(server.close)
                await _subscribe(SqlStore(database), each, server.sockets[0].getsockname()[1], key)
        finally:
            await database.close()
        await asyncio.sleep(2 * LISTENING_SECONDS)
        yield Listeners(database_url, listeners)


async def _subscribe(store: SqlStore, listener: Listener, port: int, key: str) -> None:
    id_ = f"whsub_{secrets.token_hex(8)}"
    keys = SigningKeys(lambda: KeyedVault([key]), Known())
    await store.add_subscription(
        Subscription(
            id=id_,
            account=DEFAULT_ACCOUNT,
            url=f"http://127.0.0.1:{port}/{listener.manner}",
            events=EVENTS,
            secret=keys.sealed(DEFAULT_ACCOUNT, id_, listener.secret),
            creator=facts_of(Principal("ada", frozenset({"admin"}))),
            created_at=0,
            updated_at=0,
        )
    )


def settings(key: str) -> dict[str, Any]:
    """What nodes need to deliver to them, and to try again soon."""
    retries = ",".join(["0", *["1"] * 19])
    return {"secrets_keys": key, "webhook_allow": "127.0.0.1", "webhook_retries": retries, "limit_webhooks": "off"}
