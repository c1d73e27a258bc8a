"""What the store and the nodes say of all runs, once a chaos run is over."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import asyncpg
from tests.faults.cluster import Node
from tests.faults.verdict import FINAL, Event, Row
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from interlock.engine.driving.rows import parted

READ_SECONDS = 20.0


class RunRow(NamedTuple):
    """A row of a run."""

    user_id: str
    session_id: str
    status: str


@dataclass(frozen=True)
class Records:
    """What the store has.

    Attributes:
        runs: by id.
        plans: the runs of each plan.
        audit: the decisions of each run.
        sessions: the plans that each session's state holds, by user and session.
    """

    runs: dict[str, RunRow]
    plans: dict[int, list[str]]
    audit: dict[str, list[Row]]
    sessions: dict[tuple[str, str], list[int]]


async def records(database_url: str) -> Records:
    """Read them all."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        runs = await connection.fetch("SELECT run_id, user_id, session_id, status, input FROM runs")
        audit = await connection.fetch("SELECT * FROM decisions")
        sessions = await connection.fetch("SELECT user_id, session_id, state FROM sessions")
    finally:
        await connection.close()
    return Records(
        {row["run_id"]: RunRow(row["user_id"], row["session_id"], row["status"]) for row in runs},
        _plans(runs),
        _audit(audit),
        {(row["user_id"], row["session_id"]): json.loads(row["state"]).get("plans", []) for row in sessions},
    )


def _plans(rows: Sequence[Any]) -> dict[int, list[str]]:
    plans: dict[int, list[str]] = {}
    for row in rows:
        plans.setdefault(json.loads(row["input"])["plan"], []).append(row["run_id"])
    return plans


def _audit(rows: Sequence[Any]) -> dict[str, list[Row]]:
    audit: dict[str, list[Row]] = {}
    for row in rows:
        decision, _ = parted(json.loads(row["decision"]))
        found = Row(row["requirement_id"], decision, row["resolved_by"], row["event_index"])
        audit.setdefault(row["run_id"], []).append(found)
    return audit


async def logs_of(nodes: Sequence[Node], run_ids: Sequence[str], token: str) -> dict[str, dict[str, list[Event]]]:
    """All events of all runs, by node and run, as each node tells them."""
    return {node.name: await _logs(node, run_ids, token) for node in nodes}


async def _logs(node: Node, run_ids: Sequence[str], token: str) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    url = f"ws://127.0.0.1:{node.port}/workflows/ws"
    async with connect(url, compression=None, max_size=None, proxy=None) as socket:
        await socket.recv()
        await socket.send(json.dumps({"action": "authenticate", "token": token}))
        await socket.recv()
        for run_id in run_ids:
            with contextlib.suppress(TimeoutError, WebSocketException):
                async with asyncio.timeout(READ_SECONDS):
                    found[run_id] = await _log(socket, run_id)
    return found


async def _log(socket: ClientConnection, run_id: str) -> list[Event]:
    """The events of a run, to its end, or as far as it has come."""
    await socket.send(json.dumps({"action": "reconnect", "run_id": run_id}))
    events: list[Event] = []
    while True:
        message = json.loads(await socket.recv())
        if message.get("run_id") != run_id:
            continue
        if "event_index" in message:
            events.append(message)
        if message["event"] in FINAL or message["event"] in ("error", "subscribed", "gap"):
            return events
