"""Sessions: what their runs share, and that nobody's change is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from interlock import Confirm, Parallel, Review, Step, StepInput, Workflow
from interlock.agents import AgentPause, AgentStream, Tool, ToolRequest
from interlock.testing import Refusal, running


def remember(step_input: StepInput) -> list[Any]:
    """Adds the message to the session, and returns all that is there."""
    said: list[Any] = step_input.session.state.setdefault("said", [])
    said.append(step_input.input)
    step_input.session.state[f"by {step_input.input}"] = step_input.run_id
    return list(said)


def look(step_input: StepInput) -> dict[str, Any]:
    return dict(step_input.session.state)


TALK = Workflow("talk", steps=[Step("remember", remember)])


async def test_later_runs_see_what_earlier_ones_kept() -> None:
    async with running(TALK, message="one", session_id="s") as run:
        assert await run.completed() == ["one"]
        second = await run.again(message="two")
        assert second.session_id == run.session_id
        assert await second.completed() == ["one", "two"]
        await run.restart()
        third = await run.again(message="three")
        assert await third.completed() == ["one", "two", "three"]


async def test_session_that_was_made_for_a_run_may_be_gone_on_with() -> None:
    async with running(TALK, message="one") as run:
        await run.completed()
        assert await (await run.again(message="two")).completed() == ["one", "two"]


async def test_sessions_are_their_owner_s_and_apart() -> None:
    async with running(TALK, message="one", session_id="s") as run:
        await run.completed()
        assert await (await run.again(message="x", session_id="other")).completed() == ["x"]
        assert await (await run.as_user("bob").again(message="y")).completed() == ["y"]


async def test_earlier_runs_are_there_with_input_and_output() -> None:
    def earlier(step_input: StepInput) -> list[Any]:
        return [[each.run_id, each.input, each.content] for each in step_input.session.runs]

    async with running(Workflow("w", steps=[Step("earlier", earlier)]), message={"n": 1}, session_id="s") as run:
        assert await run.completed() == []
        second = await run.again(message=2)
        assert await second.completed() == [[run.run_id, {"n": 1}, []]]
        third = await run.again(message=3)
        assert [each[:2] for each in await third.completed()] == [[run.run_id, {"n": 1}], [second.run_id, 2]]


async def test_earlier_runs_that_failed_or_were_cancelled_are_there_too_and_say_so() -> None:
    def ends(step_input: StepInput) -> Any:
        if step_input.input == "fail":
            raise ValueError("no")
        return [[each.input, each.content, each.status, each.error] for each in step_input.session.runs]

    asks = Step("ends", ends, human_review=Confirm("Go on?", on_reject="cancel"))
    async with running(Workflow("w", steps=[asks]), message="fail", session_id="s") as run:
        await (await run.paused()).confirm()
        await run.failed()
        turned_down = await run.again(message="cancel")
        await (await turned_down.paused()).reject(feedback="not now")
        await turned_down.cancelled()
        await run.restart()
        last = await run.again(message="look")
        await (await last.paused()).confirm()
        assert await last.completed() == [["fail", None, "ERROR", "no"], ["cancel", None, "CANCELLED", "not now"]]


async def test_concurrent_runs_lose_nothing_of_each_other() -> None:
    together = asyncio.Barrier(2)

    async def meet(step_input: StepInput) -> list[Any]:
        """Changes the state only when the other run has read it too."""
        await together.wait()
        return remember(step_input)

    workflow = Workflow("w", steps=[Step("meet", meet), Step("look", look)])
    async with running(workflow, message="a", session_id="s") as run:
        other = await run.again(message="b")
        await run.completed()
        await other.completed()
        third, fourth = await run.again(message="c"), await run.again(message="d")
        await asyncio.gather(third.completed(), fourth.completed())
        last = await run.again(message="e")
        await together.wait()
        state = await last.completed()
        assert sorted(state.pop("said")) == ["a", "b", "c", "d", "e"]
        assert sorted(state) == [f"by {name}" for name in "abcde"]


async def test_branches_of_one_run_lose_nothing_of_each_other() -> None:
    together = asyncio.Barrier(3)

    def branch(name: str) -> Step:
        async def write(step_input: StepInput) -> str:
            await together.wait()
            step_input.session.state.setdefault("names", []).append(name)
            step_input.session.state[name] = {"of": name}
            return name

        return Step(name, write)

    steps = [Parallel("all", [branch(name) for name in "abc"]), Step("look", look)]
    async with running(Workflow("w", steps=steps), session_id="s") as run:
        state = await run.completed()
        assert sorted(state.pop("names")) == ["a", "b", "c"]
        assert state == {name: {"of": name} for name in "abc"}


async def test_change_is_saved_with_its_step_and_not_without() -> None:
    async def work(step_input: StepInput) -> str:
        step_input.session.state["tries"] = step_input.session.state.get("tries", 0) + 1
        if step_input.attempt == 1:
            raise OSError("broken")
        if step_input.attempt == 2:
            await asyncio.Event().wait()
        return "done"

    async with running(Workflow("w", steps=[Step("work", work, retries=1), look]), session_id="s") as run:
        await run.until("StepStarted", count=2)
        await run.restart()
        assert await run.completed() == {"tries": 1}


async def test_change_of_a_step_under_review_is_kept_through_a_restart() -> None:
    steps = [Step("remember", remember, human_review=Review()), Step("look", look)]
    async with running(Workflow("w", steps=steps), message="one", session_id="s") as run:
        await run.paused()
        await run.restart()
        await (await run.paused()).confirm()
        assert (await run.completed())["said"] == ["one"]


async def test_waiting_run_sees_what_others_have_kept_meanwhile() -> None:
    steps = [Step("remember", remember), Step("look", look, human_review=Confirm())]
    async with running(Workflow("w", steps=steps), message="one", session_id="s") as run:
        await run.paused()
        other = await run.again(message="two")
        await (await other.paused()).confirm()
        await other.completed()
        await run.restart()
        await (await run.paused()).confirm()
        assert (await run.completed())["said"] == ["one", "two"]


async def test_changes_replace_delete_and_nest() -> None:
    def change(step_input: StepInput) -> None:
        state = step_input.session.state
        if step_input.input == "first":
            state.update(count=1, deep={"a": {"b": 1}, "c": 2}, gone=True, items=[1, 2, 3])
        else:
            state["count"] += 1
            state["deep"]["a"]["b"] = 2
            del state["gone"], state["deep"]["c"]
            state["items"] = [3]

    async with running(Workflow("w", steps=[change, look]), message="first", session_id="s") as run:
        await run.completed()
        assert await (await run.again(message="second")).completed() == {
            "count": 2,
            "deep": {"a": {"b": 2}},
            "items": [3],
        }


async def test_run_in_a_session_that_is_cancelled_has_kept_what_it_did() -> None:
    steps = [Step("remember", remember), Step("asks", look, human_review=Confirm())]
    async with running(Workflow("w", steps=steps), message="one", session_id="s") as run:
        await run.paused()
        await run.cancel()
        await run.cancelled()
        other = await run.again(message="two")
        await (await other.paused()).confirm()
        assert (await other.completed())["said"] == ["one", "two"]


class Forwards(BaseModel):
    """A message whose fields have other names on the wire."""

    sender: str = Field(alias="from")


class Hides(BaseModel):
    secret: SecretStr


async def test_input_keeps_the_names_that_it_came_with() -> None:
    workflow = Workflow("w", steps=[Step("s", lambda given: given.input.sender)], input_schema=Forwards)
    async with running(workflow, message={"from": "ada"}) as run:
        assert await run.completed() == "ada"


async def test_input_that_cannot_be_kept_is_refused() -> None:
    workflow = Workflow("w", steps=[Step("s", lambda _: "x")], input_schema=Hides)
    with pytest.raises(Refusal, match="can't be written as JSON"):
        async with running(workflow, message={"secret": "s"}):
            pass


def counts(step_input: StepInput) -> str:
    step_input.session.state.setdefault("said", []).append("x")
    return str(len(step_input.session.state["said"]))


async def test_output_that_is_sent_back_leaves_nothing_in_the_session() -> None:
    step = Step("s", counts, human_review=Review(on_reject="retry"))
    last = Step("last", lambda given: given.session.state)
    async with running(Workflow("w", steps=[step, last])) as run:
        await (await run.paused()).reject("again", "retry")
        await (await run.paused()).reject("again", "retry")
        await (await run.paused()).confirm()
        assert await run.completed() == {"said": ["x"]}


class Pauses:
    """An agent that says something to its session before it asks, and after."""

    id = name = "pauses"
    type = "agent"

    async def run(self, step_input: StepInput, _: AgentStream) -> AgentPause:
        step_input.session.state["before"] = 1
        return AgentPause([ToolRequest(Tool("1", "delete", {}))], None)

    async def resume(self, _: object, __: object, step_input: StepInput, ___: AgentStream) -> str:
        step_input.session.state["after"] = step_input.session.state["before"] + 1
        return "done"


async def test_session_of_an_agent_outlasts_its_pause() -> None:
    last = Step("last", lambda given: given.session.state)
    async with running(Workflow("w", steps=[Step("agent", agent=Pauses()), last])) as run:
        pause = await run.paused()
        await run.restart()
        await pause.confirm()
        assert await run.completed() == {"before": 1, "after": 2}


async def test_run_sees_what_a_later_run_of_its_session_has_kept() -> None:
    def keeps(step_input: StepInput) -> str:
        if step_input.input == "keep":
            step_input.session.state["x"] = 1
        return str(step_input.session.state.get("x"))

    steps = [Step("ask", lambda _: "", human_review=Confirm("Go?")), Step("keeps", keeps)]
    async with running(Workflow("w", steps=steps)) as run:
        first = await run.paused()
        other = await run.again(message="keep", session_id=run.session_id)
        await (await other.paused()).confirm()
        await other.completed()
        await first.confirm()
        assert await run.completed() == "1"
