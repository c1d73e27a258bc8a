"""Links between the tasks of a graph: which come before which, and on what condition.

Laws:
- A graph has no cycle, and each of its links leads from one of its tasks to another.
- What becomes of the tasks that haven't begun follows from how others have ended, and from nothing else.
- A link is satisfied, not taken, or blocked, once the task that it comes from has ended. A way that was not taken holds
  nothing up where ways join again; a failure does.

Source: `docs/workflows.md`, "Graph".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Final, Literal, TypeAlias, get_args

from interlock.workflow.declare.values import legible
from interlock_protocol.widgets import is_event

Join: TypeAlias = Literal["all", "any"]

COMPLETED: Final = "completed"
FAILED: Final = "failed"
ALWAYS: Final = "always"
ONS: Final = (COMPLETED, FAILED, ALWAYS)
PORT: Final = "port:"
JOINS: Final[tuple[Join, ...]] = get_args(Join)


@dataclass(frozen=True, slots=True)
class Link:
    """What leads from one task to another.

    Args:
        source, target: the names of the tasks.
        on: when it is satisfied: the first task has `completed`; it has `failed` for good; it has ended in whatever
            way, for `always`; or it has completed and led to a port, as `port:approved`.
    """

    source: str
    target: str
    on: str = COMPLETED

    @property
    def port(self) -> str | None:
        """The port that the first task has to lead to, if it has to."""
        return self.on.removeprefix(PORT) if self.on.startswith(PORT) else None


@dataclass(frozen=True, slots=True)
class End:
    """How a task has ended, and to which port it led."""

    how: Literal["completed", "failed", "skipped"]
    port: str | None = None


class Standing(Enum):
    """What has become of a link."""

    OPEN = auto()
    SATISFIED = auto()
    NOT_TAKEN = auto()
    """Another way was taken."""
    BLOCKED = auto()
    """What it waits for failed, or was skipped because of a failure."""


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
    def in_order(self) -> tuple[str, ...]:
        """The tasks that have links, each after all that lead to it."""
        return tuple(_sorter(self.links).static_order())

    @cached_property
    def after(self) -> Mapping[str, frozenset[str]]:
        """All that comes after each task, however far."""
        after: dict[str, frozenset[str]] = {}
        for name in reversed(self.in_order):
            targets = {link.target for link in self.links if link.source == name}
            after[name] = frozenset(targets.union(*(after[each] for each in targets)))
        return after

    @cached_property
    def all_before(self) -> Mapping[str, frozenset[str]]:
        """All that comes before each task, however far."""
        before: dict[str, frozenset[str]] = {}
        for name in self.in_order:
            sources = set(self.before(name))
            before[name] = frozenset(sources.union(*(before[each] for each in sources)))
        return before

    @cached_property
    def handled(self) -> frozenset[str]:
        """The tasks whose failure leads on."""
        return frozenset(link.source for link in self.links if link.on == FAILED)

    @cached_property
    def always(self) -> frozenset[str]:
        """The tasks that something `always` leads to: they may begin after a failure that nothing handles."""
        return frozenset(link.target for link in self.links if link.on == ALWAYS)

    @cached_property
    def ported(self) -> frozenset[str]:
        """The tasks whose ports matter."""
        return frozenset(link.source for link in self.links if link.port is not None)

    def begins(
        self, names: Sequence[str], ended: Mapping[str, End], *, only_always: bool = False
    ) -> Mapping[str, bool | None]:
        """Whether each of these tasks, none of which has begun, does so now: False if it can't any more, None if that
        isn't known.

        Args:
            ended: how others have ended.
            only_always: whether something has failed that nothing handles: then only what `always` leads to begins.
        """
        blocked = self._blocked(ended)
        return {name: self._begins(name, self._standings(name, ended, blocked), only_always) for name in names}

    def _blocked(self, ended: Mapping[str, End]) -> Collection[str]:
        """The tasks that were skipped because a link to them was blocked."""
        blocked: set[str] = set()
        for name in self.in_order:
            if name in ended and ended[name].how == "skipped":
                standings = self._standings(name, ended, blocked)
                if Standing.BLOCKED in standings and not self._begins(name, standings, only_always=False):
                    blocked.add(name)
        return blocked

    def _standings(self, name: str, ended: Mapping[str, End], blocked: Collection[str]) -> Sequence[Standing]:
        into = self.into.get(name, ())
        return [_standing(link, ended.get(link.source), is_blocked=link.source in blocked) for link in into]

    def _begins(self, name: str, standings: Sequence[Standing], only_always: bool) -> bool | None:
        counting = standings
        if only_always:
            counting = [
                each for each, link in zip(standings, self.into.get(name, ()), strict=True) if link.on == ALWAYS
            ]
        if not standings:
            return not only_always
        if self.joins.get(name, "all") == "any":
            return True if Standing.SATISFIED in counting else None if Standing.OPEN in standings else False
        if Standing.OPEN in standings:
            return None
        return Standing.SATISFIED in counting and Standing.BLOCKED not in standings


def _standing(link: Link, end: End | None, *, is_blocked: bool) -> Standing:
    if end is None:
        return Standing.OPEN
    if link.on == ALWAYS:
        return Standing.SATISFIED
    if link.on == FAILED:
        return Standing.SATISFIED if end.how == "failed" else Standing.NOT_TAKEN
    if end.how == "failed" or is_blocked:
        return Standing.BLOCKED
    leads = end.how == "completed" and link.port in (None, end.port)
    return Standing.SATISFIED if leads else Standing.NOT_TAKEN


def is_on(on: object) -> bool:
    """Return True if a link may be on this."""
    return isinstance(on, str) and (on in ONS or (on.startswith(PORT) and is_event(on.removeprefix(PORT))))


def faults_in(names: Collection[str], links: Sequence[object], joins: Mapping[str, object]) -> Iterator[str]:
    """Yield what is wrong with the links between these tasks, each as a sentence."""
    sound: list[Link] = []
    for link in links:
        if not isinstance(link, Link):
            yield f"a link is a Link, or the names of two tasks, not {legible(repr(link))}"
            continue
        strangers = [each for each in (link.source, link.target) if each not in names]
        yield from (f"a link names {legible(repr(each))}, and no task is called so" for each in strangers)
        if not is_on(link.on):
            yield f"a link is on {', '.join(ONS)} or port:NAME, not {legible(repr(link.on))}"
        elif not strangers and (link.source, link.target) in {(each.source, each.target) for each in sound}:
            yield f"two links lead from {link.source!r} to {link.target!r}; keep one"
        elif not strangers:
            sound.append(link)
    for name, join in joins.items():
        if name not in names:
            yield f"joins names {legible(repr(name))}, and no task is called so"
        if join not in JOINS:
            yield f"a join is {' or '.join(JOINS)}, not {legible(repr(join))}"
    circle = circle_in(sound)
    if circle is not None:
        yield f"the links lead in a circle: {' → '.join(circle)}"


def circle_in(links: Collection[Link]) -> Sequence[str] | None:
    """The names of tasks along which links lead in a circle, the first again at the end; None if none do."""
    try:
        _sorter(links).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle[::-1]
    return None


def _sorter(links: Collection[Link]) -> TopologicalSorter[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for link in links:
        sorter.add(link.target, link.source)
    return sorter
