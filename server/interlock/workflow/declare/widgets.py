"""Widgets: pages of their author's, in which a person does something that a run waits for.

Laws:
- What a person does is an event with data, an object. Which events there are is declared: by the ports that they lead
  to, or by the schemas of their data; with a default port and no schema, any event is one.
- Data is judged by the schema of its event, without coercion. What a widget says of who did it is left out: the server
  says that.

Source: `docs/widgets.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from pydantic_core import to_json

from interlock.workflow.declare import schemas
from interlock.workflow.declare.checks import Fault, inside, type_in_words
from interlock.workflow.declare.deciding import Decided
from interlock.workflow.declare.errors import DeclarationError, OutputError
from interlock.workflow.declare.io import StepInput, json_ready
from interlock.workflow.declare.values import declared, legible
from interlock_protocol.faults import shortened
from interlock_protocol.limits import KIB
from interlock_protocol.types import JsonObject, JsonValue
from interlock_protocol.widgets import OWN, is_bundle, is_event

MAX_PROPS_BYTES: Final = 256 * KIB
MAX_DATA_BYTES: Final = 256 * KIB
"""The largest props, and the largest data of an event, as JSON."""

MAX_EVENTS: Final = 50
NOT_FOUND: Final = "widget_not_found"
"""The error of a step whose widget the server doesn't have."""

EVENT: Final = "interaction_event"
DATA: Final = "interaction_data"
"""The fields of a decision."""

EVENT_KEY: Final = "_interactionEvent"
"""Where an output says which event it was."""

WrongField = dict[str, JsonValue]
Props: TypeAlias = Mapping[str, Any] | Callable[[StepInput], Any]


@dataclass(frozen=True, slots=True)
class Widget(Decided):
    """Ask a person to do something in a widget before the step runs; it is `step_input.widget` then.

    A step that has nothing else to run returns it.

    Args:
        bundle: the name of the widget's bundle.
        props: what the widget is shown with: an object, or a function (or coroutine function) of a `StepInput` that
            returns one.
        ports: the port that each event leads to: the branch of a `Ports` after the step.
        default: the port of an event that `ports` doesn't name.
        schema: the JSON Schema of an event's data.
        confirm: whether pages ask once more, outside of the widget, before an event counts.
        message: what is told beside the widget, and where it can't be shown.
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: `cancel` or `skip`; there is nothing to approve.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders, escalate, due: what happens while nobody decides: see `docs/approvals.md`.
    """

    bundle: str
    _: KW_ONLY
    props: Props = field(default_factory=dict)
    ports: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    schema: Mapping[str, JsonObject] = field(default_factory=dict)
    confirm: bool = False
    message: str | None = None

    @property
    def events(self) -> list[str] | None:
        """The events that there are; None if any is one."""
        named = [*dict.fromkeys((*self.ports, *self.schema))]
        return None if self.default is not None and not self.schema else named

    def port_of(self, event: str) -> str | None:
        """The port that an event leads to."""
        return self.ports.get(event, self.default)

    @property
    def shown(self) -> JsonObject:
        """What a requirement says of it, but for its version, and for props that are yet to be worked out."""
        shown: dict[str, Any] = {"bundle": self.bundle, "events": self.events, "confirm": self.confirm or None}
        if not callable(self.props):
            shown["props"] = dict(self.props)
        return {name: value for name, value in shown.items() if value is not None}

    @property
    def relied_on(self) -> list[Any]:
        """What a run relies on while it waits."""
        return [self.bundle, dict(self.ports), self.default, dict(self.schema), self.confirm]

    def judged(self, event: object, data: Mapping[str, JsonValue]) -> tuple[JsonObject, list[WrongField]]:
        """The data of an event as it is kept, and what is wrong with it.

        Args:
            event: one of the expected ones.
        """
        kept = {name: value for name, value in data.items() if not name.startswith(OWN)}
        if len(to_json(kept)) > MAX_DATA_BYTES:
            return kept, [{"field": DATA, "error": f"This is over {MAX_DATA_BYTES // KIB} KiB; send less."}]
        schema = self.schema.get(event) if isinstance(event, str) else None
        wrong = [] if schema is None else schemas.faults_of_value(schema, kept)
        return kept, [{**each, "field": ".".join(filter(None, (DATA, str(each["field"]))))} for each in wrong]

    def unknown(self, event: object) -> str | None:
        """Why this is none of its events, as a sentence; None if it is one."""
        events = self.events
        if not is_event(event):
            return "The name of an event has 1 to 64 letters, digits and _ . : -, and begins with a letter."
        if events is None or event in events:
            return None
        return f"The widget has no event {legible(repr(event))}; it has: {', '.join(events)}."


