"""Responses to a requirement that several decide, and the resolution that they come to.

Laws:
- Each response is an event; the one that decides brings the resolution in the same append.
- A response counts on exactly those before it: its append consumes the id that the one before it left in the head.
- Until it is resolved, each person may change their response. What comes after the resolution is recorded as late, once
  for each who hadn't responded, and refused.
- What the responses come to depends on what was said by whom, and not on the order in which it was said.

Source: `docs/approvals.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from interlock.workflow.decide.merge import refused, timed_out
from interlock.workflow.decide.standing import Decider
from interlock.workflow.declare.forms import digest, is_same
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.run.policy import DONE, NO, YES, Choice, Outcome, Part, Parts, resolve, responses_in
from interlock.workflow.run.state import Requirement, RunState, response_id
from interlock_protocol.limits import MAX_FEEDBACK_BYTES, MAX_RESPONSE_BYTES
from interlock_protocol.requirements import RESPONSE
from interlock_protocol.types import JsonObject, PolicyOutcome


@dataclass(frozen=True, slots=True)
class Vote:
    """One response: the part it is for, and the fields of its event beside the decision."""

    seat: str
    fields: JsonObject
    outcome: Outcome | None = None
    is_late: bool = False

    @property
    def number(self) -> int:
        """Which response to the requirement it is."""
        number: Any = self.fields["number"]
        return int(number)

    def consumes(self, requirement: Requirement) -> tuple[str, ...]:
        """The ids in the head that it needs to be there, and that are gone after it."""
        return () if self.is_late else (requirement.in_head(response_id(requirement.id, self.number - 1)),)


@dataclass(frozen=True, slots=True)
class Cast:
    """A vote, and what is logged with it: `private` is kept in its part."""

    vote: Vote
    decision: JsonObject
    private: JsonObject


def choice_of(requirement: Requirement, sent: JsonObject) -> Choice:
    """What a response counts as: yes, no, or the digest of what was filled in. Where everybody is asked for a response
    of their own, each counts."""
    said: Mapping[str, Any] = sent
    if requirement.kind == RESPONSE:
        said = {name: value for name, value in sent["response"].items() if name != "comment"}  # type: ignore[union-attr]
        if requirement.rule.type == "all_members" and "confirmed" not in said:
            return DONE
    confirmed = said.get("confirmed")
    return digest({**said}) if confirmed is None else YES if confirmed else NO


def check_response(state: RunState, requirement: Requirement, sent: JsonObject) -> None:
    """Check that a response can be one of several.

    Raises:
        Refusal: `invalid_decision`.
    """
    wrong: list[Any] = []
    if "edited_output" in sent:
        sentence = "Where several decide, nobody edits the output alone; reject it, and say what to change."
        wrong.append({"field": "edited_output", "error": sentence})
    if len(to_json(sent)) > MAX_RESPONSE_BYTES:
        kib = MAX_RESPONSE_BYTES // 1024
        wrong.append({"field": "", "error": f"One of several responses has at most {kib} KiB; shorten it."})
    if wrong:
        raise refused(state, requirement, wrong)


def is_same_response(requirement: Requirement, part: Part, sent: JsonObject) -> bool:
    """Return True if a part was given this response, in time."""
    return part.decision is not None and "late" not in part.vote and part.choice == choice_of(requirement, sent)


def cast(requirement: Requirement, seat: str, sent: JsonObject, decision: JsonObject, by: Decider) -> Cast | None:
    """A response, and what it brings about; None if it was given before."""
    choice, known = choice_of(requirement, sent), requirement.parts[seat]
    is_known = known.decision is not None and known.choice == choice
    is_filled_in = requirement.kind != RESPONSE and choice not in (YES, NO)  # its model may add what nobody sent
    if is_known and (is_filled_in or is_same(known.decision, decision)):
        return None
    parts: Parts = {**requirement.parts, seat: Part(decision, vote={"choice": choice})}
    verdict = resolve(requirement.rule, responses_in(parts))
    outcome = verdict if isinstance(verdict, Outcome) else None
    fields: JsonObject = {
        "number": requirement.number + 1,
        "responded": len(parts) - list(responses_in(parts).values()).count(None),
        "needed": 0 if isinstance(verdict, Outcome) else verdict.needed,
        **({} if outcome is None else {"outcome": outcome.kind}),
        **by.told,
    }
    return _cast(Vote(seat, fields, outcome), decision, choice, by)


def cast_late(requirement: Requirement, seat: str, sent: JsonObject, decision: JsonObject, by: Decider) -> Cast | None:
    """A response after the end; None if its author's is known."""
    if requirement.parts[seat].decision is not None:
        return None
    fields: JsonObject = {
        "number": requirement.number + 1,
        "responded": len(requirement.responses) + 1,
        "needed": 0,
        "late": True,
        **by.told,
    }
    return _cast(Vote(seat, fields, is_late=True), decision, choice_of(requirement, sent), by)


