"""What the suites of the store's ports make, and ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from interlock.store.port import Change, Decision, IdempotencyKey, NewRun, Run, Settlement, Store
from interlock_protocol.types import JsonObject, RunStatus

PENDING, RUNNING, PAUSED = RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PAUSED
COMPLETED, CANCELLED = RunStatus.COMPLETED, RunStatus.CANCELLED
ASKED: tuple[JsonObject, ...] = ({"id": "r1", "message": "Publish? „ja“\u0000\u2028"},)
ALICE, BOB = "alice", "bob"


@dataclass
class Clock:
    now: int = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now


def new_run(run_id: str, *, user_id: str = ALICE, workflow_id: str = "release", created_at: int = 1000) -> NewRun:
    return NewRun(run_id, workflow_id, "1.0", "print", "session", user_id, {"a": [1, None, "ü"]}, created_at)


def key(name: str = "k", *, user_id: str = ALICE, fingerprint: str = "body") -> IdempotencyKey:
    return IdempotencyKey(user_id, name, fingerprint)


def settlement(run_id: str, status: RunStatus, next_index: int, epoch: int = 0) -> Settlement:
    return Settlement(run_id, status, epoch, next_index, updated_at=2000 + next_index)


def decision(requirement_id: str, event_index: int = 3, by: str = ALICE) -> Decision:
    return Decision("run", requirement_id, {"approved": True, "by": by}, by, 3000, 0, event_index)


async def all_changes(store: Store) -> Sequence[Change]:
    return await store.changes(0)


def facts_of(changes: Sequence[Change]) -> list[tuple[object, ...]]:
    """What stands in the feed, without how the runs are by now."""
    return [(each.seq, each.run.run_id, each.status, each.pending, each.changed_at) for each in changes]


async def the_run(store: Store, run_id: str = "run") -> Run:
    run = await store.run(run_id)
    assert run is not None
    return run


async def make_runs(store: Store, count: int) -> list[str]:
    """Runs of Alice's, three to a millisecond, returned newest first."""
    await asyncio.gather(*(store.create_run(new_run(f"run{n:03}", created_at=n // 3)) for n in range(count)))
    return [f"run{n:03}" for n in reversed(range(count))]
