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
- What a test got wrong is an `Unexpected`, an AssertionError. What the server refuses is its `Refusal`.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pydantic_core import from_json
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from interlock.app import Interlock
from interlock.auth import ALL_SCOPES, Principal
from interlock.auth.principal import USER_SCOPES
from interlock.auth.tokens import StaticTokens
from interlock.engine.engine import Engine
from interlock.engine.loading import first_state
from interlock.log.port import Batch, Log
from interlock.services import Services
from interlock.settings import Settings
from interlock.workflow.declaration import Workflow
from interlock.workflow.state import RunState, fold
from interlock_client.pauses import Decision, Pause, Send, required
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import EchoedRequirement, StepRequirement
from interlock_protocol.types import JsonValue, PathPart, RunStatus

__all__ = ["ALL_SCOPES", "ErrorCode", "Pause", "Refusal", "Run", "StepRun", "Unexpected", "running"]

T = TypeVar("T")
Event: TypeAlias = dict[str, Any]

DEADLINE = 10.0
SHOWN_EVENTS = 5


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
            await server.start(owner, message, session_id)
            yield Run(server, owner)
        finally:
            await server.close()


@dataclass
class StepRun:
    """One visit of one step (or container), as its events tell it.

    Attributes:
        path: names and iterations from the root.
        visit: counts the visits of this step in the run, from 1.
        status: `waiting` (for a person), `running`, `completed`, `skipped`, `failed`, or `unfinished`: the run ended.
        content: its output; containers have none of their own.
        streamed: what it has yielded, piece by piece, in its latest attempt.
        attempt: counts its tries; 0 when it hasn't begun.
    """

    name: str
    path: tuple[PathPart, ...]
    visit: int
    status: str = "running"
    content: JsonValue = None
    streamed: list[str] = field(default_factory=list)
    attempt: int = 0
    events: list[Event] = field(default_factory=list, repr=False)


class Run:
    """A run under test, as one user sees it."""

    def __init__(self, server: _Server, user: Principal) -> None:
        self._server = server
        self._user = user

    def __repr__(self) -> str:
        return f"<Run {self.run_id} {self.status}>"

    def as_user(self, user_id: str, *, groups: Collection[str] = (), scopes: Collection[str] = USER_SCOPES) -> Run:
        """The same run in the hands of another user, who may or may not be allowed to do anything with it."""
        return Run(self._server, Principal(user_id, frozenset(scopes), frozenset(groups)))

    # ── How it stands ───────────────────────────────────────────────────────────────────────────────────

    @property
    def run_id(self) -> str:
        return self._server.state.run_id

    @property
    def session_id(self) -> str:
        return self._server.state.session_id

    @property
    def status(self) -> RunStatus:
        return self._server.state.status

    @property
    def content(self) -> Any:
        """What the run came to; None unless it is COMPLETED."""
        return self._server.state.content

    @property
    def error(self) -> str | None:
        """Why it failed, or the reason of its cancellation."""
        return self._server.state.error

    @property
    def events(self) -> list[Event]:
        """Every event so far, in order, as a client receives them."""
        return list(self._server.events)

    @property
    def pending(self) -> tuple[Pause, ...]:
        """Everything the run waits for, in the order in which it was asked."""
        return self._server.asked(self._decide)

    def steps(self, name: str | None = None) -> list[StepRun]:
        """Every visit of the step called `name`, or of all steps, in order."""
        found = _step_runs(self._server.events, ended=self.status.is_final)
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

        return await self._server.until(look, wanted)

    async def until(self, event: str, *, step: str | None = None, count: int = 1) -> Event:
        """Wait for the event called `event` (of `step`), for the `count`th one of the run, and return it."""
        wanted = event if step is None else f"{event} of step {step!r}"

        def look() -> Event | None:
            events = self._server.events
            found = [each for each in events if each["event"] == event and step in (None, each.get("step_name"))]
            return found[count - 1] if len(found) >= count else None

        return await self._server.until(look, wanted if count == 1 else f"{count} times {wanted}")

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
        await self._server.until(lambda: self.status is status or None, f"the end as {status}")

    # ── Acting ──────────────────────────────────────────────────────────────────────────────────────────

    async def cancel(self, reason: str | None = None) -> None:
        """Cancel the run, as this user.

        Raises:
            Refusal: it has ended otherwise, or this user may not.
        """
        state = self._server.state
        message = CancelWorkflow(workflow_id=state.workflow_id, run_id=state.run_id, reason=reason)
        await self._server.engine.cancel_run(self._user, message)
        await self._server.caught_up()

    async def restart(self) -> None:
        """End the server at once and start another on the same database.

        Steps that run are broken off, and begin again: a coroutine is cancelled; a thread is only told
        (`is_cancelled()`), where the death of a process would end it.
        """
        await self._server.restart()

    async def _decide(self, decision: Decision, _: bool) -> None:
        if not isinstance(decision, EchoedRequirement):
            raise Unexpected("This server has no error pauses yet.")
        state = self._server.state
        message = ContinueWorkflow(workflow_id=state.workflow_id, run_id=state.run_id, step_requirements=[decision])
        await self._server.engine.continue_run(self._user, message)
        await self._server.caught_up()


# ── The server of one run ───────────────────────────────────────────────────────────────────────────────


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


class _Server:
    """A server without sockets, and everything its one run has said."""

    def __init__(self, workflow: Workflow, folder: Path, deadline: float) -> None:
        self._workflow = workflow
        self._settings = _OwnSettings(data_dir=folder, shutdown_grace_seconds=0.01)
        self._deadline = deadline
        self._interlock: Interlock | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._state: RunState | None = None
        self.events: list[Event] = []

    @property
    def state(self) -> RunState:
        """The fold of `events`."""
        assert self._state is not None
        return self._state

    @property
    def _services(self) -> Services:
        assert self._interlock is not None
        return self._interlock.services()

    @property
    def engine(self) -> Engine:
        return self._services.engine

    # ── Life ────────────────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        self._interlock = Interlock([self._workflow], self._settings, StaticTokens({}))
        await self._interlock.start()

    async def start(self, owner: Principal, message: JsonValue, session_id: str | None) -> None:
        start = StartWorkflow(workflow_id=self._workflow.id, message=message, session_id=session_id)
        accepted = await self.engine.start(owner, start)
        row = await self._services.store.run(accepted.run_id)
        assert row is not None
        self._state = first_state(row)
        self._follow()

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._interlock is not None:
            await self._interlock.stop()

    async def restart(self) -> None:
        await self.close()
        await self.open()
        self._follow()

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────────────

    def _follow(self) -> None:
        log: Log = self.engine.log
        grown = asyncio.Event()
        log.listen(lambda run_id, _: grown.set() if run_id == self.state.run_id else None)
        self._reader = asyncio.create_task(self._read(log, grown), name="interlock-testing")
        self._reader.add_done_callback(lambda _: self._news.set())

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
        requirements = self.state.requirements.values()
        return tuple(required(StepRequirement.model_validate(each.facts), send) for each in requirements)

    async def caught_up(self) -> None:
        """Return when everything that is in the log by now has been read."""
        head = await self.engine.log.head(self.state.run_id)
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


async def _nobody(_decision: Decision, _whole: bool) -> None:
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
    "StepError": "failed",
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
        case "StepStarted":
            step.attempt, step.streamed = event["attempt"], []
        case "RunResponseContentEvent":
            step.streamed.append(event["content"])
        case "StepCompleted":
            step.content = event.get("content")
