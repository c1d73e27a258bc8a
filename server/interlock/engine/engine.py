"""The engine's public face: it takes commands and drives runs.

Laws:
- Each command has its own module in `commands/`. All commands share the context created here.
- This module wires the engine's parts together. A part knows the others only through its constructor arguments.

Source: `docs/architecture.md`, "A decision, from room to room".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from interlock.auth import Principal, Verb
from interlock.definitions.port import Definitions
from interlock.engine.clock import Clock
from interlock.engine.commands.apply import Accepted
from interlock.engine.commands.attend import attend
from interlock.engine.commands.cancel import cancel_run
from interlock.engine.commands.context import Context
from interlock.engine.commands.decide import continue_run
from interlock.engine.commands.definition import ask_about_definition
from interlock.engine.commands.expire import expire
from interlock.engine.commands.runs import Runs
from interlock.engine.commands.signal import signal_run, tell_run
from interlock.engine.commands.stand_in import AWAY, StandIns
from interlock.engine.commands.start import Origin, start
from interlock.engine.driving.driver import Ports
from interlock.engine.driving.lost_log import Seen, begin_anew
from interlock.engine.driving.pool import Pool
from interlock.engine.upkeep.outbox import Listener, PauseRelay
from interlock.engine.upkeep.takeover import Takeover
from interlock.engine.upkeep.timers import Timers
from interlock.engine.work.logic import LogicRunners
from interlock.engine.work.people import Groups
from interlock.log.port import Log
from interlock.secrets.port import Vault
from interlock.store.port import IdempotencyKey, Store
from interlock.telemetry.counters import Counters
from interlock.workflow.activities import Asks, asks_nobody
from interlock.workflow.program import FOR_GOOD, Attention, Lifetimes, RunState, next_timer
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, SendSignal, StartWorkflow
from interlock_protocol.types import JsonValue

__all__ = ["Accepted", "Engine", "Origin"]


class Engine:
    """Takes commands and drives runs.

    Args:
        definitions: the workflow definitions that this server serves.
        owner: the name under which this process owns runs; a new one at each start.
        max_concurrent: how many runs are driven at a time; the others wait their turn.
        max_log_events: how many events of a run are kept when it pauses or ends; None keeps all.
        lifetimes: how long instances may go without a change.
        most_instances: how many active instances a namespace may have; None means any number.
        clock: the store's time; the engine creates its own by default.
        is_alone: no other server drives these runs, so a definition that is missing here is missing everywhere.
        listeners: are told of each pause; the links that they get start with `base_url`.
        counters: counts claims.
        vault: seals the secrets that people type into forms.
        logic: runs the scripts and the requests of state machines.
        groups: who is in a group by the settings.
        has_absences: whether the substitutes of people who are away are asked, too.
        asks: asks people what steps ask by themselves.

    Attributes:
        people: looks up who is behind a name.
    """

    def __init__(
        self,
        definitions: Definitions,
        log: Log,
        store: Store,
        *,
        owner: str,
        max_concurrent: int = 1000,
        max_log_events: int | None = None,
        lifetimes: Lifetimes = FOR_GOOD,
        most_instances: int | None = None,
        clock: Clock | None = None,
        listeners: Sequence[Listener] = (),
        base_url: str = "",
        is_alone: bool = False,
        counters: Counters | None = None,
        vault: Vault | None = None,
        logic: LogicRunners | None = None,
        groups: Groups | None = None,
        has_absences: bool = False,
        asks: Asks = asks_nobody,
    ) -> None:
        self.log = log
        self.store = store
        self.clock = clock or Clock()
        self.lifetimes = lifetimes
        self.timers = Timers(store, self.clock, self._expire)
        if has_absences:
            listeners = [*listeners, StandIns(lambda: self._context)]
        self.relay = None if not listeners else PauseRelay(store, self.clock, listeners, self._logged, base_url)
        ports = Ports(
            log,
            store,
            self.clock,
            () if self.relay is None else self.relay.topics,
            AWAY if has_absences else None,
            counters or Counters(),
            vault=vault,
            max_log_events=max_log_events,
            lifetimes=lifetimes,
            logic=logic or LogicRunners(),
            groups=groups or {},
            asks=asks,
        )
        self.traces, self.people = ports.traces, ports.people
        self._expressions, self._logic, self._settler = ports.expressions, ports.logic, ports.settler
        if self.relay is not None:
            self._settler.on_messages = self.relay.wake
        on_lost = _nothing_lost if is_alone else partial(begin_anew, log, store, self.clock)
        self._pool = Pool(
            definitions,
            ports,
            owner=owner,
            room=max_concurrent,
            on_pause=self._watch,
            on_let_go=self.timers.let_go,
            on_unknown_definition=self._ask_about_definition,
            on_lost=on_lost,
        )
        self.runs = Runs(definitions, self._pool, on_lost, is_alone=is_alone)
        self.takeover = Takeover(log, store, self._pool, self.runs.head, is_alone=is_alone)
        self._context = Context(
            log=log,
            store=store,
            clock=self.clock,
            pool=self._pool,
            runs=self.runs,
            traces=ports.traces,
            definitions=definitions,
            vault=vault,
            is_alone=is_alone,
            most_instances=most_instances,
            people=self.people,
        )

    async def stop(self, grace: float) -> None:
        """Stop driving runs; each run stays as its log has it, for the next owner.

        Args:
            grace: how many seconds the running steps have to finish.
        """
        if under_way := {*self._context.under_way, *self.runs.suspicions}:
            await asyncio.wait(under_way, timeout=grace)
        await self._pool.stop(grace)
        await self._expressions.close()
        await self._logic.aclose()

    def on_milestones(self, listener: Callable[[], None]) -> None:
        """Have this called whenever a settlement of this process has written deliveries of webhooks."""
        self._settler.on_deliveries = listener

    def look_who_listens(self) -> None:
        """Ask, before the next settlement, which accounts have subscriptions, and people who are away: another one has.
        Other processes know it after `LISTENING_SECONDS`."""
        self._settler.look_again()

    # ── Commands ────────────────────────────────────────────────────────────────────────────────────────

    async def start(
        self,
        principal: Principal,
        message: StartWorkflow,
        *,
        key: IdempotencyKey | None = None,
        origin: Origin | None = None,
    ) -> Accepted:
        """Accept a run durably and drive it. For the refusals see `commands.start`.

        Args:
            key: instead of the message's own.
            origin: where it begins, if it repeats another.
        """
        return await self._context.in_full(start(self._context, principal, message, key, origin))

    async def ask(
        self,
        principal: Principal,
        message: StartWorkflow,
        *,
        key: IdempotencyKey | None = None,
        run_id: str | None = None,
    ) -> Accepted:
        """Accept an interaction durably: a run of the built-in workflow. For the refusals see `commands.start`.

        Args:
            run_id: of that run; a new one by default.
        """
        return await self._context.in_full(start(self._context, principal, message, key, verb=Verb.ASK, run_id=run_id))

    async def tell(self, run_id: str, topic: str, payload: JsonValue, key: str) -> Accepted:
        """Send the outcome of an interaction to a run, once for this key. For the refusals see `commands.signal`."""
        return await self._context.in_full(tell_run(self._context, run_id, topic, payload, key))

    async def continue_run(
        self,
        principal: Principal,
        message: ContinueWorkflow,
        *,
        seen: int | None = None,
        key: IdempotencyKey | None = None,
    ) -> Accepted:
        """Apply a message's decisions, all or none. For the refusals see `commands.decide`.

        Args:
            seen: on a connection that follows the run, the index after the last event that it was sent.
            key: instead of the message's own.
        """
        return await self._context.in_full(continue_run(self._context, principal, message, seen, key))

    async def cancel_run(self, principal: Principal, message: CancelWorkflow) -> Accepted:
        """End a run as CANCELLED; a run that is already cancelled stays as it is. For the refusals see
        `commands.cancel`."""
        return await self._context.in_full(cancel_run(self._context, principal, message))

    async def signal(self, principal: Principal, message: SendSignal) -> Accepted:
        """Send a signal to a run, durably. For the refusals see `commands.signal`."""
        return await self._context.in_full(signal_run(self._context, principal, message))

    async def attend(self, principal: Principal, message: Attention) -> Accepted:
        """Claim, release or hand over a requirement, durably. For the refusals see `commands.attend`."""
        return await self._context.in_full(attend(self._context, principal, message))

    def clock_moved(self) -> None:
        """Tell everything that waits for a time that a test has moved the clock."""
        self.timers.poke()
        self._pool.wake()
        if self.relay is not None:
            self.relay.wake()

    # ── Callbacks of the engine's parts ─────────────────────────────────────────────────────────────────

    def _watch(self, state: RunState) -> None:
        self.timers.watch(state.run_id, next_timer(state))

    async def _expire(self, run_id: str) -> None:
        if not await expire(self._context, run_id):
            self._watch(await self.runs.state(run_id))
            self._pool.dispatch(run_id)

    async def _ask_about_definition(self, state: RunState) -> None:
        await ask_about_definition(self._context, state.run_id)

    async def _logged(self, run_id: str) -> RunState:
        return await self.runs.logged(run_id)


async def _nothing_lost(run_id: str, seen: Seen) -> bool:
    """The `on_lost` of a server that is alone: its log has no other writer, and its database loses nothing."""
    return False
