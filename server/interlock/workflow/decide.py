"""Commands of people, decided by pure functions: events to append, a repetition, or a refusal.

Laws:
- Decisions are merged, never trusted: of an echoed requirement only what finds it and the client's fields are read.
- A command is decided whole: one wrong part refuses all of it.
- A requirement is resolved once. The same decision again changes nothing; another one gets the winner.

Source: `docs/protocol.md`, "Decisions".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.workflow.advance import started
from interlock.workflow.declaration import Step, Workflow
from interlock.workflow.events import Draft, run_event, step_event
from interlock.workflow.forms import check_input, is_same
from interlock.workflow.reviews import Ask
from interlock.workflow.scope import place_at
from interlock.workflow.state import Requirement, Resolution, RunState
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import MAX_FEEDBACK_BYTES, JsonObject, JsonValue, RunStatus

DECISION_FIELDS: dict[str, tuple[str, ...]] = {
    "requires_confirmation": ("confirmed", "on_reject", "rejection_feedback"),
    "requires_user_input": ("user_input", "user_input_schema"),
    "requires_route_selection": ("selected_choices",),
}
"""Which of the client's fields decide a requirement, by its kind."""

CLIENT_FIELDS = (
    "confirmed",
    "on_reject",
    "rejection_feedback",
    "user_input",
    "user_input_schema",
    "selected_choices",
    "edited_output",
    "executor_requirements",
)


@dataclass(frozen=True, slots=True)
class Decided:
    """One requirement and the decision on it, after defaults."""

    requirement: Requirement
    decision: JsonObject


MayDecide = Callable[[Mapping[str, Any]], bool]
"""Whether the person may decide a requirement, given its facts."""


def decide(
    workflow: Workflow,
    state: RunState,
    echoed: Sequence[EchoedRequirement],
    *,
    may_decide: MayDecide,
    seen: int | None = None,
    audited: Mapping[str, Resolution] | None = None,
) -> tuple[Decided, ...]:
    """What a `continue-workflow` resolves; empty when all of it was resolved so before.

    Args:
        echoed: the requirements as they came back.
        seen: on a connection that follows the run, the index up to (not including) which it was sent events.
        audited: resolutions by requirement id that the state no longer keeps.

    Raises:
        Refusal: nothing of it may be applied; see `protocol.md` for the codes and their order.
    """
    if not echoed:
        raise _nothing_asked(state)
    decided: dict[str, Decided] = {}
    for each in echoed:
        found = _find(state, each, seen, audited or {})
        if not may_decide(found.facts if isinstance(found, Requirement) else found.requirement.facts):
            raise Refusal(
                ErrorCode.FORBIDDEN,
                "This decision is for others: the pause names its assignees, and you aren't among them.",
                run_id=state.run_id,
            )
        given = _given(each)
        if not given:
            continue
        if isinstance(found, Resolution):
            _repeat(workflow, state, found, given)
            continue
        decision = _merge(workflow, state, found, given)
        earlier = decided.get(found.id)
        if earlier is not None and earlier.decision != decision:
            raise _invalid(state, "requirement", "The same requirement is decided twice here; decide it once.")
        decided[found.id] = Decided(found, decision)
    if not decided and not any(_given(each) for each in echoed):
        raise _invalid(
            state, "step_requirements", "None of these requirements has a decision; fill in e.g. `confirmed`."
        )
    return tuple(decided.values())


def continued(
    workflow: Workflow, state: RunState, decided: Sequence[Decided], *, resolved_by: str, now: int
) -> tuple[Draft, ...]:
    """The events of these decisions."""
    return tuple(
        Draft(
            step_event(
                state,
                workflow.name,
                place_at(workflow, tuple(each.requirement.path)),
                tuple(each.requirement.path),
                each.requirement.facts["visit"],
                "StepContinued",
                requirement_id=each.requirement.id,
                decision=each.decision,
                resolved_by=resolved_by,
                resolved_at=now,
            )
        )
        for each in decided
    )


def cancel(workflow: Workflow, state: RunState, *, reason: str | None, cancelled_by: str) -> tuple[Draft, ...]:
    """The events of a cancellation; none when the run is cancelled already.

    A run that has not begun begins, to be cancelled: they are good only at the very start of its log.

    Raises:
        Refusal: `run_finished`.
    """
    if state.status is RunStatus.CANCELLED:
        return ()
    if state.status.is_final:
        raise _finished(state)
    draft = Draft(run_event(state, workflow.name, "WorkflowCancelled", reason=reason, cancelled_by=cancelled_by))
    return (started(workflow, state), draft) if state.status is RunStatus.PENDING else (draft,)


