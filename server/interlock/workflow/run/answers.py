"""How what answers a requirement is folded: decisions, responses of several people, and signals.

Laws:
- An answer touches only the node that waited for it, and what is kept of its requirement; so it may be folded late.
- A signal only adds to what is kept of signals. What takes it is an event of the owner, which stands after it.

Source: `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from interlock.workflow.containers.registry import folds_of, own_of
from interlock.workflow.declare.widgets import EVENT, output_of
from interlock.workflow.node import Happening, NodeState
from interlock.workflow.run.events import takes_signal
from interlock.workflow.run.milestones import note_answered, note_given_up, note_responded, note_resumed
from interlock.workflow.run.policy import Part, is_resolved, outcome_in
from interlock.workflow.run.state import (
    GATES,
    KEPT_KEYS,
    REVIEWS,
    TIMEOUT,
    TOOLS,
    Event,
    Requirement,
    Resolution,
    RunState,
    Signal,
    elapsed,
    node_at,
    resolution_key,
)
from interlock_protocol import typed
from interlock_protocol.interactions import interaction_id
from interlock_protocol.requirements import RESPONSE
from interlock_protocol.types import JsonObject, RunStatus

Decision: TypeAlias = typed.StepContinued | typed.StepExecutorContinued


def fold_own(node: NodeState, event: Mapping[str, object], private: Mapping[str, Any]) -> None:
    """Apply an event to a container's own state."""
    change = folds_of(node.kind).get(str(event["event"]))
    if change is not None:
        if node.own is None:
            node.own = own_of(node.kind)
        change(node.own, node, event, private)


def without_secrets(private: JsonObject) -> JsonObject:
    """What is kept of a decision's private data once its secrets aren't needed any more."""
    sealed = private.get("sealed")
    if not isinstance(sealed, dict):
        return private
    return {**private, "sealed": {name: {"tag": each["tag"]} for name, each in sealed.items()}}  # type: ignore[call-overload, index]


def continued(state: RunState, event: Decision, private: Mapping[str, Any]) -> None:
    """Fold a decision, of a person, a timeout or a signal."""
    _note_key(state, private)
    _note_deciders(state, event["step_name"], private.get("behind") or [event["resolved_by"]])
    is_withdrawn = event["requirement_id"] not in state.requirements
    asked = state.withdrawn if is_withdrawn else state.requirements
    requirement = asked.get(event["requirement_id"])
    if requirement is None:
        return
    if not state.status.is_final:
        _resumed(state, event["resolved_at"])
    if takes_signal(event):
        note_resumed(state, event, requirement.facts)
        note_given_up(state, requirement, event["resolved_at"], event["resolved_by"])
        _signal_taken(state, asked.pop(requirement.id), event, private)
        return
    decision = dict(event["decision"])
    if "executor_requirements" in decision and not _is_resolved_by(requirement, event, state.next_index):
        return  # only some parts are decided; a timeout decides the whole
    if requirement.kind == TOOLS and requirement.responses:
        decision["executor_requirements"] = requirement.responses_on_wire
    note_resumed(state, event, requirement.facts)
    note_answered(state, cast("typed.StepContinued", event), requirement)
    asked.pop(requirement.id)
    kept = {key: value for key, value in private.items() if key != "key"}
    state.resolved[resolution_key(event["step_id"], requirement.kind)] = Resolution(
        requirement,
        decision,
        event["resolved_by"],
        event["resolved_at"],
        state.next_index,
        without_secrets(kept) if is_withdrawn else kept,
    )
    node = node_at(state, requirement.path)
    if node is not None and node.pending == requirement.id:
        node.pending = None
        _decided(state, node, requirement, event, private)


def _resumed(state: RunState, at: int) -> None:
    if state.paused_at is not None:
        state.paused_ms += elapsed(state.paused_at, at)
        state.paused_at = None
    state.status = RunStatus.RUNNING


def signal_received(state: RunState, event: typed.SignalReceived, private: Mapping[str, Any]) -> None:
    """Keep a signal until something takes it; one that is here already comes to nothing."""
    id_ = event["signal_id"]
    if id_ not in state.signal_ids and not state.status.is_final:
        kept = Signal(id_, event.get("payload"), event["sent_by"], private.get("size", 0))
        state.signals.setdefault(event["topic"], []).append(kept)
        if event.get("resumes"):
            _resumed(state, event["created_at"])
    if "fingerprint" in private:
        state.signal_ids.setdefault(id_, private["fingerprint"])


