"""Workflows under test: run one in this process, answer its pauses, look at its events.

    async with running(workflow, message="3 crates of apples") as run:
        pause = await run.paused()
        await pause.confirm()
        assert await run.completed() == "Ordered."

Laws:
- Engine, log and store are the real ones, on a SQLite file that is gone afterwards. Nothing is read from the
  environment, and no port is opened.
- A test sees what a client sees: the events as they are sent, and the pauses of the Python client.
- Every wait has a deadline. It ends at once when what is waited for can't come any more, and says where the run stands.
- The time by which timeouts fire and steps are tried again is the test's to move. It never goes by the store's clock.
- What a test got wrong is an `Unexpected`, an AssertionError. What the server refuses is its `Refusal`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import tempfile
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pydantic_core import from_json
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from interlock.app import Interlock
from interlock.auth import ALL_SCOPES, Principal
from interlock.auth.principal import USER_SCOPES
from interlock.auth.tokens import StaticTokens
from interlock.engine.clock import Clock
from interlock.engine.driving.loading import first_state
from interlock.engine.engine import Engine
from interlock.log.port import Batch, Log
from interlock.services import Services
from interlock.settings import Settings
from interlock.workflow.decide.decide import next_timer
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.run.fold import fold
from interlock.workflow.run.state import Requirement, RunState
from interlock_client.pauses import Decision, Pause, Send, failed, required
from interlock_client.tools import tools_in
from interlock_protocol.codec import JSON
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import (
    EchoedErrorRequirement,
    EchoedRequirement,
    ErrorRequirement,
    StepRequirement,
)
from interlock_protocol.types import JsonValue, PathPart, RunStatus
from interlock_protocol.values import NotWire

__all__ = ["ALL_SCOPES", "ErrorCode", "Pause", "Refusal", "Run", "StepRun", "Unexpected", "running"]

T = TypeVar("T")
Event: TypeAlias = dict[str, Any]

DEADLINE = 10.0
SHOWN_EVENTS = 5
POKE_SECONDS = 0.02
"""How often the engine is told that the clock was moved, until everything that was due has happened."""


class Unexpected(AssertionError):  # noqa: N818 - read as "AssertionError: unexpected"
    """The run didn't do what the test waited for."""


@asynccontextmanager
async def running(
    workflow: Workflow,
    *,
    message: JsonValue = "",
    user: str = "tester",
    session_id: str | None = None,
    deadline: float = DEADLINE,
) -> AsyncIterator[Run]:
    """A run of `workflow`, started by `user`, for as long as the block lasts.

    Args:
        message: what the run is started with.
        user: who owns the run; it has the scopes of an ordinary user.
        session_id: the run's session; made up by default.
        deadline: how long each wait may take, in seconds.

    Raises:
        Refusal: the server doesn't start it.
    """
    with tempfile.TemporaryDirectory(prefix="interlock-testing-") as folder:
        server = _Server(workflow, Path(folder), deadline)
        await server.open()
        try:
            owner = Principal(user, USER_SCOPES)
            yield Run(server, await server.start(owner, message, session_id), owner)
        finally:
            await server.close()


@dataclass
class StepRun:
    """One visit of one step (or container), as its events tell it.

    Attributes:
        path: names and iterations from the root.
        visit: counts the visits of this step in the run, from 1.
        status: `waiting` (for a person), `running` (or about to be tried again), `completed`, `skipped`, `failed`, or
            `unfinished`: the run ended.
        content: its output; containers have none of their own.
        streamed: what it has yielded, piece by piece, in its latest attempt.
        attempt: counts its tries; 0 when it hasn't begun.
    """

    name: str
    path: tuple[PathPart, ...]
    visit: int
    status: str = "running"
    content: Any = None
    streamed: list[str] = field(default_factory=list)
    attempt: int = 0
    events: list[Event] = field(default_factory=list, repr=False)


