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
from typing import Any, ClassVar

from interlock.workflow.containers.machine.declaration import Halting, Transition
from interlock.workflow.containers.port import COMPLETED, Container, Fold, Move, Scope, Told
from interlock.workflow.declare import conditions, presentations, templates
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.reviews import Resume
from interlock.workflow.declare.schemas import faults_of_value
from interlock.workflow.node import NodeState, Own
from interlock_protocol.types import JsonObject, JsonValue, OnTimeout, StepType


@dataclass(slots=True)
class Answer(Own):
    """What a halt noted when it asked: the values that its conditions name. And the input it was given, with the state
    that follows."""

    known: JsonObject = field(default_factory=dict)
    input: JsonObject | None = None
    target: str | None = None
    is_late: bool = False


def _asked(own: Answer, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.known = private.get("known", {})


def _answered(own: Answer, node: NodeState, event: Mapping[str, Any], private: Mapping[str, Any]) -> None:
    own.input, own.target = event["decision"].get("user_input"), private.get("target")
    own.is_late = bool(private.get("late"))


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Halt(Node, Container[Answer]):
    """The question of a state that halts."""

    kind: ClassVar[StepType] = "Halt"
    OWN = Answer
    STARTED = "HaltStarted"
    ENDED = "HaltEnded"
    """A halt has no events but those of its question."""
    FOLDS: ClassVar[Mapping[str, Fold]] = {"StepPaused": _asked, "StepContinued": _answered}

    halting: Halting
    transitions: tuple[Transition, ...]

    def __init__(self, name: str, halting: Halting, transitions: Sequence[Transition]) -> None:
        self._declare(halting=halting, transitions=tuple(transitions))
        then: OnTimeout = "cancel" if halting.on_timeout is None else "approve"
        self._begin(name, Resume(timeout=halting.timeout, on_timeout=then, assignees=halting.assignees))

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return ()

    @property
    def relied_on(self) -> list[Any]:
        asked = self.halting
        ways = [[each.target, each.condition, each.key] for each in self.transitions]
        said = [asked.presentation, asked.instruction, asked.selects, asked.accepts]
        return [ways, [*said, asked.timeout, asked.on_timeout], None]

    def begin(self, own: Answer) -> Move:
        return COMPLETED

    def tells(self, own: Answer, told: Told) -> Mapping[str, JsonValue]:
        return {} if own.input is None else {self.name: own.input}

    def question(self, given: Scope) -> JsonObject:
        roots, presentation = roots_of(given), self.halting.presentation
        facts = self._selection(roots) if presentation is None else _shown(presentation, roots)
        return facts if self.halting.accepts is None else {**facts, "accepts": self.halting.accepts}

    def _selection(self, roots: Mapping[str, JsonValue]) -> JsonObject:
        options = self._options(roots)
        facts: JsonObject = {"halted_options": options, "user_input_message": options["instruction"]}
        if self.halting.selects:
            facts["user_input_schema"] = [*presentations.schema_of(_choice_of(self.transitions))]
        return facts

    def _options(self, roots: Mapping[str, JsonValue]) -> JsonObject:
        """What the reference calls `halted_options`."""
        said: Mapping[str, Any] = self.halting.instruction or {}
        message = templates.expand(said.get("message"), roots)
        choices: list[JsonValue] = [
            {"key": each.key, "description": each.description, "to": each.target}
            for each in self.transitions
            if each.key
        ]
        return {
            **({"title": templates.expand(said["title"], roots)} if "title" in said else {}),
            "instruction": message if isinstance(message, str) else None,
            "transition_mode": "selection" if self.halting.selects else "condition",
            **({"choices": choices} if self.halting.selects else {}),
            "generated": False,
        }

    def kept(self, facts: Mapping[str, Any], given: Scope) -> JsonObject:
        named = conditions.known((each.condition for each in self.transitions), given.data or {}, **asides(given))
        return {"known": named} if named else {}

    def checked(self, facts: Mapping[str, Any], values: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
        if self.halting.selects:
            return _checked_by(_choice_of(self.transitions), values)
        wrong: list[JsonObject] = []
        if "presentation" in facts:
            values, wrong = _checked_by(facts["presentation"], values)
        if self.halting.accepts is not None and not wrong:
            wrong = [{**each} for each in faults_of_value(self.halting.accepts, values)]
        return values, wrong

    def judged(self, own: Answer, values: JsonObject) -> JsonObject | None:
        target = next((each.target for each in self.transitions if self._takes(each, own, values)), None)
        return None if target is None else {"target": target}

    def _takes(self, way: Transition, own: Answer, values: JsonObject) -> bool:
        if self.halting.selects:
            return way.key is not None and way.key == values.get("choice")
        return conditions.holds_known(way.condition, own.known, values)

    def unanswered(self) -> tuple[JsonObject, JsonObject]:
        return {"user_input": {}}, {"target": self.halting.on_timeout, "late": True}


def _shown(presentation: JsonObject, roots: Mapping[str, JsonValue]) -> JsonObject:
    shown = presentations.shown(presentation, roots)
    return {
        "presentation": shown,
        "user_input_message": _sentence_of(shown),
        "user_input_schema": [*presentations.schema_of(shown)],
    }


def _checked_by(presentation: JsonObject, values: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    try:
        return presentations.checked(presentation, values), []
    except presentations.WrongInput as wrong:
        return values, list(wrong.faults)


def _choice_of(transitions: Sequence[Transition]) -> JsonObject:
    """The presentation of a selection: one choice among the transitions' keys."""
    options: list[JsonValue] = [
        _without_nulls({"value": each.key, "label": each.label or each.key, "description": each.description})
        for each in transitions
        if each.key is not None
    ]
    return {"type": "choice", "options": options}


def _without_nulls(facts: Mapping[str, JsonValue]) -> JsonObject:
    return {key: value for key, value in facts.items() if value is not None}


def _sentence_of(presentation: Mapping[str, Any]) -> str | None:
    """What a client that knows no presentations shows."""
    said = (presentation.get(name) for name in ("title", "description", "message"))
    return "\n\n".join(each for each in said if isinstance(each, str) and each) or None


def asides(given: Scope) -> dict[str, JsonValue]:
    """What paths may name beside the data."""
    return {"input": given.input}


def roots_of(given: Scope) -> dict[str, JsonValue]:
    return {"workflow_data": given.data or {}, **asides(given)}
