"""Who may decide a requirement: the one place that says so, whatever door a decision comes in by.

Laws:
- Nobody decides for whom a requirement isn't; nor, where it says so, whoever started the run or decided before, nor
  anybody who stands behind them.
- One person has one vote, by whatever accounts.
- After its time nobody decides, whether or not its timeout has fired yet.

Source: `docs/approvals.md`, "Who may not".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from interlock.workflow.run.attending import claim_of
from interlock.workflow.run.state import Requirement, RunState, excluded_from
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import JsonObject

MayDecide = Callable[[Mapping[str, Any]], bool]
"""Whether the person may decide a requirement, given its facts: by their scopes, and by whom it names."""


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides.

    Args:
        names: every name by which a requirement may name the person who decides: the id, and `group:NAME`.
        behind: everybody else who stands behind the act, such as the owner of a service account.
        starters: everybody who stands behind the start of the run, besides its `user_id`.
        on_behalf_of: for whom an admin decides; `names` are that person's.
        reason: why.
        is_admin: whether they could decide on somebody's behalf.
    """

    user_id: str
    may_decide: MayDecide
    names: frozenset[str] = frozenset()
    behind: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()
    on_behalf_of: str | None = None
    reason: str | None = None
    is_admin: bool = False
    people: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "people", self.behind | {self.user_id, self.person})

    @property
    def person(self) -> str:
        """Whose response it is."""
        return self.on_behalf_of or self.user_id

    def for_what_was_handed(self, behind: frozenset[str]) -> Decider:
        """The same, where these have handed the question over."""
        return self if behind <= self.people else replace(self, behind=self.behind | behind)

    @property
    def told(self) -> JsonObject:
        """What an event says of a decision that was made for somebody else."""
        if self.on_behalf_of is None:
            return {}
        return {"on_behalf_of": self.on_behalf_of, "reason": self.reason}


def check_may_decide(state: RunState, requirement: Requirement, by: Decider) -> None:
    """Check that somebody may decide a requirement.

    Raises:
        Refusal: `forbidden`.
    """
    if not by.may_decide(requirement.facts):
        sentence = "This decision is for others: the pause names its assignees, and you aren't among them."
        if by.is_admin:
            sentence += " An admin decides it with `on_behalf_of` one of them, and a `reason`."
        raise Refusal(ErrorCode.FORBIDDEN, sentence, run_id=state.run_id)
    if not by.people.isdisjoint(excluded_from(state, requirement.facts, by.starters)):
        _forbidden(
            state,
            "self_approval",
            "Somebody else has to decide this: you, or somebody behind you, started this run or decided before.",
        )


def check_in_time(state: RunState, requirement: Requirement, now: int) -> None:
    """Check that a requirement may still be decided.

    Raises:
        Refusal: `requirement_expired`.
    """
    if requirement.due is not None and requirement.due <= now:
        raise Refusal(
            ErrorCode.REQUIREMENT_EXPIRED,
            "The time for this decision is over; what was to become of it without one will follow.",
            details={"timeout_at": requirement.facts.get("timeout_at")},
            run_id=state.run_id,
        )


def check_unclaimed(state: RunState, requirement: Requirement, by: Decider, now: int) -> None:
    """Check that nobody else is on a requirement.

    Raises:
        Refusal: `claimed`.
    """
    claim: Any = claim_of(requirement, now)
    if claim is not None and claim["by"] not in (by.user_id, by.person):
        raise Refusal(
            ErrorCode.CLAIMED,
            f"{claim['by']} is on it; respond when they have released it, or their claim has ended.",
            details={"claimed_by": claim["by"], "until": claim["until"]},
            run_id=state.run_id,
        )


def check_view(state: RunState, requirement: Requirement, digest: str | None) -> None:
    """Check that a decision was made on what is asked and shown.

    Args:
        digest: that of what whoever decides has seen, if they say so.

    Raises:
        Refusal: `stale_view`; it was made on something else. `invalid_decision`; it has to say on what, and doesn't.
    """
    if digest is None and requirement.facts.get("bind"):
        sentence = "This decision has to say what it was made on; send the `digest` of the requirement with it."
        wrong = [{"requirement_id": requirement.id, "field": "digest", "error": sentence}]
        raise Refusal(ErrorCode.INVALID_DECISION, sentence, details=wrong, run_id=state.run_id)
    if digest is not None and digest != requirement.digest:
        raise Refusal(
            ErrorCode.STALE_VIEW,
            "What is asked isn't what you have seen; look at it anew, and decide with its `digest`.",
            details={"requirement_id": requirement.id, "digest": requirement.digest},
            run_id=state.run_id,
        )


def seat_of(state: RunState, requirement: Requirement, by: Decider) -> str:
    """The part of a requirement that somebody's response is for.

    Raises:
        Refusal: `forbidden`; they aren't asked, have a vote already, or it isn't their turn.
    """
    seat = _seat_in_chain(state, requirement, by) if requirement.rule.type == "chain" else by.person
    if seat not in requirement.parts:
        _forbidden(state, "not_asked", "You aren't among those who were asked when this question came up.")
    for id_, part in requirement.responses.items():
        behind: Any = part.vote.get("behind", ())
        if id_ != seat and not by.people.isdisjoint(behind):
            _forbidden(state, "voted", "You, or somebody behind you, have responded to this: one person, one vote.")
    return seat


def _seat_in_chain(state: RunState, requirement: Requirement, by: Decider) -> str:
    """The link that somebody has responded for before, or the next one, if it is theirs."""
    for id_, part in requirement.responses.items():
        if part.vote.get("person") == by.person:
            return id_
    names = by.names | {by.person}
    links = [id_ for id_, part in requirement.parts.items() if part.decision is None]
    if links and links[0] in names:
        return links[0]
    if not names.isdisjoint(links):
        _forbidden(state, "not_your_turn", f"It isn't your turn: {links[0]} is to respond before you.")
    return by.person


def _forbidden(state: RunState, reason: str, sentence: str) -> NoReturn:
    raise Refusal(ErrorCode.FORBIDDEN, sentence, details={"reason": reason}, run_id=state.run_id)
