"""The metrics of one server, as Prometheus reads them.

Laws:
- Each server has a registry of its own, so that several in one process stay separate.
- Events are counted in `telemetry`, and only read here. Current values (sockets, cursors, rows) are read on each
  request, rows at most every `CENSUS_SECONDS`.
- If the store is unavailable, only its own metrics are missing, and a request doesn't wait for it for long.
- Labels are few and known in advance, but for those by workflow, which are bounded: see `workflow_metrics`.

Source: `docs/operations.md`, "Metrics".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from typing import Any, Final, Protocol, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from interlock.aio.cached import Cached
from interlock.following.hub import Hub
from interlock.http.readiness import Readiness
from interlock.http.workflow_metrics import WorkflowMetrics
from interlock.log.port import Reason
from interlock.services import Services
from interlock.store.ports.runs import Census
from interlock.telemetry.counters import APPEND_BOUNDS, CALL_BOUNDS, Counters
from interlock_protocol.errors import AuthErrorCode, ErrorCode
from interlock_protocol.types import FINAL_STATUSES

CENSUS_SECONDS: Final = 10.0
"""For how many seconds the counts of the store's rows are reused."""

CENSUS_PATIENCE: Final = 2.0
"""How long a request waits for these counts."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
PAUSE_AGES: Final = (_MINUTE, 10 * _MINUTE, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY)
"""The bounds, in seconds, of the ranges by which pauses are grouped by age."""

AGE_LABELS: Final = ("0-1m", "1m-10m", "10m-1h", "1h-6h", "6h-1d", "1d-7d", "7d+")
"""The ranges between these bounds, as labels."""


class Countable(Protocol):
    """Has a number of connections."""

    @property
    def count(self) -> int:
        """The current number."""


class Connected(Countable, Protocol):
    """The connections of a server, of any kind.

    Attributes:
        limit: the maximum number of connections.
        refused: how many were refused or dropped, by one of `LET_GO`.
    """

    limit: int
    refused: Counter[str]


CALL_OUTCOMES: Final = ("ok", "http_error", "http_timeout")

NOTICE_OUTCOMES: Final = ("sent", "failed", "given_up")
ATTEMPT_OUTCOMES: Final = ("acknowledged", "failed")
DELIVERY_ENDS: Final = ("delivered", "dead", "dropped")

LET_GO: Final = ("displaced", "flood", "late", "no_room", "not_reading")


@dataclass(frozen=True, slots=True)
class Stored:
    """The store's counts: of runs, and of deliveries that are pending; since when one of these is due, if one is."""

    census: Census
    pending: int
    due: int | None


@dataclass(frozen=True, slots=True)
class Looked:
    """Values that had to be awaited: the store's counts (None if it is unavailable), and the failing parts."""

    stored: Stored | None
    failing: frozenset[str]
    at_ms: int


class Metrics:
    """The answer of `GET /metrics`.

    Args:
        services: returns the services of a started server.
        counters: the counters of this process.
        sockets: the open WebSockets.
        streams: the requests that follow a run.
        readiness: the state of the server's parts.
    """

    def __init__(
        self,
        services: Callable[[], Services],
        counters: Counters,
        sockets: Countable,
        streams: Countable,
        readiness: Readiness,
    ) -> None:
        self._services = services
        self._readiness = readiness
        self._stored = Cached(self._count, keep=CENSUS_SECONDS, patience=CENSUS_PATIENCE)
        self._standing = _Standing(services, sockets, streams, readiness)
        self.registry = CollectorRegistry()
        self.registry.register(_Counted(counters))
        self.registry.register(WorkflowMetrics(counters.by_workflow))
        self.registry.register(self._standing)
        ProcessCollector(registry=self.registry)

    def watch(self, connections: Connected) -> None:
        """Include the connections of the process, which only a server process has."""
        self.registry.register(_Connections(connections))

    async def exposition(self, accept: str | None) -> tuple[bytes, str]:
        """All metrics, and their content type: OpenMetrics for clients that accept it, else Prometheus's text."""
        failing = frozenset(problem.part for problem in await self._readiness.problems())
        try:
            stored = await self._stored.get()
        except Exception:  # the store is unavailable: `interlock_up` reports it
            stored = None
        self._standing.looked = Looked(stored, failing, self._services().engine.clock.now_ms())
        encode, content_type = choose_encoder(accept or "")
        return encode(self.registry), content_type

    async def _count(self) -> Stored:
        services = self._services()
        now, store = services.engine.clock.now_ms(), services.store
        census = await store.census([now - 1000 * seconds for seconds in PAUSE_AGES])
        return Stored(census, await store.pending_deliveries(), await store.next_due())