# ── Finding it ──────────────────────────────────────────────────────────────────────────────────────────


def _find(
    state: RunState, echoed: EchoedRequirement, seen: int | None, audited: Mapping[str, Resolution]
) -> Requirement | Resolution:
    found = _by_id(state, echoed.id, audited) if echoed.id else _by_step(state, echoed, seen)
    if found is None:
        if state.status.is_final:
            raise _finished(state)
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


def _by_id(state: RunState, requirement_id: str, audited: Mapping[str, Resolution]) -> Requirement | Resolution | None:
    if requirement_id in state.requirements:
        return state.requirements[requirement_id]
    for resolution in state.resolved.values():
        if resolution.requirement.id == requirement_id:
            return resolution
    return audited.get(requirement_id)


def _by_step(state: RunState, echoed: EchoedRequirement, seen: int | None) -> Requirement | Resolution | None:
    """The pending requirement of the step that agrees with the echoed kind; else the latest resolved one."""
    if not echoed.step_id:
        raise _invalid(state, "step_requirements", "A requirement needs its `id`, or at least its `step_id`.")
    kinds = echoed.claimed_kinds or _kinds_of(_given(echoed))
    for requirement in state.requirements.values():
        if (
            requirement.facts["step_id"] == echoed.step_id
            and requirement.kind in kinds
            and _was_seen(requirement, seen)
            and _is_that_visit(requirement, echoed.visit)
        ):
            return requirement
    resolved = [
        resolution
        for resolution in state.resolved.values()
        if resolution.requirement.facts["step_id"] == echoed.step_id and resolution.requirement.kind in kinds
    ]
    return max(resolved, key=lambda each: each.requirement.paused_index, default=None)


def _is_that_visit(requirement: Requirement, visit: JsonValue) -> bool:
    """An echoed visit tells a late click on an earlier iteration from one on this; not echoed, it says nothing."""
    return not isinstance(visit, int) or isinstance(visit, bool) or visit == requirement.facts["visit"]


def _was_seen(requirement: Requirement, seen: int | None) -> bool:
    return seen is None or requirement.paused_index < seen


def _kinds_of(given: Mapping[str, Any]) -> frozenset[str]:
    """The kinds that these fields can decide, for a client that echoes no flag."""
    kinds = frozenset(kind for kind, fields in DECISION_FIELDS.items() if any(field in given for field in fields))
    return kinds or frozenset(DECISION_FIELDS)


# ── Merging it ──────────────────────────────────────────────────────────────────────────────────────────


def _given(echoed: EchoedRequirement) -> dict[str, Any]:
    """The client's fields that were given. A schema without a single value was only echoed."""
    given = {name: getattr(echoed, name) for name in CLIENT_FIELDS if getattr(echoed, name) is not None}
    schema = given.pop("user_input_schema", ())
    values = {field.name: field.value for field in schema if field.value is not None}
    if values:
        given["user_input_schema"] = values
    if "confirmed" not in given:
        given.pop("on_reject", None)  # it was echoed with the rest: alone it decides nothing
    given.pop("executor_requirements", None)
    return given


def _merge(workflow: Workflow, state: RunState, requirement: Requirement, given: Mapping[str, Any]) -> JsonObject:
    """The decision on `requirement`, checked and with its defaults."""
    applicable = DECISION_FIELDS[requirement.kind]
    wrong: list[JsonValue] = [
        {"field": name, "error": f"This doesn't decide a pause that {requirement.kind.replace('_', ' ')}."}
        for name in given
        if name not in applicable
    ]
    if wrong:
        raise _refused(state, requirement, wrong)
    decision, errors = _MERGERS[requirement.kind](workflow, requirement, given)
    if errors:
        raise _refused(state, requirement, errors)
    return decision


Merged = tuple[JsonObject, list[Any]]


