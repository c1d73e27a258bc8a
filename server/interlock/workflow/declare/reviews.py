"""What a step may ask of a person: declarations that become requirements.

Laws:
- A review is a value: immutable, and the same for every run.
- An impossible review is refused when it is declared, with a sentence, never when it is reached.
- The tables here are the rules: which kind may ask what, and which ways a rejection may go.

Source: `docs/workflows.md`, "Asking people" and "Timeouts".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias

from pydantic import BaseModel

from interlock.workflow.declare.business import Span
from interlock.workflow.declare.deciding import Decided, Timed
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.forms import UserInputField, fields_of
from interlock.workflow.declare.interactions import Interaction, check_declared
from interlock.workflow.declare.io import StepOutput
from interlock.workflow.declare.ladder import MAX_SECONDS, check_ladder
from interlock.workflow.declare.policies import check_policy, rule_of
from interlock.workflow.declare.values import check_name, check_text, legible
from interlock.workflow.declare.widgets import Widget
from interlock.workflow.declare.widgets import check_declared as check_widget
from interlock_protocol.namespaces import is_topic
from interlock_protocol.requirements import RESPONSE, SIGNAL, WIDGET
from interlock_protocol.types import OnReject, StepType
from interlock_protocol.values import END_INT

MAX_TIMEOUT: Final = MAX_SECONDS

When: TypeAlias = Callable[[StepOutput], bool]
"""A predicate: whether an output is to be reviewed."""


@dataclass(frozen=True, slots=True)
class Confirm(Decided):
    """Ask a person to confirm or reject before the node runs.

    Args:
        message: the question.
        on_reject: what a rejection does if the person doesn't choose: `skip`, `cancel`, or `else` (Condition).
        allowed_on_reject: what the person may choose from; by default everything the node's kind allows.
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: what happens then: `cancel` the run, `skip` the node, or `approve`.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders, escalate, due: what happens while nobody decides: see `docs/approvals.md`.
    """

    message: str | None = None
    _: KW_ONLY
    on_reject: OnReject = "skip"
    allowed_on_reject: Sequence[OnReject] | None = None


@dataclass(frozen=True, slots=True)
class Ask(Decided):
    """Ask a person to fill in a form before the step runs; the answer is `step_input.user_input`.

    Args:
        schema: a pydantic model, of which the step gets an instance, or a list of `UserInputField`s, for a dict.
        message: the text above the form.
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: `cancel`, `skip`, or `approve`: go on with the defaults; every required field must then have one.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders, escalate, due: what happens while nobody decides: see `docs/approvals.md`.
    """

    schema: type[BaseModel] | Sequence[UserInputField]
    message: str | None = None

    def __post_init__(self) -> None:
        if not self.fields:
            raise DeclarationError("Ask needs at least one field: give a pydantic model or a list of UserInputField.")

    @property
    def fields(self) -> tuple[UserInputField, ...]:
        """The form, field by field."""
        return fields_of(self.schema)

    @property
    def model(self) -> type[BaseModel] | None:
        """The pydantic model of the answer, if one was given."""
        return self.schema if isinstance(self.schema, type) else None


@dataclass(frozen=True, slots=True)
class Signal(Timed):
    """Wait for a signal before the node runs; what was sent with it is `step_input.signal`. No person decides this.

    Args:
        topic: which signals: 1 to 128 letters and digits of ASCII, `_`, `.`, `:` and `-`.
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: what happens then: `cancel` the run, `skip` the node, or `approve`: go on without a signal.
        source: `interaction` takes only the outcome of an interaction that is linked to the run and this topic, as the
            server tells it; anybody else's signal is refused, or left alone.
    """

    assignees: ClassVar[None] = None
    policy: ClassVar[None] = None
    distinct_from: ClassVar[tuple[str, ...]] = ()
    exclude_starter: ClassVar[bool] = False
    bind: ClassVar[bool] = False
    reminders: ClassVar[tuple[Span, ...]] = ()
    escalate: ClassVar[tuple[tuple[Span, str], ...]] = ()
    due: ClassVar[None] = None

    topic: str
    _: KW_ONLY
    source: Literal["interaction"] | None = None


@dataclass(frozen=True, slots=True)
class Resume(Decided):
    """Ask a person for the input with which a halted state machine goes on. The halt says what fits.

    Args:
        signal: the topic of the signals that are such input, too.
        is_asked: whether people are asked at all, or a signal is all that helps.
        widget: what people do it in, instead of a form.
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: `cancel` the run, or `approve`: go on to the state that the halt names for it.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders, escalate, due: what happens while nobody decides: see `docs/approvals.md`.
    """

    _: KW_ONLY
    signal: str | None = None
    is_asked: bool = True
    widget: Widget | None = None


@dataclass(frozen=True, slots=True)
class Choose(Decided):
    """Ask a person which routes of a Router to take.

    Args:
        message: the question.
        multiple: whether more than one route may be selected.
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: `cancel` or `skip`; there is nothing to approve.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders, escalate, due: what happens while nobody decides: see `docs/approvals.md`.
    """

    message: str | None = None
    _: KW_ONLY
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class Review(Decided):
    """Ask a person about an output: of a Step or a Router, or of each iteration of a Loop.

    Args:
        message: the question.
        when: a predicate of the `StepOutput`; without one, every output is reviewed.
        on_reject: what a rejection does if the person doesn't choose: `skip`, `cancel`, or `retry`: run again, with
            `rejection_feedback` and `previous_output` (a Router: choose again; a Loop: the next iteration).
        allowed_on_reject: what the person may choose from; by default everything.
        max_retries: how often a rejection may be a `retry`; one more cancels the run. A Loop has `max_iterations`.
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: `cancel`, `skip`, or `approve` the output as it is.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders, escalate, due: what happens while nobody decides: see `docs/approvals.md`.
    """

    message: str | None = None
    _: KW_ONLY
    when: When | None = None
    on_reject: OnReject = "skip"
    allowed_on_reject: Sequence[OnReject] | None = None
    max_retries: int = 3


@dataclass(frozen=True, slots=True)
class ToolReview(Decided):
    """Who decides on the tools that a step's agent asks about, and how long that may take.

    Without it, an agent asks its run's owner, without a timeout.

    Args:
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: `cancel` or `skip`; tools are never approved by a clock.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders, escalate, due: what happens while nobody decides: see `docs/approvals.md`.
    """


@dataclass(frozen=True, slots=True)
class ErrorReview(Decided):
    """Who decides about a step that failed (`on_error="pause"`), and how long that may take.

    Args:
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: `cancel` or `skip`; there is nothing to approve.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders, escalate, due: what happens while nobody decides: see `docs/approvals.md`.
    """


Gate: TypeAlias = Signal | Confirm | Ask | Interaction | Widget | Choose | Resume
"""The reviews before a node runs."""

AnyReview: TypeAlias = (
    Signal | Confirm | Ask | Interaction | Widget | Choose | Resume | Review | ToolReview | ErrorReview
)
"""All reviews that a node may have."""

REVIEWS_OF: dict[StepType, tuple[type[AnyReview], ...]] = {
    "Step": (Signal, Confirm, Ask, Interaction, Widget, ToolReview, Review, ErrorReview),
    "Router": (Signal, Confirm, Choose, Review),
    "Loop": (Signal, Confirm, Review),
    "Condition": (Signal, Confirm),
    "Steps": (Signal, Confirm),
    "Parallel": (Signal, Confirm),
    "Race": (Signal, Confirm),
    "Graph": (Signal, Confirm),
    "Ports": (Signal, Confirm),
    "Workflow": (Signal, Confirm),
    "Machine": (Signal, Confirm),
    "Thread": (),
    "Halt": (Resume,),
    "Wait": (),
}
"""The reviews that each kind of node may have, in the order in which they are asked (rule 1)."""

MADE_BY_MACHINES: frozenset[StepType] = frozenset({"Thread", "Halt", "Wait"})
"""The kinds that no author declares: a state machine makes them."""

ON_CONFIRM: dict[StepType, tuple[OnReject, ...]] = {
    "Step": ("skip", "cancel"),
    "Router": ("skip", "cancel"),
    "Loop": ("skip", "cancel"),
    "Condition": ("else", "skip", "cancel"),
    "Steps": ("skip", "cancel"),
    "Parallel": ("skip", "cancel"),
    "Race": ("skip", "cancel"),
    "Graph": ("skip", "cancel"),
    "Ports": ("skip", "cancel"),
    "Machine": ("skip", "cancel"),
    "Workflow": ("skip", "cancel"),
}
"""The `on_reject` values that a confirmation may have, by the kind of the node."""

ON_REVIEW: dict[StepType, tuple[OnReject, ...]] = {
    "Step": ("skip", "cancel", "retry"),
    "Router": ("skip", "cancel", "retry"),
    "Loop": ("retry", "skip", "cancel"),
}
"""The `on_reject` values that a review may have. On a Loop's last iteration there is no `retry`."""


