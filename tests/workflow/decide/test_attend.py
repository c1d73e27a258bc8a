"""Claims, and handing over: who may, what that does to others' decisions, and that no decision overlooks it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workflow.simulation import Simulation, says, who

from interlock import Confirm, Quorum, Review, Signal, Step, Workflow
from interlock.workflow.decide.attend import Attention
from interlock.workflow.declare.interactions import ByMessage
from interlock.workflow.run.attending import LEASE_MS, MOST_MS
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import Claim, Delegate, Release
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

OPS = ["ana", "ben", "group:ops"]


def asking(**options: Any) -> Simulation:
    gate = Confirm("Sure?", **{"assignees": OPS, "timeout": 24 * 3600, **options})
    after = Confirm("Still?", assignees=["eve"], distinct_from=["s"], timeout=24 * 3600)
    steps = [Step("s", says("done"), human_review=gate), Step("t", says("then"), human_review=after)]
    return Simulation(Workflow("w", steps=steps), groups={"group:ops": ["ana", "ben"]}).run()


def of(person: str, *groups: str, **more: Any) -> Any:
    names = frozenset({person, *groups})

    def may_decide(facts: Any) -> bool:
        return not facts.get("assignees") or not names.isdisjoint(facts["assignees"])

    return who(person, may_decide, names=names, **more)


def attend(run: Simulation, person: Any, model: type[Attention] = Claim, **fields: Any) -> int:
    """How many events that came to."""
    by = of(person) if isinstance(person, str) else person
    message = model(run_id="run-1", requirement_id=run.pending("s").id, **fields)
    drafts = run.program.attend(run.state, message, by=by, now=run.clock)
    for draft in drafts:
        run.emit(draft)
    assert run.state == run.refolded()
    assert run.waits_for == run.pending_by_head()
    return len(drafts)


def decide(run: Simulation, person: Any) -> str:
    """Say yes; the code of a refusal."""
    try:
        run.decide({"id": run.pending("s").id, "confirmed": True}, by=of(person) if isinstance(person, str) else person)
    except Refusal as refusal:
        return refusal.code.value
    assert run.waits_for == run.pending_by_head()
    return ""


def code(run: Simulation, person: Any, model: type[Attention] = Claim, **fields: Any) -> ErrorCode:
    with pytest.raises(Refusal) as refused:
        attend(run, person, model, **fields)
    return refused.value.code


def test_others_wait_for_whoever_claimed_it_and_are_told_who_and_until_when() -> None:
    run = asking()
    attend(run, "ana")
    claim = run.pending("s").facts["claim"]
    assert (claim["by"], claim["until"] - claim["since"]) == ("ana", LEASE_MS)
    with pytest.raises(Refusal, match="ana is on it") as refused:
        run.decide({"id": run.pending("s").id, "confirmed": True}, by=of("ben"))
    assert refused.value.details == {"claimed_by": "ana", "until": claim["until"]}
    assert code(run, "ben") is ErrorCode.CLAIMED
    assert decide(run, "ana") == ""


def test_claim_ends_by_itself_and_is_renewed_for_two_hours_at_most() -> None:
    run = asking()
    attend(run, "ana")
    begun = run.clock
    for _ in range(20):
        run.clock += LEASE_MS - 1000
        if run.clock < begun + MOST_MS:
            attend(run, "ana")
            assert run.pending("s").facts["claim"]["until"] <= begun + MOST_MS
    run.clock = begun + MOST_MS
    assert decide(run, "ben") == ""


def test_claiming_again_at_once_appends_nothing() -> None:
    run = asking()
    assert (attend(run, "ana"), attend(run, "ana")) == (1, 0)


def test_timeout_fires_whoever_has_claimed_it() -> None:
    run = asking(timeout=60)
    attend(run, "ana")
    assert len(run.expire(60_000)) == 1
    assert run.waits_for == run.pending_by_head()


def test_own_claim_is_released_and_anothers_only_by_an_admin() -> None:
    run = asking()
    attend(run, "ana")
    assert code(run, "ben", Release) is ErrorCode.FORBIDDEN
    assert (attend(run, "ana", Release), attend(run, "ana", Release)) == (1, 0)
    attend(run, "ben")
    assert attend(run, of("root", is_admin=True), Release) == 1
    assert run.last["released_by"] == "root"
    assert decide(run, "ana") == ""


def test_whoever_may_not_decide_neither_claims_nor_hands_over() -> None:
    run = asking(exclude_starter=True)
    for person in (of("eve"), of("ana", behind=frozenset({run.state.user_id}))):
        assert code(run, person) is ErrorCode.FORBIDDEN
        assert code(run, person, Delegate, to="cat") is ErrorCode.FORBIDDEN
    assert code(run, "ana", Delegate, to=run.state.user_id) is ErrorCode.INVALID_MESSAGE, "nor to somebody who may not"
    assert code(run, "ana", Delegate, to="ben") is ErrorCode.INVALID_MESSAGE, "nor to who is asked anyhow"


def test_where_several_decide_nobody_claims_or_hands_over() -> None:
    run = asking(policy=Quorum(1), assignees=["ana", "ben"], timeout=3600)
    assert code(run, "ana") is ErrorCode.INVALID_MESSAGE
    assert code(run, "ana", Delegate, to="cat") is ErrorCode.INVALID_MESSAGE


def test_whoever_it_is_handed_to_decides_and_both_stand_behind_that() -> None:
    run = asking()
    attend(run, "ana")
    attend(run, "ana", Delegate, to="cat", reason="On holiday.")
    assert run.pending("s").facts["assignees"] == ["ben", "group:ops", "cat"]
    assert "claim" not in run.pending("s").facts, "that released it"
    attend(run, "cat", Delegate, to="dan")
    assert decide(run, "ana") == ErrorCode.FORBIDDEN.value
    assert decide(run, "dan") == ""
    run.run()
    for person in ("ana", "cat", "dan"):
        with pytest.raises(Refusal, match="Somebody else"):
            run.decide({"id": run.pending("t").id, "confirmed": True}, by=who(person))


def test_groups_stay_asked_when_one_of_them_hands_it_over() -> None:
    run = asking(assignees=["group:ops"])
    attend(run, of("ana", "group:ops"), Delegate, to="cat")
    assert run.pending("s").facts["assignees"] == ["group:ops", "cat"]


def test_review_of_an_output_is_claimed_as_any_other() -> None:
    step = Step("s", says("draft"), human_review=Review("Good?", assignees=["ana", "ben"]))
    run = Simulation(Workflow("w", steps=[step])).run()
    attend(run, "ana")
    assert (decide(run, "ben"), decide(run, "ana")) == ("claimed", "")


def test_what_a_signal_answers_is_claimed_by_nobody() -> None:
    run = Simulation(Workflow("w", steps=[Step("s", says("done"), human_review=Signal("paid"))])).run()
    assert code(run, "ana") is ErrorCode.INVALID_MESSAGE


def test_question_that_is_claimed_or_handed_over_is_taken_back_all_the_same() -> None:
    message: Any = {"type": "approval", "message": "Deploy?", "spec": {"mode": "confirm"}, "assignees": OPS}
    for model, fields in ((Claim, {}), (Delegate, {"to": "cat"})):
        step = Step("s", says("done"), human_review=ByMessage(taken_back_by="back"))
        run = Simulation(Workflow("w", steps=[step]), input=message).run()
        attend(run, "ana", model, **fields)
        run.signal("back")
        run.run()
        assert run.state.status is RunStatus.COMPLETED
        assert run.waits_for == run.pending_by_head() == set()


CHANGES = st.lists(st.tuples(st.sampled_from(("ana", "ben")), st.sampled_from((Claim, Release))), max_size=6)


@given(CHANGES)
def test_no_decision_lands_that_overlooked_a_change(changes: list[tuple[str, type[Attention]]]) -> None:
    """A decision that was made before the latest change consumes an id that isn't in the head any more."""
    run = asking()
    requirement = run.pending("s").id
    decided: list[tuple[int, tuple[str, ...]]] = []

    def propose() -> None:
        claim = run.pending("s").facts.get("claim")
        by = of("ana" if claim is None else claim["by"])
        answer = run.program.decide(run.state, [_yes(requirement)], by=by, now=run.clock)
        [draft] = run.program.continued(run.state, answer, resolved_by=by.user_id, now=run.clock)
        decided.append((run.pending("s").attended, draft.resolves))

    propose()
    for person, model in changes:
        try:
            attend(run, person, model)
        except Refusal:
            continue
        propose()
    now = run.pending("s").attended
    for number, resolves in decided:
        assert (run.pending_by_head() >= set(resolves)) == (number == now)


def _yes(requirement: str) -> Any:
    return EchoedRequirement(id=requirement, confirmed=True)