class Run:
    """A run under test, as one user sees it."""

    def __init__(self, server: _Server, followed: _Followed, user: Principal) -> None:
        self._server = server
        self._followed = followed
        self._user = user

    def __repr__(self) -> str:
        return f"<Run {self.run_id} {self.status}>"

    def as_user(self, user_id: str, *, groups: Collection[str] = (), scopes: Collection[str] = USER_SCOPES) -> Run:
        """The same run in the hands of another user, who may or may not be allowed to do anything with it."""
        return Run(self._server, self._followed, Principal(user_id, frozenset(scopes), frozenset(groups)))

    async def again(self, *, message: JsonValue = "", session_id: str | None = None) -> Run:
        """Another run of the workflow, on the same server, started by this user.

        Args:
            message: what it is started with.
            session_id: its session; by default that of this run.

        Raises:
            Refusal: the server doesn't start it.
        """
        started = await self._server.start(self._user, message, session_id or self.session_id)
        return Run(self._server, started, self._user)

    # ── How it stands ───────────────────────────────────────────────────────────────────────────────────

    @property
    def run_id(self) -> str:
        return self._followed.state.run_id

    @property
    def session_id(self) -> str:
        return self._followed.state.session_id

    @property
    def status(self) -> RunStatus:
        return self._followed.state.status

    @property
    def content(self) -> Any:
        """What the run came to; None unless it is COMPLETED."""
        return self._followed.state.content

    @property
    def error(self) -> str | None:
        """Why it failed, or the reason of its cancellation."""
        return self._followed.state.error

    @property
    def events(self) -> list[Event]:
        """Every event so far, in order, as a client receives them."""
        return list(self._followed.events)

    @property
    def pending(self) -> tuple[Pause, ...]:
        """Everything the run waits for, in the order in which it was asked."""
        return self._followed.asked(self._decide)

    def steps(self, name: str | None = None) -> list[StepRun]:
        """Every visit of the step called `name`, or of all steps, in order."""
        found = _step_runs(self._followed.events, ended=self.status.is_final)
        return [step for step in found if name is None or step.name == name]

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

    async def paused(self, step: str | None = None) -> Pause:
        """Wait until a person is asked, and return the pause.

        Args:
            step: the step that asks; then other branches may still be running. Without it, wait until nothing in the
                run can go on, and expect one pause.

        Raises:
            Unexpected: the run ends, or waits for something else, or there are several such pauses.
        """
        wanted = "a pause" if step is None else f"a pause of step {step!r}"

        def look() -> Pause | None:
            found = [pause for pause in self.pending if step in (None, pause.step_name)]
            if step is None and self.status is not RunStatus.PAUSED:
                return None
            if len(found) > 1:
                how = "name the step" if step is None else "choose one of run.pending"
                raise Unexpected(f"There are {len(found)} such pauses ({_listed(found)}); {how}.")
            return found[0] if found else None

        return await self._followed.until(look, wanted)

    async def until(self, event: str, *, step: str | None = None, count: int = 1) -> Event:
        """Wait for the event called `event` (of `step`), for the `count`th one of the run, and return it."""
        wanted = event if step is None else f"{event} of step {step!r}"

        def look() -> Event | None:
            events = self._followed.events
            found = [each for each in events if each["event"] == event and step in (None, each.get("step_name"))]
            return found[count - 1] if len(found) >= count else None

        return await self._followed.until(look, wanted if count == 1 else f"{count} times {wanted}")

    async def completed(self) -> Any:
        """Wait for the end, which must be a success, and return `content`."""
        await self._ended(RunStatus.COMPLETED)
        return self.content

    async def failed(self) -> str:
        """Wait for the end, which must be a failure, and return its sentence."""
        await self._ended(RunStatus.ERROR)
        return self.error or ""

    async def cancelled(self) -> str | None:
        """Wait for the end, which must be a cancellation, and return its reason."""
        await self._ended(RunStatus.CANCELLED)
        return self.error

    async def _ended(self, status: RunStatus) -> None:
        await self._followed.until(lambda: self.status is status or None, f"the end as {status}")

    # ── Acting ──────────────────────────────────────────────────────────────────────────────────────────

    async def cancel(self, reason: str | None = None) -> None:
        """Cancel the run, as this user.

        Raises:
            Refusal: it has ended otherwise, or this user may not.
        """
        state = self._followed.state
        message = CancelWorkflow(workflow_id=state.workflow_id, run_id=state.run_id, reason=reason)
        await self._server.engine.cancel_run(self._user, message)
        await self._followed.caught_up(self._server.engine.log)

    async def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Move the server's clock forward. Every timeout that is due by then, in any of its runs, has fired.

        A step that waits to be tried again begins, if its time has come. A step's `time_limit` goes by real time.
        """
        await self._server.advance(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))

    async def restart(self) -> None:
        """End the server at once and start another on the same database.

        Steps that run, in any of its runs, are broken off, and begin again: a coroutine is cancelled; a thread is only
        told (`is_cancelled()`), where the death of a process would end it.
        """
        await self._server.restart()

    async def _decide(self, decision: Decision) -> None:
        state = self._followed.state
        message = ContinueWorkflow(
            workflow_id=state.workflow_id,
            run_id=state.run_id,
            step_requirements=[decision] if isinstance(decision, EchoedRequirement) else None,
            error_requirements=[decision] if isinstance(decision, EchoedErrorRequirement) else None,
        )
        await self._server.engine.continue_run(self._user, _sendable(message))
        await self._followed.caught_up(self._server.engine.log)


_M = TypeVar("_M", StartWorkflow, ContinueWorkflow)


def _sendable(message: _M) -> _M:
    """The message, if a client could send it.

    Raises:
        Refusal: a value in it isn't JSON.
    """
    try:
        JSON.encode(message.model_dump())
    except NotWire as fault:
        raise Refusal(ErrorCode.INVALID_JSON, f"this isn't JSON: {fault.sentence}") from None
    return message


# ── The server ──────────────────────────────────────────────────────────────────────────────────────────


class _OwnSettings(Settings):
    """Settings that don't look at the environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class _MovedClock(Clock):
    """A clock that only a test moves on, besides the time itself."""

    def __init__(self) -> None:
        super().__init__()
        self._moved = 0

    def now_ms(self) -> int:
        return super().now_ms() + self._moved

    def set(self, store_ms: int, *, asked_at: int | None = None) -> None:
        """The store knows nothing of what the test does."""

    def move(self, by: timedelta) -> None:
        self._moved += by // timedelta(milliseconds=1)


