"""Settlements: how runs stand is written to the store, and with it others are told what is untold of them.

Laws:
- An error is told always, a milestone if somebody in its run's account listens, what is asked if this server tells
  people. What nobody listens to is forgotten unsaid: nothing is encoded, and no statement is made for it.
- Who listens is asked of the store for all accounts at once, and known for `LISTENING_SECONDS`: whoever is told that
  the account listens waits for so long before. In which accounts somebody is away is asked in the same way.
- A settlement tells at most `MAX_TOLD`: what is more goes before it, in settlements without a snapshot. So the one that
  has the snapshot is the last, and what came before it is told.

Source: `docs/architecture.md`, "Telling others".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from interlock.engine.clock import Clock
from interlock.engine.driving.rows import settlement_of
from interlock.store.ports.absences import Absences
from interlock.store.ports.runs import Runs
from interlock.store.ports.webhooks import LISTENING_SECONDS, Webhooks
from interlock.workflow.program import FOR_GOOD, Asked, Lifetimes, Milestone, RunState, Untold

MAX_TOLD: Final = 1000
"""How many errors and milestones one settlement has."""


class Known(Runs, Webhooks, Absences, Protocol):
    """The parts of the store that are written, and asked."""


class Settler:
    """Writes settlements of this process.

    Attributes:
        on_deliveries: called after a settlement that wrote deliveries.
        on_messages: called after one that left messages.

    Args:
        topics: of the messages that are left in the outbox for each requirement.
        away_topic: of those that are left for it besides where somebody in the account is away.
    """

    def __init__(
        self,
        store: Known,
        clock: Clock,
        lifetimes: Lifetimes = FOR_GOOD,
        topics: Sequence[str] = (),
        away_topic: str | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lifetimes = lifetimes
        self._topics = topics
        self._away_topic = away_topic
        self._away: frozenset[str] = frozenset()
        self._away_until = 0.0
        self._monotonic = monotonic
        self._listening: frozenset[str] = frozenset()
        self._known_until = 0.0
        self._asking = asyncio.Lock()
        self.on_deliveries: Callable[[], None] = _nobody
        self.on_messages: Callable[[], None] = _nobody

    async def settle(self, state: RunState, *, with_snapshot: bool, wake_at: int | None = None, **changes: Any) -> bool:
        """Write how a run stands, all of which is in its log; return True if that was with a snapshot.

        Args:
            wake_at: the time that a sleeping run waits for.
            changes: what the settlement says instead of what the state does.

        Raises:
            StoreUnavailable: it isn't written, or not all of it.
            NotWire: as `snapshot_of`.
        """
        await self.forget_unheard(state)
        while with_snapshot and len(state.untold) > MAX_TOLD:
            await self._write(state, state.untold[:MAX_TOLD], changes, with_snapshot=False, wake_at=wake_at)
        last = state.untold[:MAX_TOLD]
        return await self._write(state, last, changes, with_snapshot=with_snapshot, wake_at=wake_at)

    async def settle_running(self, state: RunState, logged: int) -> None:
        """Write how a run stands that goes on, without a snapshot.

        Args:
            logged: the index after the last event that is in the log.
        """
        untold = [each for each in state.untold if each.index < logged]
        await self._write(state, untold[:MAX_TOLD], {}, with_snapshot=False, logged=logged)

    async def forget_unheard(self, state: RunState) -> None:
        """Forget a run's milestones if nobody in its account listens, and what it asks if nobody is told.

        Raises:
            StoreUnavailable: that isn't known now.
        """
        if any(isinstance(each, Asked) for each in state.untold) and not await self._topics_of(state):
            state.untold[:] = [each for each in state.untold if not isinstance(each, Asked)]
        if not any(isinstance(each, Milestone) for each in state.untold):
            return
        async with self._asking:
            now = self._monotonic()
            if now >= self._known_until:
                self._listening = await self._store.listening()
                self._known_until = now + LISTENING_SECONDS
        if state.account not in self._listening:
            state.untold[:] = [each for each in state.untold if not isinstance(each, Milestone)]

    async def _topics_of(self, state: RunState) -> Sequence[str]:
        """The topics of the messages that what a run asks leaves.

        Raises:
            StoreUnavailable: that isn't known now.
        """
        if self._away_topic is None:
            return self._topics
        now = self._monotonic()
        if now >= self._away_until:
            self._away = await self._store.accounts_away(self._clock.now_ms())
            self._away_until = now + LISTENING_SECONDS
        return [*self._topics, self._away_topic] if state.account in self._away else self._topics

    def look_again(self) -> None:
        """Ask who listens before the next settlement: somebody has begun to."""
        self._known_until = self._away_until = 0.0

    async def _write(
        self, state: RunState, untold: Sequence[Untold], changes: Mapping[str, Any], **standing: Any
    ) -> bool:
        topics = await self._topics_of(state) if any(isinstance(each, Asked) for each in untold) else ()
        settlement = settlement_of(state, self._clock.now_ms(), untold, topics, lifetimes=self._lifetimes, **standing)
        deliveries = await self._store.settle(replace(settlement, **changes) if changes else settlement)
        told = set(map(id, untold))
        state.untold[:] = [each for each in state.untold if id(each) not in told]
        if deliveries:
            self.on_deliveries()
        if settlement.messages:
            self.on_messages()
        return settlement.snapshot is not None


def _nobody() -> None:
    """Nobody waits for these here."""
