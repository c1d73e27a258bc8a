"""Decisions made of a thousand parts: nothing is searched for each, nothing checked twice, and few faults are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel
from tests.workflow.simulation import Simulation, says, who

from interlock import Ask, Choose, Confirm, Parallel, Router, Step, Workflow
from interlock.workflow.decide import decide as decisions
from interlock.workflow.decide.decide import decide
from interlock.workflow.decide.merge import merge
from interlock.workflow.declare.forms import check_input
from interlock.workflow.declare.inputs import checked_input
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import MAX_FAULTS, MAX_LIST, MAX_QUOTED
from interlock_protocol.requirements import EchoedRequirement

MANY = MAX_LIST


class Counted(str):
    """A name that counts how often it is compared."""

    compared = 0
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


class Table(dict[str, Any]):
    """Resolutions or requirements that count how often all of them are looked at."""

    looked_through = 0

    def values(self) -> Any:
        self.looked_through += 1
        return super().values()


class Taste(BaseModel):
    tone: str = "formal"
    copies: int = 1


def paused(*nodes: Any) -> Simulation:
    return Simulation(Workflow("w", steps=list(nodes))).run()


def form() -> Simulation:
    return paused(Step("s", says("done"), human_review=Ask(Taste)))


def wide() -> Simulation:
    return paused(Parallel("p", [Step(f"s-{n}", says(n), human_review=Confirm()) for n in range(MANY)]))


def ids(run: Simulation) -> list[str]:
    return list(run.state.requirements)


def refusal(run: Simulation, *answers: Mapping[str, Any]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        run.decide(*answers)
    return refused.value


def test_form_answered_with_unknown_names_names_the_first() -> None:
    names = {f"{number}-{'x' * 1000}": 1 for number in range(45_000)}
    _, wrong = check_input([{"name": "tone", "field_type": "str", "required": True}], names)
    assert len(wrong) == MAX_FAULTS + 1
    assert all(len(str(each["field"])) <= MAX_QUOTED for each in wrong)
    run = form()
    refused = refusal(run, {"id": ids(run)[0], "user_input": dict(list(names.items())[:MANY])})
    assert len(refused.details) == MAX_FAULTS


def test_input_with_many_wrong_values_names_the_first_or_only_their_number() -> None:
    class Input(BaseModel):
        numbers: list[int]

    workflow = Workflow("w", steps=[Step("s", says("x"))], input_schema=Input)
    for count, named in ((1000, MAX_FAULTS), (50_000, 1)):
        with pytest.raises(Refusal) as refused:
            checked_input(workflow, {"numbers": [None] * count})
        assert len(refused.value.details) == named
    assert "50000 faults" in refused.value.message


def test_routes_are_looked_up() -> None:
    names = [f"route-{number}" for number in range(MANY)]
    run = paused(Router("r", [Step(name, says(name)) for name in names], human_review=Choose(multiple=True)))
    (requirement,) = run.state.requirements.values()
    requirement.facts["available_choices"] = [Counted(name) for name in names]
    Counted.compared = 0
    decision = merge(run.workflow, run.state, requirement, {"selected_choices": [Counted(name) for name in names]})
    assert decision == {"selected_choices": names}
    assert Counted.compared < 10 * MANY
    refused = refusal(run, {"id": requirement.id, "selected_choices": ["x" * 10_000]})
    assert len(refused.message) < 20 * MANY


def test_what_many_requirements_mean_is_looked_up() -> None:
    run = wide()
    run.answer("s-0", confirmed=True)
    run.state.requirements, run.state.resolved = Table(run.state.requirements), Table(run.state.resolved)
    echoed = [EchoedRequirement(step_id=each.facts["step_id"]) for each in run.state.requirements.values()]
    echoed += [EchoedRequirement(id=each) for each in run.state.requirements]
    echoed += [EchoedRequirement(id=each.requirement.id) for each in run.state.resolved.values()]
    run.state.requirements.looked_through = run.state.resolved.looked_through = 0
    with pytest.raises(Refusal) as refused:
        decide(run.workflow, run.state, echoed, by=who(), now=0)
    assert "None of these requirements has a decision" in refused.value.message
    assert run.state.requirements.looked_through <= 3
    assert run.state.resolved.looked_through <= 3


def test_thousand_pauses_are_decided_by_one_message() -> None:
    run = wide()
    assert len(run.decide(*({"id": each, "confirmed": True} for each in ids(run)))) == MANY


def test_same_answer_a_thousand_times_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = 0

    def counted(*asked: Any) -> Any:
        nonlocal checked
        checked += 1
        return merge(*asked)

    monkeypatch.setattr(decisions, "merge", counted)
    run = form()
    answer = {"id": ids(run)[0], "user_input": {"tone": "casual"}}
    assert len(run.decide(*[answer] * MANY)) == 1
    assert checked == 1
    run.decide(*[answer] * MANY)  # decided so before
    assert checked == 2


@pytest.mark.parametrize("is_resolved", [False, True], ids=["pending", "resolved"])
def test_two_answers_to_one_requirement_are_refused_before_the_second_is_checked(is_resolved: bool) -> None:
    run = form()
    answer = {"id": ids(run)[0], "user_input": {"tone": "casual"}}
    if is_resolved:
        run.decide(answer)
    refused = refusal(run, answer, {**answer, "user_input": {"tone": "casual", "copies": 1}})
    assert refused.code is ErrorCode.INVALID_DECISION
    assert "decided twice" in refused.message
