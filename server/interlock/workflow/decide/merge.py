"""The decision: the client's part of an echoed requirement, checked and completed with defaults.

Laws:
- Of an echoed requirement, only the client's fields are read; the server's fields come from the stored pause.
- Every wrong field is reported, up to the limit of an answer. Input is checked against the stored form, without
  coercion.
- What is logged is what a model makes of the input (`made`); a repetition is also compared with what was sent.
- Two decisions are equal if they are equal after defaults; within one message, if they were sent equal.
- No work grows with the square of what a client sends: each question is looked up, and checked once.
- Null means "not given", except where it is a value: an edited output, and the result of an external execution.

Source: `docs/protocol.md`, "Decisions".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from interlock.workflow.containers.port import Container
from interlock.workflow.containers.registry import container_of
from interlock.workflow.declare import interactions
from interlock.workflow.declare.arguments import faults_of_arguments
from interlock.workflow.declare.form_models import Misfit, instance_of, sentence
from interlock.workflow.declare.forms import check_input, is_same, made_of
from interlock.workflow.declare.models import judge_of
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.declare.reviews import Ask, Resume, widget_of
from interlock.workflow.declare.values import wire
from interlock.workflow.declare.widgets import DATA, EVENT, Widget
from interlock.workflow.node import AgentState
from interlock.workflow.run.changed_definition import is_about_definition
from interlock.workflow.run.scope import place_at
from interlock.workflow.run.state import TOOLS, Requirement, RunState, node_at
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.faults import shortened
from interlock_protocol.limits import MAX_EDITED_OUTPUT_BYTES, MAX_FAULTS, MAX_FEEDBACK_BYTES
from interlock_protocol.requirements import (
    RESPONSE,
    WIDGET,
    DecidedExecutorRequirement,
    EchoedErrorRequirement,
    EchoedRequirement,
)
from interlock_protocol.types import JsonObject, JsonValue
from interlock_protocol.values import NotWire

_REVIEWED = ("confirmed", "on_reject", "rejection_feedback", "edited_output")

DECISION_FIELDS: dict[str, tuple[str, ...]] = {
    "requires_confirmation": ("confirmed", "on_reject", "rejection_feedback"),
    "requires_user_input": ("user_input", "user_input_schema"),
    "requires_route_selection": ("selected_choices",),
    "requires_output_review": _REVIEWED,
    "requires_iteration_review": _REVIEWED,
    "requires_executor_input": ("executor_requirements",),
    "requires_error_decision": ("decision", "user_input"),
    RESPONSE: ("response",),
    WIDGET: (EVENT, DATA),
}
"""The client's fields that decide a requirement, by its kind."""

_CLIENT_FIELDS = tuple(dict.fromkeys(field for fields in DECISION_FIELDS.values() for field in fields))

Echoed = EchoedRequirement | EchoedErrorRequirement
Given = Mapping[str, Any]
Merged = tuple[JsonObject, list[Any]]


def given_in(echoed: Echoed) -> dict[str, Any]:
    """The client's fields that were given. A schema without any value was only echoed, and so were tools."""
    given = {name: value for name in _CLIENT_FIELDS if (value := getattr(echoed, name, None)) is not None}
    if given.get("confirmed") and "edited_output" in echoed.model_fields_set:
        given.setdefault("edited_output", None)
    schema = given.pop("user_input_schema", ())
    values = {field.name: field.value for field in schema if field.value is not None}
    if values:
        given["user_input_schema"] = values
    tools = [
        {"id": each.id, **decided} for each in given.pop("executor_requirements", ()) if (decided := _tool_given(each))
    ]
    if tools:
        given["executor_requirements"] = tools
    if "confirmed" not in given:
        given.pop("on_reject", None)  # it was echoed with the rest: alone, it decides nothing
    return given


