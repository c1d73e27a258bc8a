"""What a step may ask of a person: the declarations that become requirements.

Laws:
- A review is a value: immutable, and the same for every run.
- What a review can't mean is refused when it is declared, with a sentence, never when it is reached.

Source: `docs/architecture.md`, "Pauses"; the table of what each kind may ask is `ALLOWED_ON_REJECT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel

from interlock.workflow.errors import DeclarationError
from interlock.workflow.forms import UserInputField, fields_of
from interlock_protocol.types import OnReject, StepType

ALLOWED_ON_REJECT: dict[StepType, tuple[OnReject, ...]] = {
    "Step": ("skip", "cancel"),
    "Router": ("skip", "cancel"),
    "Loop": ("skip", "cancel"),
    "Condition": ("else", "skip", "cancel"),
    "Steps": ("skip", "cancel"),
    "Parallel": ("skip", "cancel"),
    "Workflow": ("skip", "cancel"),
}
"""Which `on_reject` a rejected confirmation may have, by the kind of the node."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """Ask a person to confirm or reject before the node runs.

    Args:
        message: the question.
        on_reject: what a rejection does when the person doesn't choose: `skip`, `cancel`, or `else` (Condition).
        allowed_on_reject: what the person may choose from; by default everything the node's kind allows.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
    """

    message: str | None = None
    _: KW_ONLY
    on_reject: OnReject = "skip"
    allowed_on_reject: Sequence[OnReject] | None = None
    assignees: Sequence[str] | None = None

    flag = "requires_confirmation"


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a person to fill in a form before the step runs; the answer is `step_input.user_input`.

    Args:
        schema: a pydantic model, whose instance the step gets, or a list of `UserInputField`s, for a dict.
        message: what to say above the form.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
    """

    schema: type[BaseModel] | Sequence[UserInputField]
    message: str | None = None
    _: KW_ONLY
    assignees: Sequence[str] | None = None

    flag = "requires_user_input"

    def __post_init__(self) -> None:
        if not self.fields:
            raise DeclarationError("Ask needs at least one field: give a pydantic model or a list of UserInputField.")

    @property
    def fields(self) -> tuple[UserInputField, ...]:
        """The form, field by field."""
        return fields_of(self.schema)

    @property
    def model(self) -> type[BaseModel] | None:
        """The pydantic model the answer becomes, where one was given."""
        return self.schema if isinstance(self.schema, type) else None


@dataclass(frozen=True, slots=True)
class Choose:
    """Ask a person which routes of a Router to take.

    Args:
        message: the question.
        multiple: whether more than one route may be selected.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
    """

    message: str | None = None
    _: KW_ONLY
    multiple: bool = False
    assignees: Sequence[str] | None = None

    flag = "requires_route_selection"


Gate: TypeAlias = Confirm | Ask | Choose
"""What is asked before a node runs."""

GATES_OF: dict[StepType, tuple[type[Gate], ...]] = {
    "Step": (Confirm, Ask),
    "Router": (Confirm, Choose),
    "Loop": (Confirm,),
    "Condition": (Confirm,),
    "Steps": (Confirm,),
    "Parallel": (Confirm,),
    "Workflow": (Confirm,),
}
"""What each kind of node may ask, in the order in which it is asked (`docs/architecture.md`, "Pauses", rule 1)."""


