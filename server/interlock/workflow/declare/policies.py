"""How several people decide together, and who of them may not.

Laws:
- A policy is a value. As a rule (`Rule`) it is part of the requirement, and of every snapshot.
- What could wait for ever, or can't be satisfied, is refused here, as far as a declaration tells. Whoever is in a group
  is known only when it is asked: see `run.rolls`.
- A policy needs a timeout, and names whom it asks.

Source: `docs/approvals.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias, get_args

from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.values import check_name
from interlock_protocol.types import JsonObject, JsonValue

RuleType: TypeAlias = Literal["first_responder", "all_members", "quorum", "majority", "unanimous", "chain"]

RULE_TYPES: Final[tuple[RuleType, ...]] = get_args(RuleType)

MAX_VOTERS: Final = 1000
"""How many people may be asked under one policy."""

GROUP: Final = "group:"
"""What the name of a group begins with, where people are named."""

STARTER: Final = "starter"
"""In `distinct_from`, whoever started the run."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy as runs keep it. `n` is a quorum's number; `veto` says that one no ends it at once."""

    type: RuleType
    n: int | None = None
    veto: bool = False

    def to_wire(self) -> JsonObject:
        """This as clients see it."""
        wire: JsonObject = {"type": self.type}
        if self.n is not None:
            wire["n"] = self.n
        return {**wire, "veto": self.veto} if self.type == "unanimous" else wire

    @classmethod
    def of(cls, wire: Mapping[str, Any]) -> Rule:
        """The opposite of `to_wire`."""
        return cls(wire["type"], wire.get("n"), wire.get("veto", wire["type"] == "chain"))

    @property
    def counts(self) -> bool:
        """Return True if several people are counted: they are known when the question is asked."""
        return self.type != "first_responder"


class Policy:
    """How the people who are asked decide together. `of` are they, if the policy names them itself."""

    __slots__ = ()
    TYPE: ClassVar[RuleType]

    @property
    def rule(self) -> Rule:
        """The policy as runs keep it."""
        return Rule(self.TYPE)

    @property
    def named(self) -> Sequence[str] | None:
        """The user ids, or `group:NAME`, that the policy names; None leaves that to `assignees`."""
        return None


@dataclass(frozen=True, slots=True)
class FirstResponder(Policy):
    """Whoever responds first decides."""

    TYPE: ClassVar[RuleType] = "first_responder"


@dataclass(frozen=True, slots=True)
class All(Policy):
    """Everybody must respond; it is decided with the last response."""

    TYPE: ClassVar[RuleType] = "all_members"


@dataclass(frozen=True, slots=True)
class Quorum(Policy):
    """So many of those who are asked must approve.

    Args:
        n: how many, at least 1.
        of: user ids, or `group:NAME`; by default the review's `assignees`.
    """

    TYPE: ClassVar[RuleType] = "quorum"

    n: int
    of: Sequence[str] | None = None

    @property
    def rule(self) -> Rule:
        return Rule(self.TYPE, self.n)

    @property
    def named(self) -> Sequence[str] | None:
        return self.of


@dataclass(frozen=True, slots=True)
class Majority(Policy):
    """More than half of those who are asked must approve."""

    TYPE: ClassVar[RuleType] = "majority"


@dataclass(frozen=True, slots=True)
class Unanimous(Policy):
    """Everybody must approve.

    Args:
        veto: one no ends it at once; otherwise everybody is heard before it is decided.
    """

    TYPE: ClassVar[RuleType] = "unanimous"

    _: KW_ONLY
    veto: bool = True

    @property
    def rule(self) -> Rule:
        return Rule(self.TYPE, veto=self.veto)


@dataclass(frozen=True, slots=True)
class Chain(Policy):
    """One after the other must approve, and sees what those before have said; one no ends it.

    Args:
        order: user ids, or `group:NAME`, of which one member responds.
    """

    TYPE: ClassVar[RuleType] = "chain"

    order: Sequence[str]

    @property
    def rule(self) -> Rule:
        return Rule(self.TYPE, veto=True)

    @property
    def named(self) -> Sequence[str] | None:
        return self.order