class Reviewed(Protocol):
    """The part of a node that `kind_of` needs: `REVIEW_FLAG` is the flag that a `Review` of it raises."""

    REVIEW_FLAG: ClassVar[str]


def kind_of(review: AnyReview, node: Reviewed | type[Reviewed]) -> str:
    """The `requires_*` flag of `review` on a node."""
    match review:
        case Signal() | Resume(is_asked=False):
            return SIGNAL
        case Widget() | Resume(widget=Widget()):
            return WIDGET
        case Confirm():
            return "requires_confirmation"
        case Ask() | Resume():
            return "requires_user_input"
        case Interaction():
            return RESPONSE
        case Choose():
            return "requires_route_selection"
        case Review():
            return node.REVIEW_FLAG
        case ToolReview():
            return "requires_executor_input"
        case ErrorReview():
            return "requires_error_decision"


def widget_of(review: AnyReview) -> Widget | None:
    """The widget in which a review is answered, if it is in one."""
    return review if isinstance(review, Widget) else review.widget if isinstance(review, Resume) else None


def is_form(review: AnyReview) -> bool:
    """Return True if something is filled in or selected, rather than approved or rejected."""
    if isinstance(review, Interaction):
        return review.spec["mode"] != "confirm"
    return not isinstance(review, Confirm | Review)


