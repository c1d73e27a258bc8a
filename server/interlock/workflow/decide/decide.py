"""People's commands, decided by pure functions: events to append, a repetition, or a refusal.

Laws:
- Decisions are merged, never trusted: of an echoed requirement, only its identity and the client's fields are read.
- A command is decided as a whole: one wrong part refuses all of it.
- A requirement is resolved once. The same decision again changes nothing; a different one is refused with the winner.
- Who may decide, and until when, is judged in `standing`, here and for every part of every command.

Source: `docs/protocol.md`, "Decisions".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from interlock.secrets.port import Vault
from interlock.workflow.containers.port import TooMuchInput
from interlock.workflow.decide.decided import Decided
from interlock.workflow.decide.merge import (
    Echoed,
    container_at,
    given_in,
    kinds_of,
    made,
    meant_by,
    merge,
    timed_out,
    widget_at,
)
from interlock.workflow.decide.sealing import is_equal, sealed
from interlock.workflow.decide.standing import (
    Decider,
    check_in_time,
    check_may_decide,
    check_unclaimed,
    check_view,
    seat_of,
)
from interlock.workflow.decide.votes import (
    cast,
    cast_late,
    check_response,
    how_it_expired,
    is_same_response,
    resolution,
)
from interlock.workflow.declare.forms import is_same
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.declare.widgets import EVENT, done_in
from interlock.workflow.run.advance import started
from interlock.workflow.run.attending import behind
from interlock.workflow.run.changed_definition import is_about_definition
from interlock.workflow.run.events import Draft, run_event, step_facts
from interlock.workflow.run.policy import Part, is_resolved, outcome_of
from interlock.workflow.run.scope import place_at
from interlock.workflow.run.signals import matches, topic_of
from interlock.workflow.run.state import TIMEOUT, TOOLS, Requirement, Resolution, RunState, node_at, response_id
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import MAX_CLIENT_DEPTH
from interlock_protocol.requirements import EchoedErrorRequirement
from interlock_protocol.types import JsonObject, JsonValue, PolicyOutcome, RunStatus
from interlock_protocol.values import NotWire, encoded

ERROR = "requires_error_decision"

_EXECUTOR = ("executor_id", "executor_name", "executor_type", "executor_run_id")
"""The fields that tell whose tools were decided."""


def decide(
    workflow: Workflow,
    state: RunState,
    echoed: Sequence[Echoed],
    *,
    by: Decider,
    now: int,
    seen: int | None = None,
    audited: Mapping[str, Resolution] | None = None,
    vault: Vault | None = None,
) -> tuple[Decided, ...]:
    """What a `continue-workflow` resolves; empty if all of it was resolved in the same way before.

    Args:
        echoed: the requirements as the client returned them.
        now: the time by the store's clock, in milliseconds since 1970.
        seen: on a connection that follows the run, the index up to (not including) which events were sent on it.
        audited: resolutions by requirement id that the state no longer keeps.
        vault: seals the secrets in forms; not needed without secrets.

    Raises:
        Refusal: nothing of it may be applied; see `docs/protocol.md` for the codes and their order.
    """
    if not echoed:
        raise _nothing_asked(state)
    pauses, sent_by = _Pauses.of(state, audited or {}), by
    given_to: dict[str, Mapping[str, Any]] = {}
    decided: dict[str, Decided] = {}
    for each in echoed:
        found = _find(pauses, each, seen)
        requirement = found if isinstance(found, Requirement) else found.requirement
        by = sent_by.for_what_was_handed(behind(requirement, sent_by.names | {sent_by.person}))
        check_may_decide(state, requirement, by)
        given = meant_by(requirement, _carried(state, given_in(each)))
        if given and not requirement.asks_people:
            raise _for_a_signal(state, requirement)
        if not given or _is_given_again(state, requirement, given, given_to):
            continue
        if isinstance(found, Resolution):
            late = _said_after(workflow, state, found, given, by, vault)
            if late is not None:
                return (late,)
            continue
        check_in_time(state, found, now)
        check_unclaimed(state, found, by, now)
        check_view(state, found, each.digest)
        if found.takes_votes:
            voted = _voted(workflow, state, found, given, by)
            decided.update({id_: _on(each.digest, one) for id_, one in voted.items()})
            continue
        sent = _without_repeats(state, found, merge(workflow, state, found, given))
        if sent is not None:
            each_decided = sealed(state, found, sent, made(workflow, state, found, sent), vault)
            decided[found.id] = _on(each.digest, _by(by, _judged(workflow, state, each_decided)))
    if not given_to:
        raise _invalid(
            state, "step_requirements", "None of these requirements has a decision; fill in e.g. `confirmed`."
        )
    return tuple(decided.values())


def _said_after(
    workflow: Workflow,
    state: RunState,
    found: Resolution,
    given: Mapping[str, Any],
    by: Decider,
    vault: Vault | None,
) -> Decided | None:
    """What comes of a decision on what is resolved: a late vote; None if it is the one that was made."""
    if found.requirement.takes_votes:
        return _late(workflow, state, found, given, by)
    _repeat(workflow, state, found, given, vault)
    return None


def continued(
    workflow: Workflow, state: RunState, decided: Sequence[Decided], *, resolved_by: str, now: int
) -> tuple[Draft, ...]:
    """The events of these decisions, each on the condition that what it resolves is still pending."""
    drafts = []
    for each in decided:
        requirement = each.requirement
        name = "StepExecutorContinued" if requirement.kind == TOOLS else "StepContinued"
        said: dict[str, Any] = {
            "requirement_id": requirement.id,
            **{key: value for key, value in requirement.facts.items() if key in _EXECUTOR},
            "decision": each.decision,
        }
        if each.vote is not None:
            name = "InteractionResponded"
            said |= {"voter": each.vote.seat, "responded_by": resolved_by, "responded_at": now, **each.vote.fields}
        else:
            said |= {"resolved_by": resolved_by, "resolved_at": now, "outcome": each.outcome, **each.told}
        event = run_event(state, workflow.name, name, **_named(workflow, requirement), **said)
        drafts.append(Draft(event, each.private or None, resolves=_resolved_ids(each)))
    return tuple(drafts)


def _named(workflow: Workflow, requirement: Requirement) -> JsonObject:
    """The fields that identify the step of a requirement; if it is about the definition, as they were then."""
    if is_about_definition(requirement):
        return {key: requirement.facts[key] for key in ("step_id", "step_name", "step_index", "step_path", "visit")}
    path = tuple(requirement.path)
    return step_facts(place_at(workflow, path), path, requirement.facts["visit"])


def ended_with(workflow: Workflow, state: RunState, decided: Sequence[Decided], by: str) -> tuple[Draft, ...]:
    """The end of a run whose definition is gone, if that was decided."""
    if not any(is_about_definition(each.requirement) and each.decision["decision"] == "cancel" for each in decided):
        return ()
    reason = "The workflow was changed while the run was under way"
    return (Draft(run_event(state, workflow.name, "WorkflowCancelled", reason=reason, cancelled_by=by)),)


def _resolved_ids(decided: Decided) -> tuple[str, ...]:
    """The ids pending in the head that this resolves: its parts and, once the policy is met, all others that wait."""
    requirement = decided.requirement
    if decided.vote is not None:
        return decided.vote.consumes(requirement)
    if requirement.takes_votes:
        # A last response has consumed what was left in the head; a timeout consumes it itself.
        return (requirement.id,) if decided.outcome != "expired" else tuple(requirement.waiting_ids)
    parts = tuple(map(requirement.in_head, decided.by_id))
    if not requirement.parts:
        return parts
    after = {id_: Part({}) if id_ in decided.by_id else part for id_, part in requirement.parts.items()}
    is_whole = requirement.id in decided.by_id or is_resolved(requirement.rule, after)
    return tuple(requirement.waiting_ids) if is_whole else parts


def expired(workflow: Workflow, state: RunState, now: int) -> tuple[Decided, ...]:
    """What timeouts resolve now.

    Args:
        now: the time by the store's clock, in milliseconds since 1970.
    """
    signalled = matches(state)  # these came first
    due = [
        each
        for each in state.requirements.values()
        if each.due is not None and each.due <= now and each.id not in signalled
    ]
    return tuple(Decided(each, *timed_out(workflow, state, each), outcome=how_it_expired(each)) for each in due)


def next_timer(state: RunState) -> int | None:
    """When the first timeout, reminder or escalation of a run is due, in milliseconds since 1970; None if none is."""
    times = (each.next_at for each in state.requirements.values())
    return min((each for each in times if each is not None), default=None)


def cancel(workflow: Workflow, state: RunState, *, reason: str | None, cancelled_by: str) -> tuple[Draft, ...]:
    """The events of a cancellation; none if the run is already cancelled.

    A run that has not begun begins in order to be cancelled: its events are valid only at the very start of its log.

    Raises:
        Refusal: `run_finished`.
    """
    if state.status is RunStatus.CANCELLED:
        return ()
    if state.status.is_final:
        raise finished(state)
    draft = Draft(run_event(state, workflow.name, "WorkflowCancelled", reason=reason, cancelled_by=cancelled_by))
    return (started(workflow, state), draft) if state.status is RunStatus.PENDING else (draft,)


def _by(by: Decider, decided: Decided) -> Decided:
    """A decision with who made it, as far as that is more than its author."""
    more: JsonObject = {} if by.people == {by.user_id} else {"behind": [*sorted(by.people)]}
    told = by.told
    facts = decided.requirement.facts
    outcome = _outcome_of_first(decided) if "policy" in facts and decided.requirement.kind != TOOLS else None
    private = {**decided.private, **more, **({"told": told} if told else {})}
    return replace(decided, private=private, told=told, outcome=outcome)


def _on(digest: str | None, decided: Decided) -> Decided:
    """A decision with what it was made on, if that was said."""
    if digest is None:
        return decided
    vote = decided.private.get("vote")
    if isinstance(vote, dict):
        return replace(decided, private={**decided.private, "vote": {**vote, "digest": digest}})
    return replace(decided, private={**decided.private, "digest": digest})


def _outcome_of_first(decided: Decided) -> PolicyOutcome:
    """The outcome where the first response is all that counts."""
    said: Mapping[str, Any] = decided.decision
    return outcome_of(said.get("response", said))


# ── Several who decide ──────────────────────────────────────────────────────────────────────────────────


def _voted(
    workflow: Workflow, state: RunState, requirement: Requirement, given: Mapping[str, Any], by: Decider
) -> dict[str, Decided]:
    """A response, and the resolution if it is the last; nothing if it was given before."""
    seat = seat_of(state, requirement, by)
    sent, judged = _response(workflow, state, requirement, given)
    voted = cast(requirement, seat, sent, judged.decision, by)
    if voted is None:
        return {}
    first = Decided(requirement, voted.decision, voted.private, voted.vote)
    outcome = voted.vote.outcome
    if outcome is None:
        return {requirement.id: first}
    decision, private = resolution(workflow, state, requirement, voted, outcome)
    if outcome.kind == "completed":
        private = judged.private
    last = Decided(requirement, decision, private, outcome=outcome.kind)
    return {response_id(requirement.id, voted.vote.number): first, requirement.id: last}


def _response(
    workflow: Workflow, state: RunState, requirement: Requirement, given: Mapping[str, Any]
) -> tuple[JsonObject, Decided]:
    """A response as it was sent, and as it is logged."""
    sent = merge(workflow, state, requirement, given)
    check_response(state, requirement, sent)
    decided = Decided(requirement, made(workflow, state, requirement, sent))
    return sent, _judged(workflow, state, decided)


def _late(
    workflow: Workflow, state: RunState, found: Resolution, given: Mapping[str, Any], by: Decider
) -> Decided | None:
    """The response of somebody whom the others were too fast for: to be recorded once, and refused.

    None if it repeats what they said in time.

    Raises:
        Refusal: it differs from that, or is recorded already, or can't be any more.
    """
    requirement = found.requirement
    seat = seat_of(state, requirement, by)
    sent = merge(workflow, state, requirement, given)
    check_response(state, requirement, sent)
    if is_same_response(requirement, requirement.parts[seat], sent):
        return None
    refusal = _lost_to(state, found)
    voted = cast_late(requirement, seat, sent, made(workflow, state, requirement, sent), by)
    if voted is None or state.status.is_final or not _is_kept(state, found):
        raise refusal
    return Decided(requirement, voted.decision, voted.private, voted.vote, refusal=refusal)


def _is_kept(state: RunState, found: Resolution) -> bool:
    """Return True if the state has this resolution: one from the audit can't note anything more."""
    return any(each is found for each in state.resolved.values())


