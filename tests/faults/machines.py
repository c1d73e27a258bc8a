"""State machines under faults: a definition with everything in it, the nodes that run it, the people who answer it, and
what must hold of each instance afterwards.

Laws:
- The definition's outcome is a function of its input and of what people answer, and those of the plan's number: so an
  instance that was killed a few times has the data of one that nothing happened to.
- People only use the API. They send what got no answer again, to whichever node is up, with the same key.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
from tests.faults.cluster import Hands
from tests.support.foreign import Received, foreign, http
from tests.support.live import ALICE, FINAL, Message, Served, events_of, indexes_of, names_of, served

NOTHING = "tests.faults.machines:nothing"
nothing: Sequence[Any] = ()
TURNS = 2
"""How often an instance goes round with its calls, and how often it is asked for more."""

TOKENS = [
    {
        "token": ALICE,
        "user_id": "alice",
        "scopes": ["workflows:read", "workflows:write", "workflows:execute"],
    }
]
FREE = {"limit_reads": "100000/minute", "limit_writes": "100000/minute", "limit_creations": "100000/minute"}
API = "/api/v1/workflows"
PATIENCE = 45.0


def script(code: str, *ways: Any) -> dict[str, Any]:
    return {"type": "action", "logic": {"type": "script", "code": code}, "transitions": list(ways)}


def call(port: int, output: str | None, **body: Any) -> dict[str, Any]:
    """A call whose body tells which instance and state it is of."""
    whose = {"instance": "${context.instance_id}", "state": "${context.state_name}", **body}
    url = f"http://127.0.0.1:{port}/called"
    logic = {"type": "http", "method": "POST", "url": url, "body": whose}
    return logic if output is None else {**logic, "output": output}


def form(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "form", "title": "Number ${workflow_data.n}", "fields": list(fields)}


def deal(port: int) -> dict[str, Any]:
    """Scripts, calls, a cycle without people and one with them, forms, a selection, threads that are joined."""
    approved = {"name": "approved", "type": "boolean", "label": "Go on?", "required": True}
    amount = {"name": "amount", "type": "number", "label": "How much?", "required": True, "min": 0}
    lower = {"field": "turns", "operator": "lt", "value": TURNS}
    return {
        "name": "deal",
        "initial_state": "begin",
        "states": {
            "begin": script("return {n: input.n, turns: 0, rounds: 0, log: []}", {"target": "count"}),
            "count": script(
                "console.log(`turn ${workflow_data.turns}`);"
                "return {turns: workflow_data.turns + 1, log: [...workflow_data.log, workflow_data.turns]}",
                {"target": "call"},
            ),
            "call": {
                "type": "action",
                "logic": call(port, "answer", n="${workflow_data.n}", turn="${workflow_data.turns}"),
                "transitions": [{"target": "count", "condition": lower}, {"target": "ask"}],
            },
            "ask": {
                "type": "halting",
                "presentation": form(approved, {"name": "comment", "type": "string", "label": "Why?"}),
                "transitions": [
                    {"target": "both", "condition": {"field": "approved", "equals": True}},
                    {"target": "refused"},
                ],
            },
            "both": {
                "type": "parallel",
                "threads": {"left": "work", "right": "price"},
                "transitions": [{"target": "pick"}],
            },
            "work": script("return {worked: workflow_data.rounds}", {"target": "order"}),
            "order": {
                "type": "action",
                "logic": call(port, "ordered", n="${workflow_data.n}"),
                "transitions": [{"target": "left_done"}],
            },
            "left_done": {"type": "terminal"},
            "price": {
                "type": "halting",
                "presentation": form(amount),
                "transitions": [{"target": "priced"}],
            },
            "priced": script("return {total: workflow_data.amount * 2}", {"target": "right_done"}),
            "right_done": {"type": "terminal"},
            "pick": {
                "type": "halting",
                "transition_mode": "selection",
                "halting_instructions": {"type": "message", "config": {"message": "More for ${workflow_data.n}?"}},
                "transitions": [{"key": "more", "to": "again"}, {"key": "enough", "to": "done"}],
            },
            "again": script("return {rounds: workflow_data.rounds + 1, turns: 0}", {"target": "count"}),
            "done": {"type": "terminal", "on_enter": call(port, None, n="${workflow_data.n}")},
            "refused": {"type": "terminal"},
        },
    }


CALLING = {"call", "order", "done:enter"}
"""The steps that make calls."""


# ── The host that is called ─────────────────────────────────────────────────────────────────────────────


@dataclass
class Calls:
    """What a host was asked: for each instance and state, when each key came, in milliseconds since 1970."""

    port: int = 0
    count: int = 0
    came: dict[tuple[str, str], dict[str, list[float]]] = field(default_factory=lambda: defaultdict(dict))

    def answer(self, request: Received) -> bytes:
        said = json.loads(request.body)
        self.count += 1
        keys = self.came[said["instance"], said["state"]]
        keys.setdefault(request.headers["idempotency-key"], []).append(time.time() * 1000)
        told = {"for": said["n"], "turn": said.get("turn")}
        return http(200, json.dumps(told).encode(), {"Content-Type": "application/json"})


@asynccontextmanager
async def called(chance: Random) -> AsyncIterator[Calls]:
    """The host, which takes up to a tenth of a second for each answer."""
    calls = Calls()
    async with foreign(calls.answer, pause=lambda: chance.uniform(0, 0.1)) as host:
        calls.port = host.port
        yield calls


# ── The nodes ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Fleet:
    """Nodes that can be killed and started again, each on its port."""

    nodes: list[Served]
    hands: Hands = field(default_factory=Hands)
    up: list[Served] = field(default_factory=list)
    _stacks: dict[int, ExitStack] = field(default_factory=dict)

    async def start(self, node: Served) -> None:
        stack = self._stacks[node.port] = ExitStack()
        await self.hands.do(lambda: stack.enter_context(node.start()))
        self.up.append(node)

    async def kill(self, node: Served) -> list[int]:
        """SIGKILL; the ids of the processes that it had started."""
        assert node.process is not None
        children = _children_of(node.process.pid)
        self.up.remove(node)
        node.process.kill()
        await self.hands.do(self._stacks.pop(node.port).close)
        return children

    async def end(self) -> None:
        for stack in self._stacks.values():
            await self.hands.do(stack.close)
        await self.hands.rest()


def _children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in listed.read_text().split()] if listed.exists() else []


@asynccontextmanager
async def fleet(folders: Sequence[Path], **settings: Any) -> AsyncIterator[Fleet]:
    """Nodes that serve nothing but what is stored."""
    made = Fleet(
        [
            served(NOTHING, each, **{**FREE, "tokens": json.dumps(TOKENS), **settings, "data_dir": each})
            for each in folders
        ]
    )
    try:
        await asyncio.gather(*(made.start(each) for each in made.nodes))
        yield made
    finally:
        await made.end()


# ── The people ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Person:
    """Creates one instance by the plan of a number, and answers it until its end."""

    fleet: Fleet
    client: httpx.AsyncClient
    number: int
    name: str = ""
    chance: Random = field(default_factory=Random)
    asked_again: Counter[str] = field(default_factory=Counter)

    def answer(self, state: str, data: Message) -> Message:
        """What the plan says to this halt."""
        match state:
            case "ask":
                return {"approved": self.number % 4 != 3, "comment": f"number {self.number}"}
            case "price":
                return {"amount": self.number + data["rounds"]}
            case _:
                return {"choice": "more" if data["rounds"] < self.number % 3 else "enough"}

    async def live(self) -> Message:
        """The instance at its end."""
        headers = {"Idempotency-Key": f"{self.name}{self.number}"}
        instance = await self.ask("POST", f"{API}/deal/instances", {"input": {"n": self.number}}, headers)
        path = f"{API}/instances/{instance['id']}"
        while instance["status"] in ("running", "halted"):
            halted = [each for each in instance["threads"] if each.get("halt_id")]
            for thread in halted:
                await self._resume(path, thread, instance["workflow_data"])
            if not halted:
                await asyncio.sleep(0.05)
            instance = await self.ask("GET", path)
        return await self.ask("GET", path)

    async def _resume(self, path: str, thread: Message, data: Message) -> None:
        body = {"input": self.answer(thread["current_state"], data), "halt_id": thread["halt_id"]}
        headers = {"Idempotency-Key": thread["halt_id"]}
        await self.ask("POST", f"{path}/threads/{thread['id']}/resume", body, headers)

    async def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Message:
        """The data of an answer; whoever gets none asks again."""
        patience = {"Prefer": f"wait={self.chance.choice([0, 0, 1, 30])}"}
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    node = self.chance.choice(self.fleet.up or self.fleet.nodes)
                    url = node.http_url + path
                    answer = await self.client.request(method, url, json=body, headers={**patience, **(headers or {})})
                except (httpx.TransportError, httpx.RemoteProtocolError):
                    self.asked_again[f"{method} {path.rpartition('/')[2]}"] += 1
                    await asyncio.sleep(0.1)
                    continue
                if answer.status_code != 503:
                    assert answer.is_success, f"{method} {path} {body}: {answer.text}"
                    data: Message = answer.json()["data"]
                    return data
                await asyncio.sleep(0.1)


@asynccontextmanager
async def client() -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {ALICE}"}
    async with httpx.AsyncClient(headers=headers, timeout=PATIENCE) as made:
        yield made


async def publish(person: Person, definition: Message) -> str:
    """Store and publish a definition; its version."""
    created = await person.ask("POST", API, definition)
    version_id = str(created["version_id"])
    await person.ask("POST", f"{API}/{definition['name']}/versions/{version_id}/publish")
    return version_id


# ── What must hold ──────────────────────────────────────────────────────────────────────────────────────


async def log_of(node: Served, run_id: str) -> list[Message]:
    """All events of a run that has ended, as the socket replays them."""
    async with node.talk() as talk:
        await talk.send(action="reconnect", run_id=run_id)
        return events_of(await talk.until_end(run_id), run_id)


def assert_ran_once(events: list[Message], calls: Calls) -> None:
    """The log is whole, has one end, and no logic whose result it has was run again."""
    run_id = events[0]["run_id"]
    assert indexes_of(events) == list(range(len(events)))
    assert [each for each in names_of(events) if each in FINAL] == [events[-1]["event"]]
    completed = _completed_by_visit(events)
    twice = {visit: len(found) for visit, found in completed.items() if len(found) != 1}
    assert not twice, f"{run_id}: {twice}"
    for step in CALLING:
        ended = [found[0]["created_at"] for (_, _, name), found in completed.items() if name == step]
        came = calls.came[run_id, step.removesuffix(":enter")]
        assert len(came) == len(ended), f"{run_id}: {step} has other keys than visits: {came}"
        for times, logged in zip(sorted(came.values()), sorted(ended), strict=True):
            assert max(times) <= logged + 5, f"{run_id}: {step} was called again after its result was logged"


def _completed_by_visit(events: list[Message]) -> dict[tuple[str, int, str], list[Message]]:
    """The `StepCompleted` of each thread's each stay in a state."""
    stays: Counter[str] = Counter()
    found: dict[tuple[str, int, str], list[Message]] = defaultdict(list)
    for each in events:
        if each["event"] in ("ThreadStarted", "StateChanged"):
            stays[each["thread_id"]] += 1
        elif each["event"] == "StepCompleted":
            thread = each["step_path"][1]
            found[thread, stays[thread], each["step_name"]].append(each)
    return found


def assert_history_is_whole(pages: list[Message]) -> None:
    """The pages of a history follow each other without a gap, and no entry is there twice."""
    ids = [each["id"] for page in pages for each in page["events"]]
    places = [tuple(map(int, each.removeprefix("evt_").split("-"))) for each in ids]
    assert places == sorted(set(places))
    assert not any(page.get("gap") for page in pages)


async def history_of(person: Person, instance_id: str) -> list[Message]:
    """All pages of a history."""
    path = f"{API}/instances/{instance_id}/history?limit=20&include_data=true"
    pages = [await person.ask("GET", path)]
    while (cursor := pages[-1]["pagination"]["next_cursor"]) is not None:
        pages.append(await person.ask("GET", f"{path}&cursor={cursor}"))
    return pages
