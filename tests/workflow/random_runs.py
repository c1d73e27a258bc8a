"""Random workflows, random people, and a small model of the rules that doesn't know the core."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from tests.workflow.simulation import Simulation

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    Loop,
    Parallel,
    Router,
    Step,
    StepInput,
    StepOutput,
    Steps,
    UserInputField,
    Workflow,
)
from interlock_protocol.requirements import FLAGS

FORM = (UserInputField("x", "int"), UserInputField("y", required=False, default="why"))
MAX_DEPTH = 3


class BrokenError(Exception):
    pass


@dataclass(frozen=True)
class Does:
    """A step's executor. `how` is known to the model too."""

    how: str

    def __call__(self, given: StepInput) -> Any:
        if self.how == "fail":
            raise BrokenError(self.how)
        return StepOutput("out", stop=self.how == "stop")


@dataclass(frozen=True)
class Says:
    """An evaluator or a selector."""

    value: Any

    def __call__(self, _: StepInput) -> Any:
        if self.value == "fail":
            raise BrokenError
        return self.value


@dataclass(frozen=True)
class Until:
    """An end condition."""

    iteration: int

    def __call__(self, given: StepInput) -> bool:
        return given.iteration == self.iteration


# --- workflows ---


def confirms(kind: str) -> st.SearchStrategy[Any]:
    choices = ["skip", "cancel", "else"] if kind == "Condition" else ["skip", "skip", "cancel"]
    return st.none() | st.builds(Confirm, on_reject=st.sampled_from(choices))


@st.composite
def nodes(draw: st.DrawFn, names: Iterator[int], depth: int, *, calm: bool) -> Any:
    """One node. A `calm` one neither fails nor stops."""
    leaf = depth == 0 or draw(st.booleans())
    kind = "Step" if leaf else draw(st.sampled_from([*_MAKERS, "Parallel"]))
    name = f"n{next(names)}"
    confirm = draw(confirms(kind))
    if kind == "Step":
        how = "say" if calm else draw(st.sampled_from(["say"] * 6 + ["fail", "stop"]))
        gates = [confirm, draw(st.sampled_from([None, None, Ask(FORM)]))]
        return Step(name, Does(how), human_review=[gate for gate in gates if gate])
    children = [
        draw(nodes(names, depth - 1, calm=calm)) for _ in range(draw(st.integers(1, 2 if kind == "Loop" else 3)))
    ]
    return _MAKERS[kind](draw, name, children, [confirm] if confirm else [])


def _condition(draw: st.DrawFn, name: str, children: list[Any], gates: list[Any]) -> Condition:
    cut = draw(st.integers(1, len(children)))
    says = Says(draw(st.booleans()))
    return Condition(name, says, steps=children[:cut], else_steps=children[cut:] or None, human_review=gates)


def _router(draw: st.DrawFn, name: str, children: list[Any], gates: list[Any]) -> Router:
    if draw(st.booleans()):
        return Router(name, children, human_review=[*gates, Choose(multiple=draw(st.booleans()))])
    chosen = draw(st.lists(st.sampled_from([child.name for child in children]), min_size=1, unique=True))
    in_order = [child.name for child in children if child.name in chosen]
    return Router(name, children, selector=Says(in_order), human_review=gates)


def _loop(draw: st.DrawFn, name: str, children: list[Any], gates: list[Any]) -> Loop:
    bound = draw(st.integers(1, 3))
    ends = draw(st.none() | st.integers(1, 3).map(Until))
    return Loop(name, children, max_iterations=bound, end_condition=ends, human_review=gates)


_MAKERS: dict[str, Any] = {
    "Steps": lambda _, name, children, gates: Steps(name, children, human_review=gates),
    "Parallel": lambda _, name, children, gates: Parallel(name, children, human_review=gates),
    "Workflow": lambda _, name, children, gates: Step(
        name, workflow=Workflow(f"inner-{name}", steps=children), human_review=gates
    ),
    "Condition": _condition,
    "Router": _router,
    "Loop": _loop,
}


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    names = itertools.count()
    calm = draw(st.booleans())
    return Workflow("w", steps=[draw(nodes(names, MAX_DEPTH, calm=calm)) for _ in range(draw(st.integers(1, 3)))])


# --- people ---


