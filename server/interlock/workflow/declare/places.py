"""The places of nodes in a workflow, and how a paused run finds its place again.

Laws:
- A node may be in several places. What depends on the place (`step_id`, index, depth) belongs to the place.
- `step_id` is a pure function of the workflow's id and the names from its root: the same on every node of a cluster,
  in every iteration, after every restart.
- A node that is entered again under a name of its own (`name_2`, `name_3`, …) is in the same place.

Source: `docs/protocol.md`, "Run events"; `docs/workflows.md`, "Names".
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from interlock.workflow.declare.interactions import Interaction
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.policies import asked_of, governed_by
from interlock.workflow.declare.reviews import AnyReview, Ask, Signal, kind_of
from interlock.workflow.declare.widgets import Widget


@dataclass(frozen=True, slots=True)
class Place:
    """A node at its place in a workflow.

    Args:
        step_id: a pure function of the workflow's id and the names from its root.
        index: the position among its siblings, from 0.
        depth: how many nodes enclose it.
        children: the places inside, by name, in order of declaration.
    """

    node: Node
    step_id: str
    index: int
    depth: int
    parent: Place | None = field(repr=False)
    children: dict[str, Place] = field(default_factory=lambda: Passes(), repr=False)


class Passes(dict[str, Place]):
    """Places by name, in which a node that can be renamed is also found by the names of its later passes."""

    def __missing__(self, name: str) -> Place:
        place = self._again(name)
        if place is None:
            raise KeyError(name)
        return place

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and self._again(name) is not None)

    def get(self, name: str, default: Any = None) -> Any:
        place = super().get(name)
        return place or self._again(name) or default

    def _again(self, name: str) -> Place | None:
        base, _, number = name.rpartition("_")
        if not _PASS.fullmatch(number) or not super().__contains__(base):
            return None
        place = super().__getitem__(base)
        node = place.node.renamed(name)
        return None if node is None else replace(place, node=node)


_PASS = re.compile(r"[2-9]|[1-9][0-9]{1,17}")
"""The number of a pass after the first."""


def name_of_pass(name: str, number: int) -> str:
    """The name of a node that is entered under a name of its own for the `number`th time."""
    return name if number == 1 else f"{name}_{number}"


def is_of_later_pass(name: str, names: Collection[str]) -> bool:
    """Return True if a later pass of one of `names` is called so."""
    base, _, number = name.rpartition("_")
    return base in names and _PASS.fullmatch(number) is not None


def places_of(branches: Sequence[Sequence[Node]], *, parent: Place | None, names: tuple[str, ...]) -> dict[str, Place]:
    """The places of the nodes of a container, by name; each branch counts its positions separately.

    Args:
        names: the names from the workflow's id down to the container.
    """
    places: dict[str, Place] = Passes()
    for index, node in (each for branch in branches for each in enumerate(branch)):
        path = (*names, node.name)
        place = Place(node, _step_id(path), index, 0 if parent is None else parent.depth + 1, parent)
        place.children.update(places_of(node.branches, parent=place, names=path))
        places[node.name] = place
    return places


def _step_id(path: tuple[str, ...]) -> str:
    return "step-" + hashlib.blake2b("\x1f".join(path).encode(), digest_size=10).hexdigest()


def walk_places(places: Mapping[str, Place]) -> Iterator[Place]:
    """Yield these places, and all places inside."""
    for place in places.values():
        yield place
        yield from walk_places(place.children)


def fingerprint_of(nodes: Sequence[Node], message: Any = None) -> str:
    """A hash of everything that a run may rely on: if it is unchanged, nothing has to be compared (`definitions`).

    Args:
        message: the schema of the run's message.
    """
    shape = [[_shape(node) for node in nodes], message]
    return hashlib.blake2b(to_json(shape, fallback=repr), digest_size=16).hexdigest()


def _shape(node: Node) -> list[Any]:
    asked = [_asked(review, node) for review in node.reviews.values()]
    branches = [[_shape(child) for child in branch] for branch in node.branches]
    return [node.kind, node.name, asked, node.relied_on, branches]


def _asked(review: AnyReview, node: Node) -> list[Any]:
    """The parts of a review that count: the kind, the possible answers, who may give them, and what happens without."""
    answers = [getattr(review, name, None) for name in ("allowed_on_reject", "max_retries", "multiple")]
    form = None
    if isinstance(review, Ask):
        form = [[field.to_wire() for field in review.fields], schema_of(review.model)]
    if isinstance(review, Interaction):
        form = [review.spec]
    if isinstance(review, Widget):
        form = review.relied_on
    if isinstance(review, Signal) and review.source is not None:
        form = [review.source]
    asked = [kind_of(review, node), answers, asked_of(review), review.on_timeout, form]
    governed = governed_by(review)
    return asked if all(each is None for each in governed.values()) else [*asked, governed]


def schema_of(model: type[BaseModel] | None) -> Any:
    """What a model accepts, as far as its schema tells; its code is not included."""
    if model is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a default that JSON can't express
        try:
            return model.model_json_schema()
        except Exception:  # a type that has no schema
            return {name: [repr(info.annotation), info.is_required()] for name, info in model.model_fields.items()}
