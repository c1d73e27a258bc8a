"""The compiler of definitions in JSON: a definition without faults becomes a workflow with one machine.

Laws:
- What `check` calls valid compiles: nothing here can fail, and nothing that is declared is left out unsaid.
- The workflow is like one declared in Python: nobody who runs it knows that it comes from JSON.
- The same definition compiles to the same workflow, on every node: its version is the id of the stored version, and its
  fingerprint covers everything that changes what a run does.

Source: `docs/machines.md`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from interlock.definitions.checks.ladder import escalations_in
from interlock.definitions.machine_graph import target_of
from interlock.workflow.containers.machine import Halting, Handler, Machine, State, Transition, Wait
from interlock.workflow.declare.business import span_in
from interlock.workflow.declare.data_paths import parts_of
from interlock.workflow.declare.logic import HttpLogic, Logic, Retry, ScriptLogic, TextLogic
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.declare.policies import policy_in
from interlock.workflow.declare.widgets import Widget
from interlock_protocol.types import JsonObject

Declared: TypeAlias = dict[str, Any]

MS = 1000
CALL_MS = 30_000
DELAY_MS = 1_000

_ROOTS = frozenset({"workflow_data", "input", "context"})


def compiled(definition: JsonObject, *, version_id: str | None) -> Workflow:
    """The workflow of a definition without faults.

    Args:
        definition: as `check` found it valid.
        version_id: the version that runs keep.
    """
    declared: Declared = definition
    name = declared["name"]
    states = {each: _state(each, state) for each, state in declared["states"].items()}
    return Workflow(
        name,
        steps=[Machine(name, states, initial_state=declared["initial_state"])],
        description=declared.get("description"),
        ai_guidance=declared.get("ai_guidance"),
        version=version_id,
        accepts={"type": "object", **(declared.get("input_schema") or {})},
        business_key=declared.get("business_key"),
    )


def _state(name: str, state: Declared) -> State:
    logic, on_enter = state.get("logic"), state.get("on_enter")
    return State(
        _logic(logic),
        [_transition(each) for each in state.get("transitions") or ()],
        on_enter=_logic(on_enter),
        on_enter_retry=_retry(on_enter),
        on_error=_handlers(state.get("on_error")),
        retry=_retry(logic),
        halt=_halting(name, state) if state["type"] == "halting" else None,
        threads=state["threads"] if state["type"] == "parallel" else None,
        join=state.get("join") or "all",
        is_terminal=state["type"] == "terminal",
        description=state.get("description"),
        wait=Wait(state.get("seconds"), state.get("until")) if state["type"] == "wait" else None,
    )


def _transition(declared: Declared) -> Transition:
    return Transition(
        _target(declared),
        declared.get("condition"),
        declared.get("key"),
        declared.get("description"),
        declared.get("label"),
        declared.get("port"),
    )


def _target(declared: Declared) -> str:
    target = target_of(declared)
    assert target is not None, "a definition is checked before it is compiled"
    return target


def _handlers(declared: Declared | list[Declared] | None) -> list[Handler]:
    handlers = declared if isinstance(declared, list) else [] if declared is None else [declared]
    return [Handler(_target(each), frozenset(each["codes"]) if each.get("codes") else None) for each in handlers]


# ── Logic ───────────────────────────────────────────────────────────────────────────────────────────────


def _logic(declared: Declared | None) -> Logic | None:
    if declared is None:
        return None
    if declared["type"] == "script":
        return ScriptLogic(declared["code"])
    return HttpLogic(
        declared["method"].upper(),
        declared["url"],
        declared.get("headers") or {},
        declared.get("body"),
        (declared.get("timeout") or CALL_MS) / MS,
        declared.get("output"),
        declared.get("integration"),
    )


def _retry(declared: Declared | None) -> Retry | None:
    retry = None if declared is None else declared.get("retry")
    if retry is None:
        return None
    delay = retry.get("delay_ms")
    return Retry(
        int(retry["attempts"]), retry.get("backoff") or "exponential", (DELAY_MS if delay is None else delay) / MS
    )


# ── Halting ─────────────────────────────────────────────────────────────────────────────────────────────


def _halting(name: str, state: Declared) -> Halting:
    on_timeout = state.get("on_timeout")
    return Halting(
        presentation=state.get("presentation"),
        instruction=_instruction(name, state),
        text=_text(state),
        selects=state.get("transition_mode") == "selection",
        accepts=state.get("accepts"),
        assignees=state.get("assignees"),
        policy=policy_in(state.get("policy")),
        distinct_from=state.get("distinct_from") or (),
        exclude_starter=bool(state.get("exclude_starter")),
        bind=bool(state.get("bind")),
        timeout=state.get("timeout"),
        on_timeout=None if on_timeout is None else _target(on_timeout),
        signal=state.get("signal"),
        widget=_widget(state.get("widget")),
        reminders=[*map(span_in, state.get("reminders") or ())],
        escalate=escalations_in(state.get("escalate")),
        due=None if state.get("due") is None else span_in(state["due"]),
    )


def _widget(declared: Declared | None) -> Widget | None:
    if declared is None:
        return None
    return Widget(
        declared["bundle"],
        props=declared.get("props") or {},
        ports=declared.get("interactionPortMap") or {},
        default=declared.get("default"),
        schema=declared.get("schema") or {},
        confirm=bool(declared.get("confirm")),
        message=declared.get("message"),
    )


def _instruction(name: str, state: Declared) -> JsonObject | None:
    """What a person is told: `{title?, message}`, with templates.

    Where a model is to write it, this is what is told without one: what the state is for, and the data that the model
    would be shown.
    """
    declared = state.get("halting_instructions")
    if declared is None:
        return None
    config = declared.get("config") or {}
    if declared.get("type") == "message":
        title = config.get("title")
        return {**({} if title is None else {"title": title}), "message": config["message"]}
    paths = config.get("include_data_paths") or declared.get("include_data") or []
    told = state.get("description") or f"{name} waits for an answer."
    return {"message": "\n".join([told, *(f"{path}: {_template_of(path)}" for path in paths)])}


def _text(state: Declared) -> TextLogic | None:
    """What a model is to write, if one is: with a prompt, and only the data that is named."""
    declared = state.get("halting_instructions")
    if declared is None or declared.get("type") == "message":
        return None
    config = declared.get("config") or {}
    paths = config.get("include_data_paths") or declared.get("include_data") or []
    prompt = config.get("prompt") or declared.get("instruction") or ""
    return TextLogic(prompt, {path: _template_of(path) for path in paths}, config.get("model"))


def _template_of(path: str) -> str:
    """The template of a path into the data, or into another root."""
    parts = parts_of(path) or ()
    is_rooted = len(parts) > 1 and parts[0] in _ROOTS
    return f"${{{path}}}" if is_rooted else f"${{workflow_data.{path}}}"
