"""Agents of the application: each responds to the interactions that name it, by the rules of whoever is asked.

Laws:
- An agent is called with what people would see, by a message in the outbox: by one node at a time, and no more once it
  has responded, or the question is over. Its response is a decision under a key, so that it counts once.
- It is a principal that may respond and nothing else: what it says is checked, and counted, as anybody's.
- One that fails is called again, later and later, for an hour; then that stands in the audit, and the question stays.

Source: `docs/interactions.md`, "Agents".
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import structlog

from interlock.aio.threads import in_thread
from interlock.audit.chain import Noted
from interlock.auth import Principal
from interlock.auth.principal import RESPOND, check_user_id
from interlock.engine.upkeep.outbox import HOLD_MS, PauseNotice
from interlock.interactions.host import EngineHost
from interlock.interactions.respond import decision_on
from interlock.store.ports.outbox import Patience
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.interactions import interaction_id
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

Agent: TypeAlias = Callable[[JsonObject], Awaitable[Mapping[str, Any]] | Mapping[str, Any]]
"""Called with an interaction; returns the response, such as `{"confirmed": True, "comment": "…"}`. A plain function is
called in a thread."""

SECONDS: Final = HOLD_MS / 1000 - 5
"""How long an agent may take: by then, no other node calls it, too."""

_OVER: Final = frozenset(
    {
        ErrorCode.CONFLICT,
        ErrorCode.REQUIREMENT_EXPIRED,
        ErrorCode.REQUIREMENT_NOT_FOUND,
        ErrorCode.RUN_FINISHED,
        ErrorCode.RUN_NOT_FOUND,
        ErrorCode.RUN_NOT_PAUSED,
    }
)
"""Refusals that say that there is nothing to respond to any more."""


class Agents:
    """The listener of pauses that calls agents. Those of one interaction are called one after the other.

    Args:
        agents: by the user ids under which interactions name them.

    Raises:
        UnusableUserId: an agent's name can't be one.
    """

    topic = "agent"
    hears_all = True
    at_once = 8
    patience: Patience | None = Patience(least_ms=2_000, most_ms=300_000, over_ms=3_600_000)

    def __init__(self, agents: Mapping[str, Agent], host: Callable[[], EngineHost]) -> None:
        self._agents = {check_user_id(name): agent for name, agent in agents.items()}
        self._host = host

    async def tell(self, notice: PauseNotice, detail: str) -> None:
        """Have every agent that the interaction names respond, but those who have."""
        async with asyncio.timeout(SECONDS):
            for name in self._left(notice):
                if await self._is_open(notice):
                    await self._respond(name, notice, await _called(self._agents[name], item_of(notice)))

    def _left(self, notice: PauseNotice) -> list[str]:
        asked: Mapping[str, Any] = notice.requirement
        if "interaction" not in asked:
            return []
        responded = {each["voter"] for each in asked.get("responses") or ()}
        return [each for each in asked.get("assignees") or () if each in self._agents and each not in responded]

    async def _is_open(self, notice: PauseNotice) -> bool:
        state = await self._host().engine.runs.state(notice.run_id)
        return notice.requirement["id"] in state.requirements

    async def _respond(self, name: str, notice: PauseNotice, given: object) -> None:
        if not isinstance(given, Mapping):
            raise TypeError(f"an agent returns its response, such as {{'confirmed': True}}, not {type(given).__name__}")
        engine = self._host().engine
        state = await engine.runs.state(notice.run_id)
        requirement_id = str(notice.requirement["id"])
        decision: JsonObject = {"response": dict(given)}
        message = decision_on(state, requirement_id, decision, idempotency_key=f"agent:{requirement_id}")
        principal = Principal(name, frozenset({RESPOND}), account=notice.account)
        try:
            await engine.continue_run(principal, message)
        except Refusal as refusal:
            if refusal.code not in _OVER:
                raise

    async def failed(self, notice: PauseNotice, detail: str, error: Exception, *, is_last: bool) -> None:
        """Say so in the log; if it isn't called again, in the audit, too."""
        about = {"run_id": notice.run_id, "requirement_id": notice.requirement["id"], "is_last": is_last}
        logger.warning("agent_gave_up" if is_last else "agent_failed", **about, exc_info=error)
        if not is_last:
            return
        host, reason = self._host(), f"{type(error).__name__}: {error}"[:1000]
        state = await host.engine.runs.state(notice.run_id)
        for name in self._left(notice):
            content: JsonObject = {
                "kind": "gave_up",
                "requirement_id": notice.requirement["id"],
                "by": name,
                "at": host.now_ms(),
                "epoch": state.epoch,
                "reason": reason,
            }
            called = hashlib.blake2b(f"{notice.requirement['id']}\x1f{name}".encode(), digest_size=8).hexdigest()
            await host.engine.store.note(notice.run_id, Noted(f"gave_up:{called}", state.epoch, content))


def item_of(notice: PauseNotice) -> JsonObject:
    """An interaction as an agent gets it: what is asked, where, and what others have said."""
    asked: Mapping[str, Any] = notice.requirement
    shown = ("step_name", "assignees", "policy", "voters", "responses", "timeout_at", "step_input")
    return {
        "interaction_id": interaction_id(asked["id"], notice.run_id),
        "requirement_id": asked["id"],
        "run_id": notice.run_id,
        "workflow_id": notice.workflow_id,
        "session_id": notice.session_id,
        "user_id": notice.user_id,
        "link": notice.link,
        **asked["interaction"],
        **{name: asked[name] for name in shown if asked.get(name) is not None},
    }


async def _called(agent: Agent, item: JsonObject) -> object:
    if inspect.iscoroutinefunction(agent) or inspect.iscoroutinefunction(getattr(agent, "__call__", None)):  # noqa: B004
        return await agent(item)  # type: ignore[misc]
    returned = await in_thread(agent, item)
    return await returned if inspect.isawaitable(returned) else returned
