"""The audit: decisions as rows of the store, and rows as the decisions that a state no longer keeps.

Law: what was decided is answered from the audit, whenever it is asked again; what was asked, from the log, if it is
there still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic_core import from_json

from interlock.engine.driving.rows import parted, with_private
from interlock.log.port import Appended, Batch, Log
from interlock.store.port import Decision, Store
from interlock.workflow.containers.port import Scope
from interlock.workflow.decide.decide import Decided
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.node import Form
from interlock.workflow.run.events import Draft
from interlock.workflow.run.policy import Part
from interlock.workflow.run.requirements import asked, node_in_round
from interlock.workflow.run.scope import place_at
from interlock.workflow.run.state import TOOLS, Requirement, Resolution, RunState
from interlock_protocol.codec import read_body
from interlock_protocol.types import JsonObject

MAX_ROUNDS = 100
"""How far back a late click on a review is compared with what was decided; beyond, it isn't found."""

LOOKED_BACK = 4096
"""How many events before a late click's decision its pause is looked for; beyond, it isn't found."""


def audit(decided: Sequence[Decided], drafts: Sequence[Draft], appended: Appended) -> list[Decision]:
    """What is written down of decisions that were appended: a row for each requirement, and for each tool."""
    return [
        Decision(
            run_id=draft.event["run_id"],
            requirement_id=id_,
            decision=with_private(decision, each.private),
            resolved_by=draft.event["resolved_by"],
            decided_at=draft.event["resolved_at"],
            epoch=appended.epoch,
            event_index=index,
        )
        for index, (each, draft) in enumerate(zip(decided, drafts, strict=True), appended.first_index)
        for id_, decision in each.by_id.items()
    ]


def by_requirement(audited: Sequence[Decision]) -> dict[str, list[Decision]]:
    """The audited decisions on agents' requirements, in order, by id: of its tools, or of it as a whole."""
    made: dict[str, list[Decision]] = {}
    for each in sorted(audited, key=lambda each: each.event_index):
        for id_ in {each.requirement_id, each.requirement_id.rpartition(".")[0]}:
            made.setdefault(id_, []).append(each)
    return made


def paused_in(batches: Sequence[Batch], requirement_id: str) -> Requirement | None:
    """The requirement as it was asked, if these hold the pause of an agent that asked it."""
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
    """An agent's requirement as it was resolved, tool by tool."""
    last = made[-1]
    tools = {each.requirement_id: each for each in made if each.requirement_id != requirement.id}
    requirement.parts = {
        id_: Part({key: value for key, value in each.decision.items() if key != "id"}, each.resolved_by)
        for id_, each in tools.items()
    }
    by_tool: JsonObject = {"executor_requirements": [each.decision for each in tools.values()]}
    decision = by_tool if tools else last.decision
    return Resolution(requirement, decision, last.resolved_by, last.decided_at, last.event_index)


def resolution_of(
    workflow: Workflow, state: RunState, decision: Decision, logged: Sequence[Batch]
) -> Resolution | None:
    """An audited decision as the state would keep it, if the log still has its event: what was asked is drawn up anew.

    Its kind is told from the reviews of its place: the one whose requirement has this id.
    """
    event = read_body(logged[0].entries[0].body) if logged else {}
    if event.get("requirement_id") != decision.requirement_id or event["event"] != "StepContinued":
        return None
    path = tuple(event["step_path"])
    place = place_at(workflow, path)
    for review in place.node.reviews.values():
        for round_ in range(MAX_ROUNDS):
            node = node_in_round(place, event["visit"], round_)
            node.form = Form({})  # an error's question has the form that was asked before
            found = asked(state.run_id, place, path, node, review, Scope(state.input), 0)
            if found.id == decision.requirement_id:
                requirement = Requirement(found.id, found.kind, list(path), decision.event_index, found.facts)
                given, private = parted(decision.decision)
                return Resolution(
                    requirement, given, decision.resolved_by, decision.decided_at, decision.event_index, private
                )
    return None


async def audited(
    log: Log, store: Store, workflow: Workflow, state: RunState, ids: Sequence[str]
) -> dict[str, Resolution]:
    """The resolutions of these requirements that the state no longer keeps, by id.

    Raises:
        LogUnavailable, StoreUnavailable: they can't be looked up now.
    """
    known = {*state.requirements, *(each.requirement.id for each in state.resolved.values())}
    found: dict[str, Resolution] = {}
    made: Mapping[str, Sequence[Decision]] | None = None
    for id_ in dict.fromkeys(ids):
        # PostgreSQL's text holds no NUL; no id of ours has one.
        if id_ in known or "\x00" in id_:
            continue
        decision = await store.decision(state.run_id, id_)
        resolution = None
        if decision is not None:
            batches = await log.read(state.run_id, decision.event_index, max_bytes=1)
            resolution = resolution_of(workflow, state, decision, batches)
        if resolution is None:
            made = by_requirement(await store.decisions(state.run_id)) if made is None else made
            resolution = await _audited_tools(log, state.run_id, id_, made.get(id_, ()))
        if resolution is not None:
            found[id_] = resolution
    return found


async def _audited_tools(log: Log, run_id: str, requirement_id: str, made: Sequence[Decision]) -> Resolution | None:
    """The resolution of an agent's requirement, whose tools were decided one by one, so."""
    if not made:
        return None
    place, end = max(0, made[0].event_index - LOOKED_BACK), made[0].event_index
    while place < end and (batches := await log.read(run_id, place)):
        if (requirement := paused_in(batches, requirement_id)) is not None:
            return resolved_tools(requirement, made)
        place = batches[-1].next_index
    return None
