"""Who is told of pauses: the application's `on_pause` hook, notifiers, and whoever else listens.

Laws:
- A pause goes into the outbox with the run's settlement, once for each listener, and is delivered when the listener has
  returned. So a listener is told of each pause: once if nothing fails, at least once in any case.
- Nobody is told of a pause that was decided meanwhile. One that isn't in the log yet, as servers of an earlier version
  leave it, is told of when it is.
- Nodes agree by the store's clock which of them tells: one node takes the message, and if it doesn't deliver it in
  time, another node does.
- A listener delays no run, and no other listener. If it raises, the error is logged, and it is told again later: for
  good, or as long as its patience says.
- A listener may leave messages of its own topics, about the same requirement; they are told by the same rules.

Source: `docs/workflows.md`, "Being told of a pause"; `docs/notices.md`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from urllib.parse import quote

import structlog

from interlock.engine.clock import Clock
from interlock.store.port import StoreUnavailable
from interlock.store.ports.outbox import Outbox, Patience
from interlock.workflow.program import RunState
from interlock_protocol.errors import Refusal
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

PAUSE = "pause"
"""The hook's topic. A message's subject is the id of the requirement, where somebody is told again with `#` and why;
behind it and a space, there may be more: whom to tell."""

BATCH = 100
"""How many messages a listener that is told of one at a time takes at once."""

HOLD_MS = 60_000
"""How long one node has to deliver a message before another node (or the same one, after an error) tries."""


@dataclass(frozen=True, slots=True)
class PauseNotice:
    """What a listener gets: a run waits for somebody.

    Args:
        requirement: the whole `step_requirements[]` or `error_requirements[]` object.
        kind: its flag, such as `requires_confirmation`.
        link: the run's page in the web app, where people see and decide it.
        account: of which the users and groups are whom the requirement names.
        again: empty for a question that has just come up; else why it is told of again, and a number: `reminded.2`.
    """

    run_id: str
    workflow_id: str
    session_id: str
    user_id: str
    kind: str
    requirement: JsonObject
    link: str
    account: str = DEFAULT_ACCOUNT
    again: str = ""

    @property
    def why(self) -> str:
        """Why it is told: `asked`, or `reminded`, `escalated` or `delegated`."""
        return self.again.partition(".")[0] or "asked"


OnPause: TypeAlias = Callable[[PauseNotice], Awaitable[None] | None]
"""The hook: a function or a coroutine function. A plain function is called in a thread."""


class Listener(Protocol):
    """Who is told of pauses."""

    @property
    def topic(self) -> str:
        """Of its messages."""

    @property
    def hears_all(self) -> bool:
        """True if it is told of every pause; False if only of what another listener leaves for its topic."""

    @property
    def at_once(self) -> int:
        """How many messages it is told of at a time."""

    @property
    def patience(self) -> Patience | None:
        """How it is told again after an error; None means after `HOLD_MS`, for good."""

    async def tell(self, notice: PauseNotice, detail: str) -> None:
        """Tell of a pause; `detail` is what the message's subject has behind the requirement's id."""

    async def failed(self, notice: PauseNotice, detail: str, error: Exception, *, is_last: bool) -> None:
        """Note that `tell` raised; `is_last` if it isn't told again."""


class Hook:
    """The listener that calls the application's function."""

    topic = PAUSE
    hears_all = True
    at_once = 1
    patience: Patience | None = None

    def __init__(self, function: OnPause) -> None:
        self._function = function

    async def tell(self, notice: PauseNotice, detail: str) -> None:
        """As `Listener.tell`."""
        if inspect.iscoroutinefunction(self._function):
            await self._function(notice)
            return
        returned = await asyncio.to_thread(self._function, notice)
        if inspect.isawaitable(returned):
            await returned

    async def failed(self, notice: PauseNotice, detail: str, error: Exception, *, is_last: bool) -> None:
        """As `Listener.failed`."""
        about = {"run_id": notice.run_id, "requirement_id": notice.requirement["id"]}
        logger.error("on_pause_failed", **about, exc_info=error)


