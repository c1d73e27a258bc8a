"""Declared workflows: nodes, steps, and the workflow itself. The containers have files of their own.

Laws:
- A declaration is immutable; running it never changes it, and any number of runs share it.
- A misdeclared workflow fails at construction, with a sentence that names the place.
- This file defines what a node is; `places` defines where it is.

Source: `docs/workflows.md`, "Containers" and "Names".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

from interlock.workflow.declare import schemas
from interlock.workflow.declare.agents import AgentExecutor, is_agent
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.expressions import Expression
from interlock.workflow.declare.io import StepInput
from interlock.workflow.declare.logic import AnyLogic, Retry
from interlock.workflow.declare.node import Node, quoted
from interlock.workflow.declare.places import Place, fingerprint_of, places_of, schema_of, walk_places
from interlock.workflow.declare.policies import STARTER
from interlock.workflow.declare.reviews import (
    MAX_TIMEOUT,
    Ask,
    ErrorReview,
    HumanReviews,
    ToolReview,
    is_count,
)
from interlock.workflow.declare.values import check_name, check_text, declared, wire
from interlock.workflow.declare.widgets import Widget
from interlock_protocol.limits import MAX_NESTING
from interlock_protocol.types import JsonObject, JsonValue, StepType
from interlock_protocol.values import NotWire

Executor: TypeAlias = Callable[[StepInput], Any]
Evaluator: TypeAlias = Callable[[StepInput], Any]
Declared: TypeAlias = Node | Executor
OnError: TypeAlias = Literal["fail", "skip", "pause"]
Restart: TypeAlias = Literal["again", "ask"]

RESERVED_WORKFLOW_IDS = frozenset({"ws", "instances", "validate", "errors"})


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Step(Node):
    """One piece of work: a function, an agent, or another workflow.

    Args:
        name: unique among its siblings.
        executor: a function, coroutine function, generator or async generator that takes a `StepInput`.
        agent: an agent to run here instead: an `AgentExecutor`, such as an adapter to a framework's agent.
        workflow: a workflow to run here instead, as steps of this run.
        logic: a script, a request over HTTP or a task to run here instead: see `Machine`.
        widget: a widget in which a person does something first. With nothing to run, the step returns what that was.
        human_review: Confirm, Ask, Review, ErrorReview; with an agent ToolReview (a nested workflow: only Confirm).
        on_error: what happens after an error that is not retried: the run `fail`s, the step is `skip`ped, or the run
            `pause`s for a person to decide: retry, skip or cancel.
        retries: how often an error is retried automatically, with exponential backoff (0.1 s doubling to 30 s, and
            jitter).
        retry: how often and when logic is retried, instead of `retries`.
        time_limit: how long one try may take, in seconds; exceeding it is an error like any other. A thread can't be
            stopped: the next try begins when the thread has ended or, if it is still running after the same time
            again, never.
        restart: what happens if the process ends while this step runs: it runs `again`, or a person is `ask`ed, for
            side effects that must not happen twice.

    Raises:
        DeclarationError: not exactly one of executor, agent, workflow and logic (with a widget, none will do), or an
            option that this kind doesn't have.
    """

    executor: Executor | None
    agent: AgentExecutor | None
    workflow: Workflow | None
    logic: AnyLogic | None
    on_error: OnError
    retries: int
    retry: Retry | None
    time_limit: float | None
    restart: Restart

    def __init__(
        self,
        name: str,
        executor: Executor | None = None,
        *,
        agent: Any = None,
        workflow: Workflow | None = None,
        logic: AnyLogic | None = None,
        widget: Widget | None = None,
        human_review: HumanReviews = None,
        on_error: OnError = "fail",
        retries: int = 0,
        retry: Retry | None = None,
        time_limit: float | None = None,
        restart: Restart = "again",
    ) -> None:
        place = f"Step {name!r}"
        works = sum(each is not None for each in (executor, agent, workflow, logic))
        if widget is not None and not isinstance(widget, Widget):
            raise DeclarationError(f"{place}: the widget must be a Widget, not {widget!r}.")
        if works > 1 or (works == 0 and widget is None):
            raise DeclarationError(f"{place} takes exactly one of executor, agent, workflow and logic.")
        if executor is not None and not callable(executor):
            raise DeclarationError(f"{place}: the executor must be a function, not {executor!r}.")
        if workflow is not None and not isinstance(workflow, Workflow):
            raise DeclarationError(f"{place}: workflow must be a Workflow, not {workflow!r}.")
        if agent is not None:
            _check_agent(agent, place=place)
        if logic is not None and not isinstance(logic, AnyLogic):
            raise DeclarationError(f"{place}: logic must be a ScriptLogic, an HttpLogic or a TaskLogic, not {logic!r}.")
        self._declare(executor=executor, agent=agent, workflow=workflow, logic=logic)
        self._begin(name, _with(widget, human_review))
        self._declare(on_error=on_error, retries=retries, retry=retry, time_limit=time_limit, restart=restart)
        _check_policies(self, place=place)

    @property
    def kind(self) -> StepType:  # type: ignore[override]
        return "Step" if self.workflow is None else "Workflow"

    @property
    def branches(self) -> tuple[tuple[Node, ...], ...]:
        return () if self.workflow is None else (self.workflow.steps,)

    @property
    def relied_on(self) -> list[Any]:
        agent = None if self.agent is None else [self.agent.id, self.agent.type]
        if self.logic is not None:
            return [None, [type(self.logic).__name__, asdict(self.logic)], None]
        return [None, agent, None if self.workflow is None else self.workflow.relied_on]


def _with(widget: Widget | None, reviews: HumanReviews) -> HumanReviews:
    """The reviews of a step, its widget among them."""
    if widget is None:
        return reviews
    listed = () if reviews is None else tuple(reviews) if isinstance(reviews, Sequence) else (reviews,)
    return (*listed, widget)


def _check_agent(agent: Any, *, place: str) -> None:
    if not is_agent(agent):
        raise DeclarationError(f"{place}: the agent must be an AgentExecutor (docs/agents.md), not {agent!r}.")
    for name in ("id", "name", "type"):
        given = getattr(agent, name)
        if not isinstance(given, str):
            raise DeclarationError(f"{place}: the agent's {name} is a text, not of the type {type(given).__name__}.")
        check_name(given, f"{place}: the agent's {name}")


def _check_policies(step: Step, *, place: str) -> None:
    if step.on_error not in ("fail", "skip", "pause"):
        raise DeclarationError(f"{place}: on_error is fail, skip or pause, not {step.on_error!r}.")
    if not is_count(step.retries, 0):
        raise DeclarationError(f"{place}: retries must be a whole number from 0, not {step.retries!r}.")
    limit = step.time_limit
    is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
    if limit is not None and not (is_number and 0 < limit <= MAX_TIMEOUT):
        raise DeclarationError(f"{place}: time_limit is a number of seconds above 0, not {limit!r}.")
    if step.retry is not None and (step.logic is None or step.retries):
        raise DeclarationError(f"{place}: retry is for a step with logic, instead of retries.")
    if step.restart not in ("again", "ask"):
        raise DeclarationError(f"{place}: restart is again or ask, not {step.restart!r}.")
    if step.workflow is not None and (step.on_error, step.retries, limit, step.restart) != ("fail", 0, None, "again"):
        raise DeclarationError(
            f"{place}: on_error, retries, time_limit and restart belong to the steps of the workflow inside; "
            "set them there."
        )
    if step.asks(ErrorReview) is not None and step.on_error != "pause" and step.restart != "ask":
        raise DeclarationError(f"{place}: an ErrorReview is never asked for without on_error='pause'; set it.")
    if step.asks(ToolReview) is not None and step.agent is None:
        raise DeclarationError(f"{place}: a ToolReview is for a step with an agent; there is none.")


@dataclass(frozen=True)
class Example:
    """A message that a workflow can be tried with: what it is called, and the message, plain JSON."""

    title: str
    message: JsonValue


@dataclass(frozen=True, eq=False, init=False)
class Workflow:
    """A workflow: what `interlock serve` serves.

    Args:
        id: the id by which clients start it.
        steps: nodes or functions, run one after the other.
        name: the name shown to people; the id by default.
        description: the description shown to people.
        version: a label that runs keep.
        input_schema: the model of `message`; each step gets the message as an instance of it.
        accepts: the JSON Schema of `message` instead, an object; each step gets the message as it is.
        ai_guidance: what a program that chooses among workflows should know; lists tell it.
        business_key: a text with templates of `input` and `context`: what a run is about. No two active runs have the
            same.
        examples: messages that it can be tried with, as lists show them; a text is its own title.

    Raises:
        DeclarationError: the workflow is misdeclared.
    """

    id: str
    _: KW_ONLY
    steps: tuple[Node, ...]
    name: str
    description: str | None
    version: str | None
    input_schema: type[BaseModel] | None
    accepts: JsonObject | None
    ai_guidance: str | None
    business_key: str | None
    examples: tuple[Example, ...]

    def __init__(
        self,
        id: str,  # noqa: A002 - the public word, used by position
        *,
        steps: Sequence[Declared],
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        input_schema: type[BaseModel] | None = None,
        accepts: JsonObject | None = None,
        ai_guidance: str | None = None,
        business_key: str | None = None,
        examples: Sequence[Example | JsonValue] = (),
    ) -> None:
        if not isinstance(id, str) or not id or "/" in id:
            raise DeclarationError(f"A workflow's id is a text without '/', not {id!r}.")
        check_name(id, f"The id of workflow {quoted(id)}")
        if id in RESERVED_WORKFLOW_IDS:
            raise DeclarationError(f"{id!r} is reserved; give the workflow another id.")
        if input_schema is not None and not (isinstance(input_schema, type) and issubclass(input_schema, BaseModel)):
            raise DeclarationError(f"Workflow {id!r}: input_schema is a pydantic model, not {input_schema!r}.")
        if accepts is not None and input_schema is not None:
            raise DeclarationError(f"Workflow {id!r}: input_schema and accepts both say what a message is; keep one.")
        for fault in () if accepts is None else schemas.faults_in(accepts, "accepts"):
            raise DeclarationError(f"Workflow {id!r}, {fault.path}: {fault.message}")
        told = (("name", name), ("description", description), ("version", version), ("ai_guidance", ai_guidance))
        for what, given in told:
            check_text(given, f"Workflow {id!r}: the {what}")
        for what, given in (("name", name), ("version", version)):
            check_name(given or "", f"Workflow {id!r}: the {what}")
        values: dict[str, Any] = {
            "id": id,
            "steps": nodes_of(steps, place=f"Workflow {id!r}"),
            "name": name or id,
            "description": description,
            "version": version,
            "input_schema": input_schema,
            "ai_guidance": ai_guidance,
            "business_key": business_key,
            "examples": tuple(_example(each, id) for each in examples),
            "accepts": None if accepts is None else declared(accepts, f"Workflow {id!r}: accepts"),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)
        if _depth_of(self.steps) > MAX_NESTING:
            raise DeclarationError(f"Workflow {id!r}: containers stand in each other more than {MAX_NESTING} deep.")
        _check_fences(self.steps, place=f"Workflow {id!r}")

    def prepare(self) -> None:
        """Build everything that is built once, so that no run waits for it."""
        _ = self.by_step_id, self.fingerprint

    @property
    def checks_input(self) -> bool:
        """Return True if not every message will do."""
        return self.input_schema is not None or self.accepts is not None

    @cached_property
    def places(self) -> dict[str, Place]:
        """The top-level places, by name, in order."""
        return places_of([self.steps], parent=None, names=(self.id,))

    @cached_property
    def by_step_id(self) -> dict[str, Place]:
        """Every place, by its step id."""
        return {place.step_id: place for place in walk_places(self.places)}

    @cached_property
    def asks_secrets(self) -> bool:
        """Return True if one of its forms has a secret."""
        asks = (place.node.asks(Ask) for place in self.by_step_id.values())
        return any(field.secret for ask in asks if ask is not None for field in ask.fields)

    @property
    def relied_on(self) -> Any:
        """What a run may rely on of its message."""
        return schema_of(self.input_schema) if self.accepts is None else self.accepts

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the workflow's structure, which a run that waits for weeks must find unchanged."""
        return fingerprint_of(self.steps, self.relied_on)