def output_of(decision: Mapping[str, Any], by: str, at: int) -> JsonObject:
    """What an interaction comes to: its data, and the server's word on what was done, by whom and when.

    Args:
        at: in milliseconds since 1970.
    """
    time = datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data: JsonObject = decision.get(DATA) or {}
    return {**data, EVENT_KEY: decision[EVENT], "_interactedBy": by, "_interactedAt": time}


def done_in(decision: Mapping[str, Any]) -> JsonObject:
    """What is known of an interaction before it counts: its data, and its event."""
    data: JsonObject = decision.get(DATA) or {}
    return {**data, EVENT_KEY: decision[EVENT]}


def given_in(event: Mapping[str, Any]) -> JsonObject | None:
    """The input that came with the answer to a halt: what was filled in, or done in its widget."""
    decision = event["decision"]
    if EVENT in decision:
        return output_of(decision, event["resolved_by"], event["resolved_at"])
    given: JsonObject | None = decision.get("user_input")
    return given


def props_from(value: object, place: str) -> JsonObject:
    """What a function returned, as props.

    Raises:
        OutputError: they can't be props.
    """
    props, _ = json_ready(value, f"the props of {place}'s widget")
    if not isinstance(props, dict):
        raise OutputError(f"the props of {place}'s widget are an object, not {type(value).__name__}")
    if len(to_json(props)) > MAX_PROPS_BYTES:
        raise OutputError(f"the props of {place}'s widget are over {MAX_PROPS_BYTES // KIB} KiB; show less")
    return props


# ── Declarations ────────────────────────────────────────────────────────────────────────────────────────


def faults_in(
    bundle: object, events: Mapping[str, object], default: object, schema: Mapping[str, object], ports_at: str
) -> Iterator[Fault]:
    """Yield what is wrong with a widget's declaration, apart from its props.

    Args:
        events: the port of each event.
        ports_at: what these are called.
    """
    if not is_bundle(bundle):
        yield Fault("bundle", "A bundle's name has 1 to 64 lower-case letters, digits, underscores and hyphens.")
    if not events and not schema and default is None:
        yield Fault(ports_at, "The widget has no events; name them here, or give a schema or a default port.")
    if len({*events, *schema}) > MAX_EVENTS:
        yield Fault(ports_at, f"A widget has at most {MAX_EVENTS} events.")
    for name, port in events.items():
        yield from _event(name, inside(ports_at, shortened(str(name))))
        yield from _port(port, inside(ports_at, shortened(str(name))))
    if default is not None:
        yield from _port(default, "default")
    for name, each in schema.items():
        at = inside("schema", shortened(str(name)))
        yield from _event(name, at)
        yield from schemas.faults_in(each, at)


def _event(name: object, at: str) -> Iterator[Fault]:
    if not is_event(name):
        yield Fault(at, "The name of an event has 1 to 64 letters, digits and _ . : -, and begins with a letter.")


def _port(port: object, at: str) -> Iterator[Fault]:
    if not is_event(port):
        yield Fault(at, "The name of a port has 1 to 64 letters, digits and _ . : -, and begins with a letter.")


def check_declared(widget: Widget, place: str) -> None:
    """Check what is particular to a widget.

    Raises:
        DeclarationError: nobody could answer it, or it couldn't be shown.
    """
    for name in ("ports", "schema"):
        if not isinstance(getattr(widget, name), Mapping):
            raise DeclarationError(f"{place}: {name} of a Widget is a dict, by the names of events.")
    if not isinstance(widget.confirm, bool):
        raise DeclarationError(f"{place}: confirm of a Widget is True or False.")
    for fault in faults_in(widget.bundle, widget.ports, widget.default, widget.schema, "ports"):
        raise DeclarationError(f"{place}, {fault.path} of its Widget: {fault.message}")
    if callable(widget.props):
        return
    if not isinstance(widget.props, Mapping):
        raise DeclarationError(
            f"{place}: props of a Widget are a dict or a function, not {type_in_words(widget.props)}."
        )
    props = declared(dict(widget.props), f"{place}: the props of a Widget")
    if len(to_json(props)) > MAX_PROPS_BYTES:
        raise DeclarationError(f"{place}: the props of a Widget are over {MAX_PROPS_BYTES // KIB} KiB; show less.")
