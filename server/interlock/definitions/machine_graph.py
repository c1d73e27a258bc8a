"""A definition as a graph: which states there are, and what leads from one to another.

Laws:
- Whatever isn't well-formed isn't part of the graph: reading one never raises, and each reader sees the same one.
- An edge may lead nowhere: its target is as written. `is_live` is false if a transition before it always applies.

Source: `docs/machines.md`, "Definitions".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from interlock_protocol.types import JsonObject

Kind: TypeAlias = Literal["transition", "error", "timeout", "thread"]


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one state to another.

    Attributes:
        target: the name of a state, which may not exist.
        declared: the transition, handler or `on_timeout` as it is written; empty for a thread.
        thread: the thread that begins with it.
        is_live: whether it can ever be taken.
    """

    target: str
    kind: Kind
    declared: JsonObject = field(default_factory=dict)
    thread: str | None = None
    is_live: bool = True


def states_of(definition: object) -> dict[str, JsonObject]:
    """The states of a definition that are objects, by name, in order."""
    states = definition.get("states") if isinstance(definition, dict) else None
    return {name: each for name, each in _items(states) if isinstance(each, dict)}


def target_of(declared: object) -> str | None:
    """The state to which a transition leads, under either name of the field."""
    if not isinstance(declared, dict):
        return None
    for name in ("target", "to"):
        if isinstance(target := declared.get(name), str):
            return target
    return None


def threads_of(state: JsonObject) -> dict[str, str]:
    """The threads of a parallel state, with the states in which they begin."""
    if state.get("type") != "parallel":
        return {}
    return {name: begin for name, begin in _items(state.get("threads")) if isinstance(begin, str)}


def edges_of(state: JsonObject) -> Iterator[Edge]:
    """Yield the ways out of a state: its threads, transitions, handlers of errors and its timeout."""
    for thread, begin in threads_of(state).items():
        yield Edge(begin, "thread", thread=thread)
    yield from _transitions(state)
    handlers = state.get("on_error")
    for handler in handlers if isinstance(handlers, list) else [handlers]:
        yield from _edges(handler, "error")
    yield from _edges(state.get("on_timeout"), "timeout")


def _transitions(state: JsonObject) -> Iterator[Edge]:
    transitions = state.get("transitions")
    is_live, selects = True, state.get("transition_mode") == "selection"
    for each in transitions if isinstance(transitions, list) else ():
        yield from _edges(each, "transition", is_live=is_live)
        is_live = is_live and (selects or not is_unconditional(each))


def is_unconditional(transition: object) -> bool:
    """Return True if a transition always applies."""
    return isinstance(transition, dict) and transition.get("condition") is None and transition.get("port") is None


def _edges(declared: object, kind: Kind, *, is_live: bool = True) -> Iterator[Edge]:
    target = target_of(declared)
    if target is not None and isinstance(declared, dict):
        yield Edge(target, kind, declared, is_live=is_live)


def _items(value: object) -> Iterable[tuple[str, object]]:
    return value.items() if isinstance(value, dict) else ()


def reached(begin: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    """The nodes that can be reached from these, including them."""
    seen = set(begin)
    left = list(seen)
    while left:
        for each in edges.get(left.pop(), ()):
            if each not in seen:
                seen.add(each)
                left.append(each)
    return seen
