"""The base of all nodes: a name, and the reviews of the node.

Law: a declaration is immutable; running it never changes it, and any number of runs share it.

Source: `docs/workflows.md`, "Names".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.reviews import (
    AnyReview,
    Gate,
    HumanReviews,
    Reviews,
    reviews_of,
)
from interlock.workflow.declare.values import check_name
from interlock_protocol.limits import MAX_QUOTED
from interlock_protocol.types import StepType

R = TypeVar("R", bound=AnyReview)


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Node:
    """Anything that a workflow may contain."""

    kind: ClassVar[StepType]
    REVIEW_FLAG: ClassVar[str] = "requires_output_review"
    """The flag that a `Review` of it raises."""

    IS_APART: ClassVar[bool] = False
    """Whether it is in a place of its own under each of its names."""

    name: str
    reviews: Reviews
    """Its reviews by class, in the order in which they are asked."""

    def _declare(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _begin(self, name: str, human_review: HumanReviews) -> None:
        if not isinstance(name, str) or not name:
            raise DeclarationError(f"A {self.kind} needs a name: a text that isn't empty, not {name!r}.")
        check_name(name, f"The name of {self.kind} {quoted(name)}")
        self._declare(name=name, reviews=reviews_of(self.kind, human_review, place=f"{self.kind} {name!r}"))

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        """Every node directly inside, in order of declaration: in one branch, or (Condition) in two."""
        return ()

    @property
    def relied_on(self) -> list[Any]:
        """Everything else of it that a run may rely on: its bound, its executor, and the input of a nested workflow."""
        return [None, None, None]

    def renamed(self, name: str) -> Node | None:
        """This node under another name, as which it may be entered again; None if it keeps its name."""
        return None

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The reviews before it runs, in order."""
        return tuple(each for each in self.reviews.values() if isinstance(each, Gate))

    def asks(self, review: type[R]) -> R | None:
        """The review of this class, if it has one."""
        return next((each for each in self.reviews.values() if isinstance(each, review)), None)


def quoted(name: str) -> str:
    """A name, or its beginning, quoted for a sentence."""
    return repr(name) if len(name) <= MAX_QUOTED else f"{name[:MAX_QUOTED]!r}…"
