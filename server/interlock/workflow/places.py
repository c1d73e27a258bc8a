"""Where the nodes of a workflow stand, and by what a paused run finds its place again.

Laws:
- A node may stand in several places. What depends on the place (`step_id`, index, depth) is the place's.
- `step_id` is a pure function of the workflow's id and the names from its root: the same on every node of a cluster,
  in every iteration, after every restart.

Source: protocol spec, "Run events" (base fields); engine spec, rule 14.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from interlock.workflow.reviews import Ask, kind_of

if TYPE_CHECKING:
    from interlock.workflow.declaration import Node


@dataclass(frozen=True, slots=True)
class Place:
    """A node where it stands in a workflow.

    Args:
        step_id: a pure function of the workflow's id and the names from its root.
        index: the position among its siblings, from 0.
        depth: how many nodes are around it.
        children: the places inside, by name, in order of declaration.
    """

    node: Node
    step_id: str
    index: int
    depth: int
    parent: Place | None = field(repr=False)
    children: dict[str, Place] = field(default_factory=dict, repr=False)


def places_of(branches: Sequence[Sequence[Node]], *, parent: Place | None, names: tuple[str, ...]) -> dict[str, Place]:
    """The places of the nodes of a container, by name; each branch counts its positions for itself.

    Args:
        names: those from the workflow's id down to the container.
    """
    places: dict[str, Place] = {}
    for index, node in (each for branch in branches for each in enumerate(branch)):
        path = (*names, node.name)
        place = Place(node, _step_id(path), index, 0 if parent is None else parent.depth + 1, parent)
        place.children.update(places_of(node.branches, parent=place, names=path))
        places[node.name] = place
    return places


def _step_id(path: tuple[str, ...]) -> str:
    return "step-" + hashlib.blake2b("\x1f".join(path).encode(), digest_size=10).hexdigest()


def walk_places(places: Mapping[str, Place]) -> Iterator[Place]:
    """These places, and all inside."""
    for place in places.values():
        yield place
        yield from walk_places(place.children)


def fingerprint_of(nodes: Sequence[Node]) -> str:
    """A hash of the structure of these nodes: what a run that waits for weeks must find again."""
    return hashlib.blake2b(to_json([_shape(node) for node in nodes]), digest_size=16).hexdigest()


def _shape(node: Node) -> list[Any]:
    """What of a node a paused run relies on: names, kinds, order, what is asked."""
    asked = [
        [kind_of(each, node.kind), [f.to_wire() for f in each.fields] if isinstance(each, Ask) else None]
        for each in node.reviews.values()
    ]
    return [node.kind, node.name, asked, [[_shape(child) for child in branch] for branch in node.branches]]
