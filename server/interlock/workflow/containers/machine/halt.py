"""A state that halts: its question, and what a person's input leads to.

Laws:
- A halt is its question: it has no events of its own.
- Input is checked, and the state that follows from it chosen, when it comes: on the data that the halt noted when it
  asked, and never again.

Source: `docs/machines.md`, "Halting".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from pydantic_core import to_json

from interlock.workflow.containers.machine.declaration import MAX_DATA_BYTES, Halting, Transition
from interlock.workflow.containers.port import COMPLETED, Container, Fail, Fold, Move, Scope, Told, TooMuchInput, Unfit
from interlock.workflow.declare import conditions, presentations, templates
from interlock.workflow.declare.errors import LogicError
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.reviews import Resume
from interlock.workflow.declare.schemas import faults_of_value
from interlock.workflow.declare.widgets import EVENT_KEY, MAX_PROPS_BYTES, Widget, given_in
from interlock.workflow.node import NodeState, Own
from interlock_protocol.limits import KIB, MAX_NAME, MIB
from interlock_protocol.requirements import Choice
from interlock_protocol.types import JsonObject, JsonValue, OnTimeout, StepType

MAX_ASKED_BYTES: Final = 2 * MIB
"""The most that a halt may ask, as JSON: templates may repeat the data. Ten threads' questions fit into one frame."""

MAX_WHO_BYTES: Final = 6 * MAX_NAME + 256
"""The most that the server adds to what comes from a widget: who, and when."""

LARGE_BYTES = 1024
"""Values of this size are noted: input that replaces one makes room."""


@dataclass(slots=True)
class Answer(Own):
    """What a halt noted when it asked: the values that its conditions name, and how many bytes the machine's data had,
    in all and in its large values. And the input it was given, with the state that follows."""

    known: JsonObject = field(default_factory=dict)
    size: int = 0
    large: dict[str, int] = field(default_factory=dict)
    input: JsonObject | None = None
    target: str | None = None
    is_late: bool = False
    unfit: tuple[str, str] | None = None
    """Why it can't go on with the signal that it took: a code, and a sentence."""


