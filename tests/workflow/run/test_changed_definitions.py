"""A run and a workflow that was changed since: where it goes on, and where a person is asked.

`CHANGES` is the table in `docs/workflows.md`: what is changed, and what that comes to for a run that hasn't come to it,
that stands in it or waits for it, and for which it has ended.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator
from tests.workflow.people import Person
from tests.workflow.random_runs import picks, workflows
from tests.workflow.run.changes import (
    ASKED,
    CHANGES,
    COLUMNS,
    CONFIRMED,
    FILLED,
    GOES_ON,
    MORE,
    PAGE,
    VAULT,
    YES,
    Answers,
    Change,
    X,
    asks,
    reviewed_form,
    step,
)
from tests.workflow.simulation import Simulation
from tests.workflow.test_properties import MANY

from interlock import (
    Ask,
    Confirm,
    Review,
    Workflow,
)
from interlock.workflow.node import Phase
from interlock.workflow.run.changed_definition import definition_changed, fits, misfit
from interlock.workflow.run.state import dump, load
from interlock_protocol.types import RunStatus


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
    pick = picks(data.draw)
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

    pick = picks(data.draw)
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
