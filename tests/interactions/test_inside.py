"""Interactions that steps ask by themselves: once, however often the step is tried, and told to the run's next gate."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.live import PATIENCE, Live, Message, live_server, storage_settings

from interlock import Quorum, Signal, Step, StepInput, Workflow
from interlock.interactions.inside import checked
from interlock.workflow.declare.asking import Question
from interlock.workflow.declare.errors import DeclarationError

TOKENS: list[Message] = [
    {"token": "token-ada", "user_id": "ada", "scopes": ["workflows:execute", "workflows:read"]},
    {"token": "token-bob", "user_id": "bob", "scopes": ["interactions:respond"], "groups": ["ops"]},
]
GIVEN = StepInput("", run_id="run-1", user_id="ada", namespace="user_ada", idempotency_key="k")

tries: Counter[str] = Counter()


async def ask(step_input: StepInput) -> Any:
    """A step that asks twice, under two keys, and fails the first time."""
    run_id = step_input.run_id
    first = await step_input.interactions.request("approval", "Deploy?", "bob", topic="deploy", timeout=3600)
    other = await step_input.interactions.request("input", "Why?", "bob", key="why")
    tries[run_id] += 1
    if tries[run_id] == 1:
        raise ValueError("broken")
    again = await step_input.interactions.request("approval", "Deploy, after all?", "bob", topic="deploy")
    return {"first": first.id, "other": other.id, "again": again.id}


def told(step_input: StepInput) -> Any:
    return {"asked": step_input.previous_step_content, "told": step_input.signal}


async def ask_nobody(step_input: StepInput) -> Any:
    return (await step_input.interactions.request("approval", "?", "group:nobody", policy=Quorum(1), timeout=60)).id


WORKFLOWS = [
    Workflow(
        "deploy",
        steps=[
            Step("ask", ask, retries=1),
            Step("deploy", told, human_review=Signal("deploy", source="interaction")),
        ],
    ),
    Workflow("alone", steps=[Step("ask", ask_nobody)]),
]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with (
        storage_settings("sqlite", folder, redis_url="", postgres_url="") as settings,
        live_server(WORKFLOWS, tokens=json.dumps(TOKENS), **settings) as server,
    ):
        yield server


def as_user(live: Live, user: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer token-{user}"}
    return httpx.AsyncClient(base_url=live.http_url + "/v1", headers=headers, timeout=PATIENCE)


async def test_what_a_step_asks_is_asked_once_and_told_to_the_gate_that_only_it_opens(live: Live) -> None:
    async with live.talk("token-ada") as talk, as_user(live, "ada") as ada, as_user(live, "bob") as bob:
        await talk.send(action="start-workflow", workflow_id="deploy", message="")
        paused = (await talk.until("WorkflowRunOutput"))[-1]
        (asked,) = paused["step_requirements"]
        assert (asked["requires_signal"], asked["topic"], asked["source"]) == (True, "deploy", "interaction")
        forged = await ada.post(f"/projects/user_ada/runs/{paused['run_id']}/signals", json={"topic": "deploy"})
        assert (forged.status_code, forged.json()["error"]["code"]) == (409, "topic_bound")
        inbox = (await bob.get("/inbox")).json()["data"]["items"]
        assert sorted(each["message"] for each in inbox) == ["Deploy?", "Why?"]
        address = next(each["interaction_id"] for each in inbox if each["message"] == "Deploy?")
        answer = await bob.post(f"/projects/user_ada/interactions/{address}/respond", json={"confirmed": True})
        assert answer.status_code == 200, answer.text
        content = (await talk.until("WorkflowCompleted"))[-1]["content"]
        assert content["told"]["outcome"] == "approved"
        assert content["asked"]["first"] == content["asked"]["again"] == address != content["asked"]["other"]
        assert tries[paused["run_id"]] == 2


async def test_step_that_asks_people_who_are_not_there_fails(live: Live) -> None:
    async with live.talk("token-ada") as talk:
        await talk.send(action="start-workflow", workflow_id="alone", message="")
        failed = (await talk.until("WorkflowError"))[-1]
        assert "nobody to ask" in failed["error"]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (Question("approval", "?", "bob", spec={"mode": "input"}), "takes the mode confirm"),
        (Question("review", "?", "bob"), "spec"),
        (Question("approval", "?", {"type": "team", "id": "x"}), "target_actor.type"),
        (Question("approval", "?", "group:ops", policy="all_members"), "needs a timeout"),
        (Question("approval", "?", "bob", topic="no topic"), "topic"),
    ],
)
def test_question_that_nobody_could_answer_is_refused_in_words(question: Question, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        checked(GIVEN, question, now=0)


async def test_step_without_a_server_says_so() -> None:
    with pytest.raises(RuntimeError, match="only a step that a server runs"):
        await StepInput("").interactions.request("approval", "?", "bob")
