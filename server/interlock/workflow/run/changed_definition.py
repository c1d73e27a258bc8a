"""A run whose workflow has changed since it began: whether it can go on, and the question to a person if it can't.

Laws:
- A run goes on under a changed definition if everything it relies on is unchanged: the places that it has entered,
  their kinds and their order; the routes that were offered and chosen; every question that it waits for, with all the
  answers that were offered, and who may give them; and its input and filled-in forms, which must still be valid.
- Nodes that it hasn't entered may change freely. Of an ended node only the content counts, and of a skipped one
  nothing. Code, texts, times and error handling don't count.
- Otherwise a person is asked (`definition_changed`): to check again, once the definition is restored, or to cancel.
  This touches no node: the run stays where it is.

Source: `docs/workflows.md`, "Changing a workflow".
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from interlock.workflow.containers.registry import container_of
from interlock.workflow.declare.forms import check_input, is_same
from interlock.workflow.declare.inputs import checked_input
from interlock.workflow.declare.interactions import ByMessage, Interaction
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Step, Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.declare.policies import asked_of, governed_by
from interlock.workflow.declare.reviews import (
    AnyReview,
    Ask,
    Choose,
    Confirm,
    ErrorReview,
    Resume,
    Review,
    Signal,
    ToolReview,
    kind_of,
    widget_of,
)
from interlock.workflow.node import NodeState, Phase
from interlock.workflow.run.digests import digest_of
from interlock.workflow.run.events import Draft, Path, run_event
from interlock.workflow.run.fold import fold
from interlock.workflow.run.requirements import rejections
from interlock.workflow.run.scope import scope_of_first
from interlock.workflow.run.snapshots import run_output
from interlock.workflow.run.state import (
    GATES,
    REVIEWS,
    TOOLS,
    Requirement,
    RunState,
    dump,
    load,
    node_at,
    resolution_key,
)
from interlock_protocol.requirements import FLAGS
from interlock_protocol.types import JsonValue, RunStatus, StepType

DEFINITION_CHANGED = "definition_changed"


def fits(workflow: Workflow, state: RunState) -> bool:
    """Return True if a run can go on under this definition."""
    return misfit(workflow, state) is None


def misfit(workflow: Workflow, state: RunState) -> str | None:
    """Why a run can't go on under this definition, as a part of a sentence; None if it can."""
    if workflow.fingerprint == state.fingerprint:
        return None
    return next(_misfits(workflow, state), None)


def _misfits(workflow: Workflow, state: RunState) -> Iterator[str]:
    if not _takes_input(workflow, state.input):
        yield "what it was started with isn't what the workflow takes now"
    yield from _of_nodes(workflow, state, workflow.places, state.nodes, (), tuple(workflow.places))
    for requirement in state.requirements.values():
        if not is_about_definition(requirement):
            yield from _of_requirement(workflow, state, requirement)


# ── Its input ───────────────────────────────────────────────────────────────────────────────────────────


def _takes_input(workflow: Workflow, given: JsonValue) -> bool:
    """Return True if the workflow accepts this input, and all of it."""
    try:
        return _holds(checked_input(workflow, given), given)
    except Exception:  # a refusal, or whatever an author's validator raises
        return False


def _holds(value: JsonValue, part: JsonValue) -> bool:
    """Return True if all of `part` is in `value`, which may have more keys."""
    if isinstance(value, dict) and isinstance(part, dict):
        return all(key in value and _holds(value[key], each) for key, each in part.items())
    if isinstance(value, list) and isinstance(part, list):
        return len(value) == len(part) and all(map(_holds, value, part))
    return is_same(value, part)


def _takes_form(ask: Ask, given: Mapping[str, JsonValue], sealed: Collection[str]) -> bool:
    """Return True if the form accepts what was filled in, and has the secret fields that are `sealed`.

    A secret's placeholder tells nothing about the secret, so a model with secrets can't judge what was filled in.
    """
    secrets = {field.name for field in ask.fields if field.secret}
    if secrets & given.keys() != set(sealed):
        return False
    try:
        _, wrong = check_input([field.to_wire() for field in ask.fields], given, None if secrets else ask.model)
    except Exception:  # whatever an author's validator raises
        return False
    return not wrong