def allowed_on_reject(kind: StepType, review: Confirm | Review) -> tuple[OnReject, ...]:
    """What a person who rejects `review` on a node of `kind` may choose, in the table's order."""
    table = ON_CONFIRM if isinstance(review, Confirm) else ON_REVIEW
    declared = review.allowed_on_reject
    return tuple(each for each in table[kind] if declared is None or each in declared)


@dataclass(frozen=True, slots=True)
class HumanReview(Decided):
    """The all-in-one spelling of `Confirm`, `Ask`, `Choose` and `Review`; it expands into these.

    Args:
        requires_confirmation: as `Confirm(confirmation_message)`.
        requires_user_input: as `Ask(user_input_schema, user_input_message)`.
        requires_route_selection: as `Choose(user_input_message, multiple=allow_multiple_selections)`.
        requires_output_review: as `Review(output_review_message)`; a predicate is its `when`.
        requires_iteration_review: the same, on a Loop.
        on_reject, max_retries, timeout, on_timeout, assignees: for every expanded review that has them.
        policy, distinct_from, exclude_starter, bind, reminders, escalate, due: likewise.
    """

    _: KW_ONLY
    requires_confirmation: bool = False
    confirmation_message: str | None = None
    requires_user_input: bool = False
    user_input_message: str | None = None
    user_input_schema: type[BaseModel] | Sequence[UserInputField | dict[str, Any]] | None = None
    requires_route_selection: bool = False
    allow_multiple_selections: bool = False
    requires_output_review: bool | When = False
    requires_iteration_review: bool | When = False
    output_review_message: str | None = None
    on_reject: OnReject = "skip"
    max_retries: int = 3

    def expand(self) -> tuple[AnyReview, ...]:
        """The reviews that this stands for."""
        reviewed = self.requires_output_review or self.requires_iteration_review
        common: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(Decided)}
        reviews: list[AnyReview] = []
        if self.requires_confirmation:
            # `retry` belongs to the review of the output; before there is an output, a rejection skips.
            on_reject = "skip" if self.on_reject == "retry" and reviewed else self.on_reject
            reviews.append(Confirm(self.confirmation_message, on_reject=on_reject, **common))
        if self.requires_user_input:
            reviews.append(Ask(self._schema(), self.user_input_message, **common))
        if self.requires_route_selection:
            reviews.append(Choose(self.user_input_message, multiple=self.allow_multiple_selections, **common))
        if reviewed:
            when = reviewed if callable(reviewed) else None
            message, on_reject, retries = self.output_review_message, self.on_reject, self.max_retries
            reviews.append(Review(message, when=when, on_reject=on_reject, max_retries=retries, **common))
        if not reviews:
            raise DeclarationError("HumanReview asks for nothing: set requires_confirmation or another flag.")
        return tuple(reviews)

    def _schema(self) -> type[BaseModel] | Sequence[UserInputField]:
        schema = self.user_input_schema
        if schema is None:
            raise DeclarationError("HumanReview(requires_user_input=True) needs a user_input_schema.")
        if isinstance(schema, type):
            return schema
        try:
            return tuple(UserInputField(**field) if isinstance(field, dict) else field for field in schema)
        except TypeError as error:
            raise DeclarationError(f"HumanReview: a field of its user_input_schema can't be read: {error}.") from error


