"""What a node sees: the input, and the content before it.

Laws:
- All of it is read from the state; nothing is remembered beside it.
- A skipped node is passed over. A parallel's content is `{name: content}`, a loop's is its last iteration's, any
  other container's its last node's; an output that a person replaced is what they wrote.

Source: `docs/workflows.md`, "What a step is given" and "Containers".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import BaseModel

from interlock.workflow.declare.nodes import Loop, Parallel, Step, Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.node import NodeState, Phase
from interlock.workflow.run.events import Path
from interlock.workflow.run.state import RunState, node_at, walk
from interlock_protocol.types import JsonValue


class _Missing:
    """No content, which isn't the content None."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a node at a place of a run is given. `schema` is the model that `input` is of, where one is declared;
    `feedback` and `previous_output` come with an output sent back."""

    input: JsonValue
    schema: type[BaseModel] | None = None
    previous: JsonValue = None
    iteration: int | None = None
    max_iterations: int | None = None
    feedback: str | None = None
    previous_output: JsonValue = None


def content_of_node(place: Place, node: NodeState | None) -> Any:
    """The node's content as far as it has come, or MISSING."""
    if node is None or node.phase is Phase.SKIPPED:
        return MISSING
    if node.overruled and not _is_work(place):
        return node.content
    if _is_work(place):
        return node.content if node.phase is Phase.COMPLETED else MISSING
    if isinstance(place.node, Parallel):
        contents = {name: content_of_node(child, node.children.get(name)) for name, child in place.children.items()}
        return {name: content for name, content in contents.items() if content is not MISSING}
    content = last_content(place.children, node.children)
    return last_content(place.children, node.earlier) if content is MISSING else content


def _is_work(place: Place) -> bool:
    """Whether a node has an output of its own, and not its children's."""
    return isinstance(place.node, Step) and place.node.workflow is None


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


def success_of_node(place: Place, node: NodeState) -> tuple[bool, str | None]:
    """Whether the steps whose content `content_of_node` gives call it a success, and what they say where not."""
    if node.overruled:
        return True, None
    if _is_work(place):
        return node.success, node.error
    nodes = node.children or node.earlier
    told = [(child, nodes[name]) for name, child in place.children.items() if name in nodes]
    told = [(child, inner) for child, inner in told if content_of_node(child, inner) is not MISSING]
    said = [success_of_node(child, inner) for child, inner in told]
    if not isinstance(place.node, Parallel):
        said = said[-1:]
    errors = [error for success, error in said if error is not None and not success]
    return all(success for success, _ in said), "; ".join(errors) or None


def content_type_of(place: Place, node: NodeState, content: JsonValue) -> str:
    """The content type of what `content_of_node` gave."""
    if _is_work(place):
        return node.content_type
    return "str" if isinstance(content, str) else "json"


def scope_at(workflow: Workflow, state: RunState, path: Path) -> Scope:
    """What the node at `path` is given."""
    scope = Scope(state.input, workflow.input_schema)
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
        scope = replace(scope, previous=previous, iteration=node.iteration, max_iterations=place.node.max_iterations)
        return sent_back(scope, node)
    scope = sent_back(scope, node)
    return nested_scope(place.node.workflow, node, scope) if isinstance(place.node, Step) else scope


def nested_scope(workflow: Workflow | None, node: NodeState, scope: Scope) -> Scope:
    """What the first node of a nested workflow is given: the content before it as its input, as its schema says.

    What its schema made of that when it began stays its input, whatever is declared since.
    """
    schema = None if workflow is None else workflow.input_schema
    if node.input is not None:
        return replace(scope, input=node.input, schema=schema, previous=None)
    given = scope.input if scope.previous is None else scope.previous
    if schema is not None:
        return replace(scope, input=given, schema=schema, previous=None)
    return scope if scope.previous is None else replace(scope, input=given, schema=None, previous=None)


def sent_back(scope: Scope, node: NodeState) -> Scope:
    """What a node, or whatever runs inside of it, is given after its output was sent back.

    What was said with the rejection that led a Condition to its other branch isn't about an output.
    """
    if node.rejected is not None or (node.previous_output is None and node.feedback is None):
        return scope
    return replace(scope, feedback=node.feedback, previous_output=node.previous_output)


def newest_contents(workflow: Workflow, state: RunState) -> dict[str, JsonValue]:
    """The newest output of each step that has one, by name, wherever it stands."""
    newest: dict[str, NodeState] = {}
    for node in walk(state.nodes):
        place = workflow.by_step_id.get(node.step_id)
        if place is None or node.phase is not Phase.COMPLETED:
            continue
        known = newest.get(place.node.name)
        if known is None or node.ended_index > known.ended_index:
            newest[place.node.name] = node
    contents = {name: content_of_node(workflow.by_step_id[node.step_id], node) for name, node in newest.items()}
    return {name: content for name, content in contents.items() if content is not MISSING}


def newest_filled_in(state: RunState) -> NodeState | None:
    """The node for which something was filled in last, of those that have begun."""
    filled = [node for node in walk(state.nodes) if node.user_input is not None]
    return max(filled, key=lambda node: node.started_index, default=None)