PolicyName: TypeAlias = Literal["first_responder", "all_members", "majority", "unanimous"]

first_responder: Final = FirstResponder()
all_members: Final = All()

_BY_NAME: Final[Mapping[str, Policy]] = {
    each.TYPE: each for each in (first_responder, all_members, Majority(), Unanimous())
}

Declared: TypeAlias = Policy | PolicyName | None


def policy_of(declared: object, *, place: str) -> Policy | None:
    """The declared policy; text stands for one without arguments.

    Raises:
        DeclarationError: it is no policy.
    """
    if declared is None or isinstance(declared, Policy):
        return declared
    found = _BY_NAME.get(declared) if isinstance(declared, str) else None
    if found is None:
        can = ", ".join((*_BY_NAME, "Quorum(n)", "Chain([…])"))
        raise DeclarationError(f"{place}: policy is one of {can}, not {declared!r}.")
    return found


def policy_in(wire: JsonValue) -> Policy | None:
    """The policy of a definition in JSON, which was checked before: its name, or `{"type": …}`."""
    if wire is None or isinstance(wire, str):
        return None if wire is None else _BY_NAME[wire]
    assert isinstance(wire, dict)
    given: Mapping[str, Any] = wire
    match given["type"]:
        case "quorum":
            return Quorum(int(given["n"]), given.get("of"))
        case "unanimous":
            return Unanimous(veto=given.get("veto", True))
        case "chain":
            return Chain(given["order"])
    return _BY_NAME[given["type"]]


def governed_by(review: Governed) -> dict[str, JsonValue]:
    """What a requirement says of who decides, besides whom it asks; None where the review says nothing."""
    rule = rule_of(review)
    return {
        "policy": None if rule is None else rule.to_wire(),
        "distinct_from": [*sorted(review.distinct_from)] or None,
        "exclude_starter": review.exclude_starter or None,
    }


# ── Checking ────────────────────────────────────────────────────────────────────────────────────────────


class Governed(Protocol):
    """What a review says of who decides on it."""

    @property
    def assignees(self) -> Sequence[str] | None: ...
    @property
    def policy(self) -> Declared: ...
    @property
    def distinct_from(self) -> Sequence[str]: ...
    @property
    def exclude_starter(self) -> bool: ...
    @property
    def timeout(self) -> float | None: ...


def asked_of(review: Governed) -> Sequence[str] | None:
    """The user ids, or `group:NAME`, who are asked: those that the review names, or that its policy does."""
    named = policy_of(review.policy, place="A review")
    return review.assignees if named is None or named.named is None else named.named


def rule_of(review: Governed) -> Rule | None:
    """The rule of a review that has been checked."""
    policy = policy_of(review.policy, place="A review")
    return None if policy is None else policy.rule


def check_policy(review: Governed, *, place: str, takes_votes: bool, is_form: bool, approves: bool) -> None:
    """Check what a review says of who decides.

    Args:
        takes_votes: whether several may decide on it together.
        is_form: whether people fill in values, instead of saying yes or no.
        approves: whether its timeout approves.

    Raises:
        DeclarationError: it could wait for ever, can't be satisfied, or isn't written as it should be.
    """
    policy = policy_of(review.policy, place=place)
    for _, sentence in faults_of(policy, review, takes_votes=takes_votes, is_form=is_form, approves=approves):
        raise DeclarationError(f"{place}: {sentence}")
    for name in (*review.distinct_from, *(() if policy is None else policy.named or ())):
        check_name(name, f"{place}: a name")


Fault: TypeAlias = tuple[str, str]
"""The field that is wrong, and a sentence."""


