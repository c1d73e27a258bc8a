"""Clients of a chaos run: they start runs, follow them, decide, and come and go as they please, to any node.

Laws:
- `Raw` speaks the protocol by itself, and keeps each frame of a run that it was sent, whatever that is: it corrects
  nothing, so that what is wrong with the stream is seen. `Library` follows with `interlock_client`.
- An action is sent again on the next connection, under its idempotency key, until it is answered.
- What they do comes from a seeded `Random` of their own; when they do it depends on the world.
- Nobody judges here: see `verdict.py`.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.faults.verdict import FINAL, RESOLVING, Answer, Event, Sight, View, digest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

import interlock_client
from interlock_client.cursor import event_epoch, event_index

Door = Callable[[], str]
"""Where to knock the next time: the address of a node, or of the balancer."""

HEARTBEAT = 2.0
OPEN_SECONDS = 4.0
PAUSE_SECONDS = (0.05, 0.4)
MOMENTARY = frozenset({"unavailable", "rate_limited", "internal"})
"""Errors that an action is sent again after."""


@dataclass
class Following:
    """One run that a client follows.

    Attributes:
        asked: the `request_id` of the question for its events on this connection.
        is_live: on this connection, what comes is the answer to that question.
    """

    view: View
    epoch: int | None = None
    last: int | None = None
    asked: str | None = None
    is_live: bool = False

    def left(self) -> None:
        self.asked, self.is_live = None, False


@dataclass(eq=False)
class Act:
    """An action under way."""

    message: dict[str, Any]
    answer: Answer
    done: asyncio.Future[Answer]
    tries: int = 0
    is_sent: bool = False


@dataclass(eq=False)
class Tally:
    """What all clients did, counted."""

    connections: int = 0
    cut: int = 0
    left: int = 0
    lag: float = 0.0
    floods: Counter[str] = field(default_factory=Counter)
    momentary: Counter[str] = field(default_factory=Counter)
    internal: list[tuple[str, str]] = field(default_factory=list)
    """Who was told of an error inside of the server, and what they had sent; told is told, whatever comes of it."""


class Raw:
    """A client that speaks the protocol by itself.

    Attributes:
        views: what it saw, by run.
        answers: what it was told, by run.
    """

    def __init__(
        self, who: str, door: Door, token: str, chance: Random, tally: Tally, *, patience: float = 4.0
    ) -> None:
        self.who = who
        self.views: dict[str, View] = {}
        self.answers: list[tuple[str, Answer]] = []
        self.on_event: Callable[[Event], None] = lambda _: None
        self._door = door
        self._token = token
        self._chance = chance
        self._tally = tally
        self._patience = patience
        self._following: dict[str, Following] = {}
        self._acts: dict[str, Act] = {}
        self._socket: ClientConnection | None = None
        self._news = asyncio.Event()

    # ── What it does ────────────────────────────────────────────────────────────────────────────────────

    def follow(self, run_id: str, *, started: bool = False) -> None:
        """Follows a run from its beginning; `started`: by this very connection, which has it sent already."""
        if run_id not in self._following:
            self.views[run_id] = View(self.who, run_id)
            self._following[run_id] = Following(self.views[run_id], is_live=started)
        self._news.set()

    async def act(self, message: Event, requirement_id: str | None = None, sent: Event | None = None) -> Answer:
        """Sends an action until it is answered."""
        id_ = uuid.uuid4().hex
        whole = {"request_id": id_, "idempotency_key": id_, **message}
        answer = Answer(self.who, message["action"], requirement_id, sent or {})
        self.answers.append((message.get("run_id", ""), answer))
        act = Act(whole, answer, asyncio.get_running_loop().create_future())
        self._acts[id_] = act
        self._news.set()
        try:
            return await act.done
        finally:
            self._acts.pop(id_, None)

    @property
    def is_done(self) -> bool:
        """Nothing is left to see, nor to be answered."""
        return not self._acts and all(each.view.has_ended for each in self._following.values())

    @property
    def unanswered(self) -> list[str]:
        """What it still waits for an answer to."""
        return [f"{act.message['action']} {dict(act.answer.sent) or ''}".strip() for act in self._acts.values()]

    async def live(self) -> None:
        """Comes and goes, until it is cancelled."""
        while True:
            if self.is_done:
                self._news.clear()
                await self._news.wait()
            try:
                async with self._connected() as socket:
                    self._socket = socket
                    await self._stay(socket)
                self._tally.left += 1
            except (OSError, WebSocketException, TimeoutError, _Refused):
                self._tally.cut += 1
            finally:
                self._socket = None
                for each in self._following.values():
                    each.left()
            await asyncio.sleep(self._chance.uniform(*PAUSE_SECONDS))

    # ── One connection ──────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[ClientConnection]:
        url = self._door().replace("http", "ws", 1) + "/workflows/ws"
        options: dict[str, Any] = {"compression": None, "max_size": None, "proxy": None, "close_timeout": 0.5}
        options |= {"ping_interval": HEARTBEAT, "ping_timeout": HEARTBEAT, "open_timeout": OPEN_SECONDS}
        socket = await connect(url, **options)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._authenticate(socket)
            self._tally.connections += 1
            yield socket
            if self._chance.random() < 0.3:
                await socket.close()
        finally:
            socket.transport.abort()

    async def _authenticate(self, socket: ClientConnection) -> None:
        await socket.recv()
        await socket.send(json.dumps({"action": "authenticate", "token": self._token}))
        if (answer := json.loads(await socket.recv()))["event"] != "authenticated":
            raise _Refused(answer)

    async def _stay(self, socket: ClientConnection) -> None:
        """Asks for everything, and takes what comes, for a while."""
        until = asyncio.get_running_loop().time() + self._chance.expovariate(1 / self._patience)
        talking = asyncio.create_task(self._talk(socket))
        try:
            async with asyncio.timeout_at(until):
                async for frame in socket:
                    self._take(json.loads(frame))
                    if self.is_done:
                        return
        except TimeoutError:
            pass
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    async def _talk(self, socket: ClientConnection) -> None:
        """Sends what there is to send on this connection: runs to follow first, then actions."""
        for act in self._acts.values():
            act.is_sent = False
        while True:
            self._news.clear()
            for following in self._following.values():
                if not following.view.has_ended and not following.is_live and following.asked is None:
                    await socket.send(json.dumps(self._question(following)))
            for act in [act for act in self._acts.values() if not act.is_sent]:
                act.is_sent = True
                act.tries += 1
                await socket.send(json.dumps(act.message))
            await self._news.wait()

    def _question(self, following: Following) -> dict[str, Any]:
        following.asked = uuid.uuid4().hex
        place = {} if following.last is None else {"last_event_index": following.last, "epoch": following.epoch}
        return {"action": "reconnect", "run_id": following.view.run_id, "request_id": following.asked, **place}

    # ── What comes ──────────────────────────────────────────────────────────────────────────────────────

    def _take(self, message: Event) -> None:
        match message["event"]:
            case "ack" | "error":
                self._answered(message)
            case "catch_up" | "replay" | "subscribed" | "gap":
                self._told(message)
            case _ if message.get("replayed"):
                pass  # it was seen before, in its place
            case _ if "event_index" in message and (following := self._following.get(message["run_id"])):
                if following.is_live:
                    self._see(following, message)

    def _answered(self, message: Event) -> None:
        id_ = message.get("request_id", "")
        if (act := self._acts.get(id_)) is not None:
            self._settle(act, message)
        elif message["event"] == "error":
            if (following := self._asked(id_)) is not None:
                self._not_followed(following, message)
            elif message.get("code") == "internal":
                self._tally.internal.append((self.who, "something"))

    def _settle(self, act: Act, message: Event) -> None:
        code = message.get("code")
        if code == "internal":
            self._tally.internal.append((self.who, act.message["action"]))
        if code in MOMENTARY:
            self._tally.momentary[code] += 1
            asyncio.get_running_loop().call_later(self._chance.uniform(*PAUSE_SECONDS), self._again, act)
        elif not act.done.done():
            act.answer.outcome = code or "ack"
            act.answer.details = message.get("details") or {}
            if act.message["action"] == "start-workflow" and code is None:
                self.follow(message["run_id"], started=act.tries == 1)
                act.answer.details = {"run_id": message["run_id"]}
            act.done.set_result(act.answer)

    def _again(self, act: Act) -> None:
        act.is_sent = False
        self._news.set()

    def _asked(self, request_id: str) -> Following | None:
        return next((each for each in self._following.values() if each.asked == request_id), None)

    def _not_followed(self, following: Following, message: Event) -> None:
        code = message.get("code", "")
        if code == "internal":
            self._tally.internal.append((self.who, "reconnect"))
        if code in MOMENTARY:
            self._tally.momentary[code] += 1
            wait = self._chance.uniform(*PAUSE_SECONDS)
            asyncio.get_running_loop().call_later(wait, self._ask_again, following, following.asked)
        else:
            following.view.refusals.append(f"{code}: {message['error']}")
            following.view.has_ended = True

    def _ask_again(self, following: Following, asked: str | None) -> None:
        if following.asked == asked:
            following.asked = None
            self._news.set()

    def _told(self, message: Event) -> None:
        following = self._following.get(message["run_id"])
        if following is None:
            return
        following.is_live = True
        if message["event"] == "gap":
            following.view.gaps += 1
            following.last, following.epoch = message["next_event_index"] - 1, message["epoch"]
        elif message["event"] == "replay" and message["missed_events"] == 0:
            following.view.has_ended = True

    def _see(self, following: Following, event: Event) -> None:
        view, number = following.view, event["event_index"]
        view.seen.append(Sight(event["epoch"], number, digest(event)))
        following.last, following.epoch = (
            max(number, following.last if following.last is not None else -1),
            event["epoch"],
        )
        view.has_ended = view.has_ended or event["event"] in FINAL
        self.on_event(event)


class _Refused(Exception):  # noqa: N818 - what the server said
    """The server doesn't let this client in, for now."""


