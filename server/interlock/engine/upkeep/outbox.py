"""Telling the application that somebody is waited for: its `on_pause` hook.

Laws:
- A pause is left in the outbox before it is in the log, and is delivered when the hook has returned: so the hook is
  called for each pause, once if nothing goes wrong, and at least once whatever does. (Were it left with the run's
  row, it would be told later, and what is decided before the row is written not at all.)
- A pause that never came into the log, or that was decided meanwhile, isn't told.
- Who tells is agreed on by the store's clock: one node tells, and after a while another, if it didn't.
- The hook holds up no run. What it raises is logged, and it is called again after a while.

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
"""How long one node has for telling, before another (or itself, after an error) tries."""


@dataclass(frozen=True, slots=True)
class PauseNotice:
    """Somebody is waited for.

    Args:
        requirement: the whole `step_requirements[]` or `error_requirements[]` object.
        kind: its flag, such as `requires_confirmation`.
        link: where the run is to be seen and decided: its page in the web app.
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
    """Leaves pauses in the outbox, and passes them on to the hook.

    Args:
        state: the state of a run, as its log has it.
        base_url: where people reach this server.
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
        """Write down that these are to be told, once they are in the log."""
        await self._outbox.leave_messages(PAUSE, run_id, requirement_ids)

    def logged(self) -> None:
        """What was written down may be in the log now."""
        self._news.set()

    async def run(self, every: float) -> None:
        """Tell what there is, for ever, and look each `every` seconds whether there is more."""
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
                # Not in the log yet, or, if its owner has died before, when another asks again.
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
