"""What a node sees: the input, and the content before it.

Laws:
- All of it is read from the state; nothing is remembered beside it.
- A skipped node is passed over. A parallel's content is `{name: content}`, a loop's is its last iteration's, any
  other container's its last node's.

Source: `docs/workflows.md`, "What a step is given" and "Containers".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from interlock.workflow.declaration import Loop, Parallel, Place, Step, Workflow
from interlock.workflow.events import Path
from interlock.workflow.state import NodeState, Phase, RunState, node_at, walk
from interlock_protocol.types import JsonValue


class _Missing:
    """No content, which isn't the content None."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a node at a place of a run is given."""

    input: JsonValue
    previous: JsonValue = None
    iteration: int | None = None
    max_iterations: int | None = None


def content_of_node(place: Place, node: NodeState | None) -> Any:
    """The node's content as far as it has come, or MISSING."""
    if node is None or node.phase is Phase.SKIPPED:
        return MISSING
    if isinstance(place.node, Step) and place.node.workflow is None:
        return node.content if node.phase is Phase.COMPLETED else MISSING
    if isinstance(place.node, Parallel):
        contents = {name: content_of_node(child, node.children.get(name)) for name, child in place.children.items()}
        return {name: content for name, content in contents.items() if content is not MISSING}
    content = last_content(place.children, node.children)
    return last_content(place.children, node.earlier) if content is MISSING else content


def last_content(places: Mapping[str, Place], nodes: Mapping[str, NodeState], before: str | None = None) -> Any:
    """The content of the last of these that has one (of those before `before`, where given), or MISSING."""
    last: Any = MISSING
    for name, place in places.items():
        if name == before:
            break
        content = content_of_node(place, nodes.get(name))
        if content is not MISSING:
            last = content
    return last


def content_type_of(place: Place, node: NodeState, content: JsonValue) -> str:
    """The content type of what `content_of_node` gave."""
    if isinstance(place.node, Step) and place.node.workflow is None:
        return node.content_type
    return "str" if isinstance(content, str) else "json"


def scope_at(workflow: Workflow, state: RunState, path: Path) -> Scope:
    """What the node at `path` is given."""
    scope = Scope(state.input)
    places: Mapping[str, Place] = workflow.places
    nodes: Mapping[str, NodeState] = state.nodes
    names = [part for part in path if isinstance(part, str)]
    for name in names[:-1]:
        place, node = places[name], nodes[name]
        scope = _inside(place, node, _after_siblings(places, nodes, name, scope))
        places, nodes = place.children, node.children
    return _after_siblings(places, nodes, names[-1], scope)


def scope_in_iteration(workflow: Workflow, state: RunState, path: Path) -> Scope:
    """What the end condition of the loop at `path` is given: what a step after the iteration's last would be."""
    place, node = place_at(workflow, path), node_at(state, list(path))
    assert node is not None
    scope = _inside(place, node, scope_at(workflow, state, path))
    content = last_content(place.children, node.children)
    return scope if content is MISSING else replace(scope, previous=content)


def _after_siblings(places: Mapping[str, Place], nodes: Mapping[str, NodeState], name: str, scope: Scope) -> Scope:
    parent = places[name].parent
    if parent is not None and isinstance(parent.node, Parallel):
        return scope
    content = last_content(places, nodes, before=name)
    return scope if content is MISSING else replace(scope, previous=content)


def place_at(workflow: Workflow, path: Path) -> Place:
    """The place in the definition that a path of names and visits leads to."""
    names = [part for part in path if isinstance(part, str)]
    place = workflow.places[names[0]]
    for name in names[1:]:
        place = place.children[name]
    return place


def _inside(place: Place, node: NodeState, scope: Scope) -> Scope:
    """What the first node inside a container is given."""
    if isinstance(place.node, Loop):
        content = last_content(place.children, node.earlier)
        previous = scope.previous if content is MISSING else content
        return replace(scope, previous=previous, iteration=node.iteration, max_iterations=place.node.max_iterations)
    if isinstance(place.node, Step):
        given = scope.input if scope.previous is None else scope.previous
        return replace(scope, input=given, previous=None)
    return scope


def newest_content(workflow: Workflow, state: RunState, name: str) -> JsonValue:
    """The newest output of a step called `name`, wherever it stands; None when there is none."""
    newest: NodeState | None = None
    wanted = {place.step_id: place for place in workflow.by_step_id.values() if place.node.name == name}
    for node in walk(state.nodes):
        if (
            node.step_id in wanted
            and node.phase is Phase.COMPLETED
            and (newest is None or node.ended_index > newest.ended_index)
        ):
            newest = node
    if newest is None:
        return None
    content = content_of_node(wanted[newest.step_id], newest)
    return None if content is MISSING else content