def meant_by(requirement: Requirement, given: Given) -> dict[str, Any]:
    """The given fields, for this requirement: a null counts as not given, unless null is a value there."""
    meant = {
        name: value
        for name, value in given.items()
        if value is not None or name in DECISION_FIELDS.get(requirement.kind, ())
    }
    if requirement.kind == TOOLS and "executor_requirements" in meant:
        asked: dict[str, dict[str, Any]] = {each["id"]: each for each in requirement.facts["executor_requirements"]}
        tools = [_meant_of_tool(asked.get(each["id"], {}), each) for each in meant.pop("executor_requirements")]
        if tools := [each for each in tools if len(each) > 1]:
            meant["executor_requirements"] = tools
    return meant


def _meant_of_tool(asked: Mapping[str, Any], given: Given) -> dict[str, Any]:
    is_external = asked.get("tool_execution", {}).get("external_execution_required")
    return {name: value for name, value in given.items() if value is not None or is_external}


def kinds_of(given: Given) -> frozenset[str]:
    """The kinds that these fields can decide, for a client that echoes no flag."""
    filled = {name for name, value in given.items() if value is not None}
    kinds = frozenset(kind for kind, fields in DECISION_FIELDS.items() if any(field in filled for field in fields))
    return kinds or frozenset(DECISION_FIELDS)


def merge(workflow: Workflow, state: RunState, requirement: Requirement, given: Given) -> JsonObject:
    """The decision on `requirement`, checked and completed with defaults.

    Raises:
        Refusal: `invalid_decision`, with each wrong field in its details.
    """
    applicable = DECISION_FIELDS[requirement.kind]
    wrong: list[JsonValue] = [
        {"field": name, "error": f"This doesn't decide a pause that {requirement.kind.replace('_', ' ')}."}
        for name in given
        if name not in applicable
    ]
    if wrong:
        raise refused(state, requirement, wrong)
    decision, errors = _MERGERS[requirement.kind](workflow, state, requirement, given)
    if errors:
        raise refused(state, requirement, errors)
    return decision


def made(workflow: Workflow, state: RunState, requirement: Requirement, decision: JsonObject) -> JsonObject:
    """A decision as it is logged: models have processed what was sent, once, including any generated values.

    Raises:
        Refusal: `invalid_decision`; a model rejects what it has just accepted.
    """
    try:
        if "edited_output" in decision:
            return {**decision, "edited_output": _made_of_edit(state, requirement, decision["edited_output"])}
        values: Any = decision.get("user_input")
        model = None if values is None else _model_asked(workflow, requirement)
        if model is None:
            return decision
        return {**decision, "user_input": made_of(requirement.facts["user_input_schema"], values, model)}
    except Misfit as misfit:
        raise refused(state, requirement, list(misfit.wrong)) from None


def container_at(workflow: Workflow, requirement: Requirement) -> Container[Any] | None:
    """The container that asks; None if it is a step."""
    return container_of(place_at(workflow, tuple(requirement.path)).node)


def _model_asked(workflow: Workflow, requirement: Requirement) -> type[BaseModel] | None:
    """The model of the form that a step asks for."""
    ask = place_at(workflow, tuple(requirement.path)).node.asks(Ask)
    return None if ask is None else ask.model


# ── The kinds ───────────────────────────────────────────────────────────────────────────────────────────


def _merge_confirmation(_: Workflow, state: RunState, requirement: Requirement, given: Given) -> Merged:
    confirmed = given.get("confirmed")
    if confirmed is None:
        return {}, [{"field": "confirmed", "error": "Give true or false."}]
    return _merge_approval(state, requirement, given) if confirmed else _merge_rejection(requirement, given)


def _merge_approval(state: RunState, requirement: Requirement, given: Given) -> Merged:
    # A whole requirement is echoed with the declared `on_reject` in it: alone, it decides nothing.
    wrong = [
        {"field": name, "error": "This belongs to a rejection, and `confirmed` is true; leave it out."}
        for name in given
        if name == "rejection_feedback"
    ]
    decision: JsonObject = {"confirmed": True}
    if "edited_output" in given:
        edited = decision["edited_output"] = given["edited_output"]
        wrong += _faults_of_edit(state, requirement, edited)
    return decision, wrong


