"""Random workflows, and random answers to what they ask."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from hypothesis import strategies as st
from tests.workflow.simulation import Agent

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    ErrorReview,
    Graph,
    Interaction,
    Link,
    Loop,
    Map,
    Parallel,
    Race,
    Review,
    Router,
    Step,
    StepInput,
    StepOutput,
    Steps,
    ToolReview,
    UserInputField,
    Widget,
    Workflow,
)
from interlock.workflow.declare.agents import Tool, ToolRequest

T = TypeVar("T")
Pick = Callable[[Sequence[T]], T]
"""Chooses one of several: hypothesis, or a seeded generator."""

FORM = (UserInputField("x", "int"), UserInputField("y", required=False, default="why"))
ALL_DEFAULT = (UserInputField("x", "int", default=7),)
QUESTION = {"question": "Which?", "options": [{"label": "a"}, {"label": "b"}], "multi_select": True}
TOOLS: tuple[dict[str, Any], ...] = (
    {},
    {"editable": True},
    {"user_input": FORM},
    {"user_feedback": [QUESTION]},
    {"external_execution": True},
)
INTERACTIONS: tuple[dict[str, Any], ...] = (
    {"type": "approval"},
    {"type": "review", "options": ["a", "b"]},
    {"type": "input", "mode": "multi_select", "options": ["a", "b"], "min": 0},
    {"type": "input"},
)
MAX_DEPTH = 3
SECONDS = 60.0


class BrokenError(Exception):
    pass


# --- what steps do; the model reads these fields, and nothing else of the workflow but its declarations ---


@dataclass
class Does:
    """A step's executor, which tells what it was given after its output was sent back.

    `fails` is how often it raises before it succeeds, counted over the whole run. A `weak` output has no success.
    """

    fails: int = 0
    stops: bool = False
    weak: bool = False
    calls: int = 0

    def __call__(self, given: StepInput) -> Any:
        self.calls += 1
        if self.calls <= self.fails:
            raise BrokenError(f"{self.calls}")
        told = said(given.rejection_feedback, given.previous_output)
        return StepOutput(told, stop=self.stops, success=not self.weak)


def said(feedback: str | None, previous: Any) -> Any:
    """The output of a step that was given this."""
    return "out" if feedback is None and previous is None else {"feedback": feedback, "previous": previous}


@dataclass(frozen=True)
class Says:
    """An evaluator or a selector."""

    value: Any

    def __call__(self, _: StepInput) -> Any:
        return self.value


@dataclass(frozen=True)
class Until:
    """An end condition."""

    iteration: int

    def __call__(self, given: StepInput) -> bool:
        return given.iteration == self.iteration


@dataclass(frozen=True)
class IfWeak:
    """A Review's `when`; that of a container never holds."""

    def __call__(self, output: StepOutput) -> bool:
        return not output.success


@dataclass
class Once:
    """A Review's `when`: only the first output of the run."""

    calls: int = 0

    def __call__(self, _: StepOutput) -> bool:
        self.calls += 1
        return self.calls == 1


FOREVER = 1_000_000


# --- workflows ---


