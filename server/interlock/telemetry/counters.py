"""The counters behind this process's metrics: plain numbers, incremented where things happen.

Laws:
- Counting is an addition, without a lock or a lookup by name; once per batch, page or action, never per event.
- Counters only grow. Values that can be read on demand (sockets, cursors, rows) aren't counted here.
- Labels have few values: a status, a reason, a code. Never a run, a user or a client's words; the names of workflows
  only as `by_workflow` bounds them.

Source: `docs/operations.md`, "Metrics".
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from time import perf_counter
from typing import Any, Final, cast

from interlock.log.port import Append, Appended, Log, LogUnavailable, Refused
from interlock.telemetry.by_workflow import ByWorkflow

APPEND_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""The upper bounds, in seconds, of the histogram of append durations; one more bucket is for longer ones."""

CALL_BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The same for the durations of HTTP calls."""

_REFUSALS: Final = frozenset({"error", "auth_error", "auth_required"})


class Counters:
    """The counters of one server.

    Attributes:
        begun: runs whose first event this process appended.
        ended: runs whose end this process appended, by status.
        entries: appended entries.
        durations: the number of appends per bucket of `APPEND_BOUNDS`.
        seconds: the total duration of appends.
        refused_appends: appends that the head refused, by reason.
        lost_appends: appends whose outcome is unknown.
        delivered: entries handed to followers.
        claims: claimed runs.
        takeovers: claimed runs whose previous owner hadn't released them.
        opened: opened requirements.
        resolved: resolved requirements.
        refused: refusals sent to clients, by the protocol's code.
        calls: HTTP calls of workflows, by outcome: `ok`, or the error's code.
        call_durations: the number of HTTP calls per bucket of `CALL_BOUNDS`.
        call_seconds: the total duration of HTTP calls.
        notices: notices to people: `sent`, `failed` tries, and those `given_up`.
        webhook_attempts: attempts to deliver webhooks: `acknowledged` or `failed`.
        webhook_deliveries: deliveries that are over, by status.
        by_workflow: what is counted by account and workflow.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.ended: Counter[str] = Counter()
        self.entries = 0
        self.durations = [0] * (len(APPEND_BOUNDS) + 1)
        self.seconds = 0.0
        self.refused_appends: Counter[str] = Counter()
        self.lost_appends = 0
        self.delivered = 0
        self.claims = 0
        self.takeovers = 0
        self.opened = 0
        self.resolved = 0
        self.refused: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.call_durations = [0] * (len(CALL_BOUNDS) + 1)
        self.call_seconds = 0.0
        self.notices: Counter[str] = Counter()
        self.webhook_attempts: Counter[str] = Counter()
        self.webhook_deliveries: Counter[str] = Counter()
        self.by_workflow = ByWorkflow()

    def appended(self, append: Append, result: Appended | Refused, seconds: float) -> None:
        """Count an append that was answered after `seconds`."""
        if isinstance(result, Refused):
            self.refused_appends[result.reason.value] += 1
            return
        self.durations[bisect_left(APPEND_BOUNDS, seconds)] += 1
        self.seconds += seconds
        self.entries += len(append.entries)
        self.opened += len(append.opens)
        self.resolved += len(append.resolves)
        if result.first_index == 0:
            self.begun += 1
            self.by_workflow.instances.of(*append.workflow).created += 1
        if append.status is not None and append.status.is_final:
            self.ended[append.status.value] += 1
            self.by_workflow.instances.of(*append.workflow).ended(append.status.value)

    def claimed(self, *, cut_off: bool) -> None:
        """Count a claimed run; `cut_off` if its previous owner hadn't released it."""
        self.claims += 1
        self.takeovers += cut_off

    def called(self, outcome: str, seconds: float) -> None:
        """Count an HTTP call of a workflow that ended after `seconds`."""
        self.calls[outcome] += 1
        self.call_durations[bisect_left(CALL_BOUNDS, seconds)] += 1
        self.call_seconds += seconds

    def webhook(self, status: str, succeeded: bool | None) -> None:
        """Count what became of a webhook's delivery; `succeeded` is None if there was no attempt."""
        if succeeded is not None:
            self.webhook_attempts["acknowledged" if succeeded else "failed"] += 1
        if status != "pending":
            self.webhook_deliveries[status] += 1

    def said(self, message: Mapping[str, Any]) -> None:
        """Count a control message that was sent, if it is a refusal."""
        if message["event"] in _REFUSALS:
            self.refused[message["code"]] += 1


class _CountedLog:
    """A log whose appends are counted. It passes everything else on, including later additions to the port."""

    def __init__(self, log: Log, counters: Counters) -> None:
        self._log = log
        self._counters = counters

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, append: Append) -> Appended | Refused:
        began = perf_counter()
        try:
            result = await self._log.append(append)
        except LogUnavailable:
            self._counters.lost_appends += 1
            raise
        self._counters.appended(append, result, perf_counter() - began)
        return result


def counted(log: Log, counters: Counters) -> Log:
    """Wrap a log so that its appends are counted."""
    return cast("Log", _CountedLog(log, counters))
