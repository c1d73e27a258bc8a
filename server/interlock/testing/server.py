"""The server of a test: without sockets, on tables of its own, by a clock that the test moves."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from interlock.app import Interlock
from interlock.auth import Principal
from interlock.auth.tokens import StaticTokens
from interlock.engine.clock import Clock
from interlock.engine.driving.loading import first_state
from interlock.engine.engine import Engine
from interlock.files.kinds import HEAD_BYTES, type_of
from interlock.files.names import safe_name
from interlock.services import Services
from interlock.settings import Settings
from interlock.store.migrate import migrate
from interlock.testing.followed import Followed
from interlock.widgets.bundles import OPERATOR, bundle_of
from interlock.workflow.decide.decide import next_timer
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.declare.reviews import widget_of
from interlock_protocol.codec import JSON
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow
from interlock_protocol.types import JsonValue
from interlock_protocol.values import NotWire

POKE_SECONDS = 0.02
"""How often the engine is told that the clock was moved, until everything that was due has happened."""

STAND_IN = "export function mount() {}\n"
"""The bundle of every widget: nobody looks at it."""

_M = TypeVar("_M", StartWorkflow, ContinueWorkflow)


def sendable(message: _M) -> _M:
    """Return the message, if a client could send it.

    Raises:
        Refusal: a value in it isn't JSON.
    """
    try:
        JSON.encode(message.model_dump())
    except NotWire as fault:
        raise Refusal(ErrorCode.INVALID_JSON, f"this isn't JSON: {fault.sentence}") from None
    return message


class _OwnSettings(Settings):
    """Settings that ignore the environment."""

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


class MovedClock(Clock):
    """A clock that the test moves forward, in addition to the passing of time."""

    def __init__(self) -> None:
        super().__init__()
        self._moved = 0

    def now_ms(self) -> int:
        return super().now_ms() + self._moved

    def set(self, store_ms: int, *, asked_at: int | None = None) -> None:
        """Ignore the store's time, which doesn't include the test's moves."""

    def move(self, by: timedelta) -> None:
        self._moved += by // timedelta(milliseconds=1)


class Server:
    """A server without sockets, and the runs that were started on it."""

    def __init__(self, workflow: Workflow, folder: Path, deadline: float) -> None:
        self._workflow = workflow
        self._settings = _OwnSettings(data_dir=folder, shutdown_grace_seconds=0.01)
        self._deadline = deadline
        self._clock = MovedClock()
        self._interlock: Interlock | None = None
        self._runs: list[Followed] = []

    @property
    def _services(self) -> Services:
        assert self._interlock is not None
        return self._interlock.services()

    @property
    def engine(self) -> Engine:
        return self._services.engine

    async def open(self) -> None:
        await _make_tables(self._settings.data_dir / "interlock.db")
        self._interlock = Interlock([self._workflow], self._settings, StaticTokens({}), clock=self._clock)
        await self._interlock.start()
        for name in _widgets_of(self._workflow):
            stand_in = bundle_of(name, STAND_IN, by=OPERATOR, at=self._clock.now_ms())
            await self._services.store.keep_bundle(stand_in)

    async def start(self, owner: Principal, message: JsonValue, session_id: str | None) -> Followed:
        start = StartWorkflow(workflow_id=self._workflow.id, message=message, session_id=session_id)
        accepted = await self.engine.start(owner, sendable(start))
        row = await self._services.store.run(accepted.run_id)
        assert row is not None
        run = Followed(first_state(row), self._deadline)
        run.follow(self.engine.log)
        self._runs.append(run)
        return run

    async def upload(self, user: Principal, name: str, content: bytes) -> str:
        store, file_id = self._services.store, f"file_{uuid.uuid4().hex}"
        await store.begin_file(file_id, user.user_id, safe_name(name), account=user.account)
        await self._services.objects.put(file_id, _pieces(content))
        digest = hashlib.sha256(content).hexdigest()
        await store.complete_file(file_id, len(content), type_of(content[:HEAD_BYTES]), digest)
        return file_id

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

    def _has_fired(self, run: Followed) -> bool | None:
        dues = (next_timer(run.state), self.engine.lifetimes.expires_at(run.state))
        now = self._clock.now_ms()
        return None if any(due is not None and due <= now for due in dues) else True


def _widgets_of(workflow: Workflow) -> set[str]:
    """The names of the bundles that a workflow asks with."""
    asked = (widget_of(each) for place in workflow.by_step_id.values() for each in place.node.reviews.values())
    return {each.bundle for each in asked if each is not None}


async def _make_tables(file: Path) -> None:
    """Have a database there. It is migrated for the first test of a process only, and copied for the others."""
    if not _tables:
        template = file.with_name("tables.db")
        await migrate(f"sqlite+aiosqlite:///{template}")
        _tables.append(template.read_bytes())
    _copy_tables(file)


def _copy_tables(file: Path) -> None:
    if not file.exists():
        file.write_bytes(_tables[0])


_tables: list[bytes] = []


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content
