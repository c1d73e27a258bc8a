"""The `on_pause` hook: it tells the application that a run waits for somebody.

Laws:
- A pause goes into the outbox before it goes into the log, and is delivered when the hook has returned. So the hook is
  called for each pause: once if nothing fails, at least once in any case. (If the pause went in with the run's row, the
  hook would be called later, and not at all for a pause decided before the row is written.)
- The hook isn't called for a pause that never reached the log, or that was decided meanwhile.
- Nodes agree by the store's clock which of them calls the hook: one node takes the message, and if it doesn't deliver
  it in time, another node does.
- The hook delays no run. If it raises, the error is logged, and the hook is called again later.

Source: `docs/workflows.md`, "Being told of a pause".
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

import structlog

from interlock.engine.clock import Clock
from interlock.store.port import StoreUnavailable
from interlock.store.ports.outbox import Outbox
from interlock.workflow.program import RunState
from interlock_protocol.errors import Refusal
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

PAUSE = "pause"
"""The topic; a message's subject is the id of the requirement."""

HOLD_MS = 60_000
"""How long one node has to deliver a message before another node (or the same one, after an error) tries."""


@dataclass(frozen=True, slots=True)
class PauseNotice:
    """What the hook gets: a run waits for somebody.

    Args:
        requirement: the whole `step_requirements[]` or `error_requirements[]` object.
        kind: its flag, such as `requires_confirmation`.
        link: the run's page in the web app, where people see and decide it.
        account: of which the users and groups are whom the requirement names.
    """

    run_id: str
    workflow_id: str
    session_id: str
    user_id: str
    kind: str
    requirement: JsonObject
    link: str
    account: str = DEFAULT_ACCOUNT


OnPause: TypeAlias = Callable[[PauseNotice], Awaitable[None] | None]
"""The hook: a function or a coroutine function. A plain function is called in a thread."""


class PauseRelay:
    """Puts pauses into the outbox, and delivers them to the hook.

    Args:
        state: loads the state of a run from its log.
        base_url: the URL at which people reach this server.
    """

    def __init__(
        self, outbox: Outbox, clock: Clock, hook: OnPause, state: Callable[[str], Awaitable[RunState]], base_url: str
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._hook = hook
        self._state = state
        self._base_url = base_url.rstrip("/")
        self._news = asyncio.Event()
        self._later: set[tuple[str, str]] = set()

    async def add(self, run_id: str, requirement_ids: Sequence[str]) -> None:
        """Put these pauses into the outbox; they are delivered once they are in the log."""
        await self._outbox.leave_messages(PAUSE, run_id, requirement_ids)

    def logged(self) -> None:
        """Note that pauses from the outbox may be in the log now."""
        self._news.set()

    async def run(self, every: float) -> None:
        """Deliver what is in the outbox, forever; check for more every `every` seconds, and after `logged`."""
        while True:
            self._news.clear()
            with contextlib.suppress(StoreUnavailable):
                taken = await self._outbox.take_messages(PAUSE, self._clock.now_ms(), HOLD_MS)
                later, self._later = self._later, set()
                for run_id, requirement_id in [*later, *taken]:
                    await self._tell(run_id, requirement_id)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._news.wait()

    async def _tell(self, run_id: str, requirement_id: str) -> None:
        try:
            state = await self._state(run_id)
            notice = self._notice(state, requirement_id)
            if notice is not None:
                await self._call(notice)
            elif requirement_id not in _decided(state) and not state.status.is_final:
                # Not in the log yet. If the owner died before the append, the next owner asks again.
                self._later.add((run_id, requirement_id))
                return
            await self._outbox.message_delivered(PAUSE, run_id, requirement_id)
        except (StoreUnavailable, Refusal):
            return
        except Exception:
            logger.exception("on_pause_failed", run_id=run_id, requirement_id=requirement_id)

    def _notice(self, state: RunState, requirement_id: str) -> PauseNotice | None:
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
        )

    async def _call(self, notice: PauseNotice) -> None:
        if inspect.iscoroutinefunction(self._hook):
            await self._hook(notice)
            return
        returned = await asyncio.to_thread(self._hook, notice)
        if inspect.isawaitable(returned):
            await returned


def _decided(state: RunState) -> set[str]:
    return {each.requirement.id for each in state.resolved.values()}
