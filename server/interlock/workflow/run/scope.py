"""The input of a node: the run's input, and the content before it.

Laws:
- All of it is read from the state; nothing is stored in addition.
- A skipped node is passed over. A parallel's content is `{name: content}`, a loop's is its last iteration's, any
  other container's its last node's; a person's replacement of an output takes its place.

Source: `docs/workflows.md`, "What a step is given" and "Containers".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from interlock.workflow.containers.port import MISSING, Scope
from interlock.workflow.containers.registry import container_of
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.node import NodeState, Phase
from interlock.workflow.run.events import Path
from interlock.workflow.run.state import RunState, node_at, walk
from interlock_protocol.namespaces import home_of
from interlock_protocol.types import JsonObject, JsonValue


class _Told:
    """The contents of the nodes inside a container so far; `nodes` are those that were requested, by name."""

    __slots__ = ("node", "nodes", "place")

    def __init__(self, place: Place, node: NodeState) -> None:
        self.place = place
        self.node = node
        self.nodes: dict[str, tuple[Place, NodeState]] = {}

    def last(self) -> dict[str, Any]:
        return self._last(self.node.children) or self._last(self.node.earlier)

    def _last(self, nodes: Mapping[str, NodeState]) -> dict[str, Any]:
        for name in reversed(self.place.children) if nodes else ():
            if told := self._of(name, nodes):
                return told
        return {}

    def all(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self.place.children:
            found.update(self._of(name, self.node.children))
        return found

    def of(self, name: str) -> dict[str, Any]:
        return self._of(name, self.node.children)

    def _of(self, name: str, nodes: Mapping[str, NodeState]) -> dict[str, Any]:
        place, node = self.place.children[name], nodes.get(name)
        content = content_of_node(place, node)
        if node is None or content is MISSING:
            return {}
        self.nodes[name] = (place, node)
        return {name: content}


def content_of_node(place: Place, node: NodeState | None) -> Any:
    """The node's content so far, or MISSING."""
    if node is None or node.phase in _WITHOUT:
        return MISSING
    container = container_of(place.node)
    if container is None:
        return node.output.content if node.phase is Phase.COMPLETED else MISSING
    if node.output.overruled:
        return node.output.content
    return container.content(container.tells(container.own_of(node), _Told(place, node)))


_WITHOUT = frozenset({Phase.SKIPPED, Phase.WITHDRAWN})


def last_content(places: Mapping[str, Place], nodes: Mapping[str, NodeState], before: str | None = None) -> Any:
    """The content of the last of these that has one (before `before`, if given), or MISSING."""
    names = iter(reversed(tuple(places)))
    if before is not None:
        next(name for name in names if name == before)
    for name in names:
        content = content_of_node(places[name], nodes.get(name))
        if content is not MISSING:
            return content
    return MISSING


def _last_told(places: Mapping[str, Place], nodes: Mapping[str, NodeState], before: str) -> tuple[Any, str | None]:
    """The content of the last of these before `before` that has one, or MISSING, and the port that it leads to."""
    names = iter(reversed(tuple(places)))
    next(name for name in names if name == before)
    for name in names:
        node = nodes.get(name)
        content = content_of_node(places[name], node)
        if node is not None and content is not MISSING:
            return content, port_of_node(places[name], node)
    return MISSING, None


def port_of_node(place: Place, node: NodeState) -> str | None:
    """The port that a node leads to: a step's own, a container's if its content is that of one step."""
    container = container_of(place.node)
    if container is None:
        return node.form.port
    told = _Told(place, node)
    container.tells(container.own_of(node), told)
    return port_of_node(*next(iter(told.nodes.values()))) if len(told.nodes) == 1 else None


def success_of_node(place: Place, node: NodeState) -> tuple[bool, str | None]:
    """Whether the steps behind `content_of_node` call it a success, and their error if not."""
    if node.output.overruled:
        return True, None
    container = container_of(place.node)
    if container is None:
        return node.output.success, node.output.error
    told = _Told(place, node)
    container.tells(container.own_of(node), told)
    said = [success_of_node(child, inner) for child, inner in told.nodes.values()]
    errors = [error for success, error in said if error is not None and not success]
    return all(success for success, _ in said), "; ".join(errors) or None


def content_type_of(place: Place, node: NodeState, content: JsonValue) -> str:
    """The content type of the result of `content_of_node`."""
    if container_of(place.node) is None:
        return node.output.content_type
    return "str" if isinstance(content, str) else "json"


def context_of(workflow: Workflow, state: RunState) -> JsonObject:
    """What logic and conditions may know of the run itself."""
    return {
        "namespace": state.namespace or home_of(state.user_id),
        "instance_id": state.run_id,
        "workflow_name": workflow.name,
        "user_id": state.user_id,
    }


def scope_at(workflow: Workflow, state: RunState, path: Path) -> Scope:
    """The input of the node at `path`."""
    context = context_of(workflow, state)
    scope = Scope(state.input, workflow.input_schema, context=context, origin=state.origin)
    places: Mapping[str, Place] = workflow.places
    nodes: Mapping[str, NodeState] = state.nodes
    names = [part for part in path if isinstance(part, str)]
    for name in names[:-1]:
        place, node = places[name], nodes[name]
        scope = _inside(place, node, _after_siblings(places, nodes, name, scope))
        places, nodes = place.children, node.children
    return _after_siblings(places, nodes, names[-1], scope)


