"""What AgentOS repeats at a pause and at the end of a run, read from the run's log.

Laws:
- Read when it is told, and kept nowhere. Of the log, only the few entries that say something are decoded.
- It is bounded: outputs beyond `MAX_RESULTS_BYTES` in all are told without their content, and marked.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from interlock.bridges.agentos.outputs import Fields, step_output
from interlock.engine.runs import Runs
from interlock.log.port import LogUnavailable
from interlock.store.port import StoreUnavailable
from interlock_protocol.codec import read_body
from interlock_protocol.errors import Refusal

MAX_RESULTS_BYTES = 4 * 1024 * 1024
"""How much of outputs is told once more, by the size of their events."""

_TELLING = tuple(f'{{"event":"{name}"'.encode() for name in ("WorkflowStarted", "StepCompleted", "WorkflowCompleted"))


@dataclass(slots=True)
class History:
    """A run as its log tells it.

    Attributes:
        started, completed: its first event, and its last where it ended well; without their places.
        results: what its steps came to, in the order in which they ended.
        steps: how long the latest try of each step took, by its name, as AgentOS's metrics have it.
    """

    started: Fields = field(default_factory=dict)
    completed: Fields = field(default_factory=dict)
    results: list[Fields] = field(default_factory=list)
    steps: dict[str, Fields] = field(default_factory=dict)
    _size: int = 0

    def take(self, body: bytes) -> None:
        """Take in the next entry of the log, if it says something."""
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


async def history_of(runs: Runs, run_id: str, until: int | None = None) -> History:
    """What the log tells of a run, up to (not including) the index `until`; as far as it can be read now."""
    history, index = History(), 0
    try:
        head = await runs.head(run_id)
        index = head.first_index
        until = head.next_index if until is None else until
        while index < until and (batches := await runs.logged_from(run_id, index)):
            for batch in batches:
                for place, entry in enumerate(batch.entries, batch.first_index):
                    if index <= place < until:
                        history.take(entry.body)
                index = max(index, batch.next_index)
    except (LogUnavailable, StoreUnavailable, Refusal):
        pass  # what it has is told; the event itself has come, and waits for nothing
    return history