def _carried(state: RunState, given: dict[str, Any]) -> dict[str, Any]:
    """Return `given` if the wire can carry it: a decision made in this process came through no codec.

    Raises:
        Refusal: `invalid_json`, as for a client's frame.
    """
    try:
        encoded(given, depth=MAX_CLIENT_DEPTH)
    except NotWire as fault:
        details: Any = [{"field": fault.where, "error": fault.sentence}]
        raise Refusal(ErrorCode.INVALID_JSON, fault.sentence, details=details, run_id=state.run_id) from None
    return given


def _judged(workflow: Workflow, state: RunState, decided: Decided) -> Decided:
    """A decision with what a container logs with it, for which the container must be able to go on.

    Raises:
        Refusal: `invalid_transition`, or `message_too_large`: with this, it would hold too much.
    """
    requirement = decided.requirement
    if is_about_definition(requirement):
        return decided
    container, node = container_at(workflow, requirement), node_at(state, requirement.path)
    widget = widget_at(workflow, requirement)
    if widget is not None and container is None:
        port = widget.port_of(str(decided.decision[EVENT]))
        return decided if port is None else replace(decided, private={**decided.private, "port": port})
    values = decided.decision.get("user_input") if widget is None else done_in(decided.decision)
    if container is None or node is None or not isinstance(values, dict):
        return decided
    try:
        private = container.judged(container.own_of(node), values)
    except TooMuchInput as fault:
        raise Refusal(ErrorCode.MESSAGE_TOO_LARGE, str(fault), run_id=state.run_id) from None
    if private is None:
        sentence = "No transition fits this input, and nothing has changed; give other values, or see the conditions."
        raise Refusal(ErrorCode.INVALID_TRANSITION, sentence, run_id=state.run_id)
    return replace(decided, private={**decided.private, **private})


