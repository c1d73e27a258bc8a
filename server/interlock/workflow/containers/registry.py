"""All kinds of containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.workflow.containers.condition import Condition
from interlock.workflow.containers.graph import Graph
from interlock.workflow.containers.loop import Loop
from interlock.workflow.containers.machine import Halt, Machine, Thread, Waiting
from interlock.workflow.containers.map import Item, Map
from interlock.workflow.containers.parallel import Parallel
from interlock.workflow.containers.port import Container, Fold
from interlock.workflow.containers.ports import Ports
from interlock.workflow.containers.race import Race
from interlock.workflow.containers.router import Router
from interlock.workflow.containers.sequence import Nested, Steps, nested_in
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Step
from interlock.workflow.node import Own

CONTAINERS: tuple[type[Container[Any]], ...] = (
    Steps,
    Nested,
    Parallel,
    Condition,
    Router,
    Loop,
    Race,
    Graph,
    Map,
    Item,
    Ports,
    Machine,
    Thread,
    Halt,
    Waiting,
)

KINDS: Mapping[str, type[Container[Any]]] = {kind.kind: kind for kind in CONTAINERS}


def container_of(node: Node) -> Container[Any] | None:
    """The container that a node is; None for a node that contains no others."""
    if isinstance(node, Container):
        return node
    return nested_in(node) if isinstance(node, Step) else None


_FOLDS: Mapping[str | None, Mapping[str, Fold]] = {kind.kind: kind.FOLDS for kind in CONTAINERS}
_NONE: Mapping[str, Fold] = {}


def folds_of(kind: str | None) -> Mapping[str, Fold]:
    """How each event changes the own state of a node of this kind."""
    return _FOLDS.get(kind, _NONE)


def own_of(kind: str | None) -> Own:
    """The initial own state of a node of this kind."""
    container = KINDS.get(kind or "")
    return Own() if container is None else container.OWN()
