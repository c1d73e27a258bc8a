"""Agents that respond: functions of the application, and programs with a token."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.live import PATIENCE, Live, Message, live_server, storage_settings

from interlock import Interaction, Quorum, Step, StepInput, Workflow
from interlock.auth.principal import UnusableUserId
from interlock.engine.upkeep.outbox import PauseNotice
from interlock.interactions.agents import Agents
from interlock.store.ports.outbox import Patience
from interlock_client import connect

TOKENS: list[Message] = [
    {"token": "token-ada", "user_id": "ada", "scopes": ["workflows:execute", "workflows:read", "interactions:manage"]},
    {"token": "token-bob", "user_id": "bob", "scopes": ["interactions:respond"]},
    {"token": "token-bot", "user_id": "bot", "scopes": ["interactions:respond"]},
]
PROJECT = "user_ada"

calls: Counter[str] = Counter()
items: dict[str, Message] = {}


async def triage(item: Message) -> Message:
    calls[item["interaction_id"]] += 1
    items[item["interaction_id"]] = item
    return {"selected": "urgent" if "down" in item["message"] else "later", "comment": "by its words"}


def hasty(item: Message) -> Message:
    """One that fails at first: once by raising, once by a response that doesn't fit."""
    calls[item["interaction_id"]] += 1
    count = calls[item["interaction_id"]]
    if count == 1:
        raise ValueError("not yet")
    return {"selected": "nonsense" if count == 2 else "later"}


def broken(item: Message) -> Message:
    raise ValueError("no model")


def asks(name: str, *who: str, **options: Any) -> Workflow:
    ask = Interaction("review", "The shop is down.", options=["urgent", "later"], assignees=who, **options)
    return Workflow(name, steps=[Step("sort", came_to, human_review=ask)])


def came_to(step_input: StepInput) -> Any:
    return dict(step_input.interaction or {})


WORKFLOWS = [
    asks("tickets", "triage"),
    asks("hasty", "hasty"),
    asks("broken", "broken", "bob"),
    asks("both", "triage", "bob", policy=Quorum(2), timeout=3600),
    asks("remote", "bot"),
]


class Soon(Agents):
    """Agents that are called again at once; what says that it is broken has had its hour at the third time."""

    patience = Patience(least_ms=10, most_ms=10, over_ms=3_600_000)

    async def failed(self, notice: PauseNotice, detail: str, error: Exception, *, is_last: bool) -> None:
        calls[notice.run_id] += 1
        is_over = "no model" in str(error) and calls[notice.run_id] >= 3
        await super().failed(notice, detail, error, is_last=is_last or is_over)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    agents = {"triage": triage, "hasty": hasty, "broken": broken}
    with (
        pytest.MonkeyPatch.context() as patch,
        storage_settings("sqlite", tmp_path_factory.mktemp("live"), redis_url="", postgres_url="") as settings,
    ):
        patch.setattr("interlock.app.Agents", Soon)
        patch.setattr("interlock.app.NOTICE_SECONDS", 0.05)
        with live_server(WORKFLOWS, agents=agents, tokens=json.dumps(TOKENS), **settings) as server:
            yield server


async def run(live: Live, workflow: str) -> Message:
    """The end of a run, once an agent has answered."""
    async with live.talk("token-ada") as talk:
        await talk.send(action="start-workflow", workflow_id=workflow, message="")
        content: Message = (await talk.until("WorkflowCompleted"))[-1]["content"]
        return content


async def until_over(http: httpx.AsyncClient, id_: str) -> Message:
    async with asyncio.timeout(PATIENCE):
        while True:
            one: Message = (await http.get(f"/projects/{PROJECT}/interactions/{id_}")).json()["data"]
            if one["status"] != "pending":
                return one
            await asyncio.sleep(0.01)