# ── Those who decide ────────────────────────────────────────────────────────────────────────────────────


class Person(Raw):
    """Starts a run, or joins one, and answers what it asks: now and then late, twice, or against another.

    Args (beyond those of `Raw`):
        think: how long to wait before an answer, in seconds.
    """

    def __init__(self, *args: Any, think: tuple[float, float] = (0.0, 0.6), **options: Any) -> None:
        super().__init__(*args, **options)
        self.on_event = self._look
        self._think = think
        self._tools: dict[str, list[Event]] = {}
        self._resolved: set[str] = set()
        self._deciding: set[asyncio.Task[None]] = set()

    async def start(self, workflow_id: str, message: Event, session_id: str | None = None) -> str:
        """The id of the run, once the server has it."""
        session = {"session_id": session_id} if session_id else {}
        target = {"workflow_id": workflow_id, "message": message, **session}
        answer = await self.act({"action": "start-workflow", **target})
        run_id = str(answer.details.get("run_id", ""))
        self.answers = [(run_id if each is answer else at, each) for at, each in self.answers]
        return run_id

    async def cancel(self, run_id: str, workflow_id: str) -> None:
        await self.act({"action": "cancel-workflow", "workflow_id": workflow_id, "run_id": run_id})

    async def rest(self) -> None:
        """Ends what it was about to decide."""
        for task in self._deciding:
            task.cancel()
        await asyncio.gather(*self._deciding, return_exceptions=True)

    def _look(self, event: Event) -> None:
        if event["event"] == "StepExecutorPaused":
            self._tools[event["requirement_id"]] = event["executor_requirements"]
        elif event["event"] in RESOLVING:
            self._resolved.add(event["requirement_id"])
        elif event["event"] == "StepPaused":
            task = asyncio.create_task(self._answer(event))
            self._deciding.add(task)
            task.add_done_callback(self._deciding.discard)

    async def _answer(self, event: Event) -> None:
        await asyncio.sleep(self._chance.uniform(*self._think))
        id_ = event["requirement_id"]
        if event.get("requires_signal"):
            await self._signal(event)  # also if one that was sent for another pause was taken here
            return
        if id_ in self._resolved and self._chance.random() < 0.8:
            return  # somebody was faster; now and then answer all the same
        where = "error_requirements" if event.get("requires_error_decision") else "step_requirements"
        for _ in range(2 if self._chance.random() < 0.2 else 1):  # a double click, of one who may change their mind
            decision = decide(event, self._tools.get(id_, []), self._chance)
            target = {"run_id": event["run_id"], "workflow_id": event["workflow_id"], where: [{"id": id_, **decision}]}
            await self.act({"action": "continue-workflow", **target}, id_, decision)

    async def _signal(self, event: Event) -> None:
        """Send what it waits for, each time with another payload: now and then one more, or one that nothing takes."""
        for _ in range(2 if self._chance.random() < 0.2 else 1):
            topic = event["topic"] if self._chance.random() < 0.9 else "of-no-use"
            sent = {"topic": topic, "payload": {"from": self.who, "number": uuid.uuid4().hex}}
            await self.act({"action": "signal", "run_id": event["run_id"], **sent}, event["requirement_id"], sent)
            if topic != event["topic"]:
                sent = {"topic": event["topic"], "payload": {"from": self.who, "number": uuid.uuid4().hex}}
                await self.act({"action": "signal", "run_id": event["run_id"], **sent}, event["requirement_id"], sent)