class PauseRelay:
    """Tells the listeners of the pauses that settlements leave in the outbox.

    Attributes:
        topics: the topics of those who are told of every pause.

    Args:
        state: loads the state of a run from its log.
        base_url: the URL at which people reach this server.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        listeners: Sequence[Listener],
        state: Callable[[str], Awaitable[RunState]],
        base_url: str,
    ) -> None:
        self.topics = tuple(each.topic for each in listeners if each.hears_all)
        self._deliveries = [_Delivery(outbox, clock, each, state, base_url, self.wake) for each in listeners]

    def wake(self) -> None:
        """Look for messages now."""
        for each in self._deliveries:
            each.news.set()

    async def run(self, every: float) -> None:
        """Deliver what is in the outbox, forever; check for more every `every` seconds, and after `wake`."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._deliveries:
                tasks.create_task(each.run(every))


class _Delivery:
    """Delivers the messages of one listener."""

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        listener: Listener,
        state: Callable[[str], Awaitable[RunState]],
        base_url: str,
        on_told: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._listener = listener
        self._state = state
        self._base_url = base_url.rstrip("/")
        self._on_told = on_told
        self.news = asyncio.Event()

    async def run(self, every: float) -> None:
        """As `PauseRelay.run`, for this listener."""
        while True:
            self.news.clear()
            with contextlib.suppress(StoreUnavailable):
                await self._deliver()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self.news.wait()

    async def _deliver(self) -> None:
        at_once = self._listener.at_once
        limit = BATCH if at_once == 1 else at_once
        is_all = False
        while not is_all:
            taken = await self._outbox.take_messages(self._listener.topic, self._clock.now_ms(), HOLD_MS, limit)
            is_all = len(taken) < limit
            for first in range(0, len(taken), at_once):
                await asyncio.gather(*(self._deliver_one(*each) for each in taken[first : first + at_once]))

    async def _deliver_one(self, run_id: str, subject: str) -> None:
        about, _, detail = subject.partition(" ")
        requirement_id, _, again = about.partition("#")
        with contextlib.suppress(StoreUnavailable, Refusal):
            state = await self._state(run_id)
            notice = self._notice(state, requirement_id, again)
            if notice is None and requirement_id not in _decided(state) and not state.status.is_final:
                return  # not in the log yet, or lost with its end: it is looked at again after `HOLD_MS`
            if notice is None or await self._tell(notice, detail, subject):
                await self._outbox.message_delivered(self._listener.topic, run_id, subject)

    async def _tell(self, notice: PauseNotice, detail: str, subject: str) -> bool:
        """Tell the listener; return False if it is to be told again."""
        try:
            await self._listener.tell(notice, detail)
        except StoreUnavailable:
            raise
        except Exception as error:
            await self._failed(notice, detail, subject, error)
            return False
        if self._listener.hears_all:
            self._on_told()  # it may have left messages for others
        return True

    async def _failed(self, notice: PauseNotice, detail: str, subject: str, error: Exception) -> None:
        is_last = False
        try:
            if (patience := self._listener.patience) is not None:
                now, topic = self._clock.now_ms(), self._listener.topic
                is_last = not await self._outbox.put_off_message(topic, notice.run_id, subject, now, patience)
        finally:
            await self._listener.failed(notice, detail, error, is_last=is_last)

    def _notice(self, state: RunState, requirement_id: str, again: str) -> PauseNotice | None:
        requirement = state.requirements.get(requirement_id)
        if requirement is None:
            return None
        page = "/".join(quote(each, safe="") for each in (state.workflow_id, state.run_id))
        link = f"{self._base_url}/#/runs/{page}"
        return PauseNotice(
            state.run_id,
            state.workflow_id,
            state.session_id,
            state.user_id,
            requirement.kind,
            requirement.facts,
            link,
            state.account,
            again,
        )


def _decided(state: RunState) -> set[str]:
    return {each.requirement.id for each in state.resolved.values()}