def _example(given: Example | JsonValue, workflow_id: str) -> Example:
    """An example as it is declared; what isn't called anything is called what it says.

    Raises:
        DeclarationError: it has no title, or JSON can't carry it.
    """
    message = given.message if isinstance(given, Example) else given
    title = given.title if isinstance(given, Example) else given if isinstance(given, str) else str(given)
    check_name(title, f"Workflow {workflow_id!r}: the title of an example")
    try:
        return Example(title, wire(message, "an example"))
    except NotWire as fault:
        raise DeclarationError(f"Workflow {workflow_id!r}: an example can't be kept: {fault.sentence}.") from None


def _check_fences(nodes: Sequence[Node], *, place: str) -> None:
    """Check that `distinct_from` names steps that there are: a name that is mistyped would let everybody decide.

    Raises:
        DeclarationError: there is no such step.
    """
    inside = list(_walk(nodes))
    fenced = [(node, name) for node in inside for each in node.reviews.values() for name in each.distinct_from]
    known = {node.name for node in inside} if fenced else set()
    for node, name in fenced:
        if name != STARTER and name not in known:
            raise DeclarationError(
                f"{place}, {node.kind} {node.name!r}: distinct_from names {name!r}, and no step is called so."
            )


def _walk(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        for branch in node.branches:
            yield from _walk(branch)


def _depth_of(nodes: Sequence[Node]) -> int:
    """How deeply the containers among these nodes are nested."""
    inner = [branch for node in nodes for branch in node.branches]
    return 1 + max(map(_depth_of, inner)) if inner else 0


def nodes_of(steps: Sequence[Declared], *, place: str) -> tuple[Node, ...]:
    """Declared steps as nodes: a function stands for `Step(function.__name__, function)`.

    Raises:
        DeclarationError: there are none, one is not a step, or two have one name.
    """
    given: object = steps
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise DeclarationError(f"{place}: steps come as a list, not as {type(given).__name__}.")
    if not steps:
        raise DeclarationError(f"{place} has no steps; give at least one.")
    nodes = tuple(_node_of(step, place=place) for step in steps)
    check_names(nodes, place=place)
    return nodes


def _node_of(step: object, *, place: str) -> Node:
    if isinstance(step, Node):
        return step
    if isinstance(step, Workflow):
        return Step(step.id, workflow=step)
    if callable(step):
        name = getattr(step, "__name__", type(step).__name__)
        return Step(name, step)
    raise DeclarationError(f"{place}: {step!r} is neither a step nor a function.")


def evaluator_of(given: Any, what: str, *, place: str) -> Evaluator:
    """Return a function as it is, or an expression in CEL as a callable."""
    if isinstance(given, str):
        return Expression(given, place=f"{place}: {what}")
    if not callable(given):
        raise DeclarationError(f"{place}: {what} must be a function or an expression in CEL, not {given!r}.")
    evaluator: Evaluator = given
    return evaluator


def check_names(nodes: Sequence[Node], *, place: str) -> None:
    """Check that no two nodes have the same name.

    Raises:
        DeclarationError: two have the same name.
    """
    for name, count in Counter(node.name for node in nodes).items():
        if count > 1:
            raise DeclarationError(f"{place}: two steps are called {name!r}; give each a name of its own.")
