"""Tasks that begin as soon as those before them have ended as they should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from interlock.workflow.containers.port import (
    OPEN,
    Container,
    Ending,
    Inside,
    Move,
    Outcome,
    PassOver,
    Say,
    Told,
    Withdraw,
)
from interlock.workflow.declare import templates
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.links import End, Join, Link, Links, faults_in
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared, nodes_of
from interlock.workflow.declare.reviews import HumanReviews, is_count
from interlock.workflow.node import Own
from interlock_protocol.types import JsonValue, StepType

AT_ONCE: Final = 100
"""How many tasks of a graph may be under way at once, unless it says otherwise."""


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Graph(Node, Container[Own]):
    """Tasks, and links between them: each task begins as soon as its links are satisfied, beside all others.

    When all of a task's links are settled it begins, if one is satisfied and none is blocked by a failure; otherwise it
    is skipped. A task that fails is handled by a link on `failed`; without one, nothing new begins but what `always`
    leads to, what waits for people is withdrawn, and the graph fails with that error once the rest has ended. A task
    that stops or cancels the run does so at once. The content is `{name: content}` of the tasks after which no other
    has completed.

    Args:
        name: unique among its siblings.
        tasks: nodes or functions.
        links: each a `Link`, or the names of two tasks, of which the second begins once the first has completed.
        joins: for a task with several links, whether `all` are needed, as by default, or `any` of them is enough.
        fail_fast: whether a failure that nothing handles withdraws the tasks that are under way, instead of waiting
            for them.
        at_once: how many tasks may be under way at once; those that wait for people count.
        returns: what the content is instead, with templates of `tasks`: `{"total": "${tasks.sum.output}"}`.
        human_review: Confirm.

    Raises:
        DeclarationError: the links lead in a circle, or name a task that there isn't.
    """

    kind: ClassVar[StepType] = "Graph"
    STARTED = "GraphExecutionStarted"
    ENDED = "GraphExecutionCompleted"
    IN_ORDER = False
    TAKES_FAILURES = True

    tasks: tuple[Node, ...]
    links: Links
    fail_fast: bool
    at_once: int
    returns: JsonValue

    def __init__(
        self,
        name: str,
        tasks: Sequence[Declared],
        links: Sequence[Link | tuple[str, str]] = (),
        *,
        joins: Mapping[str, Join] | None = None,
        fail_fast: bool = False,
        at_once: int = AT_ONCE,
        returns: JsonValue = None,
        human_review: HumanReviews = None,
    ) -> None:
        place = f"Graph {name!r}"
        nodes = nodes_of(tasks, place=place)
        made = tuple(Link(*each) if isinstance(each, tuple) and len(each) == 2 else each for each in links)
        for fault in faults_in({node.name for node in nodes}, made, joins or {}):
            raise DeclarationError(f"{place}: {fault}.")
        if not is_count(at_once, 1):
            raise DeclarationError(f"{place}: at_once is a whole number from 1, not {at_once!r}.")
        self._begin(name, human_review)
        self._declare(tasks=nodes, links=Links(made, dict(joins or {})), fail_fast=fail_fast, at_once=at_once)
        self._declare(returns=returns)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.tasks,)

    @property
    def relied_on(self) -> list[Any]:
        links = [[each.source, each.target, each.on] for each in self.links.links]
        returned = [] if self.returns is None else [self.returns]
        return [[links, sorted(self.links.joins.items()), *returned], None, None]

    def before(self, name: str) -> Sequence[str]:
        return self.links.before(name)

    def known_to(self, name: str) -> Sequence[str]:
        return sorted(self.links.all_before.get(name, ()))

    def begin(self, own: Own) -> Move:
        return Say(self.STARTED, {"task_count": len(self.tasks)})

    def next(self, own: Own, inside: Inside) -> Move:
        outcomes = inside.each([task.name for task in self.tasks if inside.has_entered(task.name)])
        ends = [each for each in outcomes.values() if each.ending in (Ending.REJECTED, Ending.STOPPED)]
        if ends:
            return min(ends, key=lambda each: each.since)
        failed = [name for name, each in outcomes.items() if each.ending is Ending.FAILED]
        broken = next((name for name in failed if inside.ended(name) is None), None)
        if broken is not None:
            return Withdraw([broken], "failed", outcomes[broken])
        fatal = [outcomes[name] for name in failed if name not in self.links.handled]
        live = [name for name, each in outcomes.items() if each is OPEN]
        if fatal and self.fail_fast:
            return Withdraw(live, "failed") if live else fatal[0]
        asking = [name for name in live if fatal and name not in self.links.always and inside.asks(name)]
        if asking:
            return Withdraw(asking, "failed")
        rest = [task.name for task in self.tasks if task.name not in outcomes]
        begins = self.links.begins(rest, self._ended(outcomes, inside), only_always=bool(fatal))
        ready = [name for name, begun in begins.items() if begun]
        inside.each(ready[: max(self.at_once - len(live), 0)])
        passed = [name for name, begun in begins.items() if begun is False]
        if passed:
            return PassOver(passed, "unreachable")
        if live or ready:
            return OPEN
        return fatal[0] if fatal else Say(self.ENDED, {"task_count": len(self.tasks)})

    def _ended(self, outcomes: Mapping[str, Outcome], inside: Inside) -> Mapping[str, End]:
        """How the tasks have ended that have."""
        ended = {name: _ENDS[each.ending] for name, each in outcomes.items() if each is not OPEN}
        ports = {name: inside.port(name) for name in self.links.ported if name in ended}
        return ended | {name: End(ended[name].how, port) for name, port in ports.items()}

    def tells(self, own: Own, told: Told) -> Mapping[str, JsonValue]:
        contents = told.all()
        if self.returns is not None:
            return contents
        after = self.links.after
        return {name: each for name, each in contents.items() if after.get(name, frozenset()).isdisjoint(contents)}

    def content(self, contents: Mapping[str, JsonValue]) -> Any:
        if self.returns is None:
            return dict(contents)
        return templates.expand(self.returns, {"tasks": {name: {"output": each} for name, each in contents.items()}})


_ENDS: Final = {
    Ending.COMPLETED: End("completed"),
    Ending.FAILED: End("failed"),
    Ending.SKIPPED: End("skipped"),
    Ending.WITHDRAWN: End("skipped"),
}