def _faults_of_edit(state: RunState, requirement: Requirement, edited: JsonValue) -> list[Any]:
    """The reasons why an edited output can't replace the output."""
    if len(to_json(edited)) > MAX_EDITED_OUTPUT_BYTES:
        return [_of_edit(f"This is over {MAX_EDITED_OUTPUT_BYTES // 1024} KiB; shorten it.")]
    output = requirement.facts.get("step_output")
    if isinstance(output, str | dict | list) and edited is not None and type(edited) is not type(output):
        names = {str: "a string", dict: "an object", list: "a list"}
        return [_of_edit(f"The output is {names[type(output)]}; give {names[type(output)]}.")]
    try:
        _made_of_edit(state, requirement, edited)
    except Misfit as misfit:
        return [_of_edit(str(each["error"]), str(each["field"])) for each in misfit.wrong]
    return []


def _made_of_edit(state: RunState, requirement: Requirement, edited: JsonValue) -> JsonValue:
    """An edited output as the step would have returned it: as its model writes it.

    Raises:
        Misfit: the model doesn't accept it, or can't write it.
    """
    judge = judge_of(_model_of(state, requirement), requirement.facts.get("step_output"))
    if judge is None:
        return edited
    made = instance_of(judge, edited)
    try:
        return wire(made, "an edited output")
    except NotWire as fault:
        raise Misfit([{"field": fault.where, "error": sentence(fault.sentence)}]) from None


def _of_edit(sentence: str, path: str = "") -> dict[str, JsonValue]:
    return {"field": ".".join(filter(None, ("edited_output", path))), "error": sentence}


def _model_of(state: RunState, requirement: Requirement) -> str | None:
    """The path of the model that the output under review is an instance of."""
    node = node_at(state, requirement.path)
    return None if node is None or node.pending != requirement.id else node.output.model


def type_of_edit(state: RunState, requirement: Requirement, edited: JsonValue) -> str:
    """The content type of an edited output: the model's name, if the model accepts it."""
    node = node_at(state, requirement.path)
    if node is not None and judge_of(_model_of(state, requirement), requirement.facts.get("step_output")) is not None:
        return node.output.content_type
    return "str" if isinstance(edited, str) else "json"


def _merge_rejection(requirement: Requirement, given: Given) -> Merged:
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
    if "edited_output" in given:
        sentence = "This belongs to an approval, and `confirmed` is false; leave it out."
        wrong.append({"field": "edited_output", "error": sentence})
    return decision, wrong


def _merge_input(workflow: Workflow, _: RunState, requirement: Requirement, given: Given) -> Merged:
    values: dict[str, JsonValue] = dict(given.get("user_input", {}))
    wrong: list[Any] = []
    for name, value in given.get("user_input_schema", {}).items():
        if values.get(name) is not None and not is_same(values[name], value):
            sentence = "`user_input` and `user_input_schema` give different values; send one, or the same twice."
            wrong.append({"field": shortened(name), "error": sentence})
        values[name] = value
    accepted, errors = _checked_form(workflow, requirement, values)
    decision: JsonObject = {"user_input": accepted}
    return decision, wrong + errors


def _checked_form(workflow: Workflow, requirement: Requirement, values: Mapping[str, JsonValue]) -> Merged:
    """The filled-in form of a step, checked."""
    container = container_at(workflow, requirement)
    checked = None if container is None else container.checked(requirement.facts, dict(values))
    if checked is not None:
        return checked[0], list(checked[1])
    accepted, wrong = check_input(requirement.facts["user_input_schema"], values, _model_asked(workflow, requirement))
    return accepted, list(wrong)


