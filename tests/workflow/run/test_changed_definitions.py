"""A run and a workflow that was changed since: where it goes on, and where a person is asked.

`CHANGES` is the table in `docs/workflows.md`: what is changed, and what that comes to for a run that hasn't come to it,
that stands in it or waits for it, and for which it has ended.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr, field_validator
from tests.workflow.people import Person
from tests.workflow.random_runs import workflows
from tests.workflow.simulation import Agent, Simulation, says
from tests.workflow.test_properties import MANY

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
from interlock.workflow.node import Phase
from interlock.workflow.run.changed_definition import definition_changed, fits, misfit
from interlock.workflow.run.state import dump, load
from interlock_protocol.types import RunStatus

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


def workflow_of(middle: Sequence[Any], **more: Any) -> Workflow:
    return Workflow("w", steps=[step("before", None, Confirm()), *middle, step("after", None, Confirm())], **more)


def answer(run: Simulation, answers: Answers) -> None:
    for name, decision in answers:
        given = copy.copy(decision)
        if "executor_requirements" in given:
            waiting = run.pending(name).facts["executor_requirements"]
            given["executor_requirements"] = [{"id": each["id"], "confirmation": True} for each in waiting]
        run.answer(name, **given)


def stands(change: Change, where: str) -> Simulation:
    """A run in the old workflow that stands there."""
    run = Simulation(workflow_of(change.old, **change.workflow[0]), input={"x": "a"}, vault=VAULT).run()
    if where == "not yet":
        return run
    answer(run, [("before", YES), *change.until])
    if where == "ended":
        answer(run, change.then)
        assert run.waiting == ["after"]
    return run


def goes_on(run: Simulation, change: Change, where: str) -> None:
    """In the new workflow, with the answers that were possible in the old one, for as far as they go."""
    chosen = {name for each in run.state.nodes.values() for name in getattr(each.own, "selected", ())}
    run.reload()
    run.run()
    if where == "there":
        answer(run, change.then[:1])
    for _ in range(20):
        if run.state.status.is_final:
            break
        for name in run.waiting:
            requirement = run.pending(name)
            given: dict[str, Any] = YES
            if requirement.kind == "requires_user_input":
                schema = requirement.facts["user_input_schema"]
                given = {"user_input": {each["name"]: 1 if each["field_type"] == "int" else "a" for each in schema}}
            elif requirement.kind == "requires_route_selection":
                given = {"selected_choices": requirement.facts["available_choices"][:1]}
            elif requirement.kind == "requires_executor_input":
                given = {"executor_requirements": ...}
            answer(run, [(name, given)])
            break
    assert run.state.status is RunStatus.COMPLETED
    ended = {each["step_name"] for each in run.events if each["event"] in ("StepCompleted", "StepSkipped")}
    assert chosen <= ended


@pytest.mark.parametrize("where", COLUMNS)
@pytest.mark.parametrize("change", [*CHANGES, *MORE], ids=lambda change: change.what)
def test_changed_definition_is_gone_on_in_or_asked_about(change: Change, where: str) -> None:
    run = stands(change, where)
    new = workflow_of(change.new, **change.workflow[1])
    expected = {"not yet": change.not_yet, "there": change.there, "ended": change.ended}[where]
    assert (misfit(new, run.state) is None) is (expected == GOES_ON), misfit(new, run.state)
    assert fits(new, load(dump(run.state))) is fits(new, run.state), "a snapshot says the same"
    if expected == ASKED:
        error = definition_changed(new, run.state, 5)[0].event["error"]
        assert f"while this run was under way: {misfit(new, run.state)}. " in error
        return
    run.workflow = new
    goes_on(run, change, where)


def test_page_has_this_table() -> None:
    rows = [f"| {each.what} | {each.not_yet} | {each.there} | {each.ended} |" for each in CHANGES]
    head = [
        "| what is changed | hasn't come to it | stands in it, or waits for it | it has ended |",
        "| --- | --- | --- | --- |",
    ]
    assert "\n".join([*head, *rows]) in PAGE.read_text()


@pytest.mark.parametrize("change", [*CHANGES, *MORE], ids=lambda change: change.what)
def test_definition_that_did_not_change_is_always_gone_on_in(change: Change) -> None:
    """By what is compared, and not only because its fingerprint is the same."""
    for where in COLUMNS:
        run = stands(change, where)
        run.state.fingerprint = "of an older release"
        assert misfit(run.workflow, run.state) is None


def test_state_of_an_older_release_that_does_not_know_the_kinds_of_its_nodes_goes_on() -> None:
    run = stands(Change("", CONFIRMED, CONFIRMED, GOES_ON, GOES_ON), "there")
    run.state.fingerprint = "of an older release"
    for node in run.state.nodes.values():
        node.kind = None
        assert node.phase in (Phase.ENTERED, Phase.COMPLETED)
    assert fits(run.workflow, run.state)


class Looks(Person):
    """A person, and a comparison of the run with its own definition after whatever happens."""

    def settle(self) -> None:
        super().settle()
        state = load(dump(self.run.state))
        state.fingerprint = "of an older release"
        if not state.status.is_final:
            assert misfit(self.run.workflow, state) is None


@MANY
@given(workflow=workflows(), data=st.data())
def test_run_fits_its_own_definition_wherever_it_stands(workflow: Workflow, data: st.DataObject) -> None:
    def pick(options: Sequence[Any]) -> Any:
        return data.draw(st.sampled_from(options))

    Looks(workflow, pick).live()


def settled(person: Person) -> RunStatus:
    person.run.settle()
    return person.run.state.status


@MANY
@given(workflow=workflows(), other=workflows(), data=st.data())
def test_run_that_fits_another_definition_goes_on_in_it(
    workflow: Workflow, other: Workflow, data: st.DataObject
) -> None:
    """To its end, by all the rules of the engine: nothing is left waiting, and nothing asserts."""

    def pick(options: Sequence[Any]) -> Any:
        return data.draw(st.sampled_from(options))

    person = Person(workflow, pick)
    person.settle()
    while not person.run.state.status.is_final:
        if fits(other, person.run.state):
            event("fits, and has begun" if person.run.state.nodes else "fits")
            person.run.running.clear()
            person.run.workflow = other
            break
        getattr(person, pick(("work", "decide", "decide", "expire")))()
        person.settle()
    run = Person(other, pick)
    run.run = person.run
    while not settled(run).is_final:
        getattr(run, pick(("work", "work", "decide")))()


class Raises(BaseModel):
    x: str

    @field_validator("x")
    @classmethod
    def raises(cls, value: str) -> str:
        raise KeyError(value)


@pytest.mark.parametrize("new", [{"input_schema": Raises}, {}])
def test_validator_that_raises_takes_nothing(new: dict[str, Any]) -> None:
    run = stands(Change("", reviewed_form(X), [], GOES_ON, GOES_ON, until=FILLED), "there")
    form_too = reviewed_form(X) if new else asks(Ask(Raises), Review(on_reject="retry"))
    assert not fits(workflow_of(form_too, **new), run.state)
