"""What the store keeps of a run's state: its row, its snapshot, and the audit of its decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import to_json

from interlock.audit.chain import Noted
from interlock.store.ports.decisions import Decision
from interlock.store.ports.errors import FoundError
from interlock.store.ports.runs import Settlement, Snapshot
from interlock.store.ports.webhooks import FoundMilestone
from interlock.workflow.program import (
    FOR_GOOD,
    REDUCER_VERSION,
    TIMEOUT,
    Act,
    Asked,
    Decided,
    Lifetimes,
    Milestone,
    Part,
    Requirement,
    Resolution,
    RunError,
    RunState,
    Untold,
    dump,
    next_timer,
    payload,
    response_id,
    said,
)
from interlock_protocol.limits import MAX_STATE_BYTES
from interlock_protocol.types import JsonObject
from interlock_protocol.values import NotWire, too_large

_PRIVATE = "$private"
"""The key under which an audit row has a decision's private data; no field of a decision has this name."""


def with_private(decision: JsonObject, private: JsonObject) -> JsonObject:
    """A decision in the form of an audit row."""
    return {**decision, _PRIVATE: private} if private else decision


def parted(audited: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Split an audit row into the decision and its private data."""
    private: Any = audited.get(_PRIVATE, {})
    return {key: value for key, value in audited.items() if key != _PRIVATE}, private


def recorded(
    run_id: str, id_: str, decision: JsonObject, private: JsonObject, by: str, *, at: int, epoch: int, index: int
) -> Decision:
    """The audit row of a decision, with what its entry in the chain says."""
    noted = _noted(id_, decision, private, by, at=at, epoch=epoch, index=index)
    return Decision(run_id, id_, with_private(decision, private), by, at, epoch, index, noted)


def _noted(
    id_: str, decision: JsonObject, private: Mapping[str, Any], by: str, *, at: int, epoch: int, index: int
) -> JsonObject:
    """What an entry says: who decided what, when, where that stands in the log, and who stood behind it."""
    vote = private.get("vote")
    requirement_id, _, part = id_.partition("." if vote is None else "#")
    told = {**private.get("told", {}), **(vote or {})}
    return {
        "kind": "expired" if by == TIMEOUT else "decided" if vote is None else "responded",
        "requirement_id": requirement_id,
        **({"part": part} if part and vote is None else {}),
        "by": by,
        "at": at,
        "epoch": epoch,
        "index": index,
        "decision": decision,
        **{key: value for key, value in {**private, **told}.items() if key in _NOTED},
    }


_NOTED: Final = frozenset(
    {"behind", "digest", "late", "needed", "number", "on_behalf_of", "outcome", "reason", "responded", "voter"}
)
"""What of a decision's private data its entry says besides."""


def audit_of(state: RunState) -> list[Decision]:
    """The audit rows of the decisions that a state still has: one per tool, as when they were made."""
    unresolved = [*state.requirements.values(), *state.withdrawn.values()]
    parts = [
        _of_part(state, requirement, id_, part, at=part.at, index=part.index)
        for requirement in unresolved
        for id_, part in requirement.responses.items()
        if part.index is not None
    ]
    return [*parts, *(row for each in state.resolved.values() for row in _of_resolution(state, each))]


def _of_part(state: RunState, requirement: Requirement, id_: str, part: Part, *, at: int, index: int) -> Decision:
    """The row of one of several responses, or of a decision on a tool."""
    if requirement.takes_votes:
        number: Any = part.vote["number"]
        id_, decision, private = response_id(requirement.id, number), part.decision or {}, _as_vote(part)
    else:
        decision, private = {"id": id_, **(part.decision or {})}, {}
    return recorded(state.run_id, id_, decision, private, part.by, at=at, epoch=state.epoch, index=index)


def _as_vote(part: Part) -> JsonObject:
    return {"vote": part.vote}


def _of_resolution(state: RunState, each: Resolution) -> list[Decision]:
    """The rows of a resolution's parts, and its own if another event resolved it (a timeout) or it has no parts.

    What took a signal was decided by nobody, and isn't audited.
    """
    if "signal_id" in each.decision:
        return []
    parts = [
        # Of a part that an older version folded, only the resolution is known.
        _of_part(state, each.requirement, id_, part, at=each.resolved_at, index=each.index)
        if part.index is None
        else _of_part(state, each.requirement, id_, part, at=part.at, index=part.index)
        for id_, part in each.requirement.responses.items()
    ]
    if any(row.event_index == each.index for row in parts):
        return parts
    decision = {key: value for key, value in each.decision.items() if not (parts and key == "executor_requirements")}
    return [
        *parts,
        *(
            recorded(
                state.run_id,
                id_,
                made,
                each.private,
                each.resolved_by,
                at=each.resolved_at,
                epoch=state.epoch,
                index=each.index,
            )
            for id_, made in Decided(each.requirement, decision).by_id.items()
        ),
    ]


def snapshot_of(state: RunState) -> Snapshot | None:
    """Return a snapshot to resume from, or None if the run has ended and its state can't be written.

    An ended run needs none: the log has everything.

    Raises:
        NotWire: the state can't be written, or is too large, and the run hasn't ended.
    """
    try:
        data = dump(state)
    except (ValueError, RecursionError) as error:  # pydantic's own errors are ValueErrors
        fault = NotWire(f"the state of the run can't be written: {said(error)}")
    else:
        if len(data) <= MAX_STATE_BYTES:
            return Snapshot(state.run_id, state.epoch, state.next_index, REDUCER_VERSION, data)
        fault = too_large(len(data), MAX_STATE_BYTES, "what a run has to remember while it waits")
    if state.status.is_final:
        return None
    raise fault


def settlement_of(
    state: RunState,
    now: int,
    untold: Sequence[Untold] = (),
    topics: Sequence[str] = (),
    *,
    with_snapshot: bool,
    wake_at: int | None = None,
    lifetimes: Lifetimes = FOR_GOOD,
    logged: int | None = None,
) -> Settlement:
    """The run's current standing, for its row in the store.

    Args:
        now: the time by the store's clock, in milliseconds since 1970.
        untold: what of the state is told with it.
        topics: of the messages that are left for what is asked.
        wake_at: the time that a sleeping run waits for.
        lifetimes: after what time without a change it is to be looked at.
        logged: the index after the last event that is in the log, if not all that the state has is.

    Raises:
        NotWire: as `snapshot_of`.
    """
    snapshot = snapshot_of(state) if with_snapshot else None
    waiting = list(state.requirements.values())
    pending = tuple(_summary(each) for each in waiting)
    dues = (next_timer(state), wake_at, lifetimes.expires_at(state))
    named = {name for each in waiting for name in each.facts.get("assignees", ())}
    return Settlement(
        run_id=state.run_id,
        status=state.status,
        epoch=state.epoch,
        next_index=state.next_index if logged is None else logged,
        updated_at=now,
        pending=pending,
        assignees=tuple(sorted(named)),
        snapshot=snapshot,
        next_timer=min((due for due in dues if due is not None), default=None),
        errors=tuple(_found(each) for each in untold if isinstance(each, RunError)),
        milestones=tuple(_milestone(state, each) for each in untold if isinstance(each, Milestone)),
        acts=tuple(_act(each) for each in untold if isinstance(each, Act)),
        messages=tuple((topic, each.subject) for each in untold if isinstance(each, Asked) for topic in topics),
    )


def _found(error: RunError) -> FoundError:
    return FoundError(
        epoch=error.epoch,
        index=error.index,
        at=error.at,
        code=error.code,
        message=error.message,
        step_id=error.step_id,
        state=error.state,
        thread_id=error.thread_id,
        is_fatal=error.is_fatal,
        repeats=error.repeats,
    )


def _act(act: Act) -> Noted:
    """What an entry of the audit says of what somebody did."""
    content: JsonObject = {"kind": act.kind, "by": act.by, "at": act.at, "epoch": act.epoch, "index": act.index}
    return Noted(f"{act.kind}:{act.index}", act.epoch, {**act.said, **content})


def _milestone(state: RunState, each: Milestone) -> FoundMilestone:
    data = to_json(payload(state, each)).decode()
    index = each.index if each.asked_at is None else each.asked_at
    return FoundMilestone(epoch=each.epoch, index=index, at=each.at, event=each.event.value, data=data)


_SUMMARY = (
    "id",
    "step_id",
    "step_name",
    "step_type",
    "thread_id",
    "assignees",
    "claim",
    "confirmation_message",
    "user_input_message",
    "output_review_message",
    "error_message",
    "topic",
    "policy",
    "due_at",
    "timeout_at",
)

MOST_SHOWN = 500
"""How many characters of what is decided about lists have."""


def _summary(requirement: Requirement) -> JsonObject:
    """The fields of a requirement that run lists show."""
    summary = {key: requirement.facts[key] for key in _SUMMARY if key in requirement.facts}
    question: Any = requirement.facts.get("interaction")
    if question is not None:
        shown = {name: question[name] for name in ("type", "title", "priority") if name in question}
        summary["interaction"] = {**shown, "spec": {"mode": question["spec"]["mode"]}}
    subject = _subject(requirement)
    if subject:
        summary["subject"] = subject
    return {**summary, "kind": requirement.kind}


def _subject(requirement: Requirement) -> str:
    """What is decided about, to be read: the run's message, and below it what the step before has given."""
    given: Any = requirement.facts.get("step_input") or {}
    parts = [_text(given[name]) for name in ("input", "previous_step_content") if given.get(name) is not None]
    return "\n".join(dict.fromkeys(part for part in parts if part))[:MOST_SHOWN]


def _text(value: object) -> str:
    return (value if isinstance(value, str) else to_json(value).decode())[:MOST_SHOWN]