# ── Its nodes ───────────────────────────────────────────────────────────────────────────────────────────


def _of_nodes(
    workflow: Workflow,
    state: RunState,
    places: Mapping[str, Place],
    nodes: Mapping[str, NodeState],
    prefix: Path,
    order: Sequence[str] | None,
) -> Iterator[str]:
    """Yield what is wrong with the nodes of a container that were entered.

    Args:
        order: the names of those inside that run one after the other; None if their order doesn't matter.
    """
    entered = {name: node for name, node in nodes.items() if node.phase not in (Phase.SKIPPED, Phase.WITHDRAWN)}
    for name, node in entered.items():
        if name not in places:
            yield f"{name!r} is no longer there"
        else:
            yield from _of_node(workflow, state, places[name], node, (*prefix, name))
    if order is None or any(name not in places for name in entered):
        return
    there = [name for name in order if name in entered or name not in nodes]
    if there[: len(entered)] != list(entered):
        yield f"another step comes before {next(reversed(entered))!r} now, or the order of the steps is another"


def _of_node(workflow: Workflow, state: RunState, place: Place, node: NodeState, path: Path) -> Iterator[str]:
    named, is_ended = repr(place.node.name), node.phase is Phase.COMPLETED
    if not _is_of_kind(node, place.node.kind):
        yield f"{named} is a {place.node.kind} now, and was a {node.kind}"
        return
    if not is_ended:
        yield from (f"{named}: {what}" for what in _of_live(workflow, state, place, node, path))
    inner = path if node.part is None else (*path, node.part)
    for nodes in (node.earlier, node.children):
        is_open = nodes is node.children and not is_ended
        order = _order(place, node) if is_open else _as_before(place, nodes)
        yield from _of_nodes(workflow, state, place.children, nodes, inner, order)


def _is_of_kind(node: NodeState, kind: StepType) -> bool:
    """Return True if a node was of this kind when it was entered, as far as its events tell.

    In older releases, the events of a nested workflow that has just begun are the same as any other step's.
    """
    has_just_begun = node.phase is Phase.RUNNING and not node.children and node.agent is None
    untold = node.kind is None or (node.kind == "Step" and kind == "Workflow" and has_just_begun)
    return untold or node.kind == kind


def _order(place: Place, node: NodeState) -> Sequence[str] | None:
    """The names of those inside a node that run one after the other; None if their order doesn't matter."""
    container = container_of(place.node)
    if container is None:
        return ()
    return container.order(container.own_of(node)) if container.IN_ORDER else None


def _as_before(place: Place, nodes: Mapping[str, NodeState]) -> Sequence[str] | None:
    """As `_order`, for nodes that no longer run: only the content of the last of them matters."""
    container = container_of(place.node)
    is_in_order = container is None or container.IN_ORDER
    return [name for name in place.children if name in nodes] if is_in_order else None


def _of_live(workflow: Workflow, state: RunState, place: Place, node: NodeState, path: Path) -> Iterator[str]:
    """Yield what is wrong with a node that hasn't ended."""
    if _begins_again(place, node) and not _has_passed(state, place, node, path):
        yield "other questions come first than those that were answered"
    container = container_of(place.node)
    if container is None:
        yield from _of_step(state, place.node, node, path)
    else:
        gone = container.gone(container.own_of(node), node)
        yield from () if gone is None else (gone,)
        inner = container.inner if node.phase is Phase.RUNNING else None
        if inner is not None and not _takes_input(inner, scope_of_first(workflow, state, path).input):
            yield "what came to the workflow inside isn't what it takes now"
    review = place.node.asks(Review)
    if review is not None and node.verdict.round > review.max_retries:
        yield f"it was sent back {node.verdict.round} times, which is more than the `max_retries`"


def _begins_again(place: Place, node: NodeState) -> bool:
    """Return True if a node may still ask what comes before it runs: it hasn't begun, or may begin again."""
    container = container_of(place.node)
    return node.phase is Phase.ENTERED or container is None or container.ASKS_AGAIN


