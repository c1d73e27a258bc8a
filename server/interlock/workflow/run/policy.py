"""The parts of a requirement, and the policy that turns the responses to them into an outcome.

Laws:
- A requirement asks for one response or for several: each is a part, with an id of its own. An agent's tools are parts,
  and so is each person who is asked under a policy.
- `resolve` is all that decides whether it is over, and how. It is a function of the policy and of who said what.
- What is decided stays decided: no response that is still to come changes an outcome. So no order of the same responses
  leads to two outcomes, except where the policy itself is an order (`first_responder`, `chain`).
- When all have responded, it is decided. Nothing waits for a response that nobody can give.
- Parts that a policy no longer waits for are withdrawn with the resolution.

Source: `docs/approvals.md`; `docs/architecture.md`, "Pauses".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from interlock.workflow.declare.policies import Rule
from interlock_protocol.types import JsonObject, PolicyOutcome

YES: Final = "yes"
NO: Final = "no"
"""Choices. Where people fill in something instead, a choice is its digest: they agree who fill in the same."""

DONE: Final = "done"
"""The choice of whoever decides a part for itself, as an agent's tools are: any decision will do."""

Choice: TypeAlias = str

Responses: TypeAlias = Mapping[str, Choice | None]
"""What was said for each part; None where nothing was yet. They stand in the order in which they are asked."""

TOOLS_RULE: Final = Rule("all_members")
"""An agent goes on when all of its tools are decided."""


@dataclass(frozen=True, slots=True)
class Open:
    """It isn't decided; at least `needed` more must respond."""

    needed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it was decided; `choice` is what was agreed on, None if that is nothing."""

    kind: PolicyOutcome
    choice: Choice | None = None


def resolve(rule: Rule, responses: Responses) -> Open | Outcome:
    """Turn responses into an outcome, or tell how many are needed."""
    return _RULES[rule.type](rule, list(responses.values()))


def outcome_in(resolution: Mapping[str, Any]) -> PolicyOutcome:
    """The outcome of an interaction, by the event that resolves it: as it says, or as the one response does."""
    decision: Mapping[str, Any] = resolution["decision"]
    outcome: PolicyOutcome | None = resolution.get("outcome") or decision.get("outcome")
    return outcome or outcome_of(decision.get("response") or {})


def outcome_of(response: Mapping[str, Any]) -> PolicyOutcome:
    """The outcome of an interaction to which one response is the answer."""
    confirmed = response.get("confirmed")
    return "completed" if confirmed is None else "approved" if confirmed else "rejected"


def _given(responses: Sequence[Choice | None]) -> Counter[Choice]:
    return Counter(each for each in responses if each is not None)


def _agreed(choice: Choice) -> Outcome:
    """The outcome of a choice."""
    kinds: Mapping[Choice, PolicyOutcome] = {YES: "approved", NO: "rejected"}
    return Outcome(kinds.get(choice, "completed"), choice)


def _first(_: Rule, responses: Sequence[Choice | None]) -> Open | Outcome:
    said = next((each for each in responses if each is not None), None)
    return Open(1) if said is None else _agreed(said)


def _all(_: Rule, responses: Sequence[Choice | None]) -> Open | Outcome:
    missing = responses.count(None)
    return Open(missing) if missing else _together(_given(responses))


def _together(given: Counter[Choice]) -> Outcome:
    """The outcome when everybody has responded, and all must agree."""
    if NO in given:
        return _agreed(NO)
    return _agreed(next(iter(given))) if len(given) == 1 else Outcome("unreachable")


def _unanimous(rule: Rule, responses: Sequence[Choice | None]) -> Open | Outcome:
    given = _given(responses)
    if rule.veto and (NO in given or len(given) > 1):
        return _together(given)
    return _all(rule, responses)


_Otherwise: TypeAlias = Callable[[Counter[Choice]], Outcome]


def _at_least(n: int, responses: Sequence[Choice | None], otherwise: _Otherwise) -> Open | Outcome:
    given = _given(responses)
    most, choice = max(((count, each) for each, count in given.items() if each != NO), default=(0, YES))
    if most >= n:
        return _agreed(choice)
    return Open(n - most) if most + responses.count(None) >= n else otherwise(given)


def _quorum(rule: Rule, responses: Sequence[Choice | None]) -> Open | Outcome:
    return _at_least(rule.n or 1, responses, lambda _: Outcome("unreachable"))


def _majority(_: Rule, responses: Sequence[Choice | None]) -> Open | Outcome:
    return _at_least(
        len(responses) // 2 + 1, responses, lambda given: _agreed(NO) if NO in given else Outcome("unreachable")
    )


_RULES: Mapping[str, Callable[[Rule, Sequence[Choice | None]], Open | Outcome]] = {
    "first_responder": _first,
    "all_members": _all,
    "quorum": _quorum,
    "majority": _majority,
    "unanimous": _unanimous,
    "chain": _unanimous,
}


# ── Parts ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Part:
    """One response that a requirement waits for; after it arrives, the decision, who made it, and when.

    `at` is in milliseconds since 1970. `index` is the index of the event that decided it; None if an older version
    folded it. `vote` is what was logged with it where people vote: `person`, who gave it or for whom an admin did;
    `behind`, everybody who stands behind it; `choice`, what it counts as; `number`, which response to the requirement
    it is; and what its event says.
    """

    decision: JsonObject | None = None
    by: str = ""
    at: int = 0
    index: int | None = None
    vote: JsonObject = field(default_factory=dict)

    @property
    def choice(self) -> Choice:
        """What it counts as."""
        return str(self.vote.get("choice", DONE))


Parts: TypeAlias = dict[str, Part]


def parts_of(ids: Iterable[str]) -> Parts:
    """Open parts, by id."""
    return {id_: Part() for id_ in ids}


def open_parts(parts: Mapping[str, Part]) -> list[str]:
    """The ids of the parts that have no response yet."""
    return [id_ for id_, part in parts.items() if part.decision is None]


def responses_in(parts: Mapping[str, Part]) -> dict[str, Choice | None]:
    """What was said for each part."""
    return {id_: None if part.decision is None else part.choice for id_, part in parts.items()}


def is_resolved(rule: Rule, parts: Mapping[str, Part]) -> bool:
    """Return True if the responses so far resolve the requirement."""
    return isinstance(resolve(rule, responses_in(parts)), Outcome)
