"""The check of a machine's definition in JSON: everything that is wrong with it, at once.

Laws:
- `check` never raises, whatever JSON it is given, and changes nothing.
- It returns all faults and warnings. Only if there are more than `MAX_TOLD` faults does it stop there, and says so; so
  its time is linear in the size of the definition, and its answer isn't larger than the definition by much.
- A definition without faults compiles (`machine_json`).
- The limits are exact: what is at a limit passes. KB is 1,024 bytes, MB is 1,024 KB.

Source: `docs/machines.md`, "Validation" and "Limits".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from interlock.definitions.checks.fields import Context, Field, Shape, text
from interlock.definitions.checks.flow import faults_of_flow
from interlock.definitions.checks.logic import MAX_SCRIPT_BYTES
from interlock.definitions.checks.states import is_name, of_objects, state
from interlock.definitions.machine_graph import states_of
from interlock.workflow.declare import templates
from interlock.workflow.declare.checks import Fault, inside, quoted, type_in_words
from interlock.workflow.declare.nodes import RESERVED_WORKFLOW_IDS
from interlock.workflow.declare.task_types import TaskTypes
from interlock.workflow.declare.values import check_name
from interlock_protocol.faults import shortened
from interlock_protocol.limits import MAX_CLIENT_DEPTH, MAX_NAME, MIB
from interlock_protocol.values import NotWire, written
from interlock_protocol.values import check as check_wire

MAX_DEFINITION_BYTES = 1 * MIB
MAX_STATES = 100
MAX_TOLD = 1000
"""After how many faults no more are looked for."""

SCHEMA_VERSION = 1
"""The version of the language of definitions."""

Parses = Callable[[str], str | None]


def check(
    definition: object, *, parses: Parses | None = None, types: TaskTypes | None = None, are_all_types: bool = True
) -> list[Fault]:
    """Return all faults and warnings of a definition, in its order; it is valid if there are only warnings.

    Args:
        definition: any JSON value.
        parses: returns what is wrong with a script, with its line; None if nothing is. Without it, no script is read.
        types: the types of tasks that there are; none by default.
        are_all_types: whether there are no others: then a task of another is a fault.
    """
    if faults := list(unreadable(definition)):
        return faults
    return first_told(
        _of_definition(definition, Context(parses=parses, types=types or {}, are_all_types=are_all_types))
    )


def scripts_in(definition: object) -> set[str]:
    """The scripts of a definition, faulty or not, that `check` may ask about: those that aren't too long.

    Whoever reads scripts elsewhere, as in another process, asks about these first, and answers `check` from that.
    """
    logics = (each.get(name) for each in islice(states_of(definition).values(), MAX_STATES) for name in _LOGIC)
    codes = (logic.get("code") for logic in logics if isinstance(logic, dict))
    return {code for code in codes if isinstance(code, str) and len(code) <= MAX_SCRIPT_BYTES}


_LOGIC = ("on_enter", "logic")


def first_told(faults: Iterable[Fault]) -> list[Fault]:
    """As many of these faults as are told."""
    told: list[Fault] = []
    count = 0
    for fault in faults:
        told.append(fault)
        count += not fault.is_warning
        if count == MAX_TOLD:
            told.append(Fault("", f"There are {MAX_TOLD} faults or more; mend these, and check again."))
            break
    return told


# ── The value ───────────────────────────────────────────────────────────────────────────────────────────


def unreadable(definition: object) -> Iterator[Fault]:
    """Yield why a value can't be read as a definition at all: it isn't JSON, too deep, or too large."""
    try:
        check_wire(definition, MAX_CLIENT_DEPTH)
        size = len(written(definition))
    except NotWire as fault:
        yield Fault(fault.where, f"This can't be kept: {fault.sentence}.")
        return
    if size > MAX_DEFINITION_BYTES:
        yield Fault("", f"The definition has {size:,} bytes as JSON; at most {MAX_DEFINITION_BYTES:,} are allowed.")


# ── The definition ──────────────────────────────────────────────────────────────────────────────────────


def _name(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(at, f"The name is a text, not {type_in_words(value)}.")
    elif not is_name(value):
        yield Fault(at, "A name has 1 to 64 letters, digits, underscores and hyphens; choose another one.")
    elif value in RESERVED_WORKFLOW_IDS:
        yield Fault(at, f"The name {quoted(value)} is reserved; choose another one.")


def _initial_state(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(at, f"The initial state is the name of a state, not {type_in_words(value)}.")
    elif value not in context.states:
        yield Fault(at, f"Initial state '{shortened(value)}' does not exist; name one of the states.")


def _schema_version(value: object, at: str, context: Context) -> Iterator[Fault]:
    if value != SCHEMA_VERSION or isinstance(value, bool):
        yield Fault(at, f"This server reads schema_version {SCHEMA_VERSION}; write that, or leave it out.")


def _business_key(value: object, at: str, context: Context) -> Iterator[Fault]:
    yield from text(most=MAX_NAME)(value, at, context)
    yield from templates.faults_in(value, at, frozenset({"input", "context"}))


def _states(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(at, f"The states are an object, from their names to what they are, not {type_in_words(value)}.")
        return
    if not value:
        yield Fault(at, "There are no states; add at least one, of the type terminal.")
    if len(value) > MAX_STATES:
        yield Fault(at, f"There are {len(value)} states; at most {MAX_STATES} are allowed.")
    for name, each in islice(value.items(), MAX_STATES):
        yield from _state_name(name, inside(at, name))
        yield from state(each, inside(at, name), context)


def _state_name(name: str, at: str) -> Iterator[Fault]:
    if not name:
        yield Fault(at, "A state needs a name that isn't empty; choose one.")
    elif ":" in name or "/" in name:
        yield Fault(at, "The name of a state has no colon and no slash; choose another one.")
    elif len(name) > MAX_NAME:
        yield Fault(at, f"The name of a state has at most {MAX_NAME} characters; shorten it.")
    else:
        try:
            check_name(name, "The name of a state")
        except ValueError as error:
            yield Fault(at, str(error))


_DEFINITION = Shape(
    "A definition",
    {
        "name": Field(_name, is_required=True),
        "schema_version": Field(_schema_version),
        "description": Field(text(may_be_empty=True)),
        "ai_guidance": Field(text(may_be_empty=True)),
        "business_key": Field(_business_key),
        "input_schema": Field(of_objects),
        "initial_state": Field(_initial_state, is_required=True),
        "states": Field(_states, is_required=True),
    },
)


def _of_definition(definition: object, context: Context) -> Iterator[Fault]:
    declared = definition.get("states") if isinstance(definition, dict) else None
    context.states = declared.keys() if isinstance(declared, dict) else ()
    states = states_of(definition)
    context.has_tasks = any(_is_task(each.get(name)) for each in states.values() for name in _LOGIC)
    yield from _DEFINITION(definition, "", context)
    if isinstance(definition, dict) and len(states) > 0 and len(context.states) <= MAX_STATES:
        yield from faults_of_flow(states, definition.get("initial_state"))


def _is_task(logic: object) -> bool:
    return isinstance(logic, dict) and logic.get("type") == "task"