# ── Finding the requirement ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Pauses:
    """What a run waits for and what was resolved, for looking up each requirement that came back."""

    state: RunState
    resolved: Mapping[str, Resolution]
    pending_of: Mapping[str, Sequence[Requirement]]
    resolved_of: Mapping[str, Sequence[Resolution]]

    @classmethod
    def of(cls, state: RunState, audited: Mapping[str, Resolution]) -> _Pauses:
        """The pauses of a run; `audited` are resolutions that its state no longer keeps, by id."""
        kept = state.resolved.values()
        pending_of: defaultdict[str, list[Requirement]] = defaultdict(list)
        for requirement in state.requirements.values():
            pending_of[requirement.facts["step_id"]].append(requirement)
        resolved_of: defaultdict[str, list[Resolution]] = defaultdict(list)
        for each in kept:
            resolved_of[each.requirement.facts["step_id"]].append(each)
        by_id = {each.requirement.id: each for each in kept}
        return cls(state, {**audited, **by_id}, pending_of, resolved_of)

    def by_id(self, requirement_id: str) -> Requirement | Resolution | None:
        return self.state.requirements.get(requirement_id) or self.resolved.get(requirement_id)


def _find(pauses: _Pauses, echoed: Echoed, seen: int | None) -> Requirement | Resolution:
    state = pauses.state
    found = pauses.by_id(echoed.id) if echoed.id else _by_step(pauses, echoed, seen)
    if found is None:
        if state.status.is_final:
            raise finished(state)
        if echoed.id in state.withdrawn:
            raise Refusal(
                ErrorCode.REQUIREMENT_NOT_FOUND,
                "This isn't asked any more: the run has given up what it was about; there is nothing to decide.",
                run_id=state.run_id,
            )
        raise Refusal(
            ErrorCode.REQUIREMENT_NOT_FOUND,
            "The run has no such requirement; take `id` or `step_id` from the latest WorkflowRunOutput.",
            run_id=state.run_id,
        )
    requirement = found if isinstance(found, Requirement) else found.requirement
    if echoed.id and echoed.step_id and requirement.facts.get("step_id", echoed.step_id) != echoed.step_id:
        raise Refusal(
            ErrorCode.REQUIREMENT_NOT_FOUND,
            "`id` and `step_id` belong to different pauses; send both as they came, or only `id`.",
            run_id=state.run_id,
        )
    return found