def _has_passed(state: RunState, place: Place, node: NodeState, path: Path) -> bool:
    """Return True if the reviews that were answered before a node ran are the first ones that it declares."""
    passed = [
        each.requirement.kind
        for each in (state.resolved.get(resolution_key(node.step_id, kind)) for kind in GATES)
        if each is not None and each.requirement.facts["visit"] == node.visit and each.requirement.path == list(path)
    ][: node.gates_passed]
    asked = [kind_of(gate, place.node) for gate in place.node.gates]
    return passed[: len(asked)] == asked[: len(passed)]


def _of_step(state: RunState, step: Node, node: NodeState, path: Path) -> Iterator[str]:
    ask, given = step.asks(Ask), node.form.user_input
    if ask is not None and given is not None and not _takes_form(ask, given, node.form.sealed):
        yield "the form doesn't take what was filled in"
    if node.agent is not None:
        asked = [*state.requirements.values(), *(each.requirement for each in state.resolved.values())]
        of_agent = next((each for each in asked if each.kind == TOOLS and each.path == list(path)), None)
        if not _is_agent(step, of_agent):
            yield "it isn't the agent that went to work"


def _is_agent(step: Node, requirement: Requirement | None) -> bool:
    """Return True if the step has the agent that asked this: only the same agent can resume from its pause."""
    agent = step.agent if isinstance(step, Step) else None
    if agent is None or requirement is None:
        return agent is not None
    who = (requirement.facts.get("executor_id"), requirement.facts.get("executor_type"))
    return who == (agent.id, agent.type)


# ── Its requirements ────────────────────────────────────────────────────────────────────────────────────


def _of_requirement(workflow: Workflow, state: RunState, requirement: Requirement) -> Iterator[str]:
    """Yield what is wrong with a question: every answer that it offered must still be possible, by the same people."""
    place, node = _place_of(workflow, requirement), node_at(state, requirement.path)
    review = None if place is None or node is None else _review_of(place, node, requirement)
    named = repr(requirement.facts["step_name"])
    if place is None or node is None or review is None:
        yield f"{named} no longer asks what it asked: {requirement.kind.removeprefix('requires_').replace('_', ' ')}"
        return
    facts = requirement.facts
    if isinstance(review, ByMessage):
        return
    assignees = facts.get("assignees") if requirement.named is None else requirement.named
    if set(assignees or ()) != set(asked_of(review) or ()):
        yield f"others are to decide on {named}"
    if any(facts.get(name) != told for name, told in governed_by(review).items()):
        yield f"who decides on {named} does so in another way"
    if requirement.due is not None and facts["on_timeout"] != review.on_timeout:
        yield f"something else is to become of {named} when nobody decides in time"
    yield from (f"{named}: {what}" for what in _of_answers(place, node, review, requirement))


def _place_of(workflow: Workflow, requirement: Requirement) -> Place | None:
    places: Mapping[str, Place] = workflow.places
    place = None
    for name in requirement.path:
        if isinstance(name, str):
            place = places.get(name)
            places = {} if place is None else place.children
    return place


def _review_of(place: Place, node: NodeState, requirement: Requirement) -> AnyReview | None:
    """The review that asks this now, if the node asks it in its current state."""
    kind, step = requirement.kind, place.node
    if kind in GATES:
        gates = step.gates[node.gates_passed : node.gates_passed + 1]
        return next((gate for gate in gates if kind_of(gate, step) == kind), None)
    if kind in REVIEWS:
        return step.asks(Review)
    if not isinstance(step, Step) or container_of(step) is not None:
        return None
    if kind == TOOLS:
        return None if step.agent is None else step.asks(ToolReview) or ToolReview()
    return step.asks(ErrorReview) or ErrorReview()


def _of_answers(place: Place, node: NodeState, review: AnyReview, requirement: Requirement) -> Iterator[str]:
    facts = requirement.facts
    if isinstance(review, Confirm | Review):
        _, allowed = rejections(place, node, review)
        gone = [each for each in facts["allowed_on_reject"] if each not in allowed]
        if gone:
            yield f"{gone[0]!r} is no longer allowed in a rejection"
    if widget_of(review) is not None and not _is_widget_shown(review, facts):
        yield "the widget is another one, or has other events than those that were told"
    yield from _of_what_is_asked(place, review, facts)


