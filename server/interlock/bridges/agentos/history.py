"""The content that AgentOS repeats at a pause and at the end of a run, read from the run's log.

Laws:
- It is read when it is needed. Of the log, only the few relevant entries are decoded.
- It is bounded: outputs beyond `MAX_RESULTS_BYTES` in total are repeated without their content, and marked.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from interlock.bridges.agentos.outputs import Fields, step_output
from interlock.engine.commands.runs import Runs
from interlock.log.port import LogUnavailable
from interlock.store.port import StoreUnavailable
from interlock_protocol.codec import read_body
from interlock_protocol.errors import Refusal

MAX_RESULTS_BYTES = 1024 * 1024
"""The size of the outputs that are repeated, by the size of their events."""

_TELLING = tuple(f'{{"event":"{name}"'.encode() for name in ("WorkflowStarted", "StepCompleted", "WorkflowCompleted"))


@dataclass(slots=True)
class History:
    """The history of a run, from its log.

    Attributes:
        started, completed: its first event, and its last if it was completed; without their positions.
        results: the results of its steps, in the order in which they ended.
        steps: the duration of the latest try of each step, by name, as in AgentOS's metrics.
    """

    started: Fields = field(default_factory=dict)
    completed: Fields = field(default_factory=dict)
    results: list[Fields] = field(default_factory=list)
    steps: dict[str, Fields] = field(default_factory=dict)
    _size: int = 0

    def take(self, body: bytes) -> None:
        """Add the next entry of the log, if it is relevant."""
        if not body.startswith(_TELLING):
            return
        event = read_body(body)
        match event["event"]:
            case "WorkflowStarted":
                self.started = event
            case "WorkflowCompleted":
                self.completed = event
            case "StepCompleted":
                self._size += len(body)
                self._completed(event)

    def _completed(self, event: Fields) -> None:
        is_whole = self._size <= MAX_RESULTS_BYTES
        told = step_output(event, event.get("content") if is_whole else None, event.get("step_response"))
        self.results.append(told if is_whole else {**told, "truncated": True})
        self.steps[event["step_name"]] = {
            "step_name": event["step_name"],
            "executor_type": told["executor_type"],
            "executor_name": told["executor_name"],
            "metrics": {"duration": event["duration_ms"] / 1000},
        }


class Reader:
    """Reads the logs of runs for one client. If a run is followed from start to end, each entry is read once."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._of = ("", 0)
        self._next = 0
        self._history = History()

    async def until(self, run_id: str, index: int | None = None) -> History:
        """Return the history of a run up to (not including) `index`, as far as it can be read now.

        Use it at once: it grows with later reads.
        """
        try:
            head = await self._runs.head(run_id)
            index = head.next_index if index is None else index
            if (run_id, head.epoch) != self._of or not head.first_index <= self._next <= index:
                self._of, self._next, self._history = (run_id, head.epoch), head.first_index, History()
            await self._read(run_id, index)
        except (LogUnavailable, StoreUnavailable, Refusal):
            pass  # the partial history is used, because the event must not wait
        return self._history if run_id == self._of[0] else History()

    async def _read(self, run_id: str, index: int) -> None:
        reached = -1
        while reached < self._next < index:
            reached = self._next
            for batch in await self._runs.logged_from(run_id, reached):
                for place, entry in enumerate(batch.entries, batch.first_index):
                    if self._next <= place < index:
                        self._history.take(entry.body)
                        self._next = place + 1
