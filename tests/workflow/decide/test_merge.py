"""The client's part of a decision: what is taken, what is refused, and what makes two of them equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.workflow.simulation import Agent, Simulation, says

from interlock import (
    Ask,
    Choose,
    Confirm,
    ErrorReview,
    Loop,
    Review,
    Router,
    Step,
    StepInput,
    ToolReview,
    UserInputField,
    Workflow,
)
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import MAX_EDITED_OUTPUT_BYTES, MAX_FEEDBACK_BYTES

YES = {"confirmed": True}
NO = {"confirmed": False}


def paused(node: Any) -> Simulation:
    return Simulation(Workflow("w", steps=[node])).run()


def reviewing(output: Any = "draft", **review: Any) -> Simulation:
    return paused(Step("s", says(output), human_review=Review("Right?", **review)))


def fails(_: StepInput) -> None:
    raise RuntimeError("broken")


def failing(**policies: Any) -> Simulation:
    return paused(Step("s", fails, on_error="pause", **policies))


def requirement_id(run: Simulation) -> str:
    (requirement,) = run.state.requirements.values()
    return requirement.id


def refused(run: Simulation, **decision: Any) -> Refusal:
    """The refusal of a decision, on what waits or on the `id` that is given, that changes nothing."""
    answer = decision if "id" in decision else {"id": requirement_id(run), **decision}
    before, length = run.refolded(), len(run.log)
    with pytest.raises(Refusal) as refusal:
        run.decide(answer)
    assert (run.state, len(run.log)) == (before, length)
    return refusal.value


def wrong(run: Simulation, **decision: Any) -> list[str]:
    """The fields that are wrong with it."""
    refusal = refused(run, **decision)
    assert refusal.code is ErrorCode.INVALID_DECISION
    assert all(each["error"].endswith(".") for each in refusal.details)
    return [each["field"] for each in refusal.details]


def decided(run: Simulation, **decision: Any) -> Any:
    (found,) = run.decide({"id": requirement_id(run), **decision})
    return found.decision


# --- reviews ---


def test_approval_may_carry_an_edited_output() -> None:
    assert decided(reviewing(), **YES, edited_output="better") == {"confirmed": True, "edited_output": "better"}


@pytest.mark.parametrize(
    ("output", "edited"),
    [("text", {"x": 1}), ("text", 1), ({"x": 1}, "text"), ({"x": 1}, []), ([1], {"x": 1}), ([1], "1")],
)
def test_edited_output_is_of_the_kind_of_the_output(output: Any, edited: Any) -> None:
    assert wrong(reviewing(output), **YES, edited_output=edited) == ["edited_output"]


@pytest.mark.parametrize(("output", "edited"), [({"x": 1}, {"y": []}), ([1], []), (None, "text"), (5, 7), ("", "x")])
def test_edited_output_may_be_anything_of_that_kind(output: Any, edited: Any) -> None:
    assert decided(reviewing(output), **YES, edited_output=edited)["edited_output"] == edited


def test_edited_output_has_a_limit() -> None:
    fits = "x" * (MAX_EDITED_OUTPUT_BYTES - 2)  # as JSON it has quotes
    assert wrong(reviewing(), **YES, edited_output=fits + "x") == ["edited_output"]
    assert decided(reviewing(), **YES, edited_output=fits)


def test_edited_output_belongs_to_an_approval() -> None:
    assert wrong(reviewing(), **NO, edited_output="better") == ["edited_output"]
    assert wrong(reviewing(), edited_output="better") == ["confirmed"]


def test_feedback_belongs_to_a_rejection() -> None:
    assert wrong(reviewing(), **YES, rejection_feedback="why") == ["rejection_feedback"]


def test_feedback_has_a_limit() -> None:
    assert wrong(reviewing(), **NO, rejection_feedback="x" * (MAX_FEEDBACK_BYTES + 1)) == ["rejection_feedback"]
    assert decided(reviewing(), **NO, rejection_feedback="x" * MAX_FEEDBACK_BYTES)


def test_confirmation_has_no_output_to_edit() -> None:
    run = paused(Step("s", says("x"), human_review=Confirm()))
    assert wrong(run, **YES, edited_output="better") == ["edited_output"]


def test_declared_narrower_is_narrower() -> None:
    run = reviewing(on_reject="retry", allowed_on_reject=["retry"])
    assert wrong(run, **NO, on_reject="skip") == ["on_reject"]
    assert decided(run, **NO) == {"confirmed": False, "on_reject": "retry"}


def test_last_iteration_is_not_sent_back() -> None:
    loop = Loop("s", [Step("a", says("a"))], max_iterations=1, human_review=Review(on_reject="retry"))
    assert wrong(paused(loop), **NO, on_reject="retry") == ["on_reject"]


def test_every_wrong_part_is_told_at_once() -> None:
    run = reviewing()
    assert wrong(run, **NO, on_reject="else", edited_output="x", rejection_feedback="x" * (MAX_FEEDBACK_BYTES + 1)) == [
        "on_reject",
        "rejection_feedback",
        "edited_output",
    ]


# --- errors ---


def test_error_is_decided_by_its_own_field_only() -> None:
    assert wrong(failing(), **YES) == ["confirmed"]
    assert decided(failing(), decision="skip") == {"decision": "skip"}


def test_error_decision_decides_nothing_else() -> None:
    assert wrong(reviewing(), decision="skip") == ["decision"]


def test_error_is_found_by_its_step() -> None:
    run = failing()
    assert run.decide({"step_id": run.workflow.places["s"].step_id, "decision": "skip"})


@pytest.mark.parametrize(("again", "code"), [("skip", None), ("retry", ErrorCode.CONFLICT)])
def test_error_decision_again_is_equal_or_a_conflict(again: str, code: ErrorCode | None) -> None:
    run = failing()
    id_ = requirement_id(run)
    run.decide({"id": id_, "decision": "skip"})
    if code is None:
        assert run.decide({"id": id_, "decision": again}) == ()
    else:
        assert refused(run, id=id_, decision=again).code is code


# --- tools ---

QUESTION = {"question": "Which?", "header": "Pick", "options": [{"label": "a"}, {"label": "b"}], "multi_select": False}
FIELDS = [UserInputField("to", description="To whom"), UserInputField("copies", "int", default=1)]


def asking(*requests: ToolRequest, review: Any = None) -> tuple[Simulation, str]:
    """An agent that asks about these, and the id of its requirement."""
    run = paused(Step("s", agent=Agent([requests]), human_review=review))
    return run, requirement_id(run)


def request(n: int = 0, **asks: Any) -> ToolRequest:
    return ToolRequest(Tool(f"c{n}", "send", {"to": "ada"}), **asks)


def tool(id_: str, n: int = 0, **decision: Any) -> dict[str, Any]:
    return {"id": id_, "executor_requirements": [{"id": f"{id_}.{n}", **decision}]}


def tool_decision(asks: ToolRequest, **decision: Any) -> Any:
    run, id_ = asking(asks)
    (found,) = run.decide(tool(id_, **decision))
    each: Any = found.by_id[f"{id_}.0"]
    return {key: value for key, value in each.items() if key != "id"}


def tool_faults(asks: ToolRequest, **decision: Any) -> list[str]:
    run, id_ = asking(asks)
    refusal = refused(run, **tool(id_, **decision))
    assert refusal.code is ErrorCode.INVALID_DECISION
    assert {each["executor_requirement_id"] for each in refusal.details} == {f"{id_}.0"}
    return [each["field"] for each in refusal.details]


@pytest.mark.parametrize("approved", [True, False])
def test_tool_is_confirmed_or_not_with_a_note(approved: bool) -> None:
    decision = {"confirmation": approved, "confirmation_note": "why"}
    assert tool_decision(request(), **decision) == decision


def test_note_has_a_limit() -> None:
    note = "x" * (MAX_FEEDBACK_BYTES + 1)
    assert tool_faults(request(), confirmation=False, confirmation_note=note) == ["confirmation_note"]


def test_arguments_are_edited_only_where_the_tool_allows_it() -> None:
    edited = {"to": "bob"}
    assert tool_faults(request(), confirmation=True, edited_args=edited) == ["edited_args"]
    assert tool_faults(request(editable=True), confirmation=False, edited_args=edited) == ["edited_args"]
    assert tool_decision(request(editable=True), confirmation=True, edited_args=edited)["edited_args"] == edited


def test_changed_arguments_that_are_echoed_have_no_effect() -> None:
    run, id_ = asking(request(editable=True))
    forged = {"tool_name": "other", "tool_args": {"to": "eve"}, "requires_confirmation": False}
    run.decide(tool(id_, confirmation=True, tool_execution=forged))
    assert run.run().last["content"] == [[{"approved": True, "args": {"to": "ada"}}]]


def test_edited_arguments_are_those_that_run() -> None:
    run, id_ = asking(request(editable=True))
    run.decide(tool(id_, confirmation=True, edited_args={"to": "bob"}))
    assert run.run().last["content"] == [[{"approved": True, "args": {"to": "bob"}}]]


def test_form_of_a_tool_is_checked_like_any_other() -> None:
    asks = request(user_input=FIELDS)
    given = [{"name": "to", "value": "ada"}]
    assert tool_decision(asks, user_input_schema=given)["user_input_schema"] == [*given, {"name": "copies", "value": 1}]
    assert tool_faults(asks, user_input_schema=[{"name": "to", "value": 5}, {"name": "cc", "value": "x"}]) == [
        "cc",
        "to",
    ]


def test_form_of_a_tool_that_needs_nothing_may_be_handed_in_empty() -> None:
    asks = request(user_input=[UserInputField("copies", "int", default=1)])
    assert tool_decision(asks, user_input_schema=[]) == {"user_input_schema": [{"name": "copies", "value": 1}]}


@pytest.mark.parametrize(
    "asks",
    [{"user_input": FIELDS[1:]}, {"user_feedback": [QUESTION]}, {"external_execution": True}],
    ids=["form", "question", "elsewhere"],
)
def test_tool_that_asks_for_an_answer_takes_no_rejection_for_one(asks: Any) -> None:
    assert tool_faults(request(**asks), confirmation=False) == ["confirmation"]


@pytest.mark.parametrize(
    ("selected", "is_fine"), [(["a"], True), ([], False), (["c"], False), (["a", "b"], False), ([["a"]], False)]
)
def test_question_is_answered_from_its_options(selected: Any, is_fine: bool) -> None:
    answer = [{"question": "Which?", "selected_options": selected}]
    if is_fine:
        assert tool_decision(request(user_feedback=[QUESTION]), user_feedback_schema=answer) == {
            "user_feedback_schema": answer
        }
    else:
        assert tool_faults(request(user_feedback=[QUESTION]), user_feedback_schema=answer) == ["Which?"]


def test_every_question_needs_an_answer() -> None:
    asks = request(user_feedback=[{**QUESTION, "multi_select": True}, {**QUESTION, "question": "And?"}])
    answer = [{"question": "Which?", "selected_options": ["a", "b"]}]
    assert tool_faults(asks, user_feedback_schema=answer) == ["And?"]


@pytest.mark.parametrize("result", ["done", 0, False, {"code": 1}, []])
def test_result_of_a_tool_that_is_executed_elsewhere_is_handed_in(result: Any) -> None:
    asks = request(external_execution=True)
    assert tool_decision(asks, external_execution_result=result) == {"external_execution_result": result}
    assert tool_faults(request(), external_execution_result=result) == ["confirmation"]


def test_tool_that_does_not_wait_is_refused() -> None:
    run, id_ = asking(request())
    assert wrong(run, **tool(id_, n=7, confirmation=True)) == ["executor_requirements"]
    assert wrong(run, **YES) == ["confirmed"]


def test_one_wrong_tool_refuses_the_others() -> None:
    run, id_ = asking(request(0), request(1, external_execution=True))
    both = [{"id": f"{id_}.0", "confirmation": True}, {"id": f"{id_}.1", "confirmation": False}]
    assert wrong(run, executor_requirements=both) == ["confirmation"]
    assert run.waits_for == {f"{id_}.0", f"{id_}.1"}


def test_tool_is_decided_once_in_a_message() -> None:
    run, id_ = asking(request(0), request(1))
    twice = [{"id": f"{id_}.0", "confirmation": True}, {"id": f"{id_}.0", "confirmation": False}]
    assert wrong(run, executor_requirements=twice) == ["id"]
    run.decide({"id": id_, "executor_requirements": [twice[0], twice[0]]})
    assert run.waits_for == {f"{id_}.1"}


def test_tools_that_were_only_echoed_stay_pending() -> None:
    run, id_ = asking(request(0), request(1))
    facts = run.pending("s").facts
    first, second = facts["executor_requirements"]
    run.decide({**facts, "executor_requirements": [first, {**second, "confirmation": False}]})
    assert run.waits_for == {f"{id_}.0"}


ANSWERS: list[tuple[ToolRequest, dict[str, Any], dict[str, Any]]] = [
    (request(), {"confirmation": True}, {"confirmation": False}),
    (request(), {"confirmation": False, "confirmation_note": "a"}, {"confirmation": False, "confirmation_note": "b"}),
    (
        request(user_input=FIELDS),
        {"user_input_schema": [{"name": "to", "value": "ada"}]},
        {"user_input_schema": [{"name": "to", "value": "bob"}]},
    ),
    (
        request(user_feedback=[QUESTION]),
        {"user_feedback_schema": [{"question": "Which?", "selected_options": ["a"]}]},
        {"user_feedback_schema": [{"question": "Which?", "selected_options": ["b"]}]},
    ),
    (request(external_execution=True), {"external_execution_result": 1}, {"external_execution_result": True}),
]


@pytest.mark.parametrize(("asks", "first", "other"), ANSWERS)
@pytest.mark.parametrize("left", [True, False], ids=["others wait", "all decided"])
def test_tool_decided_again_is_equal_or_gets_the_winner(
    asks: ToolRequest, first: dict[str, Any], other: dict[str, Any], left: bool
) -> None:
    run, id_ = asking(asks, *([request(1)] if left else []))
    run.decide(tool(id_, **first), by="bob")
    for _ in range(2):
        assert run.decide(tool(id_, **first)) == ()
        refusal = refused(run, **tool(id_, **other))
        assert refusal.code is ErrorCode.CONFLICT
        assert refusal.details["resolved_by"] == "bob"
        run.reload()
        run.run()


def test_conflict_about_one_of_several_tools_names_who_decided_that_tool() -> None:
    run, id_ = asking(request(0), request(1))
    run.decide(tool(id_, 0, confirmation=True), by="bob")
    run.decide(tool(id_, 1, confirmation=True), by="carol")  # the last of them resolves the requirement
    assert run.waits_for == set()
    for n, winner in ((0, "bob"), (1, "carol")):
        refusal = refused(run, **tool(id_, n, confirmation=False))
        assert (refusal.code, refusal.details["resolved_by"]) == (ErrorCode.CONFLICT, winner)
    both = [{"id": f"{id_}.{n}", "confirmation": n == 0} for n in range(2)]
    assert refused(run, id=id_, executor_requirements=both).details["resolved_by"] == "carol"


def test_whole_requirement_may_come_back_with_what_was_decided_in_it() -> None:
    requests: Sequence[ToolRequest] = [asks for asks, _, _ in ANSWERS]
    run, id_ = asking(*requests)
    for n, (_, first, _) in enumerate(ANSWERS[:-1]):
        run.decide(tool(id_, n, **first))
    facts = run.pending("s").facts
    *decided_, last = facts["executor_requirements"]
    (found,) = run.decide({**facts, "executor_requirements": [*decided_, {**last, **ANSWERS[-1][1]}]})
    assert list(found.by_id) == [last["id"]]


def test_decided_form_still_tells_what_it_asked() -> None:
    run, id_ = asking(request(0, user_input=FIELDS), request(1, user_feedback=[QUESTION]), request(2))
    run.decide(tool(id_, 0, user_input_schema=[{"name": "to", "value": "ada"}]))
    run.decide(tool(id_, 1, user_feedback_schema=[{"question": "Which?", "selected_options": ["a"]}]))
    form, question, _ = run.pending("s").facts["executor_requirements"]
    assert [(each["field_type"], each["value"]) for each in form["user_input_schema"]] == [("str", "ada"), ("int", 1)]
    assert question["user_feedback_schema"] == [{**QUESTION, "selected_options": ["a"]}]


# --- after a timeout ---

LATE: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "approved": (Step("s", says("x"), human_review=Review(timeout=1, on_timeout="approve")), YES, NO),
    "skipped": (Step("s", says("x"), human_review=Confirm(timeout=1, on_timeout="skip")), NO, YES),
    "defaults": (
        Step("s", says("x"), human_review=Ask(FIELDS[1:], timeout=1, on_timeout="approve")),
        {"user_input": {"copies": 1}},
        {"user_input": {"copies": 2}},
    ),
    "error": (
        Step("s", fails, on_error="pause", human_review=ErrorReview(timeout=1, on_timeout="skip")),
        {"decision": "skip"},
        {"decision": "retry"},
    ),
}


@pytest.mark.parametrize(("node", "equal", "other"), LATE.values(), ids=LATE)
def test_late_decision_is_equal_or_expired(node: Any, equal: dict[str, Any], other: dict[str, Any]) -> None:
    run = paused(node)
    id_ = requirement_id(run)
    run.expire(1_000)
    assert run.decide({"id": id_, **equal}) == ()
    refusal = refused(run, id=id_, **other)
    assert refusal.code is ErrorCode.REQUIREMENT_EXPIRED
    assert refusal.details["resolved_by"] == "timeout"


@pytest.mark.parametrize("late", [{"selected_choices": ["a"]}, {"selected_choices": []}])
def test_choice_that_comes_too_late_is_expired(late: dict[str, Any]) -> None:
    run = paused(Router("s", [Step("a", says("a"))], human_review=Choose(timeout=1)))
    id_ = requirement_id(run)
    run.expire(1_000)
    assert refused(run, id=id_, **late).code is ErrorCode.REQUIREMENT_EXPIRED


def test_tool_that_was_decided_in_time_is_no_late_one() -> None:
    run, id_ = asking(request(0), request(1), review=ToolReview(timeout=1, on_timeout="skip"))
    run.decide(tool(id_, 0, confirmation=True))
    run.expire(1_000)
    assert run.decide(tool(id_, 0, confirmation=True)) == ()
    for late in (tool(id_, 0, confirmation=False), tool(id_, 1, confirmation=True)):
        assert refused(run, **late).code is ErrorCode.REQUIREMENT_EXPIRED
