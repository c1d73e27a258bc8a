"""A run whose workflow was changed since it began: whether its place is still there, and what is said when it isn't.

Laws:
- A run goes on in a changed definition when every place that it has entered, and every question that it waits for, is
  still there. What it hasn't come to yet may be whatever it is by then.
- Otherwise a person is asked (`definition_changed`): to look again, once the definition is back, or to cancel. That
  touches no node: where the run stands stays as it is.

Source: `docs/workflows.md`, "Changing a workflow".
"""

from __future__ import annotations

import hashlib
from typing import Any

from interlock.workflow.declaration import Step, Workflow
from interlock.workflow.events import Draft, run_event
from interlock.workflow.outputs import run_output
from interlock.workflow.reviews import kind_of
from interlock.workflow.scope import place_at
from interlock.workflow.state import GATES, REVIEWS, Requirement, RunState, dump, fold, load, walk
from interlock_protocol.requirements import FLAGS
from interlock_protocol.types import RunStatus

DEFINITION_CHANGED = "definition_changed"


def fits(workflow: Workflow, state: RunState) -> bool:
    """Whether a run can go on in this definition."""
    if workflow.fingerprint == state.fingerprint:
        return True
    if any(node.step_id not in workflow.by_step_id for node in walk(state.nodes)):
        return False
    return all(_is_there(workflow, each) for each in state.requirements.values() if not is_about_definition(each))


def _is_there(workflow: Workflow, requirement: Requirement) -> bool:
    """Whether the place that asks still asks this."""
    node = place_at(workflow, tuple(requirement.path)).node
    if requirement.kind in (*GATES, *REVIEWS):
        return any(kind_of(review, node.kind) == requirement.kind for review in node.reviews.values())
    return isinstance(node, Step) and (requirement.kind == "requires_error_decision" or node.agent is not None)


def is_about_definition(requirement: Requirement) -> bool:
    """Whether a requirement is about the definition, and not about a step."""
    return requirement.facts.get("error_type") == DEFINITION_CHANGED


def asks_about_definition(state: RunState) -> Requirement | None:
    """The requirement about the definition that a run waits with."""
    return next((each for each in state.requirements.values() if is_about_definition(each)), None)


def definition_changed(state: RunState, now: int) -> tuple[Draft, ...]:
    """What is said of a run whose place is gone: an error, the question about it, and that the run is paused.

    Args:
        now: milliseconds since 1970.
    """
    named = _where(state)
    sentence = (
        f"The workflow was changed while this run was under way: {named['step_name']!r} is no longer there as it was. "
        "Serve the earlier definition and choose retry, or cancel the run."
    )
    identity = "\x1f".join((state.run_id, DEFINITION_CHANGED, str(state.next_index)))
    facts: dict[str, Any] = {
        "id": "req-" + hashlib.blake2b(identity.encode(), digest_size=12).hexdigest(),
        **named,
        "error_message": sentence,
        "error_type": DEFINITION_CHANGED,
        "retry_count": 0,
    }
    error = {"error": sentence, "error_type": DEFINITION_CHANGED, "attempt": 1, "will_retry": False}
    flags = {**dict.fromkeys(FLAGS, False), "requires_error_decision": True}
    drafts = [
        Draft(run_event(state, state.workflow_id, "StepError", **named, **error), {"apart": True}),
        Draft(
            run_event(state, state.workflow_id, "StepPaused", **named, requirement_id=facts["id"], **flags),
            {"requirement": facts, "apart": True},
        ),
    ]
    after = load(dump(state))
    for draft in drafts:
        draft.event["created_at"] = now
        fold(after, draft.event, draft.private)
    status = RunStatus.PAUSED.value
    drafts.append(Draft(run_output(state.workflow_id, after, status=status, step_results=list(state.ended_steps))))
    return tuple(drafts)


def _where(state: RunState) -> dict[str, Any]:
    """What names the place at which a run stands: of what it waits for, or of the node that it entered last."""
    keys = ("step_id", "step_name", "step_index", "step_path", "visit")
    if state.requirements:
        facts = next(iter(state.requirements.values())).facts
        return {key: facts[key] for key in keys}
    path: list[Any] = []
    nodes, node = state.nodes, None
    while nodes:
        name = next(reversed(nodes))
        node = nodes[name]
        path = [*path, name, *([node.iteration] if node.iterating else [])]
        nodes = node.children
    if node is None:
        return {"step_id": "", "step_name": state.workflow_id, "step_index": 0, "step_path": [], "visit": 1}
    name = next(part for part in reversed(path) if isinstance(part, str))
    return {"step_id": node.step_id, "step_name": name, "step_index": 0, "step_path": path, "visit": node.visit}


def stand_in(workflow_id: str) -> Workflow:
    """A workflow that has only its name, for runs whose definition is gone."""
    return Workflow(workflow_id, steps=[lambda _: None])