def _asked(own: Answer, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.known = private.get("known", {})
    own.size, own.large = private.get("size", 0), private.get("large", {})


def _answered(own: Answer, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.input, own.target = given_in(event), private.get("target")
    if "signal" in private:
        own.unfit = tuple(private["unfit"]) if "unfit" in private else None
        own.input = (private["signal"] or {}) if own.unfit is None else None
    own.is_late = bool(private.get("late"))


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Halt(Node, Container[Answer]):
    """The question of a state that halts."""

    kind: ClassVar[StepType] = "Halt"
    OWN = Answer
    FOLDS: ClassVar[Mapping[str, Fold]] = {"StepPaused": _asked, "StepContinued": _answered}

    halting: Halting
    transitions: tuple[Transition, ...]

    def __init__(self, name: str, halting: Halting, transitions: Sequence[Transition]) -> None:
        self._declare(halting=halting, transitions=tuple(transitions))
        then: OnTimeout = "cancel" if halting.on_timeout is None else "approve"
        resume = Resume(
            signal=halting.signal,
            is_asked=halting.asks_people,
            widget=halting.widget,
            timeout=halting.timeout,
            on_timeout=then,
            assignees=halting.assignees,
            policy=halting.policy,
            distinct_from=halting.distinct_from,
            exclude_starter=halting.exclude_starter,
            bind=halting.bind,
            reminders=halting.reminders,
            escalate=halting.escalate,
            due=halting.due,
        )
        self._begin(name, resume)

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return ()

    @property
    def relied_on(self) -> list[Any]:
        asked = self.halting
        ways = [ways_of(each) for each in self.transitions]
        said = [asked.presentation, asked.instruction, asked.selects, asked.accepts]
        signal = [] if asked.signal is None else [asked.signal]
        widget = [] if asked.widget is None else [asked.widget.relied_on]
        ladder = [[*asked.reminders], [*asked.escalate], asked.due]
        return [
            ways,
            [*said, asked.timeout, asked.on_timeout, *signal, *widget, *(ladder if any(ladder) else ())],
            None,
        ]

    def begin(self, own: Answer) -> Move:
        return COMPLETED if own.unfit is None else Fail(*own.unfit)

    def tells(self, own: Answer, told: Told) -> Mapping[str, JsonValue]:
        return {} if own.input is None else {self.name: own.input}

    def question(self, given: Scope) -> JsonObject:
        roots = self._roots(given)
        if self.halting.widget is not None:
            return _shown_in(self.halting.widget, roots)
        facts: JsonObject = {}
        shown: JsonObject | None = None
        if self.halting.presentation is not None:
            shown = facts["presentation"] = presentations.shown(self.halting.presentation, roots)
            facts["user_input_message"] = _sentence_of(shown)
        if shown is None or self.halting.selects:
            options = facts["halted_options"] = self._options(given, roots)
            facts.setdefault("user_input_message", options["instruction"])
        if fields := presentations.schema_of(shown, choices=self._choices):
            facts["user_input_schema"] = [*fields]
        if self.halting.accepts is not None:
            facts["accepts"] = self.halting.accepts
        if len(to_json(facts)) > MAX_ASKED_BYTES:
            sentence = (
                f"What state {self.name!r} asks would be over {MAX_ASKED_BYTES // MIB} MiB; tell less of the data."
            )
            raise LogicError("data_too_large", sentence)
        return facts

    @property
    def _choices(self) -> list[Choice]:
        """The transitions that a person may select."""
        if not self.halting.selects:
            return []
        return [
            Choice(key=each.key, label=each.label, description=each.description)
            for each in self.transitions
            if each.key
        ]

    def _options(self, given: Scope, roots: Mapping[str, JsonValue]) -> JsonObject:
        """What a person is told, and may choose."""
        said: Mapping[str, Any] = self.halting.instruction or {}
        text: Mapping[str, Any] = {}
        if self.halting.text is not None and isinstance(given.previous, dict):
            text = given.previous
        written = text.get("instruction")
        message = written or templates.written(templates.expand(said.get("message"), roots))
        options: JsonObject = {
            "instruction": message or None,
            "transition_mode": "selection" if self.halting.selects else "condition",
            "generated": written is not None,
        }
        if self.halting.text is not None and isinstance(self.halting.text.data, dict) and self.halting.text.data:
            options["include_data"] = [*self.halting.text.data]
        if "title" in said:
            options["title"] = templates.written(templates.expand(said["title"], roots))
        if self.halting.selects:
            options["choices"] = [
                {"key": each.key, "description": each.description, "to": each.target}
                for each in self.transitions
                if each.key
            ]
        return options

    def kept(self, facts: Mapping[str, Any], given: Scope) -> JsonObject:
        beside = asides(given, self.name)
        named = conditions.known((each.condition for each in self.transitions), given.data or {}, **beside)
        data = given.data or {}
        large: JsonObject = {key: size for key, value in data.items() if (size := len(to_json(value))) >= LARGE_BYTES}
        noted: JsonObject = {"known": named, "size": len(to_json(data)), "large": large}
        return {key: value for key, value in noted.items() if value}

    def checked(self, facts: Mapping[str, Any], values: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
        try:
            checked = presentations.checked(facts.get("presentation"), values, choices=self._choices)
        except presentations.WrongInput as wrong:
            return values, list(wrong.faults)
        if self.halting.accepts is None:
            return checked, []
        return checked, [{**each} for each in faults_of_value(self.halting.accepts, checked)]

    def judged(self, own: Answer, values: JsonObject) -> JsonObject | None:
        replaced = sum(size for key, size in own.large.items() if key in values)
        more = 0 if self.halting.widget is None else MAX_WHO_BYTES
        if own.size - replaced + len(to_json(values)) + more > MAX_DATA_BYTES:
            raise TooMuchInput(f"With this input, the data would be over {MAX_DATA_BYTES // 1024} KiB; give less.")
        target = next((each.target for each in self.transitions if self._takes(each, own, values)), None)
        return None if target is None else {"target": target}

    def signalled(self, own: Answer, payload: JsonValue) -> JsonObject:
        values = {} if payload is None else payload
        if not isinstance(values, dict):
            sentence = f"State {self.name!r} takes an object as the payload of its signal, and this is none."
            raise Unfit("invalid_input", sentence)
        if self.halting.accepts is not None and (faults := faults_of_value(self.halting.accepts, values)):
            sentence = f"State {self.name!r} doesn't take this signal: {faults[0]['field']}: {faults[0]['error']}"
            raise Unfit("invalid_input", sentence, faults)
        try:
            private = self.judged(own, values)
        except TooMuchInput as fault:
            raise Unfit("data_too_large", str(fault)) from None
        if private is None:
            raise Unfit("invalid_transition", f"No transition of state {self.name!r} fits this signal.")
        return private

    def _takes(self, way: Transition, own: Answer, values: JsonObject) -> bool:
        if way.port is not None and self.halting.widget is not None:
            is_led = self.halting.widget.port_of(str(values.get(EVENT_KEY))) == way.port
            return is_led and conditions.holds_known(way.condition, own.known, values)
        if self.halting.selects:
            return way.key is not None and way.key == values.get("choice")
        return conditions.holds_known(way.condition, own.known, values)

    def _roots(self, given: Scope) -> dict[str, JsonValue]:
        return {"workflow_data": given.data or {}, **asides(given, self.name)}

    def unanswered(self) -> tuple[JsonObject, JsonObject]:
        return {"user_input": {}}, {"target": self.halting.on_timeout, "late": True}


def _shown_in(widget: Widget, roots: Mapping[str, JsonValue]) -> JsonObject:
    """What is asked in a widget, with the data in its props.

    Raises:
        LogicError: that would be too much.
    """
    shown = {**widget.shown, "props": templates.expand(widget.shown["props"], roots)}
    if len(to_json(shown["props"])) > MAX_PROPS_BYTES:
        sentence = f"The props of the widget {widget.bundle!r} would be over {MAX_PROPS_BYTES // KIB} KiB; show less."
        raise LogicError("data_too_large", sentence)
    return {"widget": shown, "user_input_message": widget.message}


def ways_of(each: Transition) -> list[Any]:
    """What a run relies on of a transition."""
    return [each.target, each.condition, each.key, *([] if each.port is None else [each.port])]


def _sentence_of(presentation: Mapping[str, Any]) -> str | None:
    """What a client that knows no presentations shows."""
    said = (presentation.get(name) for name in ("title", "description", "message"))
    return "\n\n".join(each for each in said if isinstance(each, str) and each) or None


def asides(given: Scope, state: str) -> dict[str, JsonValue]:
    """What paths may name beside the data."""
    return {"input": given.input, "context": {**(given.context or {}), "state_name": state}}