@dataclass
class Drawn:
    """Draws the parts of a workflow. A `calm` one neither fails nor stops."""

    pick: Pick[Any]
    calm: bool
    names: Iterator[int] = field(default_factory=itertools.count)
    races: bool = True
    in_race: bool = False
    """In a race or a graph, nothing counts how often it was called: how far what loses, or what is beside a failure,
    comes isn't said by the rules."""

    def workflow(self) -> Workflow:
        return Workflow("w", steps=[self.node(MAX_DEPTH) for _ in range(self.pick([1, 2, 3]))])

    def node(self, depth: int) -> Any:
        name = f"n{next(self.names)}"
        if depth == 0 or self.pick([True, False]):
            return self.leaf(name)
        kinds = ["Steps", "Parallel", "Graph", "Map", "Workflow", "Condition", "Router", "Loop"]
        kind = self.pick([*kinds, "Race"] if self.races else kinds)
        around = self.races, self.in_race
        self.races &= kind != "Router"  # it may run them again, and who was first then would be told of one place
        self.in_race |= kind in ("Race", "Graph", "Map")
        children = [self.node(depth - 1) for _ in range(self.pick([1, 2] if kind == "Loop" else [1, 2, 3]))]
        self.races, self.in_race = around
        make = {
            "Steps": self.steps,
            "Parallel": self.parallel,
            "Race": self.race,
            "Graph": self.graph,
            "Map": self.map,
            "Workflow": self.nested,
            "Condition": self.condition,
            "Router": self.router,
            "Loop": self.loop,
        }[kind]
        return make(name, children)

    def leaf(self, name: str) -> Step:
        reviews = [
            self.maybe(self.confirm),
            self.maybe(self.ask),
            self.interaction(),
            self.widget(),
            self.maybe(self.review),
        ]
        if self.pick([False, False, False, True]):
            return Step(name, agent=Agent(self.turns()), human_review=kept([*reviews, self.maybe(self.tool_review)]))
        fails = 0 if self.calm else self.pick([0, 0, FOREVER] if self.in_race else [0, 0, 0, 1, 2, FOREVER])
        does = Does(fails, stops=not self.calm and self.pick([False] * 6 + [True]), weak=self.pick([False, True]))
        on_error = self.pick(["fail", "skip", "pause", "pause"])
        policies = {"on_error": on_error, "retries": self.pick([0, 0, 1]), "restart": self.pick(["again", "ask"])}
        errors = ErrorReview(**self.timing("cancel", "skip")) if on_error == "pause" else None
        return Step(name, does, human_review=kept([*reviews, errors]), **policies)

    def turns(self) -> list[list[ToolRequest]]:
        return [[self.tool(f"c{n}") for n in range(self.pick([1, 2, 3]))] for _ in range(self.pick([1, 2]))]

    def tool(self, call_id: str) -> ToolRequest:
        return ToolRequest(Tool(call_id, "tool", {"path": call_id}), **self.pick(TOOLS))

    # --- reviews ---

    def maybe(self, make: Callable[[], Any]) -> Any:
        return make() if self.pick([False, True]) else None

    def timing(self, *then: str) -> dict[str, Any]:
        return {"timeout": SECONDS, "on_timeout": self.pick(then)} if self.pick([False, False, True]) else {}

    def confirm(self) -> Confirm:
        return Confirm(on_reject=self.pick(["skip", "skip", "cancel"]), **self.timing("skip", "cancel", "approve"))

    def ask(self) -> Ask:
        if self.pick([False, True]):
            return Ask(ALL_DEFAULT, timeout=SECONDS, on_timeout="approve")
        return Ask(FORM, **self.timing("skip", "cancel"))

    def interaction(self) -> Interaction | None:
        spec = self.pick([None, None, None, *INTERACTIONS])
        return None if spec is None else Interaction(message="?", **spec, **self.timing("skip", "cancel", "approve"))

    def widget(self) -> Widget | None:
        if not self.pick([False, False, False, True]):
            return None
        return Widget("w", ports={"a": "one", "b": "two"}, **self.timing("skip", "cancel"))

    def review(self) -> Review:
        way, when = self.pick(["retry", "skip", "cancel"]), self.when()
        timing = self.timing("approve", "skip", "cancel")
        return Review(on_reject=way, when=when, max_retries=self.pick([0, 1, 2]), **timing)

    def when(self) -> Any:
        return self.pick([None, IfWeak()] if self.in_race else [None, None, IfWeak(), Once()])

    def tool_review(self) -> ToolReview:
        return ToolReview(**self.timing("skip", "cancel"))

    # --- containers ---

    def steps(self, name: str, children: list[Any]) -> Steps:
        return Steps(name, children, human_review=self.maybe(self.confirm))

    def parallel(self, name: str, children: list[Any]) -> Parallel:
        return Parallel(name, children, human_review=self.maybe(self.confirm))

    def race(self, name: str, children: list[Any]) -> Race:
        return Race(name, children, human_review=self.maybe(self.confirm))

    def graph(self, name: str, children: list[Any]) -> Graph:
        names = [child.name for child in children]
        pairs = [pair for pair in itertools.combinations(names, 2) if self.pick([True, True, False])]
        ons = {each: self.pick([["completed", "completed", "failed"], ["always"]]) for each in names}
        links = [Link(*pair, self.pick(ons[pair[1]])) for pair in pairs]
        joins: dict[str, Any] = {each: "any" for each in names if self.pick([True, False, False])}
        return Graph(name, children, links, joins=joins, human_review=self.maybe(self.confirm))

    def map(self, name: str, children: list[Any]) -> Map:
        items: Any = list(range(self.pick([0, 1, 2, 3])))
        return Map(name, children, items=items, at_once=self.pick([1, 2, 10]), human_review=self.maybe(self.confirm))

    def nested(self, name: str, children: list[Any]) -> Step:
        inner = Workflow(f"inner-{name}", steps=children)
        return Step(name, workflow=inner, human_review=self.maybe(self.confirm))

    def condition(self, name: str, children: list[Any]) -> Condition:
        cut = self.pick(range(1, len(children) + 1))
        says = Says(self.pick([True, False]))
        then, otherwise = children[:cut], children[cut:] or None
        confirm = self.maybe(lambda: Confirm(on_reject=self.pick(["else", "skip"])))
        return Condition(name, says, steps=then, else_steps=otherwise, human_review=confirm)

    def router(self, name: str, children: list[Any]) -> Router:
        reviews = [self.maybe(self.confirm), self.maybe(self.review)]
        if self.pick([True, False]):
            choose = Choose(multiple=self.pick([True, False]), **self.timing("cancel", "skip"))
            return Router(name, children, human_review=kept([*reviews, choose]))
        chosen = [child.name for child in children if self.pick([True, False])] or [children[0].name]
        return Router(name, children, selector=Says(chosen), human_review=kept(reviews))

    def loop(self, name: str, children: list[Any]) -> Loop:
        review = self.maybe(self.review)
        always = review is not None and review.when is None
        ends = None if always else self.pick([None, Until(1), Until(2)])
        reviews = kept([self.maybe(self.confirm), review])
        return Loop(name, children, max_iterations=self.pick([1, 2, 3]), end_condition=ends, human_review=reviews)