def decide(event: Event, tools: list[Event], chance: Random) -> Event:
    """An answer to a `StepPaused`."""
    if event.get("requires_error_decision"):
        return {"decision": chance.choices(["retry", "skip", "cancel"], [8, 1, 1])[0]}
    if event["requires_user_input"]:
        return {"user_input": {"word": f"word {chance.randrange(1000)}", "count": chance.randrange(9), "sure": True}}
    if event["requires_route_selection"]:
        return {"selected_choices": [name for name in event["available_choices"] if chance.random() < 0.5] or ["left"]}
    if event["requires_executor_input"]:
        return {"executor_requirements": [{"id": each["id"], "confirmation": chance.random() < 0.7} for each in tools]}
    if event["requires_output_review"] and chance.random() < 0.2:
        return {"confirmed": True, "edited_output": f"edited {chance.randrange(1000)}"}
    if chance.random() < 0.7:
        return {"confirmed": True}
    return _rejection(event, chance)


def _rejection(event: Event, chance: Random) -> Event:
    if event["on_reject"] == "retry":  # not when it was done as often as it may be
        return {"confirmed": False, "on_reject": "retry", "rejection_feedback": f"again {chance.randrange(1000)}"}
    return {"confirmed": False, "on_reject": chance.choices(["skip", "cancel"], [3, 1])[0]}


