"""The checks of one state: its type, what it runs, whom it asks, and where it leads.

Laws:
- Each type of state has a table of its fields; a field of another type is a fault that names that type.
- Where a state leads to is checked here; whether one gets there is the flow's.

Source: `docs/machines.md`, "States" and "Halting".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from interlock.definitions.checks import ladder, policies, widgets
from interlock.definitions.checks.fields import (
    Check,
    Context,
    Field,
    Shape,
    Table,
    Typed,
    anything,
    either,
    number,
    of_list,
    one_of,
    text,
)
from interlock.definitions.checks.logic import DATA_ROOTS, logic
from interlock.definitions.machine_graph import is_unconditional
from interlock.workflow.declare import conditions, presentations, schemas, templates
from interlock.workflow.declare.checks import Fault, inside, meant, quoted, type_in_words
from interlock.workflow.declare.data_paths import parts_of
from interlock.workflow.declare.reviews import MAX_TIMEOUT
from interlock_protocol.faults import shortened
from interlock_protocol.limits import MAX_NAME
from interlock_protocol.namespaces import is_topic

MAX_TRANSITIONS = 20
MAX_THREADS = 10
MAX_HANDLERS = 20
MAX_PATHS = 100
"""How many paths into the data the instructions of a halt may name."""

CODES = (
    *("script_error", "script_timeout", "http_error", "http_timeout"),
    *("data_too_large", "secret_not_allowed", "invalid_time"),
    *("empty_group", "quorum_out_of_range", "widget_not_found"),
)
"""The errors of logic that a state may handle."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_SECONDS = " of seconds"


def is_name(text: str) -> bool:
    """Return True if a workflow or a thread can be called so."""
    return _NAME.match(text) is not None


def _templated_text(value: object, at: str, context: Context) -> Iterator[Fault]:
    yield from text()(value, at, context)
    yield from templates.faults_in(value, at, DATA_ROOTS)


# ── Where it leads ──────────────────────────────────────────────────────────────────────────────────────