def scope_of_first(workflow: Workflow, state: RunState, path: Path) -> Scope:
    """The input of the first node inside the container at `path`."""
    place, node = place_at(workflow, path), node_at(state, list(path))
    assert node is not None
    return _inside(place, node, scope_at(workflow, state, path))


def scope_inside(workflow: Workflow, state: RunState, path: Path) -> Scope:
    """The input that a node after the last one inside the container at `path` would get."""
    place, node = place_at(workflow, path), node_at(state, list(path))
    assert node is not None
    return scope_of_first(workflow, state, path).after(last_content(place.children, node.children))


def scope_of_work(workflow: Workflow, state: RunState, path: Path) -> Scope:
    """The input of the code of the node at `path`: a step's, or a container's."""
    container, node = container_of(place_at(workflow, path).node), node_at(state, list(path))
    looks_inside = container is not None and container.LOOKS_FROM_INSIDE
    scope = (scope_inside if looks_inside else scope_at)(workflow, state, path)
    return scope if node is None else sent_back(scope, node)


def _after_siblings(places: Mapping[str, Place], nodes: Mapping[str, NodeState], name: str, scope: Scope) -> Scope:
    parent = places[name].parent
    container = None if parent is None else container_of(parent.node)
    before = None if container is None else container.before(name)
    if before is None:
        content, port = _last_told(places, nodes, name)
        return scope.after(content, port)
    known = None if container is None else container.known_to(name)
    if known is not None:
        became = {each: _became(places[each], nodes.get(each)) for each in known}
        scope = replace(scope, tasks={**(scope.tasks or {}), **became})
    contents = {each: content_of_node(places[each], nodes.get(each)) for each in before}
    if len(before) == 1:
        return scope.after(contents[before[0]])
    told = {each: content for each, content in contents.items() if content is not MISSING}
    return scope.after(told if before else MISSING)


def _became(place: Place, node: NodeState | None) -> JsonObject:
    """What has become of a task: how it ended, if it did, its output, and its error."""
    content = content_of_node(place, node)
    phase = Phase.ENTERED if node is None else node.phase
    failed = phase is Phase.FAILED and node is not None
    why = node.failure if node is not None and failed else None
    return {
        "status": phase.value if phase.is_over else "open",
        "output": None if content is MISSING else content,
        "error": None if why is None else {"code": why.error_type, "message": why.error},
    }


def place_at(workflow: Workflow, path: Path) -> Place:
    """The place in the definition at a path of names and visits."""
    names = [part for part in path if isinstance(part, str)]
    place = workflow.places[names[0]]
    for name in names[1:]:
        place = place.children[name]
    return place


def _inside(place: Place, node: NodeState, scope: Scope) -> Scope:
    """The input of the first node inside a container."""
    container = container_of(place.node)
    assert container is not None
    earlier = last_content(place.children, node.earlier) if node.earlier else MISSING
    inside = container.scope(container.own_of(node), sent_back(scope, node), earlier)
    signal = signal_at(node, scope)
    return inside if inside.signal is signal else replace(inside, signal=signal)


def signal_at(node: NodeState | None, scope: Scope) -> JsonValue:
    """What came with the signal that a node waited for, or else the nearest one around it."""
    return scope.signal if node is None or not node.form.signal else node.form.signal[0]


def sent_back(scope: Scope, node: NodeState) -> Scope:
    """The input of a node, or of any node inside it, after its output was sent back.

    The feedback of a rejection that led a Condition to its other branch isn't about an output.
    """
    said = node.verdict
    if said.rejected is not None or (said.previous_output is None and said.feedback is None):
        return scope
    return replace(scope, feedback=said.feedback, previous_output=said.previous_output)


def newest_contents(workflow: Workflow, state: RunState) -> dict[str, JsonValue]:
    """The newest output of each step that has one, by name, at any place."""
    newest: dict[str, tuple[Place, NodeState]] = {}
    for place, node in places_entered(workflow.places, state.nodes):
        if node.phase is not Phase.COMPLETED:
            continue
        known = newest.get(place.node.name)
        if known is None or node.ended_index > known[1].ended_index:
            newest[place.node.name] = (place, node)
    contents = {name: content_of_node(place, node) for name, (place, node) in newest.items()}
    return {name: content for name, content in contents.items() if content is not MISSING}


def newest_filled_in(workflow: Workflow, state: RunState) -> tuple[Place | None, NodeState] | None:
    """The node for which a form was filled in last, of those that have begun, and its place, if that is still there."""
    filled = [node for node in walk(state.nodes) if node.form.user_input is not None]
    newest = max(filled, key=lambda node: node.started_index, default=None)
    if newest is None:
        return None
    places = (place for place, node in places_entered(workflow.places, state.nodes) if node is newest)
    return next(places, None), newest


def places_entered(places: Mapping[str, Place], nodes: Mapping[str, NodeState]) -> Iterator[tuple[Place, NodeState]]:
    """Yield every node that was entered and is still declared, with its place: as `walk`."""
    for name, node in tuple(nodes.items()):
        place = places.get(name)
        if place is not None:
            yield place, node
            yield from places_entered(place.children, node.earlier)
            yield from places_entered(place.children, node.children)
