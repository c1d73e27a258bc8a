"""Types of tasks: what a graph's task, or a machine's state, may run by a name, and what that takes and gives.

Laws:
- A type is data and functions: its schemas say all that a page needs to draw a form of it, or a definition to be
  checked. What it does is done by the engine that runs it.
- What an author writes into a field is filled in where it may have templates; a fixed field never is: a script, an
  expression, a time. What is filled into an address is percent-encoded.

Source: `docs/graphs.md`, "Task types".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ValidationError

from interlock.workflow.declare import templates
from interlock.workflow.declare.checks import (
    MAX_FAULTS_IN_PART,
    Fault,
    inside,
    instead,
    quoted,
    type_in_words,
    unknown_in,
)
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.logic import TaskLogic
from interlock.workflow.declare.reviews import AnyReview, reviews_of
from interlock_protocol.types import JsonObject, JsonValue

TaskKind: TypeAlias = Literal["call", "human", "flow"]
"""What a task of a type is: a `call` is run by the engine, a `human` one asks a person, a `flow` one is built of other
kinds of steps."""

FIXED: Final = "fixed"
"""The mark, in the schema of a field, that its value is what the author writes: no template, and nothing left open."""

ENCODED: Final = "encoded"
"""The mark that what is filled into its text is percent-encoded."""

ANY_PROVIDER: Final = "*"
"""The provider of a type that takes integrations of every one."""


@dataclass(frozen=True, kw_only=True)
class TaskType:
    """A type of tasks.

    Attributes:
        name: what definitions call it.
        title, description: what pages call it, and say of it.
        category: which others it stands beside: `http`, `people`, `flow`, …
        input: the model of its inputs, from which its form is drawn.
        output_schema: the JSON Schema of what it gives; {} says nothing.
        provider: whose integrations a task of it may name; `*` is everybody's, None nobody's.
        is_integration_needed: whether it has to name one.
        icon: the name of a sign for it, of Lucide.
        ports: by which its links may lead on, besides by whether it completed.
        takes_secrets: whether its fields may name secrets.
        run: of a `call`: does it, of (inputs, context), synchronously or not.
        review: of a `human` one: the review that it asks, of its inputs.
    """

    name: str
    title: str
    description: str
    category: str
    input: type[BaseModel]
    output_schema: JsonObject
    kind: TaskKind = "call"
    provider: str | None = None
    is_integration_needed: bool = False
    icon: str | None = None
    ports: tuple[str, ...] = ()
    takes_secrets: bool = False
    run: Callable[[Any, Any], Any] | None = None
    review: Callable[[Any], AnyReview] | None = None

    @property
    def needs_integration(self) -> str | None:
        """Whose integration a task of it has to name; None if it needs none."""
        return self.provider if self.is_integration_needed else None

    @cached_property
    def input_schema(self) -> JsonObject:
        """The JSON Schema of its inputs."""
        return self.input.model_json_schema(mode="validation")

    @cached_property
    def fields(self) -> Mapping[str, JsonObject]:
        """The JSON Schema of each field, by its name."""
        properties: Any = self.input_schema.get("properties", {})
        return {str(name): schema for name, schema in properties.items()}

    @cached_property
    def required(self) -> frozenset[str]:
        """The names of the fields that have no default."""
        named: Any = self.input_schema.get("required", [])
        return frozenset(named)

    @cached_property
    def fixed(self) -> tuple[str, ...]:
        """The fields whose values are what the author writes."""
        return self._marked(FIXED)

    @cached_property
    def encoded(self) -> tuple[str, ...]:
        """The fields with an address, in which what is filled in is percent-encoded."""
        return self._marked(ENCODED)

    def _marked(self, mark: str) -> tuple[str, ...]:
        return tuple(sorted(name for name, schema in self.fields.items() if schema.get(mark)))

    def logic(
        self,
        inputs: Mapping[str, JsonValue],
        *,
        integration: str | None = None,
        timeout: float | None = None,
        output: str | None = None,
    ) -> TaskLogic:
        """The logic of a task of it, of kind `call`.

        Args:
            inputs: with templates.
            timeout: how long one try may take, in seconds.
            output: the key under which a machine's data keeps what it gives.
        """
        return TaskLogic(
            self.name,
            dict(inputs),
            integration,
            timeout,
            output,
            fixed=self.fixed,
            encoded=self.encoded,
            takes_secrets=self.takes_secrets,
        )

    def read(self, given: Mapping[str, JsonValue]) -> BaseModel:
        """Inputs as its model: a null stands for the default of a field that has one.

        Raises:
            ValidationError: they aren't what it takes.
        """
        return self.input.model_validate(
            {name: value for name, value in given.items() if value is not None or name in self.required}
        )

    def described(self) -> JsonObject:
        """The type, as `/task-types` tells it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "category": self.category,
            "kind": self.kind,
            "icon": self.icon,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "provider": self.provider,
            "needs_integration": self.is_integration_needed,
            "ports": list(self.ports),
            "takes_secrets": self.takes_secrets,
        }


