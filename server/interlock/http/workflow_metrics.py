"""The metrics by workflow, as Prometheus reads them.

Law: they are counted in `telemetry`, with a bounded number of labels, and only read here.

Source: `docs/operations.md`, "By workflow".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from interlock.telemetry.by_workflow import Bounded, ByWorkflow, Durations

_WORKFLOW: Final = ("account", "workflow")
_STATE: Final = (*_WORKFLOW, "state")


class WorkflowMetrics(Collector):
    """Collects what is counted by workflow."""

    def __init__(self, counted: ByWorkflow) -> None:
        self._counted = counted

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        counted = self._counted
        instances = list(counted.instances.items.items())
        for end, about in (
            ("created", "Instances and runs that this node began."),
            ("completed", "Those whose good end this node appended."),
            ("failed", "Those whose failure this node appended."),
            ("cancelled", "Those whose cancellation this node appended."),
        ):
            counter = CounterMetricFamily(f"workflow_instance_{end}", about, labels=_WORKFLOW)
            for labels, each in instances:
                counter.add_metric(labels, getattr(each, end))
            yield counter
        yield _histogram("workflow_state_duration_seconds", "Stays in states of machines.", _STATE, counted.states)
        yield _histogram("workflow_script_duration_seconds", "Scripts of states, each try.", _WORKFLOW, counted.scripts)
        yield _histogram("workflow_http_duration_seconds", "HTTP calls of states, each try.", _WORKFLOW, counted.calls)
        yield _histogram("workflow_task_duration_seconds", "Tasks, each try.", _WORKFLOW, counted.tasks)


def _histogram(name: str, about: str, labels: tuple[str, ...], durations: Bounded[Durations]) -> Metric:
    family = HistogramMetricFamily(name, about, labels=labels)
    for values, each in list(durations.items.items()):
        bounds = [*map(str, each.bounds), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(each.counts)), strict=True))
        family.add_metric(values, buckets=buckets, sum_value=each.seconds)
    return family
