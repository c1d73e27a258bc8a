"""The audit: converts decisions to rows of the store, and rows back to decisions that a state no longer has.

Law: for a decision that is sent again, the earlier decision comes from the audit, and its question from the log, if the
log still has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic_core import from_json

from interlock.engine.driving.rows import parted, recorded
from interlock.log.port import Appended, Batch, Log
from interlock.store.ports.decisions import Decision, Decisions
from interlock.workflow.program import TOOLS, Decided, Draft, Program, Requirement, Resolution, RunState
from interlock_protocol.codec import read_body
from interlock_protocol.types import JsonObject

LOOKED_BACK = 4096
"""How many events before an earlier decision its pause is searched for; an older pause isn't found."""


def audit(decided: Sequence[Decided], drafts: Sequence[Draft], appended: Appended) -> list[Decision]:
    """The audit rows of appended decisions: one per requirement, or per tool."""
    return [
        recorded(
            draft.event["run_id"],
            id_,
            decision,
            each.private,
            draft.event["responded_by" if each.vote else "resolved_by"],
            at=draft.event["responded_at" if each.vote else "resolved_at"],
            epoch=appended.epoch,
            index=index,
        )
        for index, (each, draft) in enumerate(zip(decided, drafts, strict=True), appended.first_index)
        for id_, decision in each.by_id.items()
    ]


def by_requirement(audited: Sequence[Decision]) -> dict[str, list[Decision]]:
    """Group audited decisions by requirement id, in order. A tool's decision is also under its requirement's id."""
    made: dict[str, list[Decision]] = {}
    for each in sorted(audited, key=lambda each: each.event_index):
        for id_ in {each.requirement_id, each.requirement_id.rpartition(".")[0]}:
            made.setdefault(id_, []).append(each)
    return made


def paused_in(batches: Sequence[Batch], requirement_id: str) -> Requirement | None:
    """Return an agent's requirement as it was asked, if these batches contain its pause."""
    for batch in batches:
        for index, entry in enumerate(batch.entries, batch.first_index):
            if entry.private is None or requirement_id.encode() not in entry.body:
                continue
            event, private = read_body(entry.body), from_json(entry.private)
            if event["event"] == "StepPaused" and event.get("requirement_id") == requirement_id:
                facts = {**private["requirement"], "executor_requirements": event.get("executor_requirements", [])}
                return Requirement(requirement_id, TOOLS, list(event["step_path"]), index, facts)
    return None


def resolved_tools(requirement: Requirement, made: Sequence[Decision]) -> Resolution:
    """Rebuild the resolution of an agent's requirement from the decisions on its tools."""
    last = made[-1]
    tools = {each.requirement_id: each for each in made if each.requirement_id != requirement.id}
    for id_, each in tools.items():
        response = {key: value for key, value in each.decision.items() if key != "id"}
        requirement.respond(id_, response, each.resolved_by, at=each.decided_at, index=each.event_index)
    by_tool: JsonObject = {"executor_requirements": [each.decision for each in tools.values()]}
    decision = by_tool if tools else last.decision
    return Resolution(requirement, decision, last.resolved_by, last.decided_at, last.event_index)


def resolution_of(program: Program, state: RunState, decision: Decision, logged: Sequence[Batch]) -> Resolution | None:
    """Rebuild the resolution of an audited decision, if the log still has its event."""
    event = read_body(logged[0].entries[0].body) if logged else {}
    if event.get("requirement_id") != decision.requirement_id or event["event"] != "StepContinued":
        return None
    requirement = program.asked_again(state, event, decision.event_index)
    if requirement is None:
        return None
    given, private = parted(decision.decision)
    return Resolution(requirement, given, decision.resolved_by, decision.decided_at, decision.event_index, private)


async def audited(
    log: Log, store: Decisions, program: Program, state: RunState, ids: Sequence[str]
) -> dict[str, Resolution]:
    """Return the resolutions of those requirements that the state no longer has, by id.

    Raises:
        LogUnavailable, StoreUnavailable: they can't be looked up now.
    """
    known = {*state.requirements, *(each.requirement.id for each in state.resolved.values())}
    found: dict[str, Resolution] = {}
    made: Mapping[str, Sequence[Decision]] | None = None
    for id_ in dict.fromkeys(ids):
        # PostgreSQL's text can't hold a NUL, and no id of this server has one.
        if id_ in known or "\x00" in id_:
            continue
        decision = await store.decision(state.run_id, id_)
        resolution = None
        if decision is not None:
            batches = await log.read(state.run_id, decision.event_index, max_bytes=1)
            resolution = resolution_of(program, state, decision, batches)
        if resolution is None:
            made = by_requirement(await store.decisions(state.run_id)) if made is None else made
            resolution = await _audited_tools(log, state.run_id, id_, made.get(id_, ()))
        if resolution is not None:
            found[id_] = resolution
    return found


async def _audited_tools(log: Log, run_id: str, requirement_id: str, made: Sequence[Decision]) -> Resolution | None:
    """Return the resolution of an agent's requirement from its audited decisions, if its pause is found in the log."""
    if not made:
        return None
    place, end = max(0, made[0].event_index - LOOKED_BACK), made[0].event_index
    while place < end and (batches := await log.read(run_id, place)):
        if (requirement := paused_in(batches, requirement_id)) is not None:
            return resolved_tools(requirement, made)
        place = batches[-1].next_index
    return None