TaskTypes: TypeAlias = Mapping[str, TaskType]
"""Types by their names."""


def calls_among(types: TaskTypes) -> list[TaskType]:
    """Those that the engine can run, as a machine's state has it do."""
    return [each for each in types.values() if each.kind == "call"]


# ── Checking ────────────────────────────────────────────────────────────────────────────────────────────


def faults_in_inputs(
    type_: TaskType, given: object, at: str, roots: Collection[str], *, open_fields: Collection[str] = ()
) -> Iterator[Fault]:
    """Yield what is wrong with the inputs that a definition has for a type: all of it that can be known before they are
    filled in.

    Args:
        at: their path.
        roots: what templates may begin with there; secrets too, for a type that takes them.
        open_fields: the required fields that are given when it is run.
    """
    if given is None:
        given = {}
    if not isinstance(given, dict):
        yield Fault(at, f"The inputs are an object, not {type_in_words(given)}.")
        return
    yield from unknown_in(given, type_.fields, at, f"A task {type_.name}")
    known = {name: value for name, value in given.items() if name in type_.fields}
    all_roots = frozenset(roots) | (frozenset({"secrets"}) if type_.takes_secrets else frozenset())
    for name, value in known.items():
        if name not in type_.fixed:
            yield from templates.faults_in(value, inside(at, name), all_roots)
    for name in sorted(type_.required):
        if known.get(name) is None and name not in open_fields:
            yield Fault(inside(at, name), f"A task {type_.name} needs {quoted(name)}; give it.")
    wrong = _misfits(type_, known)
    yield from (Fault(inside(at, *place), sentence) for place, sentence in wrong)
    if type_.review is not None and not wrong:
        yield from _impossible(type_, type_.review, known, at)


_Place: TypeAlias = tuple[int | str, ...]


def _misfits(type_: TaskType, given: Mapping[str, JsonValue]) -> list[tuple[_Place, str]]:
    """What the model finds wrong in the values that are there as they will be when it runs: where it is in them, and a
    sentence; one for each place, and none for what has another inside."""
    written = {name: value for name, value in given.items() if value is not None}
    filled = {name for name, value in written.items() if name not in type_.fixed and templates.paths_in(value)}
    found: dict[_Place, str] = {}
    try:
        type_.input.model_validate(written)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        for each in faults[:MAX_FAULTS_IN_PART]:
            place = _place_in(written, each["loc"])
            if place and place[0] not in filled:
                missing = f"{each['loc'][-1]!r} is missing here" if each["type"] == "missing" else each["msg"]
                found.setdefault(place, f"{missing.removeprefix('Value error, ')}.")
    return [
        (place, sentence)
        for place, sentence in found.items()
        if not any(len(other) > len(place) and other[: len(place)] == place for other in found)
    ]


def _place_in(value: Any, loc: Sequence[int | str]) -> _Place:
    """As much of the path of a fault as there is in the value: it also names the alternatives of unions."""
    place: list[int | str] = []
    for part in loc:
        is_there = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        if is_there:
            place.append(part)
            value = value[part]
    return tuple(place)


def _impossible(
    type_: TaskType, review: Callable[[Any], AnyReview], given: Mapping[str, JsonValue], at: str
) -> Iterator[Fault]:
    """Why nobody could be asked this, if that is so."""
    try:
        reviews_of("Step", review(type_.read(given)), place=type_.title)
    except ValidationError:
        return  # something is left open, or is yet to be filled in
    except DeclarationError as error:
        yield Fault(at, str(error))


def misfit_of(error: ValidationError, name: str) -> str:
    """What is wrong with the inputs of a task that is to run, as a sentence that repeats no value."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[:5]
    told = [f"{'.'.join(map(str, each['loc'])) or 'inputs'}: {each['msg']}" for each in found]
    return f"the inputs of the task {name!r} don't fit: {'; '.join(told)}"


def unknown_type(name: object, known: Collection[str]) -> str:
    """The sentence about a type that there isn't."""
    return f"There is no task type {quoted(name)}; {instead(name, sorted(known))}"