def _of_what_is_asked(place: Place, review: AnyReview, facts: Mapping[str, Any]) -> Iterator[str]:
    match review:
        case Signal(topic) | Resume(signal=topic) if topic != facts.get("topic"):
            yield f"it no longer waits for the signal {facts.get('topic')!r}"
        case Signal(source=source) if source != facts.get("source"):
            yield "others may send the signal that it waits for"
        case Interaction() if facts["interaction"]["spec"] != review.spec:
            yield "it is answered in another way"
        case Ask() | ErrorReview() if not _is_form_shown(place, facts.get("user_input_schema")):
            yield "the form has other fields than the one that was shown"
        case Choose():
            gone = [name for name in facts["available_choices"] if name not in place.children]
            if gone:
                yield f"the offered route {gone[0]!r} is no longer one"
            elif facts["allow_multiple_selections"] and not review.multiple:
                yield "only one route may be chosen where it was several"
        case Review() if facts.get("max_retries", 0) > review.max_retries:
            yield "it may be sent back less often than was said (`max_retries`)"


def _is_widget_shown(review: AnyReview, facts: Mapping[str, Any]) -> bool:
    """Return True if a review has the widget that was shown, with the same events."""
    widget, shown = widget_of(review), facts.get("widget", {})
    return widget is not None and (widget.bundle, widget.events) == (shown.get("bundle"), shown.get("events"))


def _is_form_shown(place: Place, shown: Sequence[Mapping[str, Any]] | None) -> bool:
    """Return True if a node has the form that was shown, in a question about it or about an error; None: no form."""
    ask = place.node.asks(Ask)
    return shown is None or (ask is not None and _form(shown) == _form([field.to_wire() for field in ask.fields]))


def _form(fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The parts of a form that its answers depend on, by field: type, required, allowed values, and secrecy."""
    return {
        field["name"]: (
            field["field_type"],
            bool(field.get("required")),
            None if field.get("allowed_values") is None else sorted(map(to_json, field["allowed_values"])),
            bool(field.get("secret")),
        )
        for field in fields
    }


# ── The question about the definition ───────────────────────────────────────────────────────────────────


def is_about_definition(requirement: Requirement) -> bool:
    """Return True if a requirement is about the definition, and not about a step."""
    return requirement.facts.get("error_type") == DEFINITION_CHANGED


def asks_about_definition(state: RunState) -> Requirement | None:
    """The requirement about the definition that a run waits for; None if there is none."""
    return next((each for each in state.requirements.values() if is_about_definition(each)), None)


def definition_changed(workflow: Workflow | None, state: RunState, now: int) -> tuple[Draft, ...]:
    """The events of a run that can't go on: an error, the question about it, and the pause.

    Args:
        workflow: the current definition; None if there is none.
        now: milliseconds since 1970.
    """
    named = _where(state)
    why = "it isn't served any more" if workflow is None else misfit(workflow, state)
    sentence = (
        f"The workflow was changed while this run was under way: {why or 'it has changed meanwhile'}. "
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
    facts["digest"] = digest_of(facts)
    error = {"error": sentence, "error_type": DEFINITION_CHANGED, "attempt": 1, "will_retry": False}
    flags = {**dict.fromkeys(FLAGS, False), "requires_error_decision": True, "digest": facts["digest"]}
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
    """The fields that identify where a run is: what it waits for, or the node that it entered last."""
    keys = ("step_id", "step_name", "step_index", "step_path", "visit")
    if state.requirements:
        facts = next(iter(state.requirements.values())).facts
        return {key: facts[key] for key in keys}
    path: list[Any] = []
    nodes, node = state.nodes, None
    while nodes:
        name = next(reversed(nodes))
        node = nodes[name]
        path = [*path, name, *([] if node.part is None else [node.part])]
        nodes = node.children
    if node is None:
        return {"step_id": "", "step_name": state.workflow_id, "step_index": 0, "step_path": [], "visit": 1}
    name = next(part for part in reversed(path) if isinstance(part, str))
    return {"step_id": node.step_id, "step_name": name, "step_index": 0, "step_path": path, "visit": node.visit}


def stand_in(workflow_id: str) -> Workflow:
    """A workflow that has only its name, for runs whose definition is gone."""
    return Workflow(workflow_id, steps=[lambda _: None])
