"""The driver: one owned run, from its claim to its pause or end.

Laws:
- It asks `advance` what happens next, appends what it says, runs the work it names, and asks again.
- Before user code runs, everything that led to it is in the log.
- Whoever works on the run has its generation. When the head refuses that, the driver stops where it stands and says
  nothing more about the run.
- It lets go only of a run whose row is written and whose log hasn't grown since. When the process stops, it lets the
  steps that run end, begins no other, and hands the run over.

Source: `docs/architecture.md`, "Laws" 3 and "Order of writes".
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

from pydantic_core import from_json, to_json

from interlock.engine.executors import call, execute
from interlock.engine.journal import Journal, OwnershipLost, now_ms
from interlock.engine.loading import load_state
from interlock.log.port import Log, LogUnavailable, Reason
from interlock.store.port import Decision, Settlement, Snapshot, Store, StoreUnavailable
from interlock.workflow.advance import Work, advance, concluded, failed, paused, recovered
from interlock.workflow.declaration import Condition, Loop, Router, Step, Workflow
from interlock.workflow.errors import OutputError
from interlock.workflow.events import Draft, step_event
from interlock.workflow.io import StepInput, side_effect_key
from interlock.workflow.scope import newest_content, scope_at, scope_in_iteration
from interlock.workflow.state import REDUCER_VERSION, RunState, dump, node_at
from interlock_protocol.codec import event_body
from interlock_protocol.types import JsonObject, JsonValue, RunStatus

STUBBORN_SECONDS = 5.0
"""How long a cancelled step may take to clean up before its run's place goes to another."""

HAND_OVER_SECONDS = 2.0
"""How long the log may take when a stopping process hands its runs over; then their leases end by themselves."""

SOON_SECONDS = 0.05
"""How long a run must have been running before its row, and the change feed, say RUNNING."""