HumanReviews: TypeAlias = AnyReview | HumanReview | Sequence[AnyReview | HumanReview] | None

Reviews: TypeAlias = dict[type[AnyReview], AnyReview]


def reviews_of(kind: StepType, declared: HumanReviews, *, place: str) -> Reviews:
    """The reviews of a node of `kind`, expanded, checked, and in the order in which they are asked.

    Raises:
        DeclarationError: a review the kind doesn't have, two of one kind, an `on_reject` it doesn't allow, or an
            impossible timeout.
    """
    allowed = REVIEWS_OF[kind]
    found: Reviews = {}
    for review in _expanded(declared, place=place):
        name, sort = type(review).__name__, next((each for each in allowed if isinstance(review, each)), None)
        if sort is None:
            can = ", ".join(each.__name__ for each in allowed)
            article = "an" if name[0] in "AE" else "a"
            raise DeclarationError(f"{place}: a {kind} can't have {article} {name}; it can have: {can}.")
        if sort in found:
            raise DeclarationError(f"{place}: two {name} reviews on one {kind}; keep one.")
        _check(kind, review, place=place)
        found[sort] = review
    return {each: found[each] for each in allowed if each in found}


def _expanded(declared: HumanReviews, *, place: str) -> list[AnyReview]:
    if declared is None:
        return []
    expanded: list[AnyReview] = []
    listed: Sequence[object] = declared if isinstance(declared, Sequence) else [declared]
    for review in listed:
        if isinstance(review, HumanReview):
            expanded.extend(review.expand())
        elif isinstance(review, AnyReview):
            expanded.append(review)
        else:
            can = ", ".join(
                each.__name__ for each in (Signal, Confirm, Ask, Interaction, Widget, Choose, Review, HumanReview)
            )
            raise DeclarationError(f"{place}: human_review takes {can} and the like, not {type(review).__name__}.")
    return expanded