def secrets_in(requirement: Requirement, decision: JsonObject) -> dict[str, JsonValue]:
    """The secrets that were filled in, by field."""
    values = decision.get("user_input")
    if not isinstance(values, dict):
        return {}
    fields = [field["name"] for field in requirement.facts.get("user_input_schema", ()) if field.get("secret")]
    return {name: values[name] for name in fields if name in values}


def _merge_routes(_: Workflow, __: RunState, requirement: Requirement, given: Given) -> Merged:
    available: list[str] = requirement.facts["available_choices"]
    selected: list[str] = given["selected_choices"]
    wanted, unknown = set(selected), set(selected) - set(available)
    known = ", ".join(available)
    sentence = None
    if not selected:
        sentence = f"Select a route: {known}."
    elif unknown:
        first = next(name for name in selected if name in unknown)
        sentence = f"There is no route {shortened(first)!r}; select from: {known}."
    elif len(wanted) > 1 and not requirement.facts["allow_multiple_selections"]:
        sentence = f"Only one route may be selected here; select one of: {known}."
    wrong = [] if sentence is None else [{"field": "selected_choices", "error": sentence}]
    return {"selected_choices": [name for name in available if name in wanted]}, wrong


def _merge_response(_: Workflow, __: RunState, requirement: Requirement, given: Given) -> Merged:
    asked = requirement.facts["interaction"]
    response, wrong = interactions.judged(asked["spec"], given["response"])
    return {"response": response}, [{**each, "field": f"response.{each['field']}"} for each in wrong]


def widget_at(workflow: Workflow, requirement: Requirement) -> Widget | None:
    """The widget in which a requirement is answered, if it is in one."""
    if requirement.kind != WIDGET:
        return None
    node = place_at(workflow, tuple(requirement.path)).node
    gates = (node.asks(Widget), node.asks(Resume))
    return next((found for gate in gates if gate is not None and (found := widget_of(gate)) is not None), None)


def _merge_interaction(workflow: Workflow, state: RunState, requirement: Requirement, given: Given) -> Merged:
    widget, event = widget_at(workflow, requirement), given.get(EVENT)
    assert widget is not None, "the definition is the one that asked, or one that asks the same"
    if event is None:
        return {}, [{"field": EVENT, "error": "Say which event of the widget this is."}]
    unknown = widget.unknown(event)
    if unknown is not None:
        expected: JsonObject = {"expected": None if widget.events is None else [*widget.events]}
        raise Refusal(ErrorCode.UNKNOWN_INTERACTION, unknown, details=expected, run_id=state.run_id)
    data, wrong = widget.judged(event, given.get(DATA) or {})
    return {EVENT: event, DATA: data}, list(wrong)


def _merge_error(workflow: Workflow, _: RunState, requirement: Requirement, given: Given) -> Merged:
    what = given.get("decision")
    if what is None:
        return {}, [{"field": "decision", "error": "Say retry, skip or cancel."}]
    if what == "skip" and is_about_definition(requirement):
        return {}, [{"field": "decision", "error": "There is nothing to skip: retry, or cancel the run."}]
    if "user_input" not in given:
        return {"decision": what}, []
    if what != "retry":
        return {}, [{"field": "user_input", "error": "This belongs to a retry; leave it out."}]
    if "user_input_schema" not in requirement.facts:
        return {}, [{"field": "user_input", "error": "This step asked for no input; leave it out."}]
    accepted, wrong = _checked_form(workflow, requirement, given["user_input"])
    return {"decision": what, "user_input": accepted}, wrong


# ── Tools ───────────────────────────────────────────────────────────────────────────────────────────────


