"""Two hundred who answer an interaction at once, on two nodes and by every door: one decides, or each is counted once.

Source: `docs/approvals.md`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from tests.support.live import (
    FINAL,
    PATIENCE,
    Live,
    Message,
    Talk,
    events_of,
    live_server,
    storage_settings,
)

from interlock import (
    Interaction,
    Step,
    StepInput,
    Workflow,
    all_members,
)
from interlock_protocol.interactions import interaction_id

MANY = 200
PEOPLE = [f"user-{number:03}" for number in range(MANY)]
TOKENS: list[Message] = [
    {
        "token": "token-ada",
        "user_id": "ada",
        "scopes": ["workflows:execute", "workflows:read", "webhooks:manage"],
    },
    *(
        {"token": f"token-{name}", "user_id": name, "scopes": ["interactions:respond"], "groups": ["crowd"]}
        for name in PEOPLE
    ),
]
LATE = {
    "already_resolved",
    "conflict",
    "requirement_expired",
    "requirement_not_found",
    "run_finished",
    "run_not_found",
    "run_not_paused",
}
"""What whoever comes too late is told."""


def came_to(step_input: StepInput) -> Any:
    return dict(step_input.interaction or {})


def asks(name: str, **options: Any) -> Workflow:
    return Workflow(name, steps=[Step("ask", came_to, human_review=Interaction("approval", "Deploy?", **options))])


workflows = [
    asks("one", assignees=["group:crowd"]),
    asks("everybody", assignees=["group:crowd"], policy=all_members, timeout=3600),
]


# ── Two hundred at once ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str) -> Iterator[tuple[Live, Live]]:
    folder = tmp_path_factory.mktemp("nodes")
    with ExitStack() as stack:
        settings = stack.enter_context(
            storage_settings("redis+postgresql", folder, redis_url=redis_url, postgres_url=postgres_url)
        )
        settings |= {"tokens": json.dumps(TOKENS), "limit_writes": "100000/minute"}
        one, two = (stack.enter_context(live_server(workflows, **settings)) for _ in range(2))
        yield one, two


async def by_socket(node: Live, name: str, address: str, response: Message) -> str:
    """What somebody's answer comes to."""
    async with node.talk(f"token-{name}") as talk:
        return await said_on(talk, name, address, response)


async def said_on(talk: Talk, name: str, address: str, response: Message) -> str:
    while True:
        request = {"action": "respond", "interaction_id": address, "response": response, "request_id": name}
        await talk.send(request, idempotency_key=f"{name} {address}")
        answer = (await talk.until("ack", "error", request_id=name))[-1]
        if not answer.get("retryable"):
            return str(answer.get("code", "ack"))


async def by_http(http: httpx.AsyncClient, node: Live, name: str, address: str, response: Message) -> str:
    headers = {"Authorization": f"Bearer token-{name}", "Idempotency-Key": f"{name} {address}"}
    url = f"{node.http_url}/v1/projects/user_ada/interactions/{address}/respond"
    while True:
        answer = await http.post(url, json=response, headers=headers)
        if answer.status_code != 503:
            return "ack" if answer.status_code == 200 else str(answer.json()["error"]["code"])


async def all_respond(nodes: tuple[Live, Live], address: str) -> dict[str, str]:
    """Everybody answers at once, each with words of their own: on either node, and by either door."""
    limits = httpx.Limits(max_connections=40)
    async with httpx.AsyncClient(timeout=PATIENCE, limits=limits) as http:
        pending = []
        for number, name in enumerate(PEOPLE):
            node, response = nodes[number % 2], {"confirmed": number % 3 > 0, "comment": name}
            is_http = number % 4 < 2
            pending.append(
                by_http(http, node, name, address, response) if is_http else by_socket(node, name, address, response)
            )
        return dict(zip(PEOPLE, await asyncio.gather(*pending), strict=True))


async def ask(talk: Talk, workflow: str) -> tuple[str, str]:
    """A run that waits, and the address of what it asks."""
    run_id = await talk.start(workflow)
    paused = (await talk.until_pause(run_id))[-1]
    return run_id, interaction_id(paused["step_requirements"][0]["id"], run_id)


async def test_of_two_hundred_who_answer_at_once_one_decides(nodes: tuple[Live, Live]) -> None:
    async with nodes[0].talk("token-ada") as talk:
        run_id, address = await ask(talk, "one")
        came = await all_respond(nodes, address)
        await talk.until_end(run_id)
        (resolved,) = [each for each in talk.heard if each["event"] == "StepContinued"]
    winners = [name for name, answer in came.items() if answer == "ack"]
    assert winners == [resolved["resolved_by"]]
    assert resolved["decision"]["response"]["comment"] == winners[0]
    lost = Counter(answer for answer in came.values() if answer != "ack")
    assert lost.total() == MANY - 1
    assert set(lost) <= {"already_resolved", "conflict", "run_finished", "run_not_paused", "requirement_not_found"}, (
        lost
    )


async def test_two_hundred_who_must_all_answer_are_counted_once_and_complete_it_once(nodes: tuple[Live, Live]) -> None:
    async with nodes[0].talk("token-ada") as talk, nodes[1].talk("token-ada") as other:
        run_id, address = await ask(talk, "everybody")
        await other.send(action="reconnect", run_id=run_id)
        came = await all_respond(nodes, address)
        assert set(came.values()) == {"ack"}
        for follower in (talk, other):
            await follower.until_end(run_id)
            heard = events_of(follower.heard, run_id)
            votes = [each for each in heard if each["event"] == "InteractionResponded"]
            assert sorted(each["voter"] for each in votes) == PEOPLE
            assert [each["responded"] for each in votes] == list(range(1, MANY + 1))
            assert [each["needed"] for each in votes] == list(range(MANY - 1, -1, -1))
            assert [each["event"] for each in heard].count("StepContinued") == 1
            (end,) = [each for each in heard if each["event"] in FINAL]
        assert end["content"]["outcome"] == "rejected"
        assert len(end["content"]["responses"]) == MANY