def _by_step(pauses: _Pauses, echoed: Echoed, seen: int | None) -> Requirement | Resolution | None:
    """The step's pending requirement that matches the echoed kind; else the latest resolved one."""
    if not echoed.step_id:
        sentence = "A requirement needs its `id`, or at least its `step_id`."
        raise _invalid(pauses.state, "step_requirements", sentence)
    kinds = _kinds(echoed)
    for requirement in pauses.pending_of.get(echoed.step_id, ()):
        if (
            requirement.kind in kinds
            and _was_seen(requirement, seen)
            and _is_that_visit(requirement, getattr(echoed, "visit", None))
        ):
            return requirement
    resolved = (each for each in pauses.resolved_of.get(echoed.step_id, ()) if each.requirement.kind in kinds)
    return max(resolved, key=lambda each: each.requirement.paused_index, default=None)


def _kinds(echoed: Echoed) -> frozenset[str]:
    if isinstance(echoed, EchoedErrorRequirement):
        return frozenset((ERROR,))
    return echoed.claimed_kinds or kinds_of(given_in(echoed)) - {ERROR}


def _is_that_visit(requirement: Requirement, visit: JsonValue) -> bool:
    """An echoed visit tells a late click on an earlier iteration from one on this; without it, nothing is known."""
    return not isinstance(visit, int) or isinstance(visit, bool) or visit == requirement.facts["visit"]


