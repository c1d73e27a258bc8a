"""What happens to an open question without deciding it: it is claimed, released, or handed over; whoever is asked is
reminded, or somebody else is asked as well.

Laws:
- Each of these changes what the next decision is judged on, so each leaves another id of the question in the head: a
  decision that was proposed before it is proposed again (`Requirement.in_head`).
- A claim is a lease by the store's clock. It ends by itself: nothing has to be appended for that.
- Whoever hands a question over stays behind the response of those who got it.
- Of what happens by itself while nobody decides, each step is folded once: its event takes it off the list.
- Folding touches only what is kept of the requirement; so it may be folded late. If its question is gone, nothing is.

Source: `docs/approvals.md`, "Claims and handing over" and "When nobody answers".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from interlock.workflow.run.state import Event, Requirement, RunState
from interlock.workflow.run.untold import Asked
from interlock_protocol.types import JsonObject

LEASE_MS: Final = 15 * 60_000
"""How long a claim lasts that isn't renewed."""

MOST_MS: Final = 2 * 60 * 60_000
"""How long a claim lasts at most, however often it is renewed."""

_Change: TypeAlias = Callable[[Requirement, Any, Mapping[str, Any]], None]


def claim_of(requirement: Requirement, now: int) -> JsonObject | None:
    """Who has claimed a requirement, if that hasn't ended: `by`, `since` and `until`."""
    claim: Any = requirement.facts.get("claim")
    return None if claim is None or claim["until"] <= now else claim


def lease(requirement: Requirement, user_id: str, now: int) -> tuple[int, int]:
    """Since when and until when a claim is somebody's that they make or renew now."""
    claim: Any = claim_of(requirement, now)
    since = claim["since"] if claim is not None and claim["by"] == user_id else now
    return since, min(now + LEASE_MS, since + MOST_MS)


def behind(requirement: Requirement, names: Collection[str]) -> frozenset[str]:
    """Everybody who stands behind a response of somebody with these names, because a question was handed to them."""
    handed: Any = [each for each in requirement.handed_over if each["to"] in names]
    return frozenset(person for each in handed for person in each["behind"])


def named_after(requirement: Requirement, user_id: str, to: str) -> list[str]:
    """Whom a requirement names once a user has handed it over: somebody else in their place. Groups stay."""
    before: list[str] = requirement.facts.get("assignees") or []
    return [*(each for each in before if each not in (user_id, to)), to]


def _claimed(requirement: Requirement, event: Any, _: Mapping[str, Any]) -> None:
    claim = {"by": event["claimed_by"], "since": event["since"], "until": event["until"]}
    requirement.facts = {**requirement.facts, "claim": claim}


def _released(requirement: Requirement, _: Any, __: Mapping[str, Any]) -> None:
    requirement.facts = {key: value for key, value in requirement.facts.items() if key != "claim"}


def _delegated(requirement: Requirement, event: Any, private: Mapping[str, Any]) -> None:
    if not event.get("absent"):
        _released(requirement, event, private)
    _others_asked(requirement, event["assignees"])
    requirement.handed_over = [*requirement.handed_over, {"to": event["to"], "behind": private["behind"]}]


def _others_asked(requirement: Requirement, assignees: list[str]) -> None:
    if requirement.named is None:
        requirement.named = [*(requirement.facts.get("assignees") or ())]
    requirement.facts = {**requirement.facts, "assignees": assignees}


def _reminded(requirement: Requirement, _: Any, private: Mapping[str, Any]) -> None:
    requirement.steps = requirement.steps[private["steps"] :]


def _escalated(requirement: Requirement, event: Any, private: Mapping[str, Any]) -> None:
    _released(requirement, event, private)
    _reminded(requirement, event, private)
    _others_asked(requirement, event["assignees"])


_CHANGES: Final[Mapping[str, _Change]] = {
    "InteractionClaimed": _claimed,
    "InteractionReleased": _released,
    "InteractionDelegated": _delegated,
    "InteractionReminded": _reminded,
    "InteractionEscalated": _escalated,
}

_TOLD: Final = {
    "InteractionDelegated": "delegated",
    "InteractionReminded": "reminded",
    "InteractionEscalated": "escalated",
}
"""Why somebody is told of a question again."""


def attended(state: RunState, event: Event, private: Mapping[str, Any]) -> None:
    """Fold one of `ATTENDING`."""
    id_ = event["requirement_id"]
    requirement = state.requirements.get(id_) or state.withdrawn.get(id_)
    if requirement is not None:
        requirement.attended = event["number"]
        _CHANGES[event["event"]](requirement, event, private)
    if id_ in state.requirements and event["event"] in _TOLD:
        again = f"{_TOLD[event['event']]}.{event['number']}"
        state.note(Asked(state.next_index, state.epoch, id_, again, event.get("to") or ""))


ATTENDING: Final = frozenset(_CHANGES)
"""The events of this module."""