class _Server:
    """A server without sockets, and the runs that were started on it."""

    def __init__(self, workflow: Workflow, folder: Path, deadline: float) -> None:
        self._workflow = workflow
        self._settings = _OwnSettings(data_dir=folder, shutdown_grace_seconds=0.01)
        self._deadline = deadline
        self._clock = _MovedClock()
        self._interlock: Interlock | None = None
        self._runs: list[_Followed] = []

    @property
    def _services(self) -> Services:
        assert self._interlock is not None
        return self._interlock.services()

    @property
    def engine(self) -> Engine:
        return self._services.engine

    async def open(self) -> None:
        self._interlock = Interlock([self._workflow], self._settings, StaticTokens({}), clock=self._clock)
        await self._interlock.start()

    async def start(self, owner: Principal, message: JsonValue, session_id: str | None) -> _Followed:
        start = StartWorkflow(workflow_id=self._workflow.id, message=message, session_id=session_id)
        accepted = await self.engine.start(owner, _sendable(start))
        row = await self._services.store.run(accepted.run_id)
        assert row is not None
        run = _Followed(first_state(row), self._deadline)
        run.follow(self.engine.log)
        self._runs.append(run)
        return run

    async def close(self) -> None:
        for run in self._runs:
            await run.stop()
        if self._interlock is not None:
            await self._interlock.stop()

    async def restart(self) -> None:
        await self.close()
        await self.open()
        for run in self._runs:
            run.follow(self.engine.log)

    async def advance(self, by: timedelta) -> None:
        """Return when every timeout that is due by then has fired."""
        if by < timedelta():
            raise ValueError("time doesn't go back")
        self._clock.move(by)
        self.engine.clock_moved()
        poking = asyncio.create_task(self._poke())
        try:
            for run in self._runs:
                await run.until(functools.partial(self._has_fired, run), "a timeout that is due", patient=True)
        finally:
            poking.cancel()

    async def _poke(self) -> None:
        while True:
            await asyncio.sleep(POKE_SECONDS)
            self.engine.clock_moved()

    def _has_fired(self, run: _Followed) -> bool | None:
        due = next_timer(run.state)
        return True if due is None or due > self._clock.now_ms() else None


# ── A run's events ──────────────────────────────────────────────────────────────────────────────────────


