"""What a decision was made on: the digest of each kind of question, what it is of, and the refusal of another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.workflow.decide.test_merge import asking, failing, paused, request, tool
from tests.workflow.simulation import Simulation, says, who

from interlock import (
    All,
    Ask,
    Choose,
    Confirm,
    ErrorReview,
    Halting,
    HumanReview,
    Loop,
    Machine,
    Review,
    Router,
    State,
    Step,
    ToolReview,
    Transition,
    UserInputField,
    Workflow,
)
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.program import Requirement, dump
from interlock.workflow.run.digests import digest_of
from interlock.workflow.run.state import load, since
from interlock_protocol.errors import ErrorCode, Refusal

YES = {"confirmed": True}
NAME = [UserInputField("name")]


def halted(**halt: Any) -> Simulation:
    states = {
        "ask": State(halt=Halting(accepts={"type": "object"}, **halt), transitions=[Transition("done")]),
        "done": State(is_terminal=True),
    }
    return paused(Machine("m", states, initial_state="ask"))


def choosing(**options: Any) -> Simulation:
    return paused(Router("s", [Step("a", says("a")), Step("b", says("b"))], human_review=Choose("Which?", **options)))


KINDS: dict[str, tuple[Callable[..., Simulation], dict[str, Any]]] = {
    "confirmation": (lambda **o: paused(Step("s", says("x"), human_review=Confirm("Sure?", **o))), YES),
    "form": (lambda **o: paused(Step("s", says("x"), human_review=Ask(NAME, **o))), {"user_input": {"name": "a"}}),
    "choice": (choosing, {"selected_choices": ["a"]}),
    "output": (lambda **o: paused(Step("s", says("x"), human_review=Review("Right?", **o))), YES),
    "iteration": (
        lambda **o: paused(Loop("s", [Step("t", says("x"))], max_iterations=2, human_review=Review("On?", **o))),
        YES,
    ),
    "tools": (lambda **o: asking(request(0), review=ToolReview(**o))[0], {"executor_requirements": []}),
    "error": (lambda **o: failing(human_review=ErrorReview(**o)), {"decision": "retry"}),
    "halt": (halted, {"user_input": {"ok": True}}),
    "all in one": (
        lambda **o: paused(Step("s", says("x"), human_review=HumanReview(requires_confirmation=True, **o))),
        YES,
    ),
}
each_kind = pytest.mark.parametrize(("ask", "decision"), KINDS.values(), ids=KINDS)


def asked(run: Simulation) -> Requirement:
    (requirement,) = run.state.requirements.values()
    return requirement


def answer(run: Simulation, decision: dict[str, Any], **more: Any) -> dict[str, Any]:
    requirement = asked(run)
    if "executor_requirements" in decision:
        decision = {"executor_requirements": [{"id": f"{requirement.id}.0", "confirmation": True}]}
    return {"id": requirement.id, **decision, **more}


def refused(run: Simulation, given: dict[str, Any], by: str = "ada") -> Refusal:
    before = len(run.log)
    with pytest.raises(Refusal) as refusal:
        run.decide(given, by=by)
    assert len(run.log) == before
    return refusal.value


@each_kind
def test_every_kind_of_question_has_a_digest_that_its_pause_and_its_requirement_show(
    ask: Callable[..., Simulation], decision: dict[str, Any]
) -> None:
    run = ask()
    digest = asked(run).digest
    assert len(digest) == 64
    assert run.of("StepPaused")[0]["digest"] == digest
    output = run.of("WorkflowRunOutput")[-1]
    shown = [*(output.get("step_requirements") or ()), *(output.get("error_requirements") or ())]
    assert [each["digest"] for each in shown] == [digest]
    assert asked(ask()).digest == digest, "the same question has the same digest"
    assert digest_of(asked(run).facts) == digest, "and it can be made of what is shown"


@each_kind
def test_decision_on_something_else_is_stale_and_is_told_what_is_asked(
    ask: Callable[..., Simulation], decision: dict[str, Any]
) -> None:
    for bind in (False, True):
        run = ask(bind=bind)
        requirement = asked(run)
        refusal = refused(run, answer(run, decision, digest="0" * 64))
        assert refusal.code is ErrorCode.STALE_VIEW
        assert refusal.details == {"requirement_id": requirement.id, "digest": requirement.digest}
        run.decide(answer(run, decision, digest=requirement.digest))
        private = run.log[-1][1]
        assert private is not None
        assert private["digest"] == requirement.digest


@each_kind
def test_bound_question_isnt_decided_without_its_digest(
    ask: Callable[..., Simulation], decision: dict[str, Any]
) -> None:
    run = ask(bind=True)
    assert asked(run).facts["bind"] is True
    refusal = refused(run, answer(run, decision))
    assert (refusal.code, refusal.details[0]["field"]) == (ErrorCode.INVALID_DECISION, "digest")
    assert since(run.of("StepPaused")[0]) >= 4, "servers that know nothing of this leave the run alone"
    free = ask()
    free.decide(answer(free, decision))


def test_what_is_shown_changes_the_digest_and_who_is_asked_until_when_doesnt() -> None:
    def digest(message: str = "Sure?", value: str = "hello", **options: Any) -> str:
        workflow = Workflow("w", steps=[Step("s", says("x"), human_review=Confirm(message, **options))])
        return asked(Simulation(workflow, value).run()).digest

    same = [digest(), digest(assignees=["ana"], timeout=9), digest(on_timeout="skip", timeout=5), digest(bind=True)]
    assert len(set(same)) == 1
    others = [digest("Really?"), digest(value="other"), digest(on_reject="cancel")]
    assert len({*same, *others}) == 4


def test_votes_of_others_and_tools_that_are_decided_leave_the_digest_as_it_was() -> None:
    voting = Confirm("Sure?", assignees=["ana", "ben"], policy=All(), timeout=60, bind=True)
    run = paused(Step("s", says("x"), human_review=voting))
    digest = asked(run).digest
    run.decide(answer(run, YES, digest=digest), by="ana")
    assert (asked(run).digest, digest_of(asked(run).facts)) == (digest, digest)
    assert asked(run).parts["ana"].vote["digest"] == digest
    assert refused(run, answer(run, YES, digest="1"), "ben").code is ErrorCode.STALE_VIEW
    tools, id_ = asking(request(0), request(1))
    digest = asked(tools).digest
    tools.decide(tool(id_, 0, confirmation=True))
    assert (asked(tools).digest, digest_of(asked(tools).facts)) == (digest, digest)


def test_next_round_of_a_review_shows_something_else() -> None:
    outputs = iter(["first", "second"])
    run = paused(Step("s", lambda _: next(outputs), human_review=Review("Right?", bind=True)))
    first = asked(run)
    run.decide(answer(run, {"confirmed": False, "on_reject": "retry"}, digest=first.digest))
    run.run()
    assert asked(run).digest != first.digest
    assert refused(run, answer(run, YES, digest=first.digest)).code is ErrorCode.STALE_VIEW


def test_repetition_is_judged_by_what_it_decides_not_by_its_digest() -> None:
    run = paused(Step("s", says("x"), human_review=Confirm("Sure?", bind=True)))
    given = answer(run, YES, digest=asked(run).digest)
    run.decide(given)
    run.run()
    for digest in (given["digest"], "0" * 64, None):
        assert run.decide({**given, "digest": digest}) == ()


def test_question_that_an_earlier_version_asked_has_the_digest_of_its_facts() -> None:
    run = paused(Step("s", says("x"), human_review=Confirm("Sure?")))
    old = load(dump(run.state))
    (requirement,) = old.requirements.values()
    digest = requirement.facts.pop("digest")
    assert requirement.digest == digest


def test_whoever_may_not_decide_isnt_told_what_is_asked() -> None:
    run = paused(Step("s", says("x"), human_review=Confirm("Sure?", assignees=["ana"], bind=True)))
    with pytest.raises(Refusal) as refusal:
        run.decide(answer(run, YES, digest="0" * 64), by=who("eve", lambda _: False))
    assert refusal.value.code is ErrorCode.FORBIDDEN


def test_halt_that_a_signal_resumes_cant_be_bound() -> None:
    with pytest.raises(DeclarationError, match="sees nothing"):
        Halting(signal="paid", bind=True)
