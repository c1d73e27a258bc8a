"""The kinds of definitions in JSON: state machines, and graphs of tasks.

Law: a definition says by itself of which kind it is; every kind is kept, versioned, published and found in the same
way.
"""

from __future__ import annotations

from typing import Any

from interlock.definitions import machine_json, task_graph
from interlock.store.ports.definitions import DefinitionKind
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.declare.task_types import TaskTypes
from interlock_protocol.types import JsonObject


def kind_of(definition: object) -> DefinitionKind:
    """The kind of a definition, faulty or not: what has tasks, and no states, is a graph."""
    is_graph = isinstance(definition, dict) and "tasks" in definition and "states" not in definition
    return "graph" if is_graph else "machine"


def compiled(definition: JsonObject, types: TaskTypes, *, version_id: str | None) -> Workflow:
    """The workflow of a definition without faults."""
    compile_: Any = task_graph.compiled if kind_of(definition) == "graph" else machine_json.compiled
    workflow: Workflow = compile_(definition, types=types, version_id=version_id)
    return workflow
