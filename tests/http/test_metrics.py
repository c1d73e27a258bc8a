"""What is counted, and that the page about it lists exactly that."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from prometheus_client.core import Metric

from interlock.http.metrics import AGE_LABELS, PAUSE_AGES, Looked, Metrics, Stored
from interlock.http.readiness import Readiness
from interlock.log.port import Append, Appended, Entry, Reason, Refused
from interlock.store.port import Census
from interlock.telemetry.counters import APPEND_BOUNDS, Counters
from interlock_protocol.types import RunStatus

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")


class Nothing:
    """Neither sockets nor followers nor connections."""

    def __init__(self) -> None:
        self.count = self.limit = self.held_bytes = 0
        self.refused: Counter[str] = Counter()

    def cursors(self) -> list[Any]:
        return []


class NoServices:
    """Services of which only the hub is looked at."""

    hub = Nothing()


def collected(counters: Counters) -> dict[str, Metric]:
    """Every metric of Interlock's own, by its name."""
    services: Any = NoServices
    metrics = Metrics(services, counters, Nothing(), Nothing(), Readiness(services))
    metrics.watch(Nothing())
    census = Census({RunStatus.PAUSED: 1}, [0] * len(AGE_LABELS), 1)
    metrics._standing.looked = Looked(Stored(census, 3, 1), frozenset(), 2)
    return {each.name: each for each in metrics.registry.collect() if each.name.startswith("interlock")}


def append(*bodies: bytes, **fields: Any) -> Append:
    return Append("run-1", "append-1", [Entry(body) for body in bodies], **fields)


def test_page_lists_every_metric_with_its_type_and_no_other() -> None:
    rows = re.findall(r"^\| `(interlock_\w+)(?:\{(\w+)\})?` \| (\w+) \|", PAGE, re.MULTILINE)
    listed = {name: (label, kind) for name, label, kind in rows}
    found = {}
    for metric in collected(Counters()).values():
        name = {"counter": f"{metric.name}_total", "info": f"{metric.name}_info"}.get(metric.type, metric.name)
        labels = {label for sample in metric.samples for label in sample.labels} - {"le"}
        found[name] = ("".join(labels), {"info": "gauge"}.get(metric.type, metric.type))
    assert listed == found


def test_ages_have_a_label_each() -> None:
    assert len(AGE_LABELS) == len(PAUSE_AGES) + 1
    assert list(PAUSE_AGES) == sorted(PAUSE_AGES)


def test_append_is_counted_in_the_bucket_of_its_duration() -> None:
    counters = Counters()
    for seconds in (APPEND_BOUNDS[0], APPEND_BOUNDS[0] * 1.01, 1000.0):
        counters.appended(append(b"{}", b"{}"), Appended(1, 5, 7, owned=True), seconds)
    samples = collected(counters)["interlock_append_seconds"].samples
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert [buckets["0.0005"], buckets["0.001"], buckets["5.0"], buckets["+Inf"]] == [1, 2, 2, 3]
    assert (counters.entries, counters.begun) == (6, 0)


def test_refused_append_counts_as_that_and_as_nothing_else() -> None:
    counters = Counters()
    counters.appended(append(b"{}", status=RunStatus.COMPLETED), Refused(Reason.NOT_OWNER), 0.1)
    assert counters.refused_appends == {"not_owner": 1}
    assert (counters.entries, sum(counters.durations), sum(counters.ended.values())) == (0, 0, 0)


def test_counting_makes_no_series_of_what_it_counts() -> None:
    before = {name: len(each.samples) for name, each in collected(Counters()).items()}
    counters = Counters()
    for number in range(100):
        counters.appended(append(b"{}", opens=[f"req-{number}"]), Appended(1, number, number + 1, owned=True), 0.1)
        counters.claimed(cut_off=True)
        counters.said({"event": "error", "code": "conflict", "error": f"{number}"})
        counters.said({"event": "pong"})
    after = {name: len(each.samples) for name, each in collected(counters).items()}
    assert before == after
    assert (counters.opened, counters.claims, counters.takeovers, counters.refused["conflict"]) == (100, 100, 100, 100)
