"""Signals on two nodes, one of which is killed: each is taken once, in the order of the log, and none is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import httpx
from tests.support.live import ALICE, PATIENCE, Served, events_of, served, storage_settings

TARGET = "tests.faults.workflows:workflows"
COUNT = 24


async def send(nodes: list[Served], run_id: str, number: int) -> None:
    """One signal, sent to one node after the other until one of them says that it has it."""
    body = {"topic": "number", "payload": number, "idempotency_key": f"key-{number}"}
    path = f"/v1/projects/user_alice/runs/{run_id}/signals"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {ALICE}"}, timeout=PATIENCE) as client:
        for turn in range(number, number + 1000):
            with contextlib.suppress(httpx.TransportError):
                answer = await client.post(nodes[turn % len(nodes)].http_url + path, json=body)
                if answer.status_code == 202:
                    return
                assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.05)
    raise AssertionError(f"nobody takes signal {number}")


async def test_each_signal_is_taken_once_though_a_node_is_killed_amid_them(
    tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    with contextlib.ExitStack() as stack:
        settings = stack.enter_context(
            storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url)
        )
        nodes = [served(TARGET, tmp_path / name, **settings | {"data_dir": tmp_path / name}) for name in "12"]
        for node in nodes:
            stack.enter_context(node.start())
        async with nodes[1].talk() as other:
            async with nodes[0].talk() as starter:
                run_id = await starter.start("collect")
            await other.send(action="reconnect", run_id=run_id)
            sent = [asyncio.create_task(send(nodes, run_id, number)) for number in range(COUNT)]
            await other.until("StepCompleted", run_id=run_id)
            assert nodes[0].process is not None
            os.kill(nodes[0].process.pid, 9)
            await asyncio.gather(*sent, *(send(nodes, run_id, number) for number in range(0, COUNT, 3)))
            await other.until_end(run_id)
            events = events_of(other.heard, run_id)

    received = {each["signal_id"]: each["payload"] for each in events if each["event"] == "SignalReceived"}
    taken = [each["decision"]["signal_id"] for each in events if each["event"] == "StepContinued"]
    assert taken == list(received), "in the order in which they came"
    assert sorted(received.values()) == list(range(COUNT)), "none twice, and none lost"
    done = [each["content"] for each in events if each["event"] == "StepCompleted"]
    assert done == [{"number": received[id_]} for id_ in taken]