class Driver:
    """Drives one run that this process owns. `drive` returns when the run waits for people, or has ended.

    Args:
        cut_off: whoever drove the run before didn't let go of it.
    """

    def __init__(
        self, workflow: Workflow, state: RunState, log: Log, store: Store, generation: int, *, cut_off: bool = False
    ) -> None:
        self.workflow = workflow
        self.log = log
        self.store = store
        self._awake = asyncio.Event()
        self.journal = Journal(log, state, generation, self._awake.set)
        self._tasks: dict[Any, asyncio.Task[None]] = {}
        self._cut_off = cut_off
        self._cancelled = False
        self._draining = False
        self._settling: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def state(self) -> RunState:
        return self.journal.state

    # ── The loop ────────────────────────────────────────────────────────────────────────────────────────

    async def drive(self) -> None:
        """Work on the run until it waits for people or has ended.

        Raises:
            OwnershipLost: another process owns the run; whatever was not in the log did not happen.
        """
        self._timer = asyncio.get_running_loop().call_later(SOON_SECONDS, self._settle_soon)
        try:
            await self._drive()
        except OwnershipLost as lost:
            if lost.reason is not Reason.ENDED:
                raise
            # Somebody cancelled it under our hands: the end stands in the log, and it is ours to write the row.
            self._interrupt()
            self.journal = await self._reread()
            await self._let_go()
        except asyncio.CancelledError:
            await self._stop_work()
            await self._hand_over()
            raise
        finally:
            self._timer.cancel()
            await self._stop_work()

    def drain(self) -> None:
        """Begin nothing more; `drive` returns when the steps that run have ended."""
        self._draining = True
        self._awake.set()

    async def _drive(self) -> None:
        await self._begin()
        while True:
            self._awake.clear()
            await self.journal.flush()
            if self.journal.is_behind:
                await self.journal.catch_up()
            if self._draining and not self.state.status.is_final:
                if not self._tasks and not self.journal.has_drafts:
                    await self._hand_over()
                    return
                await self._awake.wait()
                continue
            work = self._advance()
            if self.state.status.is_final:
                self._interrupt()
                await self.journal.flush()
                if await self._let_go():
                    return
            elif not work and not self._tasks:
                if await self._pause():
                    return
            elif not self.journal.has_drafts:
                self._start(work)
                await self._awake.wait()

    async def _begin(self) -> None:
        if self.state.status is RunStatus.PENDING:
            return
        evaluating: tuple[Work, ...] = ()
        if self._cut_off:
            await self._mend_audit()
            look = advance(self.workflow, self.state, now_ms())
            evaluating = () if look.drafts else tuple(work for work in look.work if work.task != "execute")
        draft = recovered(self.workflow, self.state, evaluating=evaluating)
        if draft is not None:
            self.journal.emit(draft)

    async def _mend_audit(self) -> None:
        """Whoever was cut off may have appended decisions, and not come to write their audit."""
        await self.store.record(self.state.run_id, audit_of(self.state))

    def _advance(self) -> tuple[Work, ...]:
        """Emit all that follows from the state, and return the work that is needed now."""
        while not self.state.status.is_final:
            step = advance(self.workflow, self.state, now_ms())
            if not step.drafts:
                return step.work
            for draft in step.drafts:
                self.journal.emit(draft)
        return ()

    # ── Letting go ──────────────────────────────────────────────────────────────────────────────────────

    async def _pause(self) -> bool:
        """Say that nothing can go on without a person, and let go of the run; False when something can after all."""
        if self.state.status is RunStatus.PAUSED:
            return await self._let_go()
        if not self.state.requirements:
            raise AssertionError(f"run {self.state.run_id} can't go on, and waits for nobody")
        return await self.journal.flush_and_pause(paused(self.workflow, self.state)) and await self._let_go()

    async def _let_go(self) -> bool:
        """Write the row, then release; False when the log has grown meanwhile and the run goes on here."""
        if self._timer is not None:
            self._timer.cancel()
        if self._settling is not None:
            await self._settling
            self._settling = None
        await self.store.settle(settlement_of(self.state, with_snapshot=True))
        refused = await self.log.release(
            self.state.run_id, self.journal.generation, expect_next=self.journal.durable_next
        )
        if refused is None or refused.reason is not Reason.TAIL_MOVED:
            return True
        await self.journal.catch_up()
        return False

    async def _hand_over(self) -> None:
        """The process stops: say which steps are broken off, and let whoever comes next own the run."""
        with contextlib.suppress(TimeoutError, LogUnavailable, OwnershipLost):
            async with asyncio.timeout(HAND_OVER_SECONDS):
                if not self.state.status.is_final:
                    draft = recovered(self.workflow, self.state, is_handover=True)
                    if draft is not None:
                        self.journal.emit(draft)
                await self.journal.flush()
                head = await self.log.head(self.state.run_id)
                if head is not None:
                    await self.log.release(self.state.run_id, self.journal.generation, expect_next=head.next_index)

    def _settle_soon(self) -> None:
        """Write the row while the run goes on. A run that pauses or ends at once is spared it."""
        if self.state.status is RunStatus.RUNNING:
            running = replace(settlement_of(self.state, with_snapshot=False), next_index=self.journal.durable_next)
            self._settling = asyncio.create_task(self._settle(running))

    async def _settle(self, settlement: Settlement) -> None:
        with contextlib.suppress(StoreUnavailable):  # the row is written again when the run is let go of
            await self.store.settle(settlement)

    async def _reread(self) -> Journal:
        state = await load_state(self.log, self.store, self.state.run_id)
        assert state is not None
        return Journal(self.log, state, self.journal.generation, self._awake.set)

    # ── Work ────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, work: tuple[Work, ...]) -> None:
        for each in work:
            if each.key not in self._tasks:
                self._tasks[each.key] = asyncio.create_task(self._run(each), name=f"{self.state.run_id} {each.path}")

    async def _run(self, work: Work) -> None:
        """One piece of work, to the events it comes to."""
        try:
            result = await self._result(work)
            self._finish(work, concluded(self.workflow, self.state, work, result, now_ms()))
        except asyncio.CancelledError as error:
            if self._cancelled:
                raise
            self._finish(work, (failed(self.workflow, self.state, work, error),))
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too: a step that wants to go must not take everybody else's runs along.
            self._finish(work, (failed(self.workflow, self.state, work, error),))

    def _finish(self, work: Work, drafts: tuple[Draft, ...]) -> None:
        """Emit what the work came to; an output that can't be encoded raises, and nothing was emitted."""
        for draft in drafts:
            self.journal.emit(draft)
        self._tasks.pop(work.key, None)
        self._awake.set()

    async def _result(self, work: Work) -> Any:
        node = work.place.node
        step_input = self._input(work)
        match work.task, node:
            case "execute", Step(executor=executor) if executor is not None:
                return await execute(executor, step_input, _StepStream(self, work))
            case "condition", Condition(evaluator=evaluator):
                return _truth(await call(evaluator, step_input), "a condition's evaluator")
            case "end_condition", Loop(end_condition=condition) if condition is not None:
                return _truth(await call(condition, step_input), "an end condition")
            case "selector", Router(selector=selector) if selector is not None:
                return _routes(await call(selector, step_input), list(work.place.children))
        raise AssertionError(work)

    def _input(self, work: Work) -> StepInput:
        state, workflow = self.state, self.workflow
        scope_of = scope_in_iteration if work.task == "end_condition" else scope_at
        scope = scope_of(workflow, state, work.path)
        node = node_at(state, list(work.path))
        return StepInput(
            input=_own(scope.input),
            previous_step_content=_own(scope.previous),
            user_input=_user_input(work, None if node is None else node.user_input),
            session_id=state.session_id,
            run_id=state.run_id,
            user_id=state.user_id,
            attempt=max(work.attempt, 1) if work.task == "execute" else 1,
            iteration=scope.iteration,
            max_iterations=scope.max_iterations,
            idempotency_key=side_effect_key(state.run_id, work.path, work.visit),
            _contents=lambda name: _own(newest_content(workflow, self.state, name)),
            _cancelled=lambda: self._cancelled,
        )

    def _interrupt(self) -> None:
        """Cancel what still runs; threads are told by `is_cancelled()`. The end of a run doesn't wait for it."""
        self._cancelled = True
        for task in self._tasks.values():
            task.cancel()

    async def _stop_work(self) -> None:
        """Cancel what still runs, and wait for it a while; threads, and steps that won't go, are left behind."""
        self._interrupt()
        tasks = list(self._tasks.values())
        self._tasks.clear()
        if tasks:
            await asyncio.wait(tasks, timeout=STUBBORN_SECONDS)


