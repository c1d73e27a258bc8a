"""The checks of a widget in which a halt is answered, and of the transitions that its events lead to.

Source: `docs/widgets.md`, "In state machines".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic_core import to_json

from interlock.definitions.checks.fields import Context, Field, Shape, anything, text
from interlock.definitions.checks.logic import DATA_ROOTS
from interlock.workflow.declare import schemas, templates
from interlock.workflow.declare.checks import Fault, inside, quoted, type_in_words
from interlock.workflow.declare.widgets import MAX_PROPS_BYTES, faults_in
from interlock_protocol.limits import KIB
from interlock_protocol.widgets import is_event

PORTS: Final = "interactionPortMap"

_INSTEAD: Final = ("presentation", "halting_instructions", "accepts")
"""What else a halt may ask by, and not beside a widget."""


def _props(value: object, at: str, context: Context) -> Iterator[Fault]:
    yield from _object(value, at, context)
    yield from templates.faults_in(value, at, DATA_ROOTS)
    if isinstance(value, dict) and len(to_json(value)) > MAX_PROPS_BYTES:
        yield Fault(at, f"The props are over {MAX_PROPS_BYTES // KIB} KiB; show less.")


def _object(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(at, f"This is an object, not {type_in_words(value)}.")


def _flag(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, bool):
        yield Fault(at, f"This is true or false, not {type_in_words(value)}.")


def _schemas(value: object, at: str, context: Context) -> Iterator[Fault]:
    yield from _object(value, at, context)
    context.schema_values -= sum(map(schemas.count_of, value.values())) if isinstance(value, dict) else 0
    if context.schema_values < 0:
        yield Fault(at, "The JSON Schemas of this definition are too large together; simplify them.")


_WIDGET = Shape(
    "A widget",
    {
        "bundle": Field(anything, is_required=True),
        "props": Field(_props),
        PORTS: Field(_object),
        "default": Field(anything),
        "schema": Field(_schemas),
        "confirm": Field(_flag),
        "message": Field(text()),
    },
)


def widget(value: object, at: str, context: Context) -> Iterator[Fault]:
    """Yield what is wrong with a widget."""
    shape = list(_WIDGET(value, at, context))
    yield from shape
    if shape or not isinstance(value, dict):
        return
    declared = faults_in(
        value["bundle"], value.get(PORTS) or {}, value.get("default"), value.get("schema") or {}, PORTS
    )
    yield from (Fault(inside(at, fault.path), fault.message) for fault in declared)


def port(value: object, at: str, context: Context) -> Iterator[Fault]:
    """Yield what is wrong with the port of a transition."""
    if not is_event(value):
        yield Fault(at, "The name of a port has 1 to 64 letters, digits and _ . : -, and begins with a letter.")


def of_halt(state: Mapping[str, Any], at: str, transitions: list[tuple[str, dict[str, Any]]]) -> Iterator[Fault]:
    """Yield where a halt's widget doesn't go with the rest of its state."""
    declared = state.get("widget")
    ported = {each["port"]: path for path, each in transitions if isinstance(each.get("port"), str)}
    if declared is None:
        for path in ported.values():
            yield Fault(inside(path, "port"), "Only the events of a widget have ports; add one, or leave this out.")
        return
    for name in _INSTEAD:
        if state.get(name) is not None:
            yield Fault(inside(at, name), "A widget is all that this halt asks; keep one of them.")
    if state.get("transition_mode") == "selection":
        sentence = "The event of the widget picks the transition, by its port; leave this out."
        yield Fault(inside(at, "transition_mode"), sentence)
    yield from _of_ways(declared, at, transitions, ported)


def _of_ways(
    declared: object, at: str, transitions: list[tuple[str, dict[str, Any]]], ported: Mapping[str, str]
) -> Iterator[Fault]:
    """Yield ports to which nothing leads, and those that lead nowhere."""
    ports = declared.get(PORTS) if isinstance(declared, dict) else None
    if not isinstance(declared, dict) or not isinstance(ports or {}, dict):
        return
    led = {each for each in [*(ports or {}).values(), declared.get("default")] if isinstance(each, str)}
    for port_name, path in ported.items():
        if port_name not in led:
            yield Fault(inside(path, "port"), f"No event of the widget leads to the port {quoted(port_name)}.")
    if all(each.get("port") is not None for _, each in transitions):
        for event, name in (ports or {}).items():
            if isinstance(name, str) and name not in ported:
                sentence = f"No transition has the port {quoted(name)}; add one, or a transition without a port."
                yield Fault(inside(at, "widget", PORTS, event), sentence)