def faults_of(
    policy: Policy | None, review: Governed, *, takes_votes: bool, is_form: bool, approves: bool
) -> list[Fault]:
    """What is wrong with who decides: see `check_policy`. A machine's definition is checked by the same."""
    is_fenced = bool(review.distinct_from) or review.exclude_starter is not False
    if policy is None and not is_fenced:
        return []
    wrong = [*_faults_of_fences(review), *_faults_in(policy)]
    if wrong:
        return wrong
    who = "a policy" if policy is not None else "distinct_from, or exclude_starter,"
    names = review.assignees if policy is None or policy.named is None else policy.named
    own = None if policy is None or review.assignees is None else policy.named
    if own is not None and set(own) != set(review.assignees or ()):
        wrong.append(("assignees", "the policy names whom it asks, and assignees names others; keep one of them."))
    if not names:
        wrong.append(("assignees", f"{who} needs assignees: say who is to decide."))
    if review.timeout is None:
        wrong.append(("timeout", f"{who} needs a timeout: without one it could wait for ever."))
    if is_fenced and approves:
        wrong.append(("on_timeout", "on_timeout='approve' would approve what its author may not; use cancel or skip."))
    if policy is not None and policy.rule.counts:
        if not takes_votes:
            wrong.append(("policy", "here the first who responds decides; only first_responder is possible."))
        elif is_form and approves:
            wrong.append(("on_timeout", "on_timeout='approve' would fill in what people are to agree on; use cancel."))
        wrong += _faults_of_count(policy.rule, names or (), is_form=is_form)
    return wrong


def _faults_of_fences(review: Governed) -> list[Fault]:
    wrong: list[Fault] = []
    names: Any = review.distinct_from
    is_listed = isinstance(names, Sequence | Set) and not isinstance(names, str | bytes)
    if not is_listed or not all(isinstance(each, str) and each for each in names):
        wrong.append(("distinct_from", f"distinct_from is a list of names of steps, or {STARTER!r}."))
    if review.exclude_starter not in (True, False):
        wrong.append(("exclude_starter", f"exclude_starter is true or false, not {review.exclude_starter!r}."))
    return wrong


def _faults_in(policy: Policy | None) -> list[Fault]:
    """What is wrong within a policy."""
    wrong: list[Fault] = []
    if isinstance(policy, Quorum) and (isinstance(policy.n, bool) or policy.n not in range(1, MAX_VOTERS + 1)):
        wrong.append(("policy", f"a quorum is a whole number from 1 to {MAX_VOTERS}, not {policy.n!r}."))
    if isinstance(policy, Unanimous) and policy.veto not in (True, False):
        wrong.append(("policy", f"veto is true or false, not {policy.veto!r}."))
    names: Any = None if policy is None else policy.named
    if names is None:
        return wrong
    is_listed = isinstance(names, Sequence | Set) and not isinstance(names, str | bytes)
    if not is_listed or not names or not all(isinstance(each, str) and each for each in names):
        wrong.append(("policy", "a policy names user ids, or group:NAME, at least one."))
    elif isinstance(policy, Chain) and not isinstance(names, Sequence):
        wrong.append(("policy", "a chain has an order: give a list."))
    elif isinstance(policy, Chain) and len(set(names)) < len(names):
        wrong.append(("policy", "somebody stands in the chain twice: one person has one vote."))
    return wrong


def _faults_of_count(rule: Rule, names: Sequence[str], *, is_form: bool) -> list[Fault]:
    """What is wrong with how many are asked, if no group is among them."""
    people = len(set(names))
    if people > MAX_VOTERS:
        return [("assignees", f"at most {MAX_VOTERS} may be asked under a policy, not {people}.")]
    if rule.n is None or any(each.startswith(GROUP) for each in names):
        return []
    fault = fault_of_quorum(rule.n, people, is_form=is_form)
    return [] if fault is None else [("policy", fault)]


def fault_of_quorum(n: int, people: int, *, is_form: bool) -> str | None:
    """Why a quorum can't be taken of so many people; None if it can."""
    if n > people:
        return f"a quorum of {n} can't be reached: {people} may respond."
    if is_form and n * 2 <= people:
        return f"{n} of {people} may fill in one thing, and {n} others another: take a quorum of more than half."
    return None