class _StepStream:
    """Where one running step's events go.

    Of a step's streamed events only the content and the time differ: the rest is encoded once.
    """

    def __init__(self, driver: Driver, work: Work) -> None:
        self._journal = driver.journal
        self._base = step_event(driver.state, driver.workflow.name, work.place, work.path, work.visit, "")
        del self._base["created_at"]
        content = {**self._base, "event": "RunResponseContentEvent", "content_type": "str"}
        self._prefix = event_body(content)[:-1] + b',"content":'

    def content(self, text: str) -> None:
        body = b'%b%b,"created_at":%d}' % (self._prefix, to_json(text), now_ms())
        self._journal.emit_streamed("RunResponseContentEvent", body)

    def custom(self, name: str, data: JsonValue) -> None:
        event = {**self._base, "event": "CustomEvent", "name": name, "data": data, "created_at": now_ms()}
        self._journal.emit_streamed("CustomEvent", event_body(event))

    @property
    def is_full(self) -> bool:
        return self._journal.is_full

    async def room(self) -> None:
        await self._journal.room()


def audit_of(state: RunState) -> list[Decision]:
    """The audit of the decisions that a state remembers."""
    return [
        Decision(
            run_id=state.run_id,
            requirement_id=each.requirement.id,
            decision=each.decision,
            resolved_by=each.resolved_by,
            decided_at=each.resolved_at,
            epoch=state.epoch,
            event_index=each.index,
        )
        for each in state.resolved.values()
    ]


def settlement_of(state: RunState, *, with_snapshot: bool) -> Settlement:
    """How a run stands, for its row in the store."""
    snapshot = None
    if with_snapshot:
        snapshot = Snapshot(state.run_id, state.epoch, state.next_index, REDUCER_VERSION, dump(state))
    facts = [requirement.facts for requirement in state.requirements.values()]
    pending = tuple(_summary(each) for each in facts) if state.status is RunStatus.PAUSED else ()
    named = {name for each in facts for name in each.get("assignees", ())}
    return Settlement(
        run_id=state.run_id,
        status=state.status,
        epoch=state.epoch,
        next_index=state.next_index,
        updated_at=now_ms(),
        pending=pending,
        assignees=tuple(sorted(named)),
        snapshot=snapshot,
    )


_SUMMARY = ("id", "step_id", "step_name", "step_type", "assignees", "confirmation_message", "user_input_message")


def _summary(facts: dict[str, Any]) -> JsonObject:
    """What a list says of a requirement."""
    summary = {key: facts[key] for key in _SUMMARY if key in facts}
    summary["kind"] = next(key for key, value in facts.items() if key.startswith("requires_") and value is True)
    return summary


def _user_input(work: Work, values: JsonObject | None) -> Any:
    node = work.place.node
    if values is None or not isinstance(node, Step):
        return values
    model = None if node.ask is None else node.ask.model
    return _own(values) if model is None else model.model_validate(_own(values))


def _own(value: JsonValue) -> Any:
    """A copy for a step to do with as it likes: the state is the fold of the log, and nobody else's."""
    return from_json(to_json(value)) if isinstance(value, dict | list) else value


def _truth(value: Any, who: str) -> bool:
    if not isinstance(value, bool):
        raise OutputError(f"{who} returns True or False, not {type(value).__name__}")
    return value


def _routes(value: Any, available: list[str]) -> list[str]:
    """The selected names, in order of declaration."""
    listed = list(value) if isinstance(value, list | tuple | set) else [value]
    names = [each if isinstance(each, str) else getattr(each, "name", None) for each in listed]
    for name in names:
        if name not in available:
            raise OutputError(f"the selector returned {name!r}; the routes are: {', '.join(available)}")
    if not names:
        raise OutputError(f"the selector selected nothing; the routes are: {', '.join(available)}")
    return [name for name in available if name in names]