@dataclass(frozen=True, slots=True)
class HumanReview:
    """The all-in-one spelling of `Confirm`, `Ask` and `Choose`; it expands into these.

    Args:
        requires_confirmation: as `Confirm(confirmation_message, on_reject=on_reject)`.
        requires_user_input: as `Ask(user_input_schema, user_input_message)`.
        requires_route_selection: as `Choose(user_input_message, multiple=allow_multiple_selections)`.
    """

    _: KW_ONLY
    requires_confirmation: bool = False
    confirmation_message: str | None = None
    requires_user_input: bool = False
    user_input_message: str | None = None
    user_input_schema: type[BaseModel] | Sequence[UserInputField | dict[str, Any]] | None = None
    requires_route_selection: bool = False
    allow_multiple_selections: bool = False
    on_reject: OnReject = "skip"
    assignees: Sequence[str] | None = None

    def expand(self) -> tuple[Gate, ...]:
        """The reviews this stands for."""
        gates: list[Gate] = []
        if self.requires_confirmation:
            gates.append(Confirm(self.confirmation_message, on_reject=self.on_reject, assignees=self.assignees))
        if self.requires_user_input:
            gates.append(Ask(self._schema(), self.user_input_message, assignees=self.assignees))
        if self.requires_route_selection:
            gates.append(
                Choose(
                    self.user_input_message,
                    multiple=self.allow_multiple_selections,
                    assignees=self.assignees,
                )
            )
        if not gates:
            raise DeclarationError("HumanReview asks for nothing: set requires_confirmation or another flag.")
        return tuple(gates)

    def _schema(self) -> type[BaseModel] | Sequence[UserInputField]:
        schema = self.user_input_schema
        if schema is None:
            raise DeclarationError("HumanReview(requires_user_input=True) needs a user_input_schema.")
        if isinstance(schema, type):
            return schema
        return tuple(UserInputField(**field) if isinstance(field, dict) else field for field in schema)


HumanReviews: TypeAlias = Gate | HumanReview | Sequence[Gate | HumanReview] | None


def gates_in_order(kind: StepType, reviews: HumanReviews, *, place: str) -> tuple[Gate, ...]:
    """The reviews of a node of `kind`, expanded, checked, and in the order in which they are asked.

    Raises:
        DeclarationError: a review the kind doesn't have, two of one kind, or an `on_reject` it doesn't allow.
    """
    allowed = GATES_OF[kind]
    gates: dict[type[Gate], Gate] = {}
    for gate in _expanded(reviews, place=place):
        name = type(gate).__name__
        if type(gate) not in allowed:
            can = ", ".join(each.__name__ for each in allowed)
            raise DeclarationError(f"{place}: a {kind} can't have a {name}; it can have: {can}.")
        if type(gate) in gates:
            raise DeclarationError(f"{place}: two {name} reviews on one {kind}; keep one.")
        if isinstance(gate, Confirm):
            _check_on_reject(kind, gate, place=place)
        _check_assignees(gate, place=place)
        gates[type(gate)] = gate
    return tuple(gates[each] for each in allowed if each in gates)


def _expanded(reviews: HumanReviews, *, place: str) -> list[Gate]:
    if reviews is None:
        return []
    listed = list(reviews) if isinstance(reviews, Sequence) else [reviews]
    expanded: list[Gate] = []
    for review in listed:
        if isinstance(review, HumanReview):
            expanded.extend(review.expand())
        elif isinstance(review, Confirm | Ask | Choose):
            expanded.append(review)
        else:
            raise DeclarationError(
                f"{place}: human_review takes Confirm, Ask, Choose or HumanReview, not {type(review).__name__}."
            )
    return expanded


def _check_on_reject(kind: StepType, gate: Confirm, *, place: str) -> None:
    allowed = ALLOWED_ON_REJECT[kind]
    declared = gate.allowed_on_reject if gate.allowed_on_reject is not None else allowed
    for choice in (gate.on_reject, *declared):
        if choice not in allowed:
            can = ", ".join(allowed)
            raise DeclarationError(f"{place}: on_reject={choice!r} means nothing on a {kind}; use one of: {can}.")
    if gate.on_reject not in declared:
        raise DeclarationError(f"{place}: on_reject={gate.on_reject!r} isn't among its own allowed_on_reject.")


def _check_assignees(gate: Gate, *, place: str) -> None:
    if gate.assignees is None:
        return
    if isinstance(gate.assignees, str) or not gate.assignees:
        raise DeclarationError(f"{place}: assignees is a list of user ids or group:NAME, with at least one.")


def allowed_on_reject(kind: StepType, gate: Confirm) -> tuple[OnReject, ...]:
    """What a person may choose when rejecting `gate` on a node of `kind`, in the table's order."""
    declared = gate.allowed_on_reject
    return tuple(each for each in ALLOWED_ON_REJECT[kind] if declared is None or each in declared)
