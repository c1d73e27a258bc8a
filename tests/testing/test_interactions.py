"""What an interaction comes to, as its step reads it: by one person, by several, by nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from interlock import All, Interaction, Majority, Quorum, Step, StepInput, Unanimous, Workflow
from interlock.testing import Refusal, Run, running
from interlock_client.pauses import Pause
from interlock_protocol.errors import ProtocolMisuse
from interlock_protocol.interactions import ids_of

PEOPLE = ["ann", "bob", "cid"]


def tell(step_input: StepInput) -> Any:
    return dict(step_input.interaction or {})


def asks(*declared: Any, **more: Any) -> Workflow:
    return Workflow("w", steps=[Step("ask", tell, human_review=Interaction(*declared, **more))])


async def ask_of(run: Run, who: str) -> Pause:
    return await run.as_user(who).paused()


async def test_step_reads_the_answer_of_one_person_and_where_it_was_asked() -> None:
    async with running(asks("approval", "Ship it?", title="Release", context={"size": 3})) as run:
        pause = await run.paused()
        asked = pause.interaction
        assert asked is not None
        assert (pause.kind, asked.type, asked.spec.mode, asked.title) == ("response", "approval", "confirm", "Release")
        assert (asked.context, pause.message) == ({"size": 3}, "Ship it?")
        with pytest.raises(ProtocolMisuse):
            await pause.confirm()
        await pause.respond(confirmed=False, comment="not on a Friday")
        told = await run.completed()
        assert told["outcome"] == "rejected"
        assert told["response"] == {"confirmed": False, "comment": "not on a Friday"}
        assert ids_of(told["interaction_id"]) == (pause.id, run.run_id)


async def test_wrong_response_changes_nothing_and_a_second_one_is_told_the_first() -> None:
    async with running(asks("review", "Which?", options=["a", "b"])) as run:
        pause = await run.paused()
        with pytest.raises(Refusal, match="Select one of: a, b"):
            await pause.respond(selected="z")
        await pause.respond(selected="a")
        with pytest.raises(Refusal) as late:
            await pause.respond(selected="b")
        assert late.value.code == "conflict"
        assert (await run.completed())["response"] == {"selected": "a"}


Said = dict[str, Any]
YES: Said = {"confirmed": True, "comment": "yes"}
NO: Said = {"confirmed": False, "comment": "no"}
ALL_YES: Said = {"confirmed": True, "comment": "ann: yes\n\nbob: yes\n\ncid: yes"}
CHOICE: Said = {"mode": "select", "options": ["a", "b"]}
A: Said = {"selected": "a"}
B: Said = {"selected": "b"}
TEXTS: Sequence[Said] = [{"value": "1"}, {"value": "2"}, {"value": "1"}]


@pytest.mark.parametrize(
    ("type_", "spec", "policy", "said", "outcome", "response"),
    [
        ("approval", {}, All(), [YES, YES, YES], "approved", ALL_YES),
        ("approval", {}, All(), [YES, NO, YES], "rejected", {"confirmed": False, "comment": "bob: no"}),
        ("approval", {}, Unanimous(), [YES, NO], "rejected", {"confirmed": False, "comment": "bob: no"}),
        ("approval", {}, Quorum(2), [NO, YES, YES], "approved", {"confirmed": True, "comment": "bob: yes\n\ncid: yes"}),
        ("input", {}, All(), TEXTS, "completed", None),
        ("input", CHOICE, Majority(), [A, B, A], "completed", A),
        ("input", CHOICE, "first_responder", [B], "completed", B),
    ],
)
async def test_step_reads_what_several_agreed_on_and_what_each_said(
    type_: Any, spec: Said, policy: Any, said: Sequence[Said], outcome: str, response: Said | None
) -> None:
    async with running(asks(type_, "?", **spec, policy=policy, assignees=PEOPLE, timeout=60)) as run:
        for who, each in zip(PEOPLE, said, strict=False):
            await (await ask_of(run, who)).respond(**each)
        told = await run.completed()
        assert (told["outcome"], told.get("response")) == (outcome, response)
        if policy != "first_responder":
            given = [(each["by"], each["response"]) for each in told["responses"]]
            assert given == list(zip(PEOPLE, said, strict=False))


async def test_changed_response_counts_as_long_as_the_last_is_missing() -> None:
    async with running(asks("input", "?", policy="all_members", assignees=PEOPLE[:2], timeout=60)) as run:
        for value in ("one", "two"):
            await (await ask_of(run, "ann")).respond(value=value)
        await (await ask_of(run, "bob")).respond(value="three")
        assert [each["response"]["value"] for each in (await run.completed())["responses"]] == ["two", "three"]


@pytest.mark.parametrize("on_timeout", ["approve", "skip", "cancel"])
async def test_what_becomes_of_a_question_that_nobody_answers(on_timeout: Any) -> None:
    async with running(asks("approval", "?", timeout=60, on_timeout=on_timeout)) as run:
        await run.paused()
        await run.advance(seconds=61)
        if on_timeout == "cancel":
            assert "Nobody decided" in (await run.cancelled() or "")
        elif on_timeout == "skip":
            assert await run.completed() is None
        else:
            told = await run.completed()
            assert (told["outcome"], told["responded_by"], "response" in told) == ("expired", "timeout", False)


async def test_votes_that_cannot_agree_any_more_are_read_as_unreachable() -> None:
    ask = asks("input", "?", **CHOICE, policy=Majority(), assignees=["ann", "bob"], timeout=60, on_timeout="cancel")
    async with running(ask) as run:
        await (await ask_of(run, "ann")).respond(selected="a")
        await (await ask_of(run, "bob")).respond(selected="b")
        assert "ask" in (await run.cancelled() or "")
