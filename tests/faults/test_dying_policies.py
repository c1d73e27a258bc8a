"""Interactions of every policy that are answered, expire and are cancelled while a node is killed: each is decided
once, ends once, and is told once.

Source: `docs/approvals.md`; `docs/webhooks.md`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from tests.faults.test_interactions import ask, asks
from tests.support.live import FINAL, PATIENCE, Message, Served, events_of, eventually, served, storage_settings

from interlock import Chain, Majority, Quorum, Unanimous, Workflow, all_members, first_responder

FEW = ["ana", "ben", "cat"]
TOKENS: list[Message] = [
    {"token": "token-ada", "user_id": "ada", "scopes": ["workflows:execute", "workflows:read", "webhooks:manage"]},
    *({"token": f"token-{name}", "user_id": name, "scopes": ["interactions:respond"]} for name in FEW),
]
SECONDS = 4.0
"""Until what nobody answers expires."""


POLICIES: dict[str, Any] = {
    "first": first_responder,
    "all": all_members,
    "quorum": Quorum(2),
    "majority": Majority(),
    "unanimous": Unanimous(),
    "chain": Chain(FEW),
}
TARGET = "tests.faults.test_dying_policies:workflows"


def of_policy(name: str) -> Workflow:
    return asks(name, policy=POLICIES[name], assignees=FEW, timeout=SECONDS, on_timeout="approve")


workflows = [*map(of_policy, POLICIES)]


FATES = ("answered", "expired", "cancelled")


class Asked:
    """A run of one policy, and what is done about it."""

    def __init__(self, policy: str, fate: str, run_id: str, address: str) -> None:
        self.policy, self.fate, self.run_id, self.address = policy, fate, run_id, address


async def knock(nodes: list[Served], path: str, token: str, body: Message, key: str) -> int:
    """Send something to one node after the other until one of them answers."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    async with httpx.AsyncClient(headers=headers, timeout=PATIENCE) as http:
        for turn in range(1000):
            with contextlib.suppress(httpx.TransportError):
                answer = await http.post(nodes[turn % len(nodes)].http_url + path, json=body)
                if answer.status_code != 503:
                    return answer.status_code
            await asyncio.sleep(0.05)
    raise AssertionError(f"nobody answers {path}")


async def meet(nodes: list[Served], asked: Asked) -> None:
    """Do to a run what is to be done."""
    if asked.fate == "cancelled":
        path = f"/workflows/{asked.policy}/runs/{asked.run_id}/cancel"
        await knock(nodes, path, "token-ada", {"reason": "no more"}, f"cancel {asked.run_id}")
    elif asked.fate == "answered":
        path = f"/v1/projects/user_ada/interactions/{asked.address}/respond"
        for name in FEW:  # in the order of the chain; who comes after the end is told so
            await knock(nodes, path, f"token-{name}", {"confirmed": True}, f"{name} {asked.run_id}")


async def test_what_is_answered_expires_or_is_cancelled_while_a_node_dies_ends_once_and_is_told_once(
    tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    with ExitStack() as stack:
        settings = stack.enter_context(
            storage_settings("redis+postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url)
        )
        settings |= {"tokens": json.dumps(TOKENS), "limit_writes": "100000/minute", "webhook_allow": "127.0.0.1"}
        settings["secrets_keys"] = base64.urlsafe_b64encode(os.urandom(32)).decode()
        nodes = [served(TARGET, tmp_path / name, **settings | {"data_dir": tmp_path / name}) for name in "12"]
        for node in nodes:
            stack.enter_context(node.start())
        subscription = {
            "url": "http://127.0.0.1:9/",
            "namespace_filter": "user_ada",
            "events": [f"interaction.{end}" for end in ENDS],
        }
        async with httpx.AsyncClient(headers={"Authorization": "Bearer token-ada"}, timeout=PATIENCE) as http:
            made = await http.post(f"{nodes[1].http_url}/api/v1/webhooks/subscriptions", json=subscription)
            assert made.status_code == 201, made.text
        async with nodes[0].talk("token-ada") as starter, nodes[1].talk("token-ada") as other:
            runs = [Asked(policy, fate, *await ask(starter, policy)) for policy, fate in product(POLICIES, FATES)]
            for each in runs:
                await other.send(action="reconnect", run_id=each.run_id)
            met = [asyncio.create_task(meet(nodes, each)) for each in runs]
            await other.until("StepContinued")
            assert nodes[0].process is not None
            os.kill(nodes[0].process.pid, 9)
            await asyncio.gather(*met)
            left = {each.run_id for each in runs}
            while left := left - {each["run_id"] for each in other.heard if each["event"] in FINAL}:
                await other.until(*FINAL)
            heard = list(other.heard)
        told = await ends_told(settings["database_url"], {each.run_id for each in runs})
        for each in runs:
            assert_ended_once(each, events_of(heard, each.run_id), told[each.run_id])


ENDS = ("completed", "expired", "cancelled")


async def ends_told(url: str, runs: set[str]) -> dict[str, list[str]]:
    """Which ends of interactions webhooks are told of, by run, once all are."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    found: dict[str, list[str]] = {}

    async def are_told() -> bool:
        found.clear()
        for row in await connection.fetch("SELECT run_id, event FROM webhook_events ORDER BY run_id"):
            found.setdefault(row["run_id"], []).append(row["event"].removeprefix("interaction."))
        return found.keys() >= runs

    try:
        await eventually(are_told)
    finally:
        await connection.close()
    return found


def assert_ended_once(asked: Asked, events: list[Message], told: list[str]) -> None:
    what = f"{asked.policy}, {asked.fate}"
    assert [each["event_index"] for each in events] == list(range(len(events))), what
    resolved = [each for each in events if each["event"] == "StepContinued"]
    (end,) = [each for each in events if each["event"] in FINAL]
    if end["event"] == "WorkflowCancelled":
        assert (asked.fate, len(resolved)) == ("cancelled", 0), what
        came_to = "cancelled"
    else:
        assert len(resolved) == 1, what
        is_expired = resolved[0]["resolved_by"] == "timeout"
        assert end["content"]["outcome"] == ("expired" if is_expired else "approved"), what
        came_to = "expired" if is_expired else "completed"
        assert asked.fate != "expired" or is_expired, what
    assert told == [came_to], what