def _tool_given(echoed: DecidedExecutorRequirement) -> dict[str, Any]:
    """What was decided about one tool; empty if it was only echoed."""
    given: dict[str, Any] = {}
    if echoed.confirmation is not None:
        given["confirmation"] = echoed.confirmation
    if "external_execution_result" in echoed.model_fields_set:
        given["external_execution_result"] = echoed.external_execution_result
    values = {field.name: field.value for field in echoed.user_input_schema or () if field.value is not None}
    if values or echoed.user_input_schema == []:  # nothing filled in, of a form that wasn't echoed
        given["user_input"] = values
    selected = [
        {"question": each.question, "selected_options": each.selected_options}
        for each in echoed.user_feedback_schema or ()
        if each.selected_options is not None
    ]
    if selected:
        given["user_feedback_schema"] = selected
    if given:
        more = {"confirmation_note": echoed.confirmation_note, "edited_args": echoed.edited_args}
        given |= {key: value for key, value in more.items() if value is not None}
    return given


_TOOL_TWICE = {"field": "id", "error": "The same tool is decided twice here; decide it once."}


def _merge_tools(_: Workflow, state: RunState, requirement: Requirement, given: Given) -> Merged:
    node = node_at(state, requirement.path)
    agent = None if node is None else node.agent
    asked: dict[str, dict[str, Any]] = {each["id"]: each for each in requirement.facts["executor_requirements"]}
    given_to: dict[str, Given] = {}
    decided: dict[str, JsonObject] = {}
    wrong: list[Any] = []
    for each in given["executor_requirements"]:
        id_ = each["id"]
        if id_ not in asked:
            wrong.append({"field": "executor_requirements", "error": f"No tool waits under the id {shortened(id_)!r}."})
            continue
        if id_ in given_to:
            errors = [] if is_same(given_to[id_], each) else [_TOOL_TWICE]  # type: ignore[arg-type]
        else:
            given_to[id_] = each
            decision, errors = _merge_tool(asked[id_], each)
            errors = errors or _faults_of_tool(agent, asked[id_], decision)
            decided[id_] = decision
        wrong += [{"executor_requirement_id": id_, **error} for error in errors]
    return {"executor_requirements": [{"id": id_, **decision} for id_, decision in decided.items()]}, wrong


def _merge_tool(asked: Mapping[str, Any], given: Given) -> Merged:
    tool = asked["tool_execution"]
    if given.get("confirmation") is False and not tool.get("requires_confirmation"):
        return {}, [{"field": "confirmation", "error": "This tool waits for an answer, and can't be rejected here."}]
    if tool.get("external_execution_required"):
        return _only(given, "external_execution_result", "the result of the tool")
    if asked.get("user_feedback_schema"):
        return _merge_feedback(asked["user_feedback_schema"], given)
    if tool.get("requires_user_input"):
        accepted, errors = check_input(tool["user_input_schema"], given.get("user_input", {}), None)
        fields: list[JsonValue] = [{"name": name, "value": value} for name, value in accepted.items()]
        return {"user_input_schema": fields}, errors
    return _merge_tool_confirmation(tool, given)


def _faults_of_tool(agent: AgentState | None, asked: Mapping[str, Any], decision: JsonObject) -> list[Any]:
    """The reasons why a tool can't be called with a person's edits to its arguments."""
    schema = None if agent is None else agent.schemas.get(asked["id"])
    if schema is None:
        return []
    args: dict[str, JsonValue] = asked["tool_execution"]["tool_args"]
    filled: Any = decision.get("user_input_schema")
    edited: Any = decision.get("edited_args")
    if edited is not None:
        return [
            {**each, "field": ".".join(filter(None, ("edited_args", str(each["field"]))))}
            for each in faults_of_arguments(schema, edited)
        ]
    if filled is not None:
        return faults_of_arguments(schema, {**args, **{each["name"]: each["value"] for each in filled}})
    return []


