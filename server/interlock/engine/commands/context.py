"""What all commands share: the storage, the runs, and what is served.

Law: a command that was begun is finished, also when whoever gave it is gone meanwhile.
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
from interlock.log.port import Log
from interlock.secrets.port import Vault
from interlock.store.port import Store
from interlock.telemetry.tracing import Traces

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """What a command works with.

    Attributes:
        definitions: what is served.
        vault: seals the secrets that people type into forms; None where there is no key.
        is_alone: no other server works on these runs: a definition that isn't here is nowhere.
        one_at_a_time: has commands of one idempotency key wait for each other.
        under_way: the commands that were begun and aren't finished.
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
    one_at_a_time: OneAtATime = field(default_factory=OneAtATime)
    under_way: set[asyncio.Task[Any]] = field(default_factory=set)

    async def in_full(self, command: Coroutine[Any, Any, T]) -> T:
        """Carry out a command to its end, whatever becomes of the caller."""
        task = asyncio.create_task(command)
        self.under_way.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.under_way.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, also when whoever gave the command is gone and doesn't ask