def _was_seen(requirement: Requirement, seen: int | None) -> bool:
    return seen is None or requirement.paused_index < seen


# ── Repetitions ─────────────────────────────────────────────────────────────────────────────────────────


def _is_given_again(
    state: RunState, requirement: Requirement, given: Mapping[str, Any], given_to: dict[str, Mapping[str, Any]]
) -> bool:
    """Return True if an earlier part of this message makes the same decision, so there is nothing more to do.

    Raises:
        Refusal: the earlier part decides the same requirement otherwise.
    """
    earlier = given_to.setdefault(requirement.id, given)
    if earlier is given:
        return False
    if is_same(dict(earlier), dict(given)):
        return True
    raise _invalid(state, "requirement", "The same requirement is decided twice here; decide it once.")


def _without_repeats(state: RunState, requirement: Requirement, decision: JsonObject) -> JsonObject | None:
    """The responses of a decision that are new; None if all of them were given before, with the same content."""
    if not requirement.parts:
        return decision
    fresh: list[JsonValue] = []
    responses: Any = decision["executor_requirements"]
    for each in responses:
        known = requirement.responses.get(each["id"])
        if known is None:
            fresh.append(each)
        elif not _is_response(known, each):
            won: JsonObject = {"executor_requirements": [{"id": each["id"], **(known.decision or {})}]}
            raise _conflict(state, won, known.by)
    return {"executor_requirements": fresh} if fresh else None


