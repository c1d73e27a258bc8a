"""Claiming, releasing and handing over an open requirement, decided by pure functions: the event to append, or none.

Laws:
- Whoever may not decide a requirement may neither claim it nor hand it over.
- Where several decide, nobody claims, and those who are asked stay.
- Each event is true only of the requirement as it was: it consumes the ids that stand for it in the head.

Source: `docs/approvals.md`, "Claims and handing over".
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from interlock.workflow.decide.decide import finished
from interlock.workflow.decide.standing import Decider, check_in_time, check_may_decide, check_unclaimed
from interlock.workflow.run.attending import LEASE_MS, behind, claim_of, lease, named_after
from interlock.workflow.run.events import Draft, run_event
from interlock.workflow.run.state import Requirement, RunState, excluded_from
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import Claim, Delegate, Release
from interlock_protocol.types import JsonObject

Attention: TypeAlias = Claim | Release | Delegate

_Said: TypeAlias = tuple[str, JsonObject, JsonObject]
"""The name of an event, its own fields, and what is logged with it and not sent."""

_STEP = ("step_id", "step_name", "step_index", "step_path", "visit")
_RENEWED_MS: Final = LEASE_MS // 15
"""A claim that would last no more than this longer isn't renewed."""


def attend(workflow_name: str, state: RunState, message: Attention, by: Decider, now: int) -> tuple[Draft, ...]:
    """What a message changes; nothing if it is so already.

    Args:
        now: the time by the store's clock, in milliseconds since 1970.

    Raises:
        Refusal: `requirement_not_found`, `run_finished`, `conflict`, `forbidden`, `requirement_expired`,
            `claimed` or `invalid_message`.
    """
    requirement = _open(state, message.requirement_id, by)
    if isinstance(message, Release):
        said = _release(state, requirement, by, now)
    else:
        said = _take(state, requirement, message, by, now)
    return () if said is None else (happened(workflow_name, state, requirement, *said),)


def _take(state: RunState, requirement: Requirement, message: Claim | Delegate, by: Decider, now: int) -> _Said | None:
    """What comes of a claim or a handing over, of somebody who may decide."""
    by = by.for_what_was_handed(behind(requirement, by.names | {by.user_id}))
    check_may_decide(state, requirement, by)
    _check_can_be_attended(state, requirement)
    check_in_time(state, requirement, now)
    check_unclaimed(state, requirement, by, now)
    if isinstance(message, Claim):
        return _claim(requirement, by, now)
    return _delegate(state, requirement, message, by)


def _claim(requirement: Requirement, by: Decider, now: int) -> _Said | None:
    since, until = lease(requirement, by.user_id, now)
    claim: Any = claim_of(requirement, now)
    if claim is not None and until - claim["until"] < _RENEWED_MS:
        return None
    return "InteractionClaimed", {"claimed_by": by.user_id, "since": since, "until": until}, {}


def _release(state: RunState, requirement: Requirement, by: Decider, now: int) -> _Said | None:
    claim: Any = claim_of(requirement, now)
    if claim is None:
        return None
    is_own = claim["by"] == by.user_id
    if not is_own and not by.is_admin:
        raise Refusal(ErrorCode.FORBIDDEN, "Only who claimed it releases it, or an admin.", run_id=state.run_id)
    return "InteractionReleased", {"released_by": by.user_id, **({} if is_own else {"reason": "by an admin"})}, {}


def _delegate(state: RunState, requirement: Requirement, message: Delegate, by: Decider) -> _Said | None:
    assignees = named_after(requirement, by.user_id, message.to)
    if message.to in (by.user_id, *(requirement.facts.get("assignees") or ())):
        raise _not_possible(state, "to", f"{message.to} is asked already; name somebody else.")
    if message.to in excluded_from(state, requirement.facts, by.starters):
        raise _not_possible(state, "to", f"{message.to} may not decide this; name somebody else.")
    reason: JsonObject = {} if message.reason is None else {"reason": message.reason}
    fields: JsonObject = {"delegated_by": by.user_id, "to": message.to, **reason, "assignees": [*assignees]}
    return "InteractionDelegated", fields, {"behind": [*sorted(by.people)]}


def stands_in(
    workflow_name: str, state: RunState, requirement_id: str, absent: str, substitute: str
) -> tuple[Draft, ...]:
    """Ask a substitute besides somebody who is away; nothing if the requirement isn't open, names them no more or the
    substitute already, or several decide it, or the substitute may not."""
    requirement = state.requirements.get(requirement_id)
    assignees = [] if requirement is None else requirement.facts.get("assignees") or []
    if requirement is None or absent not in assignees or substitute in assignees or requirement.takes_votes:
        return ()
    if not {absent, substitute}.isdisjoint(excluded_from(state, requirement.facts)):
        return ()
    said: JsonObject = {"delegated_by": absent, "to": substitute, "absent": True, "assignees": [*assignees, substitute]}
    behind_it: JsonObject = {"behind": [absent]}
    return (happened(workflow_name, state, requirement, "InteractionDelegated", said, behind_it),)


def _open(state: RunState, requirement_id: str, by: Decider) -> Requirement:
    """The requirement with this id, if it waits.

    Raises:
        Refusal: `requirement_not_found`, `run_finished` or `conflict`; `forbidden` to who couldn't have decided it.
    """
    requirement = state.requirements.get(requirement_id)
    if requirement is not None:
        return requirement
    over = next((each for each in state.resolved.values() if each.requirement.id == requirement_id), None)
    if over is not None:
        check_may_decide(state, over.requirement, by)
    if state.status.is_final:
        raise finished(state)
    if over is not None:
        sentence = "This was decided already; nobody has to look at it any more."
        raise Refusal(ErrorCode.CONFLICT, sentence, details={"resolved_by": over.resolved_by}, run_id=state.run_id)
    sentence = "Nothing in the run waits under this requirement_id; it may have been withdrawn."
    raise Refusal(ErrorCode.REQUIREMENT_NOT_FOUND, sentence, run_id=state.run_id)


def _check_can_be_attended(state: RunState, requirement: Requirement) -> None:
    if requirement.takes_votes:
        sentence = "several decide this together: all who are asked respond, and nobody claims it or hands it over."
        raise _not_possible(state, "requirement_id", sentence)
    if not requirement.asks_people:
        sentence = "this waits for a signal, and for nobody in particular: send that, or decide it."
        raise _not_possible(state, "requirement_id", sentence)


def _not_possible(state: RunState, field: str, sentence: str) -> Refusal:
    wrong: Any = [{"field": field, "error": sentence}]
    return Refusal(ErrorCode.INVALID_MESSAGE, sentence[0].upper() + sentence[1:], details=wrong, run_id=state.run_id)


def happened(
    workflow_name: str, state: RunState, requirement: Requirement, name: str, said: JsonObject, private: JsonObject
) -> Draft:
    """The event of something that happens to an open requirement without deciding it."""
    more: dict[str, Any] = {key: requirement.facts[key] for key in _STEP}
    if requirement.parts:
        more["parts"] = requirement.open_ids
    more |= {"requirement_id": requirement.id, "number": requirement.attended + 1, **said}
    event = run_event(state, workflow_name, name, **more)
    return Draft(event, private or None, resolves=tuple(map(requirement.in_head, requirement.open_ids)))
