"""Links between the tasks of a graph: which come before which, and on what condition.

Laws:
- A graph has no cycle, and each of its links leads from one of its tasks to another.
- What becomes of a link follows from how the task that it comes from has ended, and from nothing else.

Source: `docs/workflows.md`, "Graph".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Final, Literal, TypeAlias, get_args

from interlock.workflow.declare.values import legible

On: TypeAlias = Literal["completed", "failed", "always"]
Join: TypeAlias = Literal["all", "any"]

ONS: Final[tuple[On, ...]] = get_args(On)
JOINS: Final[tuple[Join, ...]] = get_args(Join)


@dataclass(frozen=True, slots=True)
class Link:
    """What leads from one task to another.

    Args:
        source, target: the names of the tasks.
        on: when it is satisfied: the first task has `completed`, it has `failed` for good, or, for `always`, it has
            ended in whatever way.
    """

    source: str
    target: str
    on: On = "completed"


@dataclass(frozen=True)
class Links:
    """The links of a graph.

    Args:
        links: without a cycle.
        joins: by the name of a task, if one satisfied link is enough for it to begin.
    """

    links: tuple[Link, ...]
    joins: Mapping[str, Join]

    @cached_property
    def into(self) -> Mapping[str, Sequence[Link]]:
        """The links that lead to each task that has some."""
        into: dict[str, list[Link]] = {}
        for link in self.links:
            into.setdefault(link.target, []).append(link)
        return into

    def before(self, name: str) -> Sequence[str]:
        """The tasks that lead to this one."""
        return [link.source for link in self.into.get(name, ())]

    @cached_property
    def after(self) -> Mapping[str, frozenset[str]]:
        """All that comes after each task, however far."""
        after: dict[str, frozenset[str]] = {}
        for name in reversed(tuple(_sorter(self.links).static_order())):
            targets = {link.target for link in self.links if link.source == name}
            after[name] = frozenset(targets.union(*(after[each] for each in targets)))
        return after

    @cached_property
    def handled(self) -> frozenset[str]:
        """The tasks whose failure leads on."""
        return frozenset(link.source for link in self.links if link.on != "completed")

    def begins(self, name: str, are_satisfied: Sequence[bool | None]) -> bool | None:
        """Whether a task begins, by its links in their order: True if it does, False if it can't any more."""
        if not are_satisfied:
            return True
        one_is_enough = self.joins.get(name, "all") == "any"
        if one_is_enough in are_satisfied:
            return one_is_enough
        return None if None in are_satisfied else not one_is_enough


def faults_in(names: Collection[str], links: Sequence[object], joins: Mapping[str, object]) -> Iterator[str]:
    """Yield what is wrong with the links between these tasks, each as a sentence."""
    sound: dict[tuple[str, str], Link] = {}
    for link in links:
        if not isinstance(link, Link):
            yield f"a link is a Link, or the names of two tasks, not {legible(repr(link))}"
            continue
        strangers = [each for each in (link.source, link.target) if each not in names]
        yield from (f"a link names {legible(repr(each))}, and no task is called so" for each in strangers)
        if link.on not in ONS:
            yield f"a link is on {', '.join(ONS[:-1])} or {ONS[-1]}, not {legible(repr(link.on))}"
        elif not strangers and (link.source, link.target) in sound:
            yield f"two links lead from {link.source!r} to {link.target!r}; keep one"
        elif not strangers:
            sound[link.source, link.target] = link
    for name, join in joins.items():
        if name not in names:
            yield f"joins names {legible(repr(name))}, and no task is called so"
        if join not in JOINS:
            yield f"a join is {' or '.join(JOINS)}, not {legible(repr(join))}"
    try:
        _sorter(sound.values()).prepare()
    except CycleError as error:
        yield f"the links lead in a circle: {' → '.join(reversed(error.args[1]))}"


def _sorter(links: Collection[Link]) -> TopologicalSorter[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for link in links:
        sorter.add(link.target, link.source)
    return sorter
