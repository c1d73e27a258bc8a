"""Absences, on a real server: the substitute is asked besides, decides, and both stand behind that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.api_v1 import api
from tests.support.live import ALICE, BOB, CAROL, Live, live_server

from interlock import Confirm, Quorum, Step, Workflow

VOTED = Confirm("Vote?", assignees=["alice", "carol"], policy=Quorum(1), timeout=3600)
GATE = Workflow(
    "gate",
    steps=[
        Step("go", lambda _: "went", human_review=Confirm("Go?", assignees=["alice"])),
        Step(
            "pay", lambda _: "paid", human_review=Confirm("Pay?", assignees=["bob"], distinct_from=["go"], timeout=60)
        ),
    ],
)
VOTE = Workflow("vote", steps=[Step("go", lambda _: "went", human_review=VOTED)])


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server([GATE, VOTE], data_dir=tmp_path_factory.mktemp("absence")) as server:
        yield server


async def ask(talk: Any, action: str, run_id: str, **fields: Any) -> str:
    """The code of a refusal."""
    await talk.send(action=action, request_id="1", run_id=run_id, **fields)
    code: str = (await talk.until("ack", "error"))[-1].get("code", "")
    return code


async def decide(talk: Any, workflow_id: str, run_id: str, id_: str) -> str:
    echoed = [{"id": id_, "confirmed": True}]
    return await ask(talk, "continue-workflow", run_id, workflow_id=workflow_id, step_requirements=echoed)


async def test_substitute_is_asked_besides_and_both_stand_behind_the_decision(live: Live) -> None:
    async with api(live, ALICE) as alice, api(live, BOB) as bob:
        put = {"substitute": "bob", "until": "2099-01-01T00:00:00Z"}
        wrong = ({"substitute": "alice"}, {"substitute": "group:ops"}, {"until": "2000-01-01"}, {"from": "2100-01-01"})
        for change in wrong:
            assert await alice.refused("PUT", "/me/absence", {**put, **change}) == (400, "invalid_request")
        until = _in_a_week()
        kept = (await alice.ask("PUT", "/me/absence", {**put, "until": until})).json()["data"]["absence"]
        assert (kept["substitute"], kept["until"][:19]) == ("bob", until[:19])
        assert (await alice.get("/me/absence"))["absence"] == kept
        assert (await bob.get("/me/absence"))["absence"] is None
        async with live.talk(ALICE) as talk, live.talk(BOB) as other:
            run_id = await talk.start("gate")
            id_ = (await talk.until_pause(run_id))[-1]["step_requirements"][0]["id"]
            told = (await talk.until("InteractionDelegated"))[-1]
            assert (told["delegated_by"], told["to"], told["absent"]) == ("alice", "bob", True)
            assert told["assignees"] == ["alice", "bob"]
            assert await decide(other, "gate", run_id, id_) == ""
            id_ = (await talk.until_pause(run_id))[-1]["step_requirements"][0]["id"]
            assert await decide(other, "gate", run_id, id_) == "forbidden", "bob decided for alice before"
        deleted = await alice.ask("DELETE", "/me/absence")
        assert deleted.json()["data"] == {"absence": None}


async def test_where_votes_are_counted_and_when_somebody_is_back_nobody_stands_in(live: Live) -> None:
    async with api(live, ALICE) as alice, live.talk(ALICE) as talk, live.talk(CAROL) as carol:
        await alice.ask("PUT", "/me/absence", {"substitute": "bob", "until": _in_a_week()})
        run_id = await talk.start("vote")
        id_ = (await talk.until_pause(run_id))[-1]["step_requirements"][0]["id"]
        assert await decide(carol, "vote", run_id, id_) == ""
        assert "InteractionDelegated" not in {each["event"] for each in await talk.until_end(run_id)}
        await alice.ask("DELETE", "/me/absence")
        run_id = await talk.start("gate")
        id_ = (await talk.until_pause(run_id))[-1]["step_requirements"][0]["id"]
        assert await decide(talk, "gate", run_id, id_) == ""
        assert "InteractionDelegated" not in {each["event"] for each in await talk.until_pause(run_id)}


async def test_question_that_is_handed_to_somebody_who_is_away_is_their_substitutes_too(live: Live) -> None:
    async with api(live, CAROL) as carol, live.talk(ALICE) as talk:
        await carol.ask("PUT", "/me/absence", {"substitute": "bob", "until": _in_a_week()})
        run_id = await talk.start("gate")
        id_ = (await talk.until_pause(run_id))[-1]["step_requirements"][0]["id"]
        assert await ask(talk, "delegate", run_id, requirement_id=id_, to="carol") == ""
        told = await talk.until("InteractionDelegated", absent=True)
        assert told[-1]["assignees"] == ["carol", "bob"]
        await carol.ask("DELETE", "/me/absence")


def _in_a_week() -> str:
    return (datetime.now(UTC) + timedelta(days=7)).isoformat()
