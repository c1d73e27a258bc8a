"""What a request about an instance costs: how often it reads what hasn't changed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.support.api_v1 import api
from tests.support.live import Live, eventually

from interlock.log.sql import SqlLog
from interlock.store.sql import SqlStore


async def test_a_resume_reads_the_head_once_and_the_row_never(
    machine_live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with api(machine_live) as client:
        halted = await client.create("purchase", {"amount": 5000})

        async def is_at_rest() -> bool:
            page = await client.get("/workflows/instances", workflow_name="purchase", status="halted")
            return any(each["id"] == halted["id"] for each in page["instances"])

        await eventually(is_at_rest)  # before, a resume may have to look at its log
        reads = _counted(monkeypatch, halted["id"])
        ended = await client.resume(halted, {"approved": True})
    assert ended["status"] == "completed"
    assert reads == Counter(head=1)


def _counted(monkeypatch: pytest.MonkeyPatch, instance_id: str) -> Counter[str]:
    """Count how often the instance's row and its log's head are read from now on."""
    counts: Counter[str] = Counter()
    for owner, name in ((SqlStore, "run"), (SqlLog, "head")):
        monkeypatch.setattr(owner, name, _counting(getattr(owner, name), name, counts, instance_id))
    return counts


def _counting(read: Any, name: str, counts: Counter[str], instance_id: str) -> Any:
    async def counting(self: Any, run_id: str) -> Any:
        counts[name] += run_id == instance_id
        return await read(self, run_id)

    return counting