async def test_agent_is_called_once_with_what_is_asked_and_its_response_counts(live: Live) -> None:
    came = await run(live, "tickets")
    assert came["response"] == {"selected": "urgent", "comment": "by its words"}
    assert came["responded_by"] == "triage"
    item = items[came["interaction_id"]]
    assert calls[came["interaction_id"]] == 1
    assert (item["type"], item["message"], item["spec"]["mode"]) == ("review", "The shop is down.", "select")


async def test_agent_that_failed_or_said_what_does_not_fit_is_called_again(live: Live) -> None:
    came = await run(live, "hasty")
    assert came["response"] == {"selected": "later"}
    assert calls[came["interaction_id"]] == 3


async def test_agent_is_one_of_several_and_a_standalone_question_may_name_it(live: Live) -> None:
    headers = {"Authorization": "Bearer token-ada"}
    async with httpx.AsyncClient(base_url=live.http_url + "/v1", headers=headers, timeout=PATIENCE) as ada:
        body = {
            "type": "review",
            "message": "All is well.",
            "spec": {"mode": "select", "options": [{"value": "urgent"}, {"value": "later"}]},
            "target_actor": {"type": "agent", "id": "triage"},
        }
        made = (await ada.post(f"/projects/{PROJECT}/interactions", json=body)).json()["data"]
        one = await until_over(ada, made["id"])
        assert (one["outcome"], one["responded_by"], one["response"]["selected"]) == ("completed", "triage", "later")
    async with live.talk("token-ada") as talk:
        await talk.send(action="start-workflow", workflow_id="both", message="")
        voted = (await talk.until("InteractionResponded"))[-1]
        assert (voted["voter"], voted["needed"]) == ("triage", 1)


async def test_agent_that_keeps_failing_stands_in_the_audit_and_the_question_stays(live: Live) -> None:
    headers = {"Authorization": "Bearer token-ada"}
    async with (
        live.talk("token-ada") as talk,
        httpx.AsyncClient(base_url=live.http_url + "/v1", headers=headers, timeout=PATIENCE) as ada,
    ):
        await talk.send(action="start-workflow", workflow_id="broken", message="")
        paused = (await talk.until("WorkflowRunOutput"))[-1]
        kinds: list[Message] = []
        async with asyncio.timeout(PATIENCE):
            while not kinds:
                audit = (await ada.get(f"/projects/{PROJECT}/runs/{paused['run_id']}/audit")).json()["data"]
                kinds = [each["content"] for each in audit["entries"] if each["content"]["kind"] == "gave_up"]
                await asyncio.sleep(0.01)
        assert (kinds[0]["by"], kinds[0]["reason"]) == ("broken", "ValueError: no model")
    async with connect(live.http_url, token="token-bob") as bob:
        (item,) = [each async for each in bob.interactions.inbox() if each.run_id == paused["run_id"]]
        answered = await bob.interactions.respond(PROJECT, item.interaction_id, selected="urgent")
        assert answered.responded_by == "bob"


async def test_remote_agent_follows_its_inbox_with_a_token_and_responds(live: Live) -> None:
    async def agent() -> None:
        async with live.talk("token-bot") as inbox, connect(live.http_url, token="token-bot") as bot:
            await inbox.send(action="follow-inbox")
            told = (await inbox.until("inbox_changed"))[-1]
            await bot.interactions.respond(PROJECT, told["item"]["interaction_id"], selected="later")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent())
        came = await run(live, "remote")
    assert (came["responded_by"], came["response"]) == ("bot", {"selected": "later"})


def test_agent_has_a_name_that_a_user_could_have() -> None:
    with pytest.raises(UnusableUserId):
        Agents({"group:ops": triage}, lambda: None)  # type: ignore[arg-type, return-value]


async def test_what_is_no_interaction_is_left_to_people() -> None:
    called: list[Message] = []
    agents = Agents({"ana": lambda item: called.append(item) or {}}, lambda: None)  # type: ignore[arg-type, return-value, func-returns-value]
    notice = PauseNotice("run", "w", "s", "u", "requires_confirmation", {"id": "req", "assignees": ["ana"]}, "")
    await agents.tell(notice, "")
    assert not called
