"""What is counted by workflow: listed on the page about it, right, and with a bounded number of labels."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.core import Metric

from interlock.http.workflow_metrics import WorkflowMetrics
from interlock.log.port import Append, Appended, Entry
from interlock.telemetry.by_workflow import MAX_STATES, MAX_WORKFLOWS, OTHER
from interlock.telemetry.counters import Counters
from interlock_protocol.types import RunStatus

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")


def collected(counters: Counters) -> dict[str, Metric]:
    return {each.name: each for each in WorkflowMetrics(counters.by_workflow).collect()}


def append(workflow: str, status: RunStatus | None = None) -> Append:
    return Append("run-1", "append-1", [Entry(b"{}")], status=status, workflow=("acme", workflow))


def value(counters: Counters, name: str, **labels: str) -> float:
    (found,) = [
        each.value
        for metric in collected(counters).values()
        for each in metric.samples
        if each.name == name and labels.items() <= each.labels.items()
    ]
    return float(found)


def test_the_page_lists_each_of_them_with_its_type_and_labels_and_no_other() -> None:
    rows = re.findall(r"^\| `(workflow_\w+)\{([\w,]+)\}` \| (\w+) \|", PAGE, re.MULTILINE)
    counters = Counters()
    counters.appended(append("w"), Appended(1, 0, 1, owned=True), 0.1)
    counted = counters.by_workflow
    for durations, labels in ((counted.scripts, "aw"), (counted.calls, "aw"), (counted.tasks, "aw")):
        durations.of(*labels).add(1)
    counters.by_workflow.states.of("a", "w", "s").add(1)
    found = {}
    for metric in collected(counters).values():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        names = dict.fromkeys(label for sample in metric.samples for label in sample.labels if label != "le")
        found[name] = (",".join(names), metric.type)
    assert {name: (labels, kind) for name, labels, kind in rows} == found
    assert f"at most {MAX_WORKFLOWS} workflows" in PAGE.replace("\n", " ")
    assert f"{MAX_STATES} states" in PAGE


def test_whoever_begins_very_many_workflows_makes_no_more_series_and_nothing_is_lost() -> None:
    counters = Counters()
    for number in range(MAX_WORKFLOWS + 50):
        counters.appended(append(f"w{number}"), Appended(1, 0, 1, owned=True), 0.1)
        counters.appended(append(f"w{number}", RunStatus.ERROR), Appended(1, 5, 6, owned=True), 0.1)
    samples = [each for each in collected(counters)["workflow_instance_failed"].samples if each.name.endswith("_total")]
    assert len(samples) == MAX_WORKFLOWS + 1
    assert sum(each.value for each in samples) == MAX_WORKFLOWS + 50
    assert value(counters, "workflow_instance_failed_total", account=OTHER, workflow=OTHER) == 50
