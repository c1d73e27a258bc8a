"""The parts of a requirement, and the policy that turns the responses to them into a resolution.

Laws:
- A requirement asks for one response or for several: each is a part, with an id of its own under which it is decided.
- A part is decided once. Whether the requirement is resolved depends on which parts are decided, not on their order.
- Parts that a policy no longer waits for are withdrawn with the resolution.

Source: `docs/architecture.md`, "Pauses".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from interlock_protocol.types import JsonObject

Policy: TypeAlias = Literal["all", "first"]
"""When a requirement is resolved. `all`: when every part is decided; `first`: when one is."""


@dataclass(slots=True)
class Part:
    """One response that a requirement waits for; after it arrives, the decision, who made it, and when.

    `at` is in milliseconds since 1970. `index` is the index of the event that decided it; None if an older version
    folded it.
    """

    decision: JsonObject | None = None
    by: str = ""
    at: int = 0
    index: int | None = None


Parts: TypeAlias = dict[str, Part]


def parts_of(ids: Iterable[str]) -> Parts:
    """Open parts, by id."""
    return {id_: Part() for id_ in ids}


def open_parts(parts: Mapping[str, Part]) -> list[str]:
    """The ids of the parts that have no response yet."""
    return [id_ for id_, part in parts.items() if part.decision is None]


def is_resolved(policy: Policy, parts: Mapping[str, Part]) -> bool:
    """Return True if the responses so far resolve the requirement."""
    return _POLICIES[policy](len(parts), len(open_parts(parts)))


_POLICIES: dict[Policy, Callable[[int, int], bool]] = {
    "all": lambda _, waiting: waiting == 0,
    "first": lambda asked, waiting: waiting < asked,
}
"""Whether it is resolved, by the number of its parts and of those still open."""
