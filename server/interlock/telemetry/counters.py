"""What this process counts, for its metrics: plain numbers, added to where things happen.

Laws:
- To count is to add: no lock, no name to look up, once for a batch, a page or an action and never for an event.
- Numbers only grow. What can be looked at when somebody asks (sockets, cursors, rows) isn't counted here.
- What a number is told apart by is one of few: a status, a reason, a code. Never a run, a user or a client's words.

Source: `docs/operations.md`, "Metrics".
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from time import perf_counter
from typing import Any, Final, cast

from interlock.log.port import Append, Appended, Log, LogUnavailable, Refused

APPEND_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds, in seconds, of the histogram of how long appends take; beyond the last is a bucket of its own."""

_REFUSALS: Final = frozenset({"error", "auth_error", "auth_required"})


class Counters:
    """The numbers of one server.

    Attributes:
        begun: runs whose log this process began.
        ended: runs whose end this process appended, by status.
        entries: entries that were appended.
        durations: how many appends took how long, by the bucket of `APPEND_BOUNDS`.
        seconds: how long appends took, in all.
        refused_appends: appends that the head refused, by reason.
        lost_appends: appends of which nobody can say whether they happened.
        delivered: entries that were handed to followers.
        claims: runs that were claimed.
        takeovers: of these, runs whose owner before didn't let go of them.
        opened: requirements that were opened.
        resolved: requirements that were resolved.
        refused: what clients were refused, by the protocol's code.
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

    def appended(self, append: Append, result: Appended | Refused, seconds: float) -> None:
        """An append was answered, after so many seconds."""
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
        if append.status is not None and append.status.is_final:
            self.ended[append.status.value] += 1

    def claimed(self, *, cut_off: bool) -> None:
        """A run was claimed; `cut_off` when its owner before didn't let go of it."""
        self.claims += 1
        self.takeovers += cut_off

    def said(self, message: Mapping[str, Any]) -> None:
        """A control message was sent; those that refuse something are counted."""
        if message["event"] in _REFUSALS:
            self.refused[message["code"]] += 1


class _CountedLog:
    """A log whose appends are counted. All else is the log's own, also what its port gets one day."""

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
    """The same log, counting what is appended to it."""
    return cast("Log", _CountedLog(log, counters))