def _cast(vote: Vote, decision: JsonObject, choice: Choice, by: Decider) -> Cast:
    kept: JsonObject = {"person": by.person, "behind": [*sorted(by.people)], "choice": choice, "voter": vote.seat}
    return Cast(vote, decision, {"vote": {**kept, **vote.fields}})


def resolution(
    workflow: Workflow, state: RunState, requirement: Requirement, cast: Cast, outcome: Outcome
) -> tuple[JsonObject, JsonObject]:
    """The decision that the responses come to with this last one, and what is logged with it."""
    parts = {**requirement.parts, cast.vote.seat: Part(cast.decision, vote=_vote_in(cast.private))}
    said = {id_: parts[id_] for id_ in requirement.facts["voters"] if parts[id_].decision is not None}
    if requirement.kind == RESPONSE and outcome.choice in (YES, NO, DONE):
        return _of_all(said, outcome), {}
    if outcome.choice == YES:
        return {"confirmed": True}, {}
    if "on_reject" in requirement.facts:
        return _rejection(requirement, said), {}
    for part in said.values():
        if part.choice == outcome.choice:
            return part.decision or {}, {}
    return timed_out(workflow, state, requirement)


def _of_all(said: Mapping[str, Part], outcome: Outcome) -> JsonObject:
    """The answer to an interaction that several gave: yes or no, with what they wrote, or each their own."""
    if outcome.choice == DONE:
        return {"outcome": outcome.kind}
    agreed: list[tuple[str, Any]] = [
        (id_, part.decision["response"])
        for id_, part in said.items()
        if part.choice == outcome.choice and part.decision is not None
    ]
    written = _together(f"{id_}: {text}" for id_, each in agreed if (text := each.get("comment")))
    return {"response": {"confirmed": outcome.choice == YES, **({"comment": written} if written else {})}}


def _together(texts: Iterable[str]) -> str:
    """What several wrote, as one text."""
    cut = "\n\n".join(texts).encode(errors="replace")[:MAX_FEEDBACK_BYTES]
    return cut.decode(errors="ignore")


def _vote_in(private: Mapping[str, Any]) -> JsonObject:
    vote: JsonObject = private["vote"]
    return vote


def _rejection(requirement: Requirement, said: Mapping[str, Part]) -> JsonObject:
    """The rejection of those who said no: what they all chose, else what was declared; and all that they wrote."""
    noes: dict[str, Mapping[str, Any]] = {
        id_: part.decision for id_, part in said.items() if part.choice == NO and part.decision is not None
    }
    ways = {each["on_reject"] for each in noes.values()}
    decision: JsonObject = {
        "confirmed": False,
        "on_reject": ways.pop() if len(ways) == 1 else requirement.facts["on_reject"],
    }
    written = _together(f"{id_}: {text}" for id_, each in noes.items() if (text := each.get("rejection_feedback")))
    return {**decision, "rejection_feedback": written} if written else decision


def how_it_expired(requirement: Requirement) -> PolicyOutcome | None:
    """The outcome of a requirement whose time is over; None if it has no policy."""
    return "expired" if "policy" in requirement.facts else None