def kept(reviews: Sequence[Any]) -> list[Any]:
    return [review for review in reviews if review is not None]


def picks(draw: Callable[[st.SearchStrategy[int]], int]) -> Pick[Any]:
    """Choices by hypothesis. A `sampled_from` made for each would take longer than what is chosen for."""
    return lambda options: options[draw(_below(len(options)))]


@cache
def _below(end: int) -> st.SearchStrategy[int]:
    return st.integers(0, end - 1)


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    pick = picks(draw)
    return Drawn(pick, calm=pick([True, False])).workflow()


# --- answers ---


def answer_to(kind: str, facts: dict[str, Any], pick: Pick[Any]) -> dict[str, Any]:
    """A valid decision on a requirement, as a client would send it: by id, or whole."""
    echo = {"id": facts["id"]} if pick([True, False]) else dict(facts)
    if kind != "requires_error_decision":
        echo.pop("on_reject", None)
    match kind:
        case "requires_user_input":
            return {**echo, **_filled(pick)}
        case "requires_response":
            return {**echo, "response": _response(facts["interaction"]["spec"]["mode"], pick)}
        case "requires_interaction":
            return {**echo, "interaction_event": pick(["a", "b"]), "interaction_data": pick([{}, {"n": 1}])}
        case "requires_route_selection":
            routes = facts["available_choices"]
            one = [pick(routes)]
            return {**echo, "selected_choices": pick([one, routes]) if facts["allow_multiple_selections"] else one}
        case "requires_executor_input":
            requests = facts["executor_requirements"]
            chosen = [each for each in requests if pick([True, True, False])] or [pick(requests)]
            return {**echo, "executor_requirements": [{"id": each["id"], **_tool(each, pick)} for each in chosen]}
        case "requires_error_decision":
            return {**echo, "decision": pick(["skip", "cancel", "retry"])}
    if pick([True, True, False]):
        edits = [{}, {}, {"edited_output": _edited(facts)}] if "review" in kind else [{}]
        return {**echo, "confirmed": True, **pick(edits)}
    feedback = pick([{}, {"rejection_feedback": "no"}])
    return {**echo, "confirmed": False, "on_reject": pick([None, *facts["allowed_on_reject"]]), **feedback}


def _filled(pick: Pick[Any]) -> dict[str, Any]:
    x = pick([-1, 0, 5])
    one, other = {"user_input": {"x": x}}, {"user_input_schema": [{"name": "x", "value": x}]}
    return one if pick([True, False]) else other


def _response(mode: str, pick: Pick[Any]) -> dict[str, Any]:
    said: dict[str, Sequence[dict[str, Any]]] = {
        "confirm": [{"confirmed": True}, {"confirmed": False, "comment": "no"}],
        "select": [{"selected": "a"}, {"selected": "b"}],
        "multi_select": [{"selected": []}, {"selected": ["b", "a"]}],
        "input": [{"value": "said"}],
    }
    return dict(pick(said[mode]))


def _edited(facts: dict[str, Any]) -> Any:
    kinds: dict[type, Any] = {dict: {"edited": True}, list: ["edited"]}
    return kinds.get(type(facts.get("step_output")), "edited")


def _tool(request: dict[str, Any], pick: Pick[Any]) -> dict[str, Any]:
    tool = request["tool_execution"]
    if tool.get("requires_user_input"):
        return {"user_input_schema": [{"name": "x", "value": pick([1, 2])}, {"name": "y", "value": None}]}
    if request.get("user_feedback_schema"):
        return {"user_feedback_schema": [{"question": "Which?", "selected_options": pick([["a"], ["a", "b"]])}]}
    if tool.get("external_execution_required"):
        return {"external_execution_result": pick(["done", 0, {"code": 1}])}
    if pick([True, False]) and tool.get("editable"):
        return {"confirmation": True, "edited_args": {"path": "elsewhere"}}
    return {"confirmation": pick([True, False]), "confirmation_note": pick([None, "why"])}