def _merge_tool_confirmation(tool: Mapping[str, Any], given: Given) -> Merged:
    decision, wrong = _only(given, "confirmation", "true or false")
    note, edited = given.get("confirmation_note"), given.get("edited_args")
    if note is not None:
        decision["confirmation_note"] = note
        if len(note.encode(errors="replace")) > MAX_FEEDBACK_BYTES:
            wrong.append({"field": "confirmation_note", "error": "This is over 64 KiB; shorten it."})
    if edited is not None:
        decision["edited_args"] = edited
        if not tool.get("editable"):
            wrong.append(
                {"field": "edited_args", "error": "The arguments of this tool can't be changed; leave it out."}
            )
        elif not decision.get("confirmation"):
            wrong.append({"field": "edited_args", "error": "This belongs to a confirmation; leave it out."})
    return decision, wrong


def _only(given: Given, field: str, what: str) -> Merged:
    wrong = [] if field in given else [{"field": field, "error": f"Give {what}."}]
    return ({field: given[field]} if field in given else {}), wrong


def _merge_feedback(questions: list[dict[str, Any]], given: Given) -> Merged:
    answers = {each.get("question"): each["selected_options"] for each in given.get("user_feedback_schema", ())}
    decided: list[JsonValue] = []
    wrong = []
    for question in questions:
        text, selected = question["question"], answers.get(question["question"])
        labels = (option["label"] if isinstance(option, dict) else option for option in question.get("options", ()))
        options = dict.fromkeys(labels)
        if not selected or any(isinstance(each, list | dict) or each not in options for each in selected):
            wrong.append({"field": text, "error": f"Select from: {', '.join(map(str, options))}."})
        elif len(selected) > 1 and not question.get("multi_select"):
            wrong.append({"field": text, "error": "Only one option may be selected here."})
        else:
            decided.append({"question": text, "selected_options": selected})
    return {"user_feedback_schema": decided}, wrong


_MERGERS: dict[str, Callable[[Workflow, RunState, Requirement, Given], Merged]] = {
    "requires_confirmation": _merge_confirmation,
    "requires_user_input": _merge_input,
    "requires_route_selection": _merge_routes,
    "requires_output_review": _merge_confirmation,
    "requires_iteration_review": _merge_confirmation,
    "requires_executor_input": _merge_tools,
    "requires_error_decision": _merge_error,
    RESPONSE: _merge_response,
    WIDGET: _merge_interaction,
}


# ── Timeouts ────────────────────────────────────────────────────────────────────────────────────────────


def timed_out(workflow: Workflow, state: RunState, requirement: Requirement) -> tuple[JsonObject, JsonObject]:
    """The decision that a timeout makes, and what is logged with it."""
    if requirement.facts["on_timeout"] == "approve" and not is_about_definition(requirement):
        container = container_at(workflow, requirement)
        unanswered = None if container is None else container.unanswered()
        if unanswered is not None:
            return unanswered
    return _timed_out(workflow, state, requirement), {}


def _timed_out(workflow: Workflow, state: RunState, requirement: Requirement) -> JsonObject:
    then = requirement.facts["on_timeout"]
    if requirement.kind == "requires_error_decision":
        return {"decision": then}
    if then != "approve":
        return {"confirmed": False, "on_reject": then}
    if requirement.kind == RESPONSE:
        return {"outcome": "expired"}
    if requirement.kind == "requires_user_input":
        accepted, _ = check_input(requirement.facts["user_input_schema"], {}, None)
        decision: JsonObject = {"user_input": accepted}
        with contextlib.suppress(Refusal):  # what the model rejects is for the step to fail at
            decision = made(workflow, state, requirement, decision)
        return decision
    return {"confirmed": True}


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────


def refused(state: RunState, requirement: Requirement, wrong: list[Any]) -> Refusal:
    """`invalid_decision`, with what is wrong."""
    what = ": ".join(filter(None, (wrong[0]["field"], wrong[0]["error"])))  # a form as a whole has no field's name
    return Refusal(
        ErrorCode.INVALID_DECISION,
        f"The decision on step {requirement.facts['step_name']!r} can't be taken: {what}",
        details=[{"requirement_id": requirement.id, **each} for each in wrong[:MAX_FAULTS]],
        run_id=state.run_id,
    )