class _Counted(Collector):
    """Collects the counters of this process."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        counters = self._counters
        yield _counter("interlock_runs_begun", "Runs that this node began.", counters.begun)
        yield _by("interlock_runs_ended", "Runs that ended on this node.", "status", _ended(counters))
        yield _counter("interlock_entries_appended", "Events that this node appended to logs.", counters.entries)
        about = "How long an append took, from the caller's side."
        yield _histogram("interlock_append_seconds", about, APPEND_BOUNDS, counters.durations, counters.seconds)
        refused = {reason.value: counters.refused_appends[reason.value] for reason in Reason}
        yield _by("interlock_appends_refused", "Appends that a run's head refused.", "reason", refused)
        yield _counter("interlock_appends_lost", "Appends that the log's store didn't answer.", counters.lost_appends)
        yield _counter("interlock_entries_delivered", "Events that were handed to followers.", counters.delivered)
        yield _counter("interlock_claims", "Runs that this node claimed.", counters.claims)
        yield _counter("interlock_takeovers", "Claimed runs whose owner hadn't let go of them.", counters.takeovers)
        yield _counter("interlock_requirements_opened", "Questions that were put to people.", counters.opened)
        yield _counter("interlock_requirements_resolved", "Questions that were decided.", counters.resolved)
        yield _by("interlock_refused", "Actions and requests that were refused.", "code", _refused(counters))
        notices = {outcome: counters.notices[outcome] for outcome in NOTICE_OUTCOMES}
        yield _by("interlock_notices", "Notices to people: sent, failed tries, and given up.", "outcome", notices)
        calls = {outcome: counters.calls[outcome] for outcome in CALL_OUTCOMES}
        yield _by("interlock_http_calls", "HTTP calls of workflows.", "outcome", calls)
        about = "How long an HTTP call of a workflow took, redirects and all."
        taken, seconds = counters.call_durations, counters.call_seconds
        yield _histogram("interlock_http_call_seconds", about, CALL_BOUNDS, taken, seconds)
        attempts = {outcome: counters.webhook_attempts[outcome] for outcome in ATTEMPT_OUTCOMES}
        yield _by("interlock_webhook_attempts", "Attempts to deliver webhooks' events.", "outcome", attempts)
        over = {status: counters.webhook_deliveries[status] for status in DELIVERY_ENDS}
        yield _by("interlock_webhook_deliveries", "Deliveries that are over.", "status", over)


class _Connections(Collector):
    """Collects the connections of this process."""

    def __init__(self, connections: Connected) -> None:
        self._connections = connections

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        held = self._connections
        yield _gauge("interlock_connections", "Connections of any kind on this node.", held.count)
        yield _gauge("interlock_connections_limit", "How many it holds at most.", held.limit)
        let_go = {reason: held.refused[reason] for reason in LET_GO}
        yield _by("interlock_connections_refused", "Connections that were refused or let go.", "reason", let_go)


class _Standing(Collector):
    """Collects current values."""

    def __init__(
        self, services: Callable[[], Services], sockets: Countable, streams: Countable, readiness: Readiness
    ) -> None:
        self._services = services
        self._sockets = sockets
        self._streams = streams
        self._readiness = readiness
        self.looked = Looked(None, frozenset(), 0)

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("interlock_build", "The version of this server.", {"version": _version()})
        yield _gauge("interlock_sockets", "WebSockets that are open on this node.", self._sockets.count)
        yield _gauge("interlock_streams", "HTTP requests that follow a run on this node.", self._streams.count)
        yield from _following(self._services().hub)
        draining = self._readiness.is_draining
        yield _gauge("interlock_draining", "1 while this node is shutting down.", int(draining))
        if not draining:
            up = {part: int(part not in self.looked.failing) for part in ("database", "log")}
            yield _gauges("interlock_up", "1 while this part answers.", "part", up)
        if self.looked.stored is not None:
            yield from _stored(self.looked.stored.census, self.looked.at_ms)
            yield from _webhooks(self.looked.stored, self.looked.at_ms)


Numbers: TypeAlias = Mapping[str, float]


def _following(hub: Hub) -> Iterator[Metric]:
    lags = [max(0, cursor.tail.next_index - cursor.next_index) for cursor in hub.cursors()]
    yield _gauge("interlock_followers", "Followers of runs on this node.", len(lags))
    yield _gauge("interlock_cursor_lag_entries", "Events that followers are behind, all together.", sum(lags))
    yield _gauge("interlock_cursor_lag_max_entries", "Events that the slowest is behind.", max(lags, default=0))
    yield _gauge("interlock_tails_bytes", "What followed runs keep in memory, about.", hub.held_bytes)


def _stored(census: Census, now: int) -> Iterator[Metric]:
    runs = {status.value: count for status, count in census.unfinished.items()}
    yield _gauges("interlock_runs", "Runs that haven't ended, in the whole database.", "status", runs)
    ages = dict(zip(AGE_LABELS, census.paused_by_age, strict=True))
    yield _gauges("interlock_pauses", "PAUSED runs by how long they have waited, in the whole database.", "age", ages)
    oldest = 0.0 if census.paused_since is None else max(0, now - census.paused_since) / 1000
    yield _gauge("interlock_oldest_pause_seconds", "How long the run has waited that waits longest.", oldest)


def _webhooks(stored: Stored, now: int) -> Iterator[Metric]:
    about = "Deliveries of webhooks that are pending, in the whole database."
    yield _gauge("interlock_webhook_pending", about, stored.pending)
    late = 0.0 if stored.due is None else max(0, now - stored.due) / 1000
    yield _gauge("interlock_webhook_lag_seconds", "How long the delivery is due that is due longest.", late)


def _ended(counters: Counters) -> Numbers:
    return {status.value: counters.ended[status.value] for status in sorted(FINAL_STATUSES)}


def _refused(counters: Counters) -> Numbers:
    return {code.value: counters.refused[code.value] for code in (*ErrorCode, *AuthErrorCode)}


def _histogram(name: str, about: str, bounds: Sequence[float], counts: Sequence[int], seconds: float) -> Metric:
    labels = [*map(str, bounds), "+Inf"]
    buckets = list(zip(labels, map(float, accumulate(counts)), strict=True))
    return HistogramMetricFamily(name, about, buckets=buckets, sum_value=seconds)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(name, about, value=value)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def _by(name: str, about: str, label: str, values: Numbers) -> Metric:
    return _labelled(CounterMetricFamily(name, about, labels=[label]), values)


def _gauges(name: str, about: str, label: str, values: Numbers) -> Metric:
    return _labelled(GaugeMetricFamily(name, about, labels=[label]), values)


def _labelled(family: Any, values: Numbers) -> Metric:
    for name, value in values.items():
        family.add_metric([name], value)
    metric: Metric = family
    return metric


def _version() -> str:
    try:
        return version("interlock")
    except PackageNotFoundError:  # run from a source checkout
        return "unknown"