def _signal_taken(state: RunState, requirement: Requirement, event: Decision, private: Mapping[str, Any]) -> None:
    """Hand a signal to the node that waited for it."""
    said: Mapping[str, Any] = event["decision"]
    queue = state.signals[said["topic"]]
    signal = next(each for each in queue if each.id == said["signal_id"])
    queue.remove(signal)
    if not queue:
        del state.signals[said["topic"]]
    by, at = event["resolved_by"], event["resolved_at"]
    resolution = Resolution(requirement, event["decision"], by, at, state.next_index)
    state.resolved[resolution_key(event["step_id"], requirement.kind)] = resolution
    node = node_at(state, requirement.path)
    if node is not None and node.pending == requirement.id:
        node.pending = None
        node.gates_passed += 1
        node.form = replace(node.form, signal=(signal.payload,))
        fold_own(node, cast("Event", event), {**private, "signal": signal.payload})


def _is_resolved_by(requirement: Requirement, event: Decision, index: int) -> bool:
    """Fold the responses to some parts of a requirement; return True if they resolve it."""
    by, at = event["resolved_by"], event["resolved_at"]
    given: Mapping[str, Any] = event["decision"]
    for each in given["executor_requirements"]:
        response = {key: value for key, value in each.items() if key != "id"}
        requirement.respond(each["id"], response, by, at=at, index=index)
    responses = requirement.responses
    shown = [
        _answered(each, responses[each["id"]].decision or {}) if each["id"] in responses else each
        for each in requirement.facts["executor_requirements"]
    ]
    requirement.facts = {**requirement.facts, "executor_requirements": shown}
    return is_resolved(requirement.rule, requirement.parts)


def _note_key(state: RunState, private: Mapping[str, Any]) -> None:
    if "key" in private:
        state.applied_keys = [*state.applied_keys[1 - KEPT_KEYS :], private["key"]]


def _note_deciders(state: RunState, step: str, people: Sequence[str]) -> None:
    known = state.deciders.get(step, ())
    new = [each for each in people if each != TIMEOUT and each not in known]
    if new:
        state.deciders[step] = [*known, *new]


def responded(state: RunState, event: typed.InteractionResponded, private: Mapping[str, Any]) -> None:
    """Fold one of several responses. One that is late is only kept; if its question is gone, nothing is."""
    _note_key(state, private)
    id_, vote = event["requirement_id"], private["vote"]
    if event.get("late"):
        found = (each.requirement for each in state.resolved.values() if each.requirement.id == id_)
        requirement = next(found, None)
    else:
        _note_deciders(state, event["step_name"], vote["behind"])
        requirement = state.requirements.get(id_) or state.withdrawn.get(id_)
    if requirement is None:
        return
    voter = event["voter"]
    part = Part(event["decision"], event["responded_by"], event["responded_at"], state.next_index, vote)
    requirement.keep(voter, part)
    requirement.number = max(requirement.number, event["number"])
    if not event.get("late"):
        requirement.answered = requirement.attended
        earlier = [each for each in requirement.facts.get("responses", ()) if each["voter"] != voter]
        responses = [*earlier, _response_on_wire(voter, event)]
        note_responded(state, event, requirement)
        requirement.facts = {**requirement.facts, "needed": event["needed"], "responses": responses}


def _response_on_wire(voter: str, event: typed.InteractionResponded) -> dict[str, Any]:
    shown: dict[str, Any] = {"voter": voter, "by": event["responded_by"], "at": event["responded_at"]}
    more = {key: value for key, value in event.items() if key in ("decision", "on_behalf_of", "reason")}
    return {**shown, **more}


def _answered(request: dict[str, Any], decision: JsonObject) -> dict[str, Any]:
    """A tool's request with the decision on it; an answer is put into its question."""
    shown = {**request, **decision}
    for schema, name in (("user_input_schema", "name"), ("user_feedback_schema", "question")):
        answers: Any = decision.get(schema)
        if answers is not None:
            given = {each[name]: each for each in answers}
            shown[schema] = [{**each, **given.get(each[name], {})} for each in request[schema]]
    return shown


