"""Thirty thousand frames that mean no good: the server answers or closes, never fails, and serves on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Iterator
from typing import Any, AnyStr

import msgpack
import pytest
from tests.socket.workflows import workflows
from tests.support.live import ALICE, MSGPACK, TOKENS, Live, continue_with, live_server, names_of
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

FRAMES = 32_000
"""How many there are, each another, and each sent once."""

CONNECTIONS = 8
BATCH = 250
SECONDS = 240.0
"""A bound, far above what it takes."""

CLOSE_CODES = {1009, 4400, 4508}

TEXTS = ["", "x", "stream", "confirm", "run-1", "a\x00b", "ü", "\u2028", "\U0001f600", "x" * 300, "__proto__", "None"]
NUMBERS = [0, 1, -1, 2**31, 2**63 - 1, 2**64 - 1, 2**64, -(2**63), 10**40, 0.5, -0.0, 1e308]
FIELDS = [
    "action", "token", "workflow_id", "run_id", "session_id", "user_id", "message", "version", "idempotency_key",
    "request_id", "step_requirements", "error_requirements", "last_event_index", "epoch", "snapshot", "reason",
    "id", "step_id", "confirmed", "on_reject", "rejection_feedback", "user_input", "user_input_schema",
    "selected_choices", "edited_output", "executor_requirements", "requires_confirmation", "name", "value", "decision",
    "list", "filter", "cursor", "limit", "status", "waiting_for_me",
]  # fmt: skip
ACTIONS = [
    "authenticate", "start-workflow", "continue-workflow", "reconnect", "cancel-workflow", "unfollow", "ping", "nope",
    "unfollow-runs",
]  # fmt: skip


def junk(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON value."""
    kind = rng.randrange(8 if depth else 5)
    if kind == 0:
        return rng.choice(TEXTS)
    if kind == 1:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.choice([None, True, False])
    if kind == 3:
        return rng.randrange(100)
    if kind == 4:
        return rng.choice(FIELDS)
    if kind == 5:
        return [junk(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice(FIELDS): junk(rng, depth - 1) for _ in range(rng.randrange(5))}


def mutated(rng: random.Random, value: Any) -> Any:
    """A value that is a little different."""
    if rng.random() < 0.15:
        return junk(rng)
    if isinstance(value, dict):
        value = {key: mutated(rng, each) if rng.random() < 0.3 else each for key, each in value.items()}
        if value and rng.random() < 0.2:
            value.pop(rng.choice(list(value)))
        if rng.random() < 0.2:
            value[rng.choice(FIELDS)] = junk(rng)
    elif isinstance(value, list):
        value = [mutated(rng, each) if rng.random() < 0.5 else each for each in value]
        if value and rng.random() < 0.2:
            value = value + value[:1]
    return value


def frame(rng: random.Random, valid: list[dict[str, Any]], *, packed: bool) -> str | bytes:
    """A frame, of any kind."""
    kind = rng.random()
    if kind < 0.05:
        return rng.randbytes(rng.randrange(60))
    if kind < 0.1:
        return "".join(chr(rng.randrange(32, 0x2FF)) for _ in range(rng.randrange(60)))
    if kind < 0.2:
        message: Any = junk(rng)
    elif kind < 0.35:
        message = {"action": rng.choice(ACTIONS), **{rng.choice(FIELDS): junk(rng) for _ in range(rng.randrange(6))}}
    else:
        message = mutated(rng, rng.choice(valid))
    if packed:
        with contextlib.suppress(OverflowError, ValueError):
            data: bytes = msgpack.packb(message)
            return _cut(rng, data)
    return _cut(rng, json.dumps(message, ensure_ascii=rng.random() < 0.5))


def _cut(rng: random.Random, text: AnyStr) -> AnyStr:
    """Now and then, only a part of it."""
    return text[: rng.randrange(len(text) + 1)] if rng.random() < 0.05 else text


class Attacker:
    """One connection after the other, each with batches of frames."""

    def __init__(self, live: Live, number: int, valid: list[dict[str, Any]], deadline: float) -> None:
        self.live = live
        self.rng = random.Random(number)
        self.packed = number % 3 == 2
        self.frames = [frame(self.rng, valid, packed=self.packed) for _ in range(FRAMES // CONNECTIONS)]
        self.deadline = deadline
        self.sent = 0
        self.codes: set[str] = set()
        self.closed_with: set[int | None] = set()

    async def attack(self) -> None:
        while self.sent < FRAMES // CONNECTIONS and time.monotonic() < self.deadline:
            protocols = [Subprotocol(MSGPACK)] if self.packed else None
            async with connect(
                self.live.socket_url, subprotocols=protocols, compression=None, proxy=None, max_queue=None
            ) as socket:
                reader = asyncio.create_task(self._read(socket))
                with contextlib.suppress(ConnectionClosed):
                    if self.rng.random() < 0.9:
                        await socket.send(self._encoded({"action": "authenticate", "token": ALICE}))
                    await self._batches(socket)
                await socket.close()
                await reader
                self.closed_with.add(socket.close_code)

    async def _batches(self, socket: Any) -> None:
        for _ in range(20):
            for _ in range(BATCH):
                await socket.send(self.frames[self.sent % len(self.frames)])
                self.sent += 1
                if self.sent % 40 == 0:  # a good one between, or the connection wouldn't last
                    await socket.send(self._encoded({"action": "ping"}))
            pong = await socket.ping()
            async with asyncio.timeout(60):
                await pong
            if self.sent >= FRAMES // CONNECTIONS or time.monotonic() > self.deadline:
                return

    def _encoded(self, message: dict[str, Any]) -> str | bytes:
        return msgpack.packb(message) if self.packed else json.dumps(message)

    async def _read(self, socket: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for received in socket:
                message = msgpack.unpackb(received) if self.packed else json.loads(received)
                assert isinstance(message["event"], str)
                if message["event"] == "error":
                    assert message["error"]
                    self.codes.add(message["code"])


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of its own, which ends with it: some of what is started here would go on for the rest of the suite."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("attacked")) as server:
        yield server


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_thousands_of_bad_frames_do_no_harm(live: Live) -> None:
    async with live.talk() as talk:
        output = (await talk.until_pause(await talk.start("confirm")))[-1]
        asked = (await talk.until_pause(await talk.start("ask")))[-1]
        valid: list[dict[str, Any]] = [
            {"action": "authenticate", "token": TOKENS[0]["token"]},
            {"action": "start-workflow", "workflow_id": "stream", "message": {"count": 2}, "request_id": "r"},
            {"action": "start-workflow", "workflow_id": "confirm", "idempotency_key": "k", "session_id": "s"},
            {**continue_with(output, confirmed=True), "workflow_id": "wrong"},
            {**continue_with(asked, user_input={"tone": "rude"}), "request_id": "r"},
            {"action": "reconnect", "run_id": output["run_id"], "last_event_index": 1, "epoch": 1, "snapshot": False},
            {"action": "cancel-workflow", "workflow_id": "nope", "run_id": output["run_id"], "reason": "r"},
            {"action": "unfollow", "run_id": output["run_id"]},
            # Of nothing: what the attackers start would otherwise be told to each of them.
            {"action": "follow-runs", "list": "l", "filter": {"workflow_id": "nope"}, "cursor": 1, "limit": 3},
            {"action": "unfollow-runs", "list": "l"},
            {"action": "ping", "request_id": "p"},
        ]
        valid += 3 * [each for each in valid if each["action"] != "start-workflow"]  # a run costs many refusals
        attackers = [Attacker(live, number, valid, time.monotonic() + SECONDS) for number in range(CONNECTIONS)]
        await asyncio.gather(*(attacker.attack() for attacker in attackers))
        codes = set().union(*(attacker.codes for attacker in attackers))
        assert "internal" not in codes
        assert {"invalid_json", "invalid_message", "unknown_action", "run_not_found", "invalid_decision"} <= codes
        closed_with = set().union(*(attacker.closed_with for attacker in attackers))
        assert closed_with <= {1000, *CLOSE_CODES}
        assert sum(attacker.sent for attacker in attackers) >= FRAMES
        # And it serves on: what was there is there, and a whole run goes through.
        await talk.settled()
        run_id = await talk.start("confirm")
        await talk.send(continue_with((await talk.until_pause(run_id))[-1], confirmed=True))
        assert names_of(await talk.until_end(run_id))[-1] == "WorkflowCompleted"