def _check(kind: StepType, review: AnyReview, *, place: str) -> None:
    if isinstance(review, Confirm | Review):
        _check_on_reject(kind, review, place=place)
    if isinstance(review, Review):
        _check_review(review, place=place)
    if isinstance(review, Signal) and not (isinstance(review.topic, str) and is_topic(review.topic)):
        sentence = "a topic has 1 to 128 letters and digits of ASCII, `_`, `.`, `:` and `-`"
        raise DeclarationError(f"{place}: {sentence}, unlike {legible(repr(review.topic))}.")
    if isinstance(review, Signal) and review.source not in (None, "interaction"):
        raise DeclarationError(f"{place}: the source of a Signal is 'interaction', or left out, not {review.source!r}.")
    _check_timeout(review, place=place)
    if isinstance(review, Interaction):
        check_declared(review, place)
    if isinstance(review, Widget):
        check_widget(review, place)
    check_text(getattr(review, "message", None), f"{place}: the message of {type(review).__name__}")
    _check_assignees(review, place=place)
    check_policy(
        review,
        place=place,
        takes_votes=not isinstance(review, ToolReview | ErrorReview),
        is_form=is_form(review),
        approves=review.on_timeout == "approve" and not isinstance(review, Resume | Interaction),
    )
    rule = rule_of(review)
    check_ladder(review, place=place, counts=rule is not None and rule.counts)
    if isinstance(review, Ask) and review.policy is not None and any(field.secret for field in review.fields):
        raise DeclarationError(f"{place}: what several fill in is compared, and a secret can't be; ask one person.")


def _check_assignees(review: AnyReview, *, place: str) -> None:
    if review.assignees is None:
        return
    is_listed = isinstance(review.assignees, Sequence | Set) and not isinstance(review.assignees, str | bytes)
    if not is_listed or not review.assignees:
        raise DeclarationError(f"{place}: assignees is a list of user ids or group:NAME, with at least one.")
    for each in review.assignees:
        if not isinstance(each, str) or not each:
            raise DeclarationError(f"{place}: an assignee is the text of a user id or group:NAME, not {each!r}.")
        check_name(each, f"{place}: an assignee")


def _check_on_reject(kind: StepType, review: Confirm | Review, *, place: str) -> None:
    name = type(review).__name__
    allowed = (ON_CONFIRM if isinstance(review, Confirm) else ON_REVIEW)[kind]
    declared = review.allowed_on_reject if review.allowed_on_reject is not None else allowed
    for choice in (review.on_reject, *declared):
        if choice not in allowed:
            can = ", ".join(allowed)
            raise DeclarationError(
                f"{place}: on_reject={choice!r} means nothing in a {name} of a {kind}; use one of: {can}."
            )
    if review.on_reject not in declared:
        raise DeclarationError(f"{place}: on_reject={review.on_reject!r} isn't among its own allowed_on_reject.")


def _check_review(review: Review, *, place: str) -> None:
    retries = review.max_retries
    if not is_count(retries, 0):
        raise DeclarationError(f"{place}: max_retries must be a whole number from 0, not {retries!r}.")
    if review.when is not None and not callable(review.when):
        raise DeclarationError(f"{place}: Review's when is a function of the output, not {review.when!r}.")


def _check_timeout(review: AnyReview, *, place: str) -> None:
    name, timeout = type(review).__name__, review.timeout
    if review.on_timeout not in ("cancel", "skip", "approve"):
        raise DeclarationError(f"{place}: on_timeout is cancel, skip or approve, not {review.on_timeout!r}.")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0):
        raise DeclarationError(f"{place}: a timeout is a number of seconds above 0, not {timeout!r}.")
    if timeout is not None and timeout > MAX_TIMEOUT:
        raise DeclarationError(f"{place}: a timeout of {timeout!r} s is over a hundred years; leave it out.")
    if review.on_timeout != "approve":
        return
    if isinstance(review, Choose | Widget | ToolReview | ErrorReview):
        raise DeclarationError(f"{place}: on_timeout='approve' on {name}: there is nothing to approve; skip or cancel.")
    if isinstance(review, Ask):
        for field in review.fields:
            if field.required and field.default is None:
                raise DeclarationError(
                    f"{place}: on_timeout='approve' needs a default for the required field {field.name!r}."
                )


def is_count(given: Any, least: int) -> bool:
    """Return True if this is a whole number, at least `least`, that the wire can carry."""
    return isinstance(given, int) and not isinstance(given, bool) and least <= given < END_INT
