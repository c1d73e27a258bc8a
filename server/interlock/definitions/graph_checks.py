"""Checking graphs in JSON.

Laws:
- Any JSON value can be checked; all of its faults are found at once.
- What is valid compiles, and can be started.

Source: `docs/graphs.md`, "Validation".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from interlock.definitions.checks.graph import Known, Parses, faults_in_graph
from interlock.definitions.checks.logic import MAX_SCRIPT_BYTES
from interlock.definitions.machine_checks import first_told, unreadable
from interlock.workflow.declare.checks import Fault, type_in_words
from interlock.workflow.declare.task_types import TaskTypes


def check_graph(
    definition: object, *, parses: Parses | None = None, types: TaskTypes, are_all_types: bool = True
) -> list[Fault]:
    """Return all that is wrong with a graph.

    Args:
        parses: returns what is wrong with a script; None if nothing is. Without it, no script is read.
        types, are_all_types: as `machine_checks.check` has them.
    """
    if faults := list(unreadable(definition)):
        return faults
    if not isinstance(definition, dict):
        return [Fault("", f"A graph is an object, not {type_in_words(definition)}.", code="invalid_type")]
    return first_told(faults_in_graph(definition, Known(types, parses, are_all_types)))


def scripts_in_graph(definition: object) -> set[str]:
    """The scripts of a graph, faulty or not, and of those in it, but those that are too long."""
    return {code for code in _scripts(definition, 0) if len(code) <= MAX_SCRIPT_BYTES}


def _scripts(graph: Any, depth: int) -> Iterator[str]:
    tasks = graph.get("tasks") if isinstance(graph, dict) else None
    for task in tasks if isinstance(tasks, list) and depth < 4 else ():
        inputs = task.get("inputs") if isinstance(task, dict) else None
        if isinstance(inputs, dict):
            if task.get("type") == "script" and isinstance(inputs.get("code"), str):
                yield inputs["code"]
            yield from _scripts(inputs.get("graph"), depth + 1)