def _decided(
    state: RunState, node: NodeState, requirement: Requirement, event: Decision, private: Mapping[str, Any]
) -> None:
    """Apply a decision to the node that waited for it."""
    decision: JsonObject = event["decision"]
    if decision.get("confirmed") is False:
        _rejected(node, requirement, event)
    elif requirement.kind in REVIEWS:
        _approved(node, decision, private)
    elif requirement.kind == TOOLS and node.agent is not None:
        node.agent.decisions = {id_: part.decision or {} for id_, part in requirement.responses.items()}
        node.go(Happening.RESUMED)
        node.started_index = state.next_index  # what it streamed before the pause stays valid
    elif requirement.kind == "requires_error_decision":
        _error_decided(node, event, private)
    else:
        node.gates_passed += 1
        _filled(node, decision, private)
        if EVENT in decision:
            done = output_of(decision, event["resolved_by"], event["resolved_at"])
            node.form = replace(node.form, widget=done, port=private.get("port"))
        if requirement.kind == RESPONSE:
            node.form = replace(node.form, interaction=_interacted(state, requirement, event))
    fold_own(node, event, private)


def _interacted(state: RunState, requirement: Requirement, event: Decision) -> JsonObject:
    """What an interaction came to, as its step gets it."""
    decision: Mapping[str, Any] = event["decision"]
    response = decision.get("response")
    said: dict[str, Any] = {
        "interaction_id": interaction_id(requirement.id, state.run_id),
        "type": requirement.facts["interaction"]["type"],
        "outcome": outcome_in(event),
        "responded_by": event["resolved_by"],
        "responded_at": event["resolved_at"],
    }
    if response is not None:
        said["response"] = response
    if requirement.parts:
        said["responses"] = [
            {"by": part.by, "at": part.at, **(part.decision or {})} for part in requirement.responses.values()
        ]
    return said


def _approved(node: NodeState, decision: JsonObject, private: Mapping[str, Any]) -> None:
    node.verdict = replace(node.verdict, given="approved")
    if "edited_output" in decision:
        content = decision["edited_output"]
        kept = "str" if isinstance(content, str) else node.output.content_type
        content_type = private.get("content_type", kept)
        node.output = replace(node.output, content=content, content_type=content_type, overruled=True)


def _filled(node: NodeState, decision: Mapping[str, Any], private: Mapping[str, Any], *, again: bool = False) -> None:
    """Fold a filled-in form, `again` or for the first time."""
    if "user_input" in decision:
        sealed = {name: each["value"] for name, each in private.get("sealed", {}).items()}
        given: JsonObject = decision["user_input"]
        node.form = replace(node.form, user_input=given, sealed=sealed, inputs=node.form.inputs + again)


def _rejected(node: NodeState, requirement: Requirement, event: Decision) -> None:
    decision: Mapping[str, Any] = event["decision"]
    feedback, on_reject = decision.get("rejection_feedback"), decision["on_reject"]
    node.verdict = replace(node.verdict, rejected_by=event["resolved_by"], feedback=feedback)
    if requirement.kind in GATES:
        node.gates_passed += 1
    if on_reject != "retry":
        node.verdict = replace(node.verdict, rejected=on_reject)
        return
    node.verdict = replace(node.verdict, given="retry", previous_output=node.output.content)
    node.output = replace(node.output, content=None)
    if requirement.kind == "requires_output_review":
        _run_again(node)


def _run_again(node: NodeState) -> None:
    """An output was sent back: the next round begins where the node's execution begins."""
    node.go(Happening.SENT_BACK)
    node.verdict = replace(node.verdict, round=node.verdict.round + 1)
    node.tries = replace(node.tries, in_a_row=0)
    node.agent = None
    node.session_changes = []
    node.children = {}


def _error_decided(node: NodeState, event: Decision, private: Mapping[str, Any]) -> None:
    decision: Mapping[str, Any] = event["decision"]
    what = decision["decision"]
    node.failure = replace(node.failure, asks=False)
    if what == "retry":
        node.go(Happening.TO_RETRY)
        node.tries = replace(node.tries, in_a_row=0, asked_errors=node.tries.asked_errors + 1)
        _filled(node, decision, private, again=True)
    else:
        # The earlier feedback was about an output, and isn't the reason.
        node.verdict = replace(node.verdict, rejected=what, rejected_by=event["resolved_by"], feedback=None)