def _target(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(at, f"A target is the name of a state, not {type_in_words(value)}.")
    elif value not in context.states:
        yield Fault(at, f"Target state '{shortened(value)}' does not exist" + _meant(value, context))


def _meant(name: str, context: Context) -> str:
    if context.hints <= 0:
        return ""
    context.hints -= 1
    found = meant(name, context.states)
    return "" if found is None else f"; did you mean '{shortened(found)}'?"


_TARGETS: Table = {"target": Field(_target), "to": Field(_target)}


def _leading(shape: Shape) -> Check:
    """The check of an object with a target, under either of its names."""

    def check(value: object, at: str, context: Context) -> Iterator[Fault]:
        yield from shape(value, at, context)
        if not isinstance(value, dict):
            return
        named = [value[name] for name in ("target", "to") if value.get(name) is not None]
        if not named:
            yield Fault(inside(at, "target"), f'{shape.what} needs a "target"; name the state to which it leads.')
        elif len(named) > 1 and named[0] != named[1]:
            yield Fault(inside(at, "to"), 'This has a "target" and a "to" that differ; keep one of them.')

    return check


def _condition(value: object, at: str, context: Context) -> Iterator[Fault]:
    yield from conditions.faults_in(value, at)


_TRANSITION = _leading(
    Shape(
        "A transition",
        {
            **_TARGETS,
            "condition": Field(_condition),
            "key": Field(text(most=MAX_NAME)),
            "label": Field(text(may_be_empty=True)),
            "description": Field(text(may_be_empty=True)),
            "port": Field(widgets.port),
        },
    )
)
_HANDLER: Table = {**_TARGETS, "description": Field(text(may_be_empty=True))}
_CODES = of_list(one_of(CODES, "The code of an error"), what="The codes", most=len(CODES), least=1)

_TRANSITIONS = Field(of_list(_TRANSITION, what="The transitions", most=MAX_TRANSITIONS))
_ON_TIMEOUT = Field(_leading(Shape("A timeout's way on", _HANDLER)))
_ON_ERROR_ONE = _leading(Shape("A handler of errors", {**_HANDLER, "codes": Field(_CODES)}))
_ON_ERROR = Field(
    either(list, of_list(_ON_ERROR_ONE, what="The handlers of errors", most=MAX_HANDLERS, least=1), _ON_ERROR_ONE)
)


def _needs_transitions(state: Mapping[str, object], at: str) -> Iterator[Fault]:
    if state.get("transitions") in (None, []):
        yield Fault(
            inside(at, "transitions"),
            "This state has no transitions, so nothing follows it; add one, or make its type terminal.",
        )


# ── Halting ─────────────────────────────────────────────────────────────────────────────────────────────


def _presentation(value: object, at: str, context: Context) -> Iterator[Fault]:
    yield from presentations.faults_in(value, at)


def _path(value: object, at: str, context: Context) -> Iterator[Fault]:
    yield from text(most=MAX_NAME)(value, at, context)
    if isinstance(value, str) and parts_of(value) is None:
        yield Fault(at, 'This isn\'t a path into the data; write one such as "order" or "order.lines[0]".')


_PATHS = Field(of_list(_path, what="The paths", most=MAX_PATHS))
_CONFIGS = {
    "ai": Shape(
        "The config of instructions by AI",
        {
            "prompt": Field(text(), is_required=True),
            "model": Field(text(most=MAX_NAME)),
            "include_data_paths": _PATHS,
        },
    ),
    "message": Shape(
        "The config of a message",
        {"title": Field(_templated_text), "message": Field(_templated_text, is_required=True)},
    ),
}
_SIMPLE = Shape("An instruction", {"instruction": Field(text(), is_required=True), "include_data": _PATHS})
_TYPED = Typed(
    "a halting instruction", {name: {"config": Field(each, is_required=True)} for name, each in _CONFIGS.items()}
)


def _instructions(value: object, at: str, context: Context) -> Iterator[Fault]:
    """Yield what is wrong with instructions in one of their three forms."""
    is_simple = isinstance(value, dict) and not value.keys() & {"type", "config"}
    yield from (_SIMPLE if is_simple else _TYPED)(value, at, context)


def _schema(value: object, at: str, context: Context) -> Iterator[Fault]:
    context.schema_values -= schemas.count_of(value)
    if context.schema_values < 0:
        yield Fault(at, "The JSON Schemas of this definition are too large together; simplify them.")
        return
    yield from schemas.faults_in(value, at)


def of_objects(value: object, at: str, context: Context) -> Iterator[Fault]:
    """A JSON Schema of objects."""
    yield from _schema(value, at, context)
    if isinstance(value, dict) and value.get("type", "object") != "object":
        yield Fault(inside(at, "type"), "Input is always an object; leave the type out, or write object.")


def _topic(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, str) or not is_topic(value):
        sentence = "A signal's topic has 1 to 128 letters and digits of ASCII, _ . : and -, and no templates."
        yield Fault(at, sentence)


def _of_halting(state: Mapping[str, Any], at: str, context: Context) -> Iterator[Fault]:
    yield from _needs_transitions(state, at)
    yield from _of_responses(state, at)
    yield from policies.governing(state, at, context)
    yield from widgets.of_halt(state, at, list(_transitions_of(state, at)))
    if state.get("on_timeout") is not None and state.get("timeout") is None:
        yield Fault(inside(at, "timeout"), 'There is an "on_timeout", but no "timeout"; add it, in seconds.')
    if state.get("presentation") is not None and state.get("halting_instructions") is not None:
        yield Fault(
            inside(at, "halting_instructions"), "A halt has a presentation or halting instructions; keep one of them."
        )
    is_asked = any(state.get(each) is not None for each in ("presentation", "halting_instructions", "widget"))
    selects = state.get("transition_mode") == "selection"
    if state.get("signal") is not None and state.get("assignees") is not None and not (is_asked or selects):
        yield Fault(
            inside(at, "assignees"),
            "Nobody is asked here, for only a signal leads on; leave this out, or add a presentation.",
            is_warning=True,
        )
    if state.get("signal") is not None and state.get("policy") is not None:
        yield Fault(
            inside(at, "policy"), "A signal would decide what a policy leaves to several; leave one of them out."
        )
    for name in ("distinct_from", "exclude_starter"):
        if state.get("signal") is not None and state.get(name):
            yield Fault(inside(at, name), "Whoever may not decide could send the signal; leave one of them out.")
    if state.get("signal") is not None and state.get("bind"):
        yield Fault(inside(at, "bind"), "A signal sees nothing that it could be bound to; leave one of them out.")
    asks = state.get("signal") is None or is_asked or selects
    yield from ladder.of_halt(state, at, context, is_asked=asks)
    if selects:
        yield from _of_selection(state, at)
    else:
        yield from _of_conditions(state, at)


def _of_selection(state: Mapping[str, Any], at: str) -> Iterator[Fault]:
    """Yield what is wrong with a halt of which a person picks the transition."""
    seen: set[str] = set()
    for path, transition in _transitions_of(state, at):
        key = transition.get("key")
        if key is None:
            yield Fault(inside(path, "key"), 'In selection mode each transition needs a "key"; add one.')
        elif isinstance(key, str) and key in seen:
            yield Fault(inside(path, "key"), f"Another transition has the key {quoted(key)}; give each one of its own.")
        elif isinstance(key, str):
            seen.add(key)
        if transition.get("condition") is not None:
            yield Fault(
                inside(path, "condition"),
                "In selection mode a person picks the transition, and no condition is asked; leave it out.",
            )
    if state.get("presentation") is not None:
        yield Fault(
            inside(at, "presentation"),
            'In selection mode the transitions are asked for; leave this out, and use "halting_instructions".',
        )


def _of_conditions(state: Mapping[str, Any], at: str) -> Iterator[Fault]:
    """Yield what is doubtful in a halt whose transition follows from what is filled in."""
    transitions = list(_transitions_of(state, at))
    keyed = [path for path, each in transitions if each.get("key") is not None]
    if keyed and all(is_unconditional(each) for _, each in transitions):
        yield Fault(
            inside(keyed[0], "key"),
            'Nobody is asked for a key here; add "transition_mode": "selection", or a condition.',
            is_warning=True,
        )
    presentation = state.get("presentation")
    shown = presentation.get("type") if isinstance(presentation, dict) else None
    declared = state.get("widget")
    is_judged = state.get("accepts") is not None or (isinstance(declared, dict) and bool(declared.get("schema")))
    if (presentation is None or shown == "message") and not is_judged:
        yield Fault(
            at,
            "Whoever resumes this may overwrite any data, for it says nothing of what fits; add a form, or accepts.",
            is_warning=True,
        )


def _transitions_of(state: Mapping[str, Any], at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    transitions = state.get("transitions")
    for index, each in enumerate(transitions[:MAX_TRANSITIONS] if isinstance(transitions, list) else ()):
        if isinstance(each, dict):
            yield inside(at, "transitions", index), each


# ── Parallel ────────────────────────────────────────────────────────────────────────────────────────────


def _threads(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(
            at, f"Threads are an object, from their names to the states they begin in, not {type_in_words(value)}."
        )
        return
    if not value:
        yield Fault(at, "There are no threads here; add at least one.")
    if len(value) > MAX_THREADS:
        yield Fault(at, f"There are {len(value)} threads here; at most {MAX_THREADS} are allowed.")
    for name, begin in list(value.items())[:MAX_THREADS]:
        if not is_name(name):
            yield Fault(
                inside(at, name), "A thread's name has 1 to 64 letters, digits, underscores and hyphens; rename it."
            )
        elif name == "main":
            yield Fault(inside(at, name), "The thread main is the one that begins the instance; choose another name.")
        yield from _target(begin, inside(at, name), context)


# ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────


def _until(value: object, at: str, context: Context) -> Iterator[Fault]:
    if isinstance(value, str) and "${" in value:
        yield from templates.faults_in(value, at, DATA_ROOTS)
    elif not isinstance(value, str) or not _is_time(value):
        yield Fault(at, 'This is a time such as "2030-01-31T09:00:00Z", with its offset, or a template; write one.')


def _is_time(text: str) -> bool:
    try:
        time = datetime.fromisoformat(text)
        return time.tzinfo is not None and time.astimezone(UTC) is not None
    except (ValueError, OverflowError):  # in UTC, before the first year or after the last
        return False


def _seconds(value: object, at: str, context: Context) -> Iterator[Fault]:
    if isinstance(value, str):
        yield from templates.faults_in(value, at, DATA_ROOTS)
        if not templates.is_one(value):
            yield Fault(at, "This is a number of seconds, or one template; write one of them.")
    else:
        yield from number(least=0, most=MAX_TIMEOUT, unit=_SECONDS)(value, at, context)


def _of_wait(state: Mapping[str, Any], at: str, context: Context) -> Iterator[Fault]:
    yield from _needs_transitions(state, at)
    given = [name for name in ("seconds", "until") if state.get(name) is not None]
    if len(given) != 1:
        yield Fault(at, 'A wait has "seconds" or "until"; give exactly one of them.')


def _of_responses(state: Mapping[str, Any], at: str) -> Iterator[Fault]:
    """Yield conditions on a response where there is none."""
    logic = state.get("logic")
    if isinstance(logic, dict) and logic.get("type") == "http":
        return
    for path, transition in _transitions_of(state, at):
        condition = transition.get("condition")
        named = conditions.paths_in(condition) if isinstance(condition, dict) else ()
        if any(each.startswith("response.") for each in named):
            yield Fault(
                inside(path, "condition"),
                "Only logic of the type http has a response, so there is none here; test the data instead.",
                is_warning=True,
            )


# ── States ──────────────────────────────────────────────────────────────────────────────────────────────


def _of_running(state: Mapping[str, Any], at: str, context: Context) -> Iterator[Fault]:
    yield from _needs_transitions(state, at)
    yield from widgets.of_halt({}, at, list(_transitions_of(state, at)))
    yield from _of_responses(state, at)


def _of_terminal(state: Mapping[str, Any], at: str, context: Context) -> Iterator[Fault]:
    if state.get("transitions"):
        yield Fault(inside(at, "transitions"), "A terminal state ends the instance; leave its transitions out.")


_COMMON: Table = {"description": Field(text(may_be_empty=True)), "on_enter": Field(logic)}
_GOING_ON: Table = {**_COMMON, "transitions": _TRANSITIONS, "on_error": _ON_ERROR}

TYPES: dict[str, Table] = {
    "action": {**_GOING_ON, "logic": Field(logic)},
    "halting": {
        **_GOING_ON,
        "presentation": Field(_presentation),
        "halting_instructions": Field(_instructions),
        "transition_mode": Field(one_of(("condition", "selection"), "The transition mode")),
        **policies.FIELDS,
        **ladder.FIELDS,
        "timeout": Field(number(least=0, most=MAX_TIMEOUT, above=True, unit=_SECONDS)),
        "on_timeout": _ON_TIMEOUT,
        "accepts": Field(of_objects),
        "signal": Field(_topic),
        "widget": Field(widgets.widget),
    },
    "terminal": {**_COMMON, "transitions": Field(anything)},
    "parallel": {
        **_GOING_ON,
        "threads": Field(_threads, is_required=True),
        "join": Field(one_of(("all", "any", "none"), "The join")),
    },
    "wait": {**_GOING_ON, "seconds": Field(_seconds), "until": Field(_until)},
}
"""The fields of each type of state."""

_WHOLE = {
    "action": _of_running,
    "halting": _of_halting,
    "terminal": _of_terminal,
    "parallel": _of_running,
    "wait": _of_wait,
}
"""What is checked of a state beyond its fields, by its type."""


state = Typed("a state", TYPES, _WHOLE)
"""Yields what is wrong with a state of any type."""