@st.composite
def decisions(draw: st.DrawFn, facts: dict[str, Any]) -> dict[str, Any]:
    """A valid decision on a requirement, as a client would send it: by id, or whole."""
    echo = dict(facts) if draw(st.booleans()) else {"id": facts["id"]}
    if facts["requires_confirmation"]:
        if draw(st.integers(0, 3)):
            echo.pop("on_reject", None)
            return {**echo, "confirmed": True}
        choice = draw(st.sampled_from([None, *facts["allowed_on_reject"]]))
        return {**echo, "confirmed": False, "on_reject": choice}
    if facts["requires_user_input"]:
        values: dict[str, Any] = {"x": draw(st.integers(-5, 5))}
        if draw(st.booleans()):
            return {**echo, "user_input": values}
        schema = [{"name": "x", "value": values["x"]}, {"name": "y", "value": None}]
        return {**echo, "user_input_schema": schema}
    available = facts["available_choices"]
    most = len(available) if facts["allow_multiple_selections"] else 1
    return {**echo, "selected_choices": draw(st.lists(st.sampled_from(available), min_size=1, max_size=most))}


# --- the model ---

NOTHING: Any = object()
Path = tuple[Any, ...]


@dataclass
class Model:
    """What the rules say of a workflow, given what people decided.

    `completed` and `skipped` are the steps that may have come to that; `ends` are the events that may end the run.
    When `ends` is empty and nobody is waited for, the run has gone through: then all of them must have.
    """

    decided: dict[tuple[Path, str], dict[str, Any]]
    completed: set[Path] = field(default_factory=set)
    skipped: set[Path] = field(default_factory=set)
    ends: set[str] = field(default_factory=set)
    waits: bool = False
    is_content_plain: bool = True
    """Whether no loop had an iteration without content: what its content is then is no business of this model."""

    def sequence(self, listed: Any, prefix: Path) -> tuple[bool, Any]:
        content = NOTHING
        for node in listed:
            done, its_content = self.node(node, (*prefix, node.name))
            if not done:
                return False, content
            if its_content is not NOTHING:
                content = its_content
        return True, content

    def node(self, node: Any, path: Path) -> tuple[bool, Any]:
        """Whether what comes after it may go on, and its content."""
        rejected = None
        for gate in node.gates:
            decision = self.decided.get((path, gate.flag))
            if decision is None:
                self.waits = True
                return False, NOTHING
            if decision.get("confirmed") is False:
                rejected = decision["on_reject"]
                break
        if rejected == "cancel":
            self.ends.add("WorkflowCancelled")
            return False, NOTHING
        if rejected == "skip":
            self.skipped.add(path)
            return True, NOTHING
        return self.inside(node, path, goes_else=rejected == "else")

    def inside(self, node: Any, path: Path, *, goes_else: bool) -> tuple[bool, Any]:
        match node:
            case Step(workflow=None):
                return self.step(node, path)
            case Step():
                done, content = self.sequence(node.children, path)
                self.completed.update([path] if done else [])
                return done, content
            case Steps():
                return self.sequence(node.steps, path)
            case Parallel():
                results = {child.name: self.node(child, (*path, child.name)) for child in node.steps}
                contents = {name: content for name, (_, content) in results.items() if content is not NOTHING}
                return all(done for done, _ in results.values()), contents
            case Condition(evaluator=Says(value=holds)):
                listed = node.steps if holds and not goes_else else node.else_steps
                self.skipped.update([] if listed else [path])
                return self.sequence(listed, path)
            case Router():
                return self.router(node, path)
        return self.loop(node, path)

    def step(self, node: Step, path: Path) -> tuple[bool, Any]:
        how = node.executor.how  # type: ignore[union-attr]
        if how == "fail":
            self.ends.add("WorkflowError")
            return False, NOTHING
        self.completed.add(path)
        if how == "stop":
            self.ends.add("WorkflowCompleted")
            return False, NOTHING
        return True, "out"

    def router(self, node: Router, path: Path) -> tuple[bool, Any]:
        decision = self.decided.get((path, "requires_route_selection"))
        selected = decision["selected_choices"] if decision else node.selector.value  # type: ignore[union-attr]
        return self.sequence([child for child in node.choices if child.name in selected], path)

    def loop(self, node: Loop, path: Path) -> tuple[bool, Any]:
        content = NOTHING
        for iteration in range(1, node.max_iterations + 1):
            done, its_content = self.sequence(node.steps, (*path, iteration))
            if not done:
                return False, content
            if its_content is NOTHING:
                self.is_content_plain = False
            content = its_content
            if node.end_condition is not None and node.end_condition.iteration == iteration:  # type: ignore[attr-defined]
                break
        return True, content


def model_of(run: Simulation) -> tuple[Model, bool, Any]:
    """The model, whether the run has gone through, and its content then."""
    kinds = {event["requirement_id"]: flag for event in run.of("StepPaused") for flag in FLAGS if event[flag]}
    decided = {
        (tuple(event["step_path"]), kinds[event["requirement_id"]]): event["decision"]
        for event in run.of("StepContinued")
    }
    model = Model(decided)
    through, content = model.sequence(run.workflow.steps, ())
    return model, through, content