def _merge_confirmation(_: Workflow, requirement: Requirement, given: Mapping[str, Any]) -> Merged:
    confirmed = given.get("confirmed")
    if confirmed is None:
        return {}, [{"field": "confirmed", "error": "Give true or false."}]
    if confirmed:
        extra = [name for name in given if name != "confirmed"]
        # A whole requirement is echoed with the declared `on_reject` in it: that alone decides nothing.
        wrong = [
            {"field": name, "error": "This belongs to a rejection, and `confirmed` is true; leave it out."}
            for name in extra
            if name != "on_reject"
        ]
        return {"confirmed": True}, wrong
    on_reject = given.get("on_reject", requirement.facts["on_reject"])
    decision: JsonObject = {"confirmed": False, "on_reject": on_reject}
    wrong = []
    allowed = requirement.facts["allowed_on_reject"]
    if on_reject not in allowed:
        wrong.append({"field": "on_reject", "error": f"This must be one of: {', '.join(allowed)}."})
    feedback = given.get("rejection_feedback")
    if feedback is not None:
        decision["rejection_feedback"] = feedback
        if len(feedback.encode(errors="replace")) > MAX_FEEDBACK_BYTES:
            wrong.append({"field": "rejection_feedback", "error": "This is over 64 KiB; shorten it."})
    return decision, wrong


def _merge_input(workflow: Workflow, requirement: Requirement, given: Mapping[str, Any]) -> Merged:
    values: dict[str, JsonValue] = dict(given.get("user_input", {}))
    wrong: list[Any] = []
    for name, value in given.get("user_input_schema", {}).items():
        if values.get(name) is not None and not is_same(values[name], value):
            sentence = "`user_input` and `user_input_schema` give different values; send one, or the same twice."
            wrong.append({"field": name, "error": sentence})
        values[name] = value
    node = place_at(workflow, tuple(requirement.path)).node
    ask = node.ask if isinstance(node, Step) else None
    model = ask.model if isinstance(ask, Ask) else None
    accepted, errors = check_input(requirement.facts["user_input_schema"], values, model)
    decision: JsonObject = {"user_input": accepted}
    return decision, wrong + errors


def _merge_routes(_: Workflow, requirement: Requirement, given: Mapping[str, Any]) -> Merged:
    available: list[str] = requirement.facts["available_choices"]
    selected: list[str] = given["selected_choices"]
    known = ", ".join(available)
    sentence = None
    if not selected:
        sentence = f"Select a route: {known}."
    elif unknown := [name for name in selected if name not in available]:
        sentence = f"There is no route {unknown[0]!r}; select from: {known}."
    elif len(set(selected)) > 1 and not requirement.facts["allow_multiple_selections"]:
        sentence = f"Only one route may be selected here; select one of: {known}."
    wrong = [] if sentence is None else [{"field": "selected_choices", "error": sentence}]
    return {"selected_choices": [name for name in available if name in selected]}, wrong


_MERGERS: dict[str, Callable[[Workflow, Requirement, Mapping[str, Any]], Merged]] = {
    "requires_confirmation": _merge_confirmation,
    "requires_user_input": _merge_input,
    "requires_route_selection": _merge_routes,
}


def _repeat(workflow: Workflow, state: RunState, resolution: Resolution, given: Mapping[str, Any]) -> None:
    """The same decision again changes nothing; another one is refused with the one that won."""
    try:
        same = is_same(_merge(workflow, state, resolution.requirement, given), resolution.decision)
    except Refusal:
        same = False
    if not same:
        raise Refusal(
            ErrorCode.CONFLICT,
            f"This was decided already, by {resolution.resolved_by}; what they decided stands.",
            details={"decision": resolution.decision, "resolved_by": resolution.resolved_by},
            run_id=state.run_id,
        )


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────


def _refused(state: RunState, requirement: Requirement, wrong: list[Any]) -> Refusal:
    first = wrong[0]
    return Refusal(
        ErrorCode.INVALID_DECISION,
        f"The decision on step {requirement.facts['step_name']!r} can't be taken: {first['field']}: {first['error']}",
        details=[{"requirement_id": requirement.id, **each} for each in wrong],
        run_id=state.run_id,
    )


def _invalid(state: RunState, field: str, sentence: str) -> Refusal:
    return Refusal(
        ErrorCode.INVALID_DECISION, sentence, details=[{"field": field, "error": sentence}], run_id=state.run_id
    )


def _finished(state: RunState) -> Refusal:
    return Refusal(
        ErrorCode.RUN_FINISHED,
        f"The run has ended ({state.status.value}); start a new one.",
        run_id=state.run_id,
    )


def _nothing_asked(state: RunState) -> Refusal:
    if state.status.is_final:
        return _finished(state)
    if state.requirements:
        return _invalid(state, "step_requirements", "The run waits for a decision; send its requirement with it.")
    return Refusal(ErrorCode.RUN_NOT_PAUSED, "The run waits for nobody; wait for its next pause.", run_id=state.run_id)