class _Followed:
    """Everything that a run has said, and its fold."""

    def __init__(self, state: RunState, deadline: float) -> None:
        self.state = state
        self.events: list[Event] = []
        self._deadline = deadline
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def follow(self, log: Log) -> None:
        """Read what there is, and what comes."""
        grown = asyncio.Event()
        log.listen(lambda run_id, _: grown.set() if run_id == self.state.run_id else None)
        self._reader = asyncio.create_task(self._read(log, grown), name="interlock-testing")
        self._reader.add_done_callback(lambda _: self._news.set())

    async def stop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    async def _read(self, log: Log, grown: asyncio.Event) -> None:
        while not self.state.status.is_final:
            grown.clear()
            batches = await log.read(self.state.run_id, self.state.next_index)
            for batch in batches:
                self._take(batch)
            if not batches:
                await grown.wait()

    def _take(self, batch: Batch) -> None:
        for index, entry in enumerate(batch.entries, batch.first_index):
            event = {**from_json(entry.body), "event_index": index, "epoch": batch.epoch}
            fold(self.state, event, None if entry.private is None else from_json(entry.private))
            self.events.append(event)
        self._news.set()

    def asked(self, send: Send) -> tuple[Pause, ...]:
        """What the run waits for; answers go to `send`."""
        return tuple(_pause(each, send) for each in self.state.requirements.values())

    async def caught_up(self, log: Log) -> None:
        """Return when everything that is in the log by now has been read."""
        head = await log.head(self.state.run_id)
        end = 0 if head is None else head.next_index
        await self.until(lambda: self.state.next_index >= end or None, "an event", patient=True)

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

    async def until(self, look: Callable[[], T | None], wanted: str, *, patient: bool = False) -> T:
        """What `look` finds, as soon as it does.

        Args:
            patient: wait also while the run waits for a person.

        Raises:
            Unexpected: it can't come any more, or it takes too long.
        """
        try:
            async with asyncio.timeout(self._deadline):
                while (found := look()) is None:
                    self._check(wanted, patient)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise Unexpected(f"{_sentence(wanted)} didn't come in {self._deadline:g} s. {self._stands()}") from None
        return found

    def _check(self, wanted: str, patient: bool) -> None:
        """Whether there is a point in waiting."""
        status = self.state.status
        if status.is_final:
            why = f": {self.state.error}" if self.state.error else ""
            raise Unexpected(
                f"{_sentence(wanted)} can't come any more: the run has ended as {status}{why}. {self._stands()}"
            )
        if status is RunStatus.PAUSED and not patient:
            raise Unexpected(f"{_sentence(wanted)} can't come before somebody decides. {self._stands()}")
        if self._reader is not None and self._reader.done():
            self._reader.result()

    def _stands(self) -> str:
        """Where the run stands, for whoever reads a failed test."""
        names = [f"{each['event']} {each.get('step_name', '')}".rstrip() for each in self.events]
        last = ", ".join(names[-SHOWN_EVENTS:]) or "none"
        waits = self.asked(_nobody)
        for_whom = f" It waits at {_listed(waits)}." if waits else ""
        return f"The run is {self.state.status}.{for_whom} Its last events: {last}."


def _pause(requirement: Requirement, send: Send) -> Pause:
    if requirement.kind == "requires_error_decision":
        return failed(ErrorRequirement.model_validate(requirement.facts), send)
    return required(StepRequirement.model_validate(requirement.facts), send)


async def _nobody(_decision: Decision) -> None:
    """Sends nothing."""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(pauses: Collection[Pause]) -> str:
    return ", ".join(f"step {pause.step_name!r} ({pause.kind})" for pause in pauses)


# ── Steps, from events ──────────────────────────────────────────────────────────────────────────────────

_STATUS_AFTER = {
    "StepPaused": "waiting",
    "StepContinued": "running",
    "StepStarted": "running",
    "StepCompleted": "completed",
    "StepSkipped": "skipped",
}


def _step_runs(events: list[Event], *, ended: bool) -> list[StepRun]:
    found: dict[tuple[str, int], StepRun] = {}
    for event in events:
        if "step_path" not in event:
            continue
        key = (event["step_id"], event["visit"])
        step = found.setdefault(key, StepRun(event["step_name"], tuple(event["step_path"]), event["visit"]))
        step.events.append(event)
        _take_in(step, event)
    for step in found.values():
        if ended and step.status in ("waiting", "running"):
            step.status = "unfinished"
    return list(found.values())


def _take_in(step: StepRun, event: Event) -> None:
    name = event["event"]
    step.status = _STATUS_AFTER.get(name, step.status)
    if name.endswith("ExecutionCompleted"):
        step.status = "completed"
    match name:
        case "StepError":
            step.status = "running" if event["will_retry"] else "failed"
        case "StepExecutorContinued":
            step.status = "waiting" if _tools_left(step.events) else "running"
        case "StepStarted":
            step.attempt, step.streamed = event["attempt"], []
        case "RunResponseContentEvent":
            step.streamed.append(event["content"])
        case "StepCompleted":
            step.content = event.get("content")


def _tools_left(events: list[Event]) -> frozenset[str]:
    """The ids of the tools that a step's agent waits for."""
    left: frozenset[str] = frozenset()
    for event in events:
        if event["event"] == "StepExecutorPaused":
            left = frozenset(tool["id"] for tool in event["executor_requirements"])
        elif event["event"] == "StepExecutorContinued":
            left -= tools_in(event["decision"]) or left
    return left
