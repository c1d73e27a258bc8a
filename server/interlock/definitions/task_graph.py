"""The compiler of graphs in JSON: a graph without faults becomes a workflow with one `Graph`.

Laws:
- What `checks.graph` calls valid compiles, and nothing that is declared is left out unsaid.
- Where tasks stand on a canvas changes nothing of what a run does.
- The same graph compiles to the same workflow, on every node.

Source: `docs/graphs.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from interlock.definitions.checks.blanks import blank_name, body_schema, inputs_of, is_blank
from interlock.workflow.containers.graph import AT_ONCE, Graph
from interlock.workflow.containers.machine import Wait, Waiting
from interlock.workflow.containers.map import Map
from interlock.workflow.declare.interactions import Interaction
from interlock.workflow.declare.links import COMPLETED, Link
from interlock.workflow.declare.logic import AnswerLogic, ConditionLogic, Retry, SetLogic, TaskLogic
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Step, Workflow
from interlock.workflow.declare.reviews import Signal
from interlock.workflow.declare.task_types import TaskType, TaskTypes
from interlock.workflow.declare.widgets import Widget
from interlock_protocol.types import JsonObject, JsonValue

Task: TypeAlias = Mapping[str, Any]
RETRY_SECONDS: Final = 1.0
MAIN: Final = "graph"
"""The name of the one step of such a workflow."""


def compiled(definition: JsonObject, types: TaskTypes, *, version_id: str | None) -> Workflow:
    """The workflow of a graph without faults.

    Args:
        version_id: the version that runs keep.
    """
    declared: dict[str, Any] = dict(definition)
    return Workflow(
        declared["name"],
        steps=[graph_of(MAIN, declared, types)],
        description=declared.get("description") or None,
        ai_guidance=declared.get("ai_guidance") or None,
        version=version_id,
        accepts=body_schema(declared, types),
    )


def graph_of(name: str, declared: Mapping[str, Any], types: TaskTypes) -> Graph:
    """The container of a graph."""
    tasks: Sequence[Task] = declared["tasks"]
    links = [Link(each["from"], each["to"], each.get("condition") or COMPLETED) for each in declared.get("links") or ()]
    ports: dict[str, tuple[str, ...]] = {}
    for link in links:
        if link.port is not None:
            ports[link.source] = (*ports.get(link.source, ()), link.port)
    return Graph(
        name,
        [_Task(each, types, ports.get(each["id"], ())).node() for each in tasks],
        links,
        joins={each["id"]: each["join"] for each in tasks if each.get("join")},
        fail_fast=bool(declared.get("fail_fast")),
        at_once=declared.get("at_once") or AT_ONCE,
        returns=declared.get("returns"),
    )


@dataclass(frozen=True)
class _Task:
    """A task, and what is known of it.

    Args:
        ports: those that links lead on from.
    """

    task: Task
    types: TaskTypes
    ports: tuple[str, ...]

    def node(self) -> Node:
        """The node that it becomes."""
        type_ = self.types.get(self.task["type"])
        if type_ is None:  # it was there when this was checked; a session that comes to it says that it's gone
            return self._step(TaskLogic(self.task["type"], self.inputs, self.task.get("integration")))
        if type_.kind == "human":
            return self._asks(type_)
        return _FLOW[type_.name](self) if type_.kind == "flow" else self._calls(type_)

    @property
    def inputs(self) -> dict[str, JsonValue]:
        """Its inputs, in which blanks are what the message has."""
        type_ = self.types.get(self.task["type"])
        given: Mapping[str, Any] = (self.task.get("inputs") or {}) if type_ is None else inputs_of(self.task, type_)
        return {
            field: f"${{input.{blank_name(value, self.task['id'], field)}}}" if is_blank(value) else value
            for field, value in given.items()
        }

    def _step(self, logic: Any, **more: Any) -> Step:
        return Step(self.task["id"], logic=logic, on_error=self.task.get("on_error") or "fail", **more)

    def _calls(self, type_: TaskType) -> Step:
        tries = (self.task.get("retries") or 0) + 1
        logic = type_.logic(self.inputs, integration=self.task.get("integration"), timeout=self.task.get("timeout"))
        return self._step(logic, retry=Retry(tries, delay=RETRY_SECONDS) if tries > 1 else None)

    def _asks(self, type_: TaskType) -> Step:
        assert type_.review is not None
        review = type_.review(type_.read(self.inputs))
        if isinstance(review, Widget):
            return Step(self.task["id"], widget=replace(review, has_templates=True))
        asked = replace(review, has_templates=True) if isinstance(review, Interaction) else review
        return self._step(AnswerLogic(self.ports), human_review=asked)

    # ── Those that shape a graph ────────────────────────────────────────────────────────────────────────

    def sets(self) -> Node:
        """Values."""
        return self._step(SetLogic(self.inputs.get("values")))

    def asks_whether(self) -> Node:
        """A condition."""
        return self._step(ConditionLogic(str(self.inputs["expression"]), self.inputs.get("values")))

    def waits(self) -> Node:
        """A delay."""
        seconds: Any = self.inputs.get("seconds")
        until: Any = self.inputs.get("until")
        return Waiting(self.task["id"], Wait(seconds, until))

    def waits_for_a_signal(self) -> Node:
        """A signal."""
        given: Mapping[str, Any] = self.inputs
        timing = {name: given[name] for name in ("timeout", "on_timeout") if given.get(name) is not None}
        return self._step(AnswerLogic(), human_review=Signal(given["topic"], **timing))

    def maps(self) -> Node:
        """A graph for each item of a list."""
        given: Mapping[str, Any] = self.inputs
        inner = graph_of(MAIN, given["graph"], self.types)
        return Map(self.task["id"], [inner], items=given["items"], at_once=given.get("at_once") or 10, is_input=True)


_FLOW: Final[Mapping[str, Callable[[_Task], Node]]] = {
    "set": _Task.sets,
    "condition": _Task.asks_whether,
    "delay": _Task.waits,
    "signal": _Task.waits_for_a_signal,
    "map": _Task.maps,
}
