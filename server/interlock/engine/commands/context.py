"""What all commands share: storage, runs and definitions.

Law: a command that has begun is finished, even if its caller is gone meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from interlock.definitions.port import Definitions
from interlock.engine.clock import Clock
from interlock.engine.commands.idempotency import OneAtATime
from interlock.engine.commands.runs import Runs
from interlock.engine.driving.pool import Pool
from interlock.engine.work.people import People
from interlock.log.port import Log
from interlock.secrets.port import Vault
from interlock.store.port import Store
from interlock.telemetry.tracing import Traces

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """What a command works with.

    Attributes:
        definitions: the workflow definitions that this server serves.
        vault: seals the secrets that people type into forms; None if there is no key.
        is_alone: no other server drives these runs, so a definition that is missing here is missing everywhere.
        people: looks up who is behind a name, and behind an account.
        most_instances: how many active instances a namespace may have; None means any number.
        one_at_a_time: makes commands with the same idempotency key wait for each other.
        under_way: the commands that have begun and aren't finished.
    """

    log: Log
    store: Store
    clock: Clock
    pool: Pool
    runs: Runs
    traces: Traces
    definitions: Definitions
    vault: Vault | None
    is_alone: bool
    people: People
    most_instances: int | None = None
    one_at_a_time: OneAtATime = field(default_factory=OneAtATime)
    under_way: set[asyncio.Task[Any]] = field(default_factory=set)

    async def in_full(self, command: Coroutine[Any, Any, T]) -> T:
        """Run a command to its end, even if the caller is cancelled."""
        task = asyncio.create_task(command)
        self.under_way.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.under_way.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, in case the caller is gone and doesn't ask