# ── Those who use the library ───────────────────────────────────────────────────────────────────────────


class Library:
    """Follows one run with `interlock_client`; now and then with a new client, from where the last one was."""

    def __init__(self, who: str, run_id: str, door: Door, token: str, chance: Random, tally: Tally) -> None:
        self.who = who
        self.views = {run_id: View(who, run_id)}
        self._view = self.views[run_id]
        self._door = door
        self._token = token
        self._chance = chance
        self._tally = tally

    @property
    def is_done(self) -> bool:
        return self._view.has_ended

    async def live(self) -> None:
        """Follows the run, until its end."""
        while not self._view.has_ended:
            try:
                async with asyncio.timeout(self._chance.expovariate(1 / 6)):
                    await self._follow()
            except (interlock_client.ConnectionEnded, TimeoutError):
                self._tally.left += 1
            except (interlock_client.ActionRefused, interlock_client.BrokenStream) as error:
                self._refused(error)
            await asyncio.sleep(self._chance.uniform(*PAUSE_SECONDS))

    async def _follow(self) -> None:
        last = self._view.seen[-1] if self._view.seen else None
        client = interlock_client.connect(
            self._door(), token=self._token, open_timeout=OPEN_SECONDS, heartbeat=HEARTBEAT, on_disconnect=self._lost
        )
        async with client:
            self._tally.connections += 1
            place = (last.number, last.epoch) if last else (None, None)
            run = await client.follow(self._view.run_id, last_event_index=place[0], epoch=place[1])
            async for event in run:
                if event.event == "gap":
                    self._view.gaps += 1
                elif (number := event_index(event)) is not None:
                    self._view.seen.append(Sight(event_epoch(event), number))
            self._view.has_ended = True

    def _refused(self, error: interlock_client.InterlockError) -> None:
        code = error.code if isinstance(error, interlock_client.ActionRefused) else None
        if code == "internal":
            self._tally.internal.append((self.who, "follow"))
        elif code not in MOMENTARY:
            self._view.refusals.append(f"{type(error).__name__}: {error}")
            self._view.has_ended = True

    def _lost(self, _: str) -> None:
        self._tally.cut += 1
