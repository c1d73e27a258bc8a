"""The same steps for each item of a list, every item on a branch of its own.

Laws:
- The items are worked out once, when the map begins, and are in the log: what changes later changes none of them.
- Each item has a place of its own: its steps have ids, pauses, visits and idempotency keys that no other item's have.
- What comes out stands in the order of the items, in whichever order they end.

Source: `docs/workflows.md`, "Map".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from interlock.workflow.containers.port import (
    COMPLETED,
    OPEN,
    ByTheClock,
    Container,
    Ending,
    Fail,
    Fold,
    Inside,
    Move,
    Outcome,
    Say,
    Scope,
    Told,
    Withdraw,
    roots_of,
)
from interlock.workflow.declare import templates
from interlock.workflow.declare.checks import type_in_words
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared, nodes_of
from interlock.workflow.declare.places import name_of_pass, number_of_pass
from interlock.workflow.declare.reviews import HumanReviews, is_count
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonValue, StepType

ITEM: Final = "item"
"""The name of the first item's branch; the others' are `item_2`, `item_3`, …"""

AT_ONCE: Final = 10
MAX_AT_ONCE: Final = 100
MAX_ITEMS: Final = 1000
INVALID_ITEMS: Final = "invalid_items"
"""The error of a map that is given no list, or too long a one."""


@dataclass(slots=True)
class Items(Own):
    """The items, in their order."""

    items: list[JsonValue] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The names of their branches."""
        return [name_of_pass(ITEM, number) for number in range(1, len(self.items) + 1)]


def _started(own: Items, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.items = list(private.get("items", ()))


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Item(Node, Container[Own]):
    """The steps of one item, one after the other."""

    kind: ClassVar[StepType] = "Item"
    STARTED = "MapItemStarted"
    ENDED = "MapItemCompleted"
    IS_APART = True

    steps: tuple[Node, ...]
    is_input: bool

    def __init__(self, name: str, steps: tuple[Node, ...], *, is_input: bool = False) -> None:
        self._begin(name, None)
        self._declare(steps=steps, is_input=is_input)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return (self.steps,)

    @property
    def index(self) -> int:
        """Which item it is of, from 0."""
        return number_of_pass(self.name, ITEM) - 1

    def renamed(self, name: str) -> Item:
        return Item(name, self.steps, is_input=self.is_input)

    def begin(self, own: Own) -> Move:
        return Say(self.STARTED, {"item_index": self.index})

    def next(self, own: Own, inside: Inside) -> Move:
        outcome = inside.sequence()
        return Say(self.ENDED, {"item_index": self.index}) if outcome is COMPLETED else outcome

    def scope(self, own: Own, given: Scope, earlier: Any) -> Scope:
        item = given.items[self.index] if self.index < len(given.items) else None
        inside = replace(given, previous=item, item=item, item_index=self.index, items=())
        if not self.is_input:
            return inside
        return replace(inside, input={"item": item, "index": self.index}, schema=None, previous=None, tasks=None)


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Map(Node, Container[Items]):
    """Steps that run for each item of a list, for several items at once.

    The first step is given the item as the content before it; all have it as `step_input.item`. An item whose steps
    fail fails the map, once the items that are under way have ended; no others begin, and those that wait for people
    are withdrawn. The content is the list of what the items came to, in their order; null for one without an output.

    Args:
        name: unique among its siblings.
        steps: nodes or functions: what runs for each item, one after the other.
        items: the list, with templates: `"${input.lines}"`, or, in a graph, `"${tasks.load.output}"`. Without it, the
            content before, or the run's message.
        at_once: how many items may be under way at once; those that wait for people count.
        is_input: whether `{item, index}` is the input of the steps, which see nothing else from outside, instead of the
            content before the first.
        human_review: Confirm.
    """

    kind: ClassVar[StepType] = "Map"
    OWN = Items
    STARTED = "MapExecutionStarted"
    ENDED = "MapExecutionCompleted"
    FOLDS: ClassVar[Mapping[str, Fold]] = {STARTED: _started}
    IN_ORDER = False
    TAKES_FAILURES = True

    item: Item
    items: JsonValue
    at_once: int

    def __init__(
        self,
        name: str,
        steps: Sequence[Declared],
        *,
        items: JsonValue = None,
        at_once: int = AT_ONCE,
        is_input: bool = False,
        human_review: HumanReviews = None,
    ) -> None:
        place = f"Map {name!r}"
        self._begin(name, human_review)
        if not is_count(at_once, 1) or at_once > MAX_AT_ONCE:
            raise DeclarationError(f"{place}: at_once is a whole number from 1 to {MAX_AT_ONCE}, not {at_once!r}.")
        item = Item(ITEM, nodes_of(steps, place=place), is_input=is_input)
        self._declare(item=item, items=items, at_once=at_once)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return ((self.item,),)

    @property
    def relied_on(self) -> list[Any]:
        return [[self.items, self.item.is_input], None, None]

    def begin(self, own: Items) -> Move:
        return ByTheClock()

    def by_the_clock(self, own: Items, given: Scope, now: int) -> Move:
        """The first move: its items depend on its input."""
        before = given.input if given.previous is None else given.previous
        items = before if self.items is None else templates.expand(self.items, roots_of(given))
        if not isinstance(items, list):
            return Fail(INVALID_ITEMS, f"Map {self.name!r} is for the items of a list, not for {type_in_words(items)}.")
        if len(items) > MAX_ITEMS:
            return Fail(INVALID_ITEMS, f"Map {self.name!r} takes at most {MAX_ITEMS:,} items, not {len(items):,}.")
        return Say(self.STARTED, {"item_count": len(items)}, private={"items": items})

    def next(self, own: Items, inside: Inside) -> Move:
        begun = [name for name in own.names if inside.has_entered(name)]
        outcomes = inside.each(begun)
        ends = [each for each in outcomes.values() if each.ending in (Ending.REJECTED, Ending.STOPPED)]
        if ends:
            return min(ends, key=lambda each: each.since)
        live = [name for name, each in outcomes.items() if each is OPEN]
        failed = [name for name, each in outcomes.items() if each.ending is Ending.FAILED]
        if failed:
            return self._failing(inside, outcomes, failed, live)
        ready = own.names[len(begun) :]
        inside.each(ready[: max(self.at_once - len(live), 0)])
        return OPEN if live or ready else Say(self.ENDED, {"item_count": len(own.items)})

    def _failing(
        self, inside: Inside, outcomes: Mapping[str, Outcome], failed: Sequence[str], live: Sequence[str]
    ) -> Move:
        """The move when some of the items have failed."""
        broken = next((name for name in failed if inside.ended(name) is None), None)
        if broken is not None:
            return Withdraw([broken], "failed", outcomes[broken])
        asking = [name for name in live if inside.asks(name)]
        if asking:
            return Withdraw(asking, "failed")
        return OPEN if live else outcomes[failed[0]]

    def order(self, own: Items) -> Sequence[str]:
        return own.names

    def scope(self, own: Items, given: Scope, earlier: Any) -> Scope:
        return replace(given, items=own.items)

    def tells(self, own: Items, told: Told) -> Mapping[str, JsonValue]:
        return {name: told.of(name).get(name) for name in own.names}

    def content(self, contents: Mapping[str, JsonValue]) -> Any:
        return list(contents.values())