def _is_response(part: Part, given: Mapping[str, JsonValue]) -> bool:
    """Return True if this part was given the same response."""
    return is_same({"id": given["id"], **(part.decision or {})}, dict(given))


def _repeat(
    workflow: Workflow, state: RunState, resolution: Resolution, given: Mapping[str, Any], vault: Vault | None
) -> None:
    """The same decision again changes nothing; a different one is refused with the one that was made."""
    try:
        decision = merge(workflow, state, resolution.requirement, given)
    except Refusal:
        decision = None
    if decision is None or not (
        _is_repeated(decision, resolution.decision)
        or is_equal(state, resolution.requirement, decision, resolution.decision, resolution.private, vault)
    ):
        raise _lost_to(state, resolution, _who_won(resolution, decision))


def _lost_to(state: RunState, resolution: Resolution, winner: str | None = None) -> Refusal:
    """The refusal of a decision that came after another one, or after a timeout."""
    if resolution.resolved_by == TIMEOUT:
        return Refusal(
            ErrorCode.REQUIREMENT_EXPIRED,
            "Nobody decided this in time, and its timeout did; what it did stands.",
            details={"decision": resolution.decision, "resolved_by": TIMEOUT},
            run_id=state.run_id,
        )
    return _conflict(state, resolution.decision, winner or resolution.resolved_by)


def _who_won(resolution: Resolution, decision: JsonObject | None) -> str:
    """Who decided it; of several parts, the first one that was decided differently."""
    given: Any = (decision or {}).get("executor_requirements") or ()
    responses = resolution.requirement.responses
    others = (responses[each["id"]].by for each in given if not _is_as_before(responses, each))
    return next(others, resolution.resolved_by)


def _is_as_before(responses: Mapping[str, Part], given: Mapping[str, Any]) -> bool:
    return given["id"] not in responses or _is_response(responses[given["id"]], given)


def _is_repeated(decision: JsonObject, known: JsonObject) -> bool:
    """Return True if a decision on an agent's tools is contained in the known one."""
    tools, known_tools = decision.get("executor_requirements"), known.get("executor_requirements")
    if isinstance(tools, list) and isinstance(known_tools, list):
        known_by_id = {each["id"]: each for each in known_tools}  # type: ignore[call-overload, index]
        return all(is_same(each, known_by_id.get(each["id"])) for each in tools)  # type: ignore[call-overload, index]
    return False


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────


def _conflict(state: RunState, decision: JsonObject, resolved_by: str) -> Refusal:
    return Refusal(
        ErrorCode.CONFLICT,
        f"This was decided already, by {resolved_by}; what they decided stands.",
        details={"decision": decision, "resolved_by": resolved_by},
        run_id=state.run_id,
    )


def _for_a_signal(state: RunState, requirement: Requirement) -> Refusal:
    sentence = f"Nobody decides this: it waits for the signal {topic_of(requirement)!r}. Send that, or cancel the run."
    return Refusal(
        ErrorCode.INVALID_DECISION,
        sentence,
        details=[{"requirement_id": requirement.id, "field": "topic", "error": sentence}],
        run_id=state.run_id,
    )


def _invalid(state: RunState, field: str, sentence: str) -> Refusal:
    return Refusal(
        ErrorCode.INVALID_DECISION, sentence, details=[{"field": field, "error": sentence}], run_id=state.run_id
    )


def finished(state: RunState) -> Refusal:
    """The refusal of what comes after a run's end."""
    return Refusal(
        ErrorCode.RUN_FINISHED,
        f"The run has ended ({state.status.value}); start a new one.",
        run_id=state.run_id,
    )


def _nothing_asked(state: RunState) -> Refusal:
    if state.status.is_final:
        return finished(state)
    if any(each.asks_people for each in state.requirements.values()):
        return _invalid(state, "step_requirements", "The run waits for a decision; send its requirement with it.")
    return Refusal(ErrorCode.RUN_NOT_PAUSED, "The run waits for nobody; wait for its next pause.", run_id=state.run_id)
