"""`deployment-gate`: what two of a group approve is deployed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.live import PATIENCE, Live, Message, Talk, continue_with, last_output, live_server

from examples import deployment_gate

BUNDLES = Path(__file__).parents[2] / "examples/widgets/bundles"
TOKENS: list[Message] = [
    {"token": "token-ada", "user_id": "ada", "scopes": ["workflows:execute", "workflows:read", "workflows:decide"]},
    *(
        {"token": f"token-{name}", "user_id": name, "scopes": ["interactions:respond"], "groups": ["ops"]}
        for name in ("bob", "cid")
    ),
]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with live_server([deployment_gate.workflow], data_dir=folder, widgets=BUNDLES, tokens=json.dumps(TOKENS)) as server:
        yield server


async def proposed(talk: Talk, message: Message) -> str:
    """A run whose change was looked at and proposed, and which waits for those who decide."""
    run_id = await talk.start("deployment-gate", message=message)
    looked = last_output(await talk.until_pause(run_id))
    (asked,) = looked["step_requirements"]
    changed = {each["setting"]: each["after"] for each in asked["widget"]["props"]["changes"]}
    assert changed == {"image": "shop:1.4.0", "replicas": 3}
    await talk.send(continue_with(looked, interaction_event="propose", interaction_data={"note": "tested"}))
    await talk.until_pause(run_id)
    return run_id


async def respond(live: Live, user: str, *, confirmed: bool) -> None:
    headers = {"Authorization": f"Bearer token-{user}"}
    async with httpx.AsyncClient(base_url=live.http_url + "/v1", headers=headers, timeout=PATIENCE) as http:
        (item,) = (await http.get("/inbox")).json()["data"]["items"]
        assert item["message"] == "Deploy shop 1.4.0?"
        path = f"/projects/user_ada/interactions/{item['interaction_id']}/respond"
        answer = await http.post(path, json={"confirmed": confirmed})
        assert answer.status_code == 200, answer.text


async def content_of(talk: Talk, run_id: str) -> object:
    return (await talk.until("WorkflowCompleted", run_id=run_id))[-1]["content"]


async def test_what_two_of_the_group_approve_is_deployed(live: Live) -> None:
    async with live.talk("token-ada") as talk:
        run_id = await proposed(talk, {"group": "ops"})
        for user in ("bob", "cid"):
            await respond(live, user, confirmed=True)
        assert await content_of(talk, run_id) == "shop 1.4.0 is deployed, approved by bob and cid."


async def test_what_they_cannot_agree_on_any_more_is_not(live: Live) -> None:
    async with live.talk("token-ada") as talk:
        run_id = await proposed(talk, {"group": "ops"})
        await respond(live, "bob", confirmed=False)
        assert await content_of(talk, run_id) == "shop 1.4.0 isn't deployed: unreachable."


async def test_what_is_dropped_asks_nobody(live: Live) -> None:
    async with live.talk("token-ada") as talk:
        run_id = await talk.start("deployment-gate")
        looked = last_output(await talk.until_pause(run_id))
        await talk.send(continue_with(looked, interaction_event="drop"))
        end = (await talk.until("WorkflowCompleted", run_id=run_id))[-1]
        assert "shop stays as it is." in str(end["content"])
