"""What a run under test has sent, and waits on it that end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import TypeVar

from pydantic_core import from_json

from interlock.log.port import Batch, Log
from interlock.testing.steps import Event
from interlock.workflow.run.fold import fold
from interlock.workflow.run.state import Requirement, RunState
from interlock_client.pauses import Decision, OnBehalfOf, Pause, Send, failed, required
from interlock_protocol.requirements import (
    ErrorRequirement,
    StepRequirement,
)
from interlock_protocol.types import RunStatus

T = TypeVar("T")

SHOWN_EVENTS = 5


class Unexpected(AssertionError):  # noqa: N818 - read as "AssertionError: unexpected"
    """The run didn't do what the test waited for."""


class Followed:
    """Everything that a run has sent, and its fold."""

    def __init__(self, state: RunState, deadline: float) -> None:
        self.state = state
        self.events: list[Event] = []
        self._deadline = deadline
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def follow(self, log: Log) -> None:
        """Read existing entries, and new ones as they come."""
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
        """The pauses that the run waits for; answers go to `send`."""
        return tuple(_pause(each, send) for each in self.state.requirements.values())

    async def caught_up(self, log: Log) -> None:
        """Return when everything that is in the log now has been read."""
        head = await log.head(self.state.run_id)
        end = 0 if head is None else head.next_index
        await self.until(lambda: self.state.next_index >= end or None, "an event", patient=True)

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

    async def until(self, look: Callable[[], T | None], wanted: str, *, patient: bool = False) -> T:
        """Return the result of `look` as soon as there is one.

        Args:
            patient: also wait while the run waits for a person.

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
        """Raise if further waiting is pointless."""
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
        """The run's state, for the message of a failed test."""
        names = [f"{each['event']} {each.get('step_name', '')}".rstrip() for each in self.events]
        last = ", ".join(names[-SHOWN_EVENTS:]) or "none"
        waits = self.asked(_nobody)
        for_whom = f" It waits at {listed(waits)}." if waits else ""
        return f"The run is {self.state.status}.{for_whom} Its last events: {last}."


def _pause(requirement: Requirement, send: Send) -> Pause:
    if requirement.kind == "requires_error_decision":
        return failed(ErrorRequirement.model_validate(requirement.facts), send)
    return required(StepRequirement.model_validate(requirement.facts), send)


async def _nobody(_decision: Decision, _represented: OnBehalfOf | None) -> None:
    """Send nothing."""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def listed(pauses: Collection[Pause]) -> str:
    return ", ".join(f"step {pause.step_name!r} ({pause.kind})" for pause in pauses)
