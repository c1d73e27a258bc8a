"""Changes of a definition, and what becomes of a run that stands in it: the table of `docs/workflows.md`, and more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr
from tests.workflow.simulation import Agent, says

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    Loop,
    Parallel,
    Review,
    Router,
    Step,
    Steps,
    UserInputField,
    Workflow,
)
from interlock.secrets.vault import KeyedVault, new_key
from interlock.workflow.declare.agents import Tool, ToolRequest

PAGE = Path(__file__).parents[3] / "docs" / "workflows.md"


COLUMNS = ("not yet", "there", "ended")


Outcome = Literal["goes on", "asked"]


GOES_ON: Outcome = "goes on"


ASKED: Outcome = "asked"


Answers = Sequence[tuple[str, dict[str, Any]]]


VAULT = KeyedVault([new_key()])


YES: dict[str, Any] = {"confirmed": True}


@dataclass
class Change:
    """What is changed.

    Args:
        old, new: what stands between a step before and one after.
        there, ended: what becomes of a run that stands there, and of one for which it has ended.
        until: what is answered before the run stands there.
        then: what is answered for it to end.
        not_yet: what becomes of a run that hasn't come to it.
        workflow: what else is said of the old workflow, and of the new one.
    """

    what: str
    old: Sequence[Any]
    new: Sequence[Any]
    there: Outcome
    ended: Outcome
    then: Answers = (("s", YES),)
    until: Answers = ()
    not_yet: Outcome = GOES_ON
    workflow: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))


def step(name: str = "s", does: Callable[[Any], Any] | None = None, *reviews: Any, **policies: Any) -> Step:
    return Step(name, does or says(name), human_review=list(reviews), **policies)


def asks(*reviews: Any, **policies: Any) -> list[Step]:
    return [step("s", None, *reviews, **policies)]


CONFIRMED = asks(Confirm("Now?"))


def form(*fields: UserInputField) -> list[Step]:
    return asks(Ask(list(fields), "Fill it in"))


X = UserInputField("x")


SECRET_X = UserInputField("x", secret=True)


FILLED: Answers = (("s", {"user_input": {"x": "a"}}),)


class OneField(BaseModel):
    x: str


class TwoFields(BaseModel):
    x: str
    reason: str


class Login(BaseModel):
    x: SecretStr = Field(max_length=1)


class OtherField(BaseModel):
    title: str


class MoreToGive(BaseModel):
    x: str
    note: str = ""


class Nothing(BaseModel):
    other: str = ""


def routes(*names: str, multiple: bool = False) -> list[Router]:
    return [Router("s", [step(name) for name in names], human_review=Choose("Which?", multiple=multiple))]


def gated_routes(*names: str) -> list[Router]:
    listed = [step(name, None, *([Confirm()] if name == "a" else [])) for name in names]
    return [Router("s", listed, human_review=Choose("Which?", multiple=True))]


CHOSEN: Answers = (("s", {"selected_choices": ["a"]}),)


CHOSE_BOTH: Answers = (("s", {"selected_choices": ["a", "b"]}),)


def condition(*, steps: Sequence[Any], else_steps: Sequence[Any] | None, confirm: bool = False) -> list[Condition]:
    review = Confirm("Sure?", on_reject="else") if confirm else None
    return [Condition("s", says(True), steps=steps, else_steps=else_steps, human_review=review)]


ASKS_A = step("a", None, Confirm())


def loop(bound: int) -> list[Loop]:
    return [Loop("s", [step("a", None, Confirm())], max_iterations=bound)]


def reviewed_loop(bound: int) -> list[Loop]:
    return [Loop("s", [step("a")], max_iterations=bound, human_review=Review(on_reject="retry"))]


ONCE: Answers = (("a", YES),)


TOOL = ToolRequest(Tool("call", "send", {}))


def agent(id_: str) -> list[Step]:
    return [Step("s", agent=Agent([[TOOL]], id=id_))]


def reviewed_form(*fields: UserInputField) -> list[Step]:
    return asks(Ask(list(fields)), Review(on_reject="retry"))


def parallel(*names: str) -> list[Parallel]:
    return [Parallel("s", [step(name, None, Confirm()) for name in names])]


def nested(*steps: Any) -> list[Step]:
    return [Step("s", workflow=Workflow("inner", steps=steps))]


def nested_with(schema: type[BaseModel] | None, **more: str) -> list[Step]:
    """A nested workflow that is given `{"x": "a"}`, and looks at it after the pause."""
    inner = Workflow("inner", steps=[ASKS_A, step("looks", lambda given: repr(given.input))], input_schema=schema)
    return [step("makes", says({"x": "a", **more})), Step("s", workflow=inner)]


def fails(_: Any) -> None:
    raise RuntimeError("broken")


def failing_form(does: Callable[[Any], Any], *fields: UserInputField) -> list[Step]:
    return [step("s", does, Ask(list(fields)), on_error="pause")]


CHANGES = [
    Change("a step comes after it", CONFIRMED, [*CONFIRMED, step("new")], GOES_ON, ASKED),
    Change("a step comes before it", CONFIRMED, [step("new"), *CONFIRMED], ASKED, ASKED),
    Change("it changes places with the step before", [step("a"), *CONFIRMED], [*CONFIRMED, step("a")], ASKED, ASKED),
    Change("it gets another name, or is left out", CONFIRMED, [step("other", None, Confirm())], ASKED, ASKED),
    Change(
        "it is left out, after it was skipped",
        CONFIRMED,
        [],
        ASKED,
        GOES_ON,
        then=(("s", {"confirmed": False, "on_reject": "skip"}),),
    ),
    Change("its code", CONFIRMED, [step("s", says("otherwise"), Confirm("Now?"))], GOES_ON, GOES_ON),
    Change("the text of a question", CONFIRMED, asks(Confirm("Really?")), GOES_ON, GOES_ON),
    Change(
        "`on_error`, `retries`, `time_limit`, `restart`",
        CONFIRMED,
        asks(Confirm("Now?"), on_error="skip", retries=3, time_limit=9, restart="ask"),
        GOES_ON,
        GOES_ON,
    ),
    Change(
        "a function becomes an agent", CONFIRMED, [Step("s", agent=Agent([]), human_review=Confirm())], GOES_ON, GOES_ON
    ),
    Change(
        "another kind of node: a step becomes a container, or a nested workflow",
        CONFIRMED,
        [Steps("s", [step("a")], human_review=Confirm("Now?"))],
        ASKED,
        ASKED,
    ),
    Change(
        "a step is added at the end of a container", nested(ASKS_A), nested(ASKS_A, step("b")), GOES_ON, GOES_ON, ONCE
    ),
    Change(
        "a step is added at the start of a container", nested(ASKS_A), nested(step("b"), ASKS_A), ASKED, GOES_ON, ONCE
    ),
    Change("a step is taken out of a container", nested(ASKS_A, step("b")), nested(step("b")), ASKED, ASKED, ONCE),
    Change("the question becomes another one", CONFIRMED, form(UserInputField("x", default="y")), ASKED, GOES_ON),
    Change("the question is left out", CONFIRMED, asks(), ASKED, GOES_ON),
    Change("another question comes before it", form(X), asks(Confirm(), Ask([X])), ASKED, GOES_ON, FILLED),
    Change("another question comes after it", CONFIRMED, asks(Confirm(), Review()), GOES_ON, GOES_ON),
    Change("a field is added to a form", form(X), form(X, UserInputField("y")), ASKED, GOES_ON, FILLED),
    Change(
        "a field is left out of a form", form(X, UserInputField("y", required=False)), form(X), ASKED, GOES_ON, FILLED
    ),
    Change("a field gets another name", form(X), form(UserInputField("z")), ASKED, GOES_ON, FILLED),
    Change("a field gets another type", form(X), form(UserInputField("x", "int")), ASKED, GOES_ON, FILLED),
    Change(
        "a field becomes required, or optional",
        form(X),
        form(UserInputField("x", required=False)),
        ASKED,
        GOES_ON,
        FILLED,
    ),
    Change(
        "other values are allowed in a field",
        form(UserInputField("x", allowed_values=["a", "b"])),
        form(UserInputField("x", allowed_values=["a"])),
        ASKED,
        GOES_ON,
        FILLED,
    ),
    Change(
        "a field becomes a secret, or is one no longer",
        form(X),
        form(SECRET_X),
        ASKED,
        GOES_ON,
        FILLED,
    ),
    Change(
        "the description or the default of a field",
        form(X),
        form(UserInputField("x", description="What?", default="b")),
        GOES_ON,
        GOES_ON,
        FILLED,
    ),
    Change(
        "a form, once it is filled in, no longer takes that",
        reviewed_form(X),
        reviewed_form(UserInputField("x", "int")),
        ASKED,
        GOES_ON,
        until=FILLED,
    ),
    Change(
        "a form, once it is filled in, gets an optional field",
        reviewed_form(X),
        reviewed_form(X, UserInputField("y", required=False)),
        GOES_ON,
        GOES_ON,
        until=FILLED,
    ),
    Change("an offered route is gone", routes("a", "b"), routes("a", "c"), ASKED, GOES_ON, CHOSEN),
    Change("a route is added", routes("a", "b"), routes("a", "b", "c"), GOES_ON, GOES_ON, CHOSEN),
    Change(
        "one route may be chosen instead of several",
        routes("a", "b", multiple=True),
        routes("a", "b"),
        ASKED,
        GOES_ON,
        CHOSEN,
    ),
    Change("a chosen route is gone", gated_routes("a", "b"), gated_routes("a", "c"), ASKED, ASKED, ONCE, CHOSE_BOTH),
    Change(
        "a selector has chosen a route that is gone",
        [Router("s", [ASKS_A, step("b")], selector=says(["a", "b"]))],
        [Router("s", [ASKS_A, step("c")], selector=says(["a", "c"]))],
        ASKED,
        ASKED,
        ONCE,
    ),
    Change(
        "the other branch of a confirmed condition is gone",
        condition(steps=[step("a")], else_steps=[step("b")], confirm=True),
        condition(steps=[step("a")], else_steps=None, confirm=True),
        ASKED,
        GOES_ON,
    ),
    Change(
        "a condition without another branch gets one",
        condition(steps=[step("a")], else_steps=None, confirm=True),
        condition(steps=[step("a")], else_steps=[step("b")], confirm=True),
        GOES_ON,
        GOES_ON,
    ),
    Change(
        "the branch that was taken loses its step to the other one",
        condition(steps=[ASKS_A], else_steps=[step("b")]),
        condition(steps=[step("c")], else_steps=[ASKS_A, step("b")]),
        ASKED,
        GOES_ON,
        ONCE,
    ),
    Change("`max_iterations` below the iteration", loop(3), loop(1), ASKED, GOES_ON, (*ONCE, *ONCE), ONCE),
    Change("`max_iterations`, but not below the iteration", loop(3), loop(2), GOES_ON, GOES_ON, (*ONCE, *ONCE), ONCE),
    Change(
        "no iteration is left after the one that is reviewed",
        reviewed_loop(3),
        reviewed_loop(1),
        ASKED,
        GOES_ON,
    ),
    Change(
        "a rejection may do less (`allowed_on_reject`)",
        asks(Confirm(allowed_on_reject=["skip", "cancel"])),
        asks(Confirm(allowed_on_reject=["skip"])),
        ASKED,
        GOES_ON,
    ),
    Change(
        "a rejection may do more, or does something else by default",
        asks(Confirm(allowed_on_reject=["skip"])),
        asks(Confirm(on_reject="cancel")),
        GOES_ON,
        GOES_ON,
    ),
    Change("`max_retries` is less", asks(Review(max_retries=3)), asks(Review(max_retries=1)), ASKED, GOES_ON),
    Change("`max_retries` is more", asks(Review(max_retries=1)), asks(Review(max_retries=3)), GOES_ON, GOES_ON),
    Change(
        "others are to decide (`assignees`)",
        asks(Confirm(assignees=["ada"])),
        asks(Confirm(assignees=["bob"])),
        ASKED,
        GOES_ON,
    ),
    Change(
        "something else happens when nobody decides (`on_timeout`)",
        asks(Confirm(timeout=60, on_timeout="approve")),
        asks(Confirm(timeout=60, on_timeout="cancel")),
        ASKED,
        GOES_ON,
    ),
    Change("how long it waits (`timeout`)", asks(Confirm(timeout=60)), asks(Confirm(timeout=3600)), GOES_ON, GOES_ON),
    Change("a branch is added to a parallel", parallel("a"), parallel("a", "b"), GOES_ON, GOES_ON, ONCE),
    Change("a branch is taken out of a parallel", parallel("a", "b"), parallel("b"), ASKED, ASKED, (*ONCE, ("b", YES))),
    Change(
        "another agent takes the place of one that waits for its tools",
        agent("one"),
        agent("two"),
        ASKED,
        GOES_ON,
        then=(("s", {"executor_requirements": ...}),),
    ),
    Change(
        "`input_schema` doesn't take what the run was started with, or not all of it",
        CONFIRMED,
        CONFIRMED,
        ASKED,
        ASKED,
        not_yet=ASKED,
        workflow=({"input_schema": OneField}, {"input_schema": TwoFields}),
    ),
    Change(
        "`input_schema` gets an optional field",
        CONFIRMED,
        CONFIRMED,
        GOES_ON,
        GOES_ON,
        workflow=({"input_schema": OneField}, {"input_schema": MoreToGive}),
    ),
    Change(
        "`input_schema` of a nested workflow doesn't take what came to it, or not all of it",
        nested_with(OneField),
        nested_with(TwoFields, reason="b"),
        ASKED,
        GOES_ON,
        ONCE,
    ),
    Change(
        "`input_schema` of a nested workflow gets an optional field",
        nested_with(OneField),
        nested_with(MoreToGive),
        GOES_ON,
        GOES_ON,
        ONCE,
    ),
]


MORE = [
    Change(
        "`input_schema` of a nested workflow drops a field, and would lose what came to it",
        nested_with(OneField),
        nested_with(Nothing),
        ASKED,
        GOES_ON,
        ONCE,
    ),
    Change(
        "`input_schema` of a nested workflow is new", nested_with(None), nested_with(OneField), GOES_ON, GOES_ON, ONCE
    ),
    Change(
        "`input_schema` of a nested workflow is new, and doesn't take it",
        nested_with(None),
        nested_with(Nothing),
        ASKED,
        GOES_ON,
        ONCE,
    ),
    Change(
        "`input_schema` of a nested workflow is gone", nested_with(OneField), nested_with(None), GOES_ON, GOES_ON, ONCE
    ),
    Change("a field is a secret no longer", form(SECRET_X), form(X), ASKED, GOES_ON, FILLED),
    Change(
        "a field becomes a secret, once it is filled in",
        reviewed_form(X),
        reviewed_form(SECRET_X),
        ASKED,
        GOES_ON,
        until=FILLED,
    ),
    Change(
        "a field is a secret no longer, once it is filled in",
        reviewed_form(SECRET_X),
        reviewed_form(X),
        ASKED,
        GOES_ON,
        until=FILLED,
    ),
    Change(
        "another step changes after a form with a secret whose model takes no more than one letter",
        asks(Ask(Login), Review(on_reject="retry")),
        [*asks(Ask(Login), Review(on_reject="retry")), step("t", None, Confirm())],
        GOES_ON,
        ASKED,
        until=FILLED,
    ),
    Change(
        "a form that a retry may fill in anew has another field",
        failing_form(fails, X),
        failing_form(says("x"), X, UserInputField("y", required=False)),
        ASKED,
        GOES_ON,
        until=FILLED,
        then=(("s", {"decision": "skip"}),),
    ),
    Change(
        "a form that a retry may fill in anew is the same",
        failing_form(fails, X),
        failing_form(says("x"), X),
        GOES_ON,
        GOES_ON,
        until=FILLED,
        then=(("s", {"decision": "skip"}),),
    ),
    Change(
        "`input_schema` renames a field",
        CONFIRMED,
        CONFIRMED,
        ASKED,
        ASKED,
        not_yet=ASKED,
        workflow=({"input_schema": OneField}, {"input_schema": OtherField}),
    ),
    Change(
        "`input_schema` drops a field, and would lose what was given",
        CONFIRMED,
        CONFIRMED,
        ASKED,
        ASKED,
        not_yet=ASKED,
        workflow=({"input_schema": OneField}, {"input_schema": Nothing}),
    ),
    Change(
        "`input_schema` is new, and takes it",
        CONFIRMED,
        CONFIRMED,
        GOES_ON,
        GOES_ON,
        workflow=({}, {"input_schema": OneField}),
    ),
    Change("a form of a model gets a field", asks(Ask(OneField)), asks(Ask(TwoFields)), ASKED, GOES_ON, FILLED),
    Change("a form of a model renames its field", asks(Ask(OneField)), asks(Ask(OtherField)), ASKED, GOES_ON, FILLED),
    Change(
        "a step becomes a nested workflow",
        CONFIRMED,
        [Step("s", workflow=Workflow("inner", steps=[step("a")]), human_review=Confirm("Now?"))],
        ASKED,
        ASKED,
    ),
    Change("a nested workflow becomes a step", nested(ASKS_A), [step("s", None, Confirm())], ASKED, ASKED, ONCE),
    Change(
        "a loop becomes steps", loop(3), [Steps("s", [step("a", None, Confirm())])], ASKED, ASKED, (*ONCE, *ONCE), ONCE
    ),
    Change(
        "no agent is there any more",
        agent("one"),
        [step("s")],
        ASKED,
        GOES_ON,
        (("s", {"executor_requirements": ...}),),
    ),
    Change("the review is gone, and its output waits", asks(Review()), asks(), ASKED, GOES_ON),
    Change(
        "an answered question is left out",
        asks(Confirm(), Review()),
        asks(Review()),
        GOES_ON,
        GOES_ON,
        until=(("s", YES),),
    ),
    Change(
        "an answered question becomes another one",
        asks(Confirm(), Review()),
        asks(Ask([X]), Review()),
        ASKED,
        GOES_ON,
        until=(("s", YES),),
    ),
    Change(
        "one comes before the answered question",
        asks(Ask([X]), Review()),
        asks(Confirm(), Ask([X]), Review()),
        ASKED,
        GOES_ON,
        until=FILLED,
    ),
    Change(
        "it was sent back more often than it may be",
        asks(Review(on_reject="retry")),
        asks(Review(max_retries=0)),
        ASKED,
        GOES_ON,
        until=(("s", {"confirmed": False, "on_reject": "retry"}),),
    ),
    Change("the last iteration is no longer the last", reviewed_loop(1), reviewed_loop(3), GOES_ON, GOES_ON),
    Change(
        "fields change places",
        form(X, UserInputField("y", required=False)),
        form(UserInputField("y", required=False), X),
        GOES_ON,
        GOES_ON,
        FILLED,
    ),
]
