"""Claims and handing over, on a real server: who is refused meanwhile, and in whose inbox a question is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.commands.test_many_responders import asked, nodes
from tests.support.live import ALICE, BOB, CAROL, Live, Talk, live_server

from interlock import Confirm, Step, Workflow
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock_protocol.errors import Refusal
from interlock_protocol.messages import Claim

ASSIGNEES = ["alice", "group:reviewers"]
GATE = Workflow("gate", steps=[Step("go", lambda _: "gone", human_review=Confirm("Go?", assignees=ASSIGNEES))])


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with live_server([GATE], data_dir=tmp_path) as server:
        yield server


async def act(talk: Talk, action: str, run_id: str, **fields: Any) -> str:
    """The code of a refusal."""
    await talk.send(action=action, request_id="1", run_id=run_id, **fields)
    code: str = (await talk.until("ack", "error"))[-1].get("code", "")
    return code


async def decide(talk: Talk, run_id: str, id_: str) -> str:
    echoed = [{"id": id_, "confirmed": True}]
    return await act(talk, "continue-workflow", run_id, workflow_id="gate", step_requirements=echoed)


async def test_question_that_is_handed_over_is_in_the_inbox_of_who_got_it(live: Live) -> None:
    async with live.talk(ALICE) as alice, live.talk(BOB) as bob, live.talk(CAROL) as carol:
        run_id = await alice.start("gate")
        id_ = (await alice.until_pause(run_id))[-1]["step_requirements"][0]["id"]
        await bob.send(action="follow-runs", request_id="f", filter={"waiting_for_me": True})
        assert (await bob.until("runs_listed"))[-1]["count"] == 0
        assert await act(alice, "claim", run_id, requirement_id=id_) == ""
        assert (await alice.until("InteractionClaimed"))[-1]["claimed_by"] == "alice"
        assert await decide(carol, run_id, id_) == "claimed"
        assert await act(bob, "claim", run_id, requirement_id=id_) == "run_not_found"
        assert await act(alice, "delegate", run_id, requirement_id=id_, to="bob", reason="On holiday.") == ""
        changed = (await bob.until("run_changed", matches=True))[-1]
        assert changed["run"]["pending"][0]["assignees"] == ["group:reviewers", "bob"]
        assert await decide(alice, run_id, id_) == "forbidden"
        assert await decide(bob, run_id, id_) == ""
        assert (await alice.until_end(run_id))[-1]["content"] == "gone"


async def test_of_many_who_claim_at_once_on_two_nodes_one_has_it(
    tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    people = [f"person-{number}" for number in range(12)]
    gate = Confirm("Go?", assignees=people)
    workflow = Workflow("claims", steps=[Step("gate", lambda _: "went", human_review=gate)])
    async with nodes(tmp_path, redis_url, postgres_url, workflow) as servers:
        engines = [server.services().engine for server in servers]
        run_id, id_ = await asked(engines[0], "claims")
        message = Claim(run_id=run_id, requirement_id=id_)

        async def claim(number: int) -> str:
            try:
                await engines[number % 2].attend(Principal(people[number], USER_SCOPES), message)
            except Refusal as refusal:
                return refusal.code.value
            return people[number]

        answers = await asyncio.gather(*map(claim, range(len(people))))
        state = await engines[1].runs.logged(run_id)
        [winner] = [each for each in answers if each.startswith("person")]
        assert set(answers) == {winner, "claimed"}
        assert state.requirements[id_].facts["claim"]["by"] == winner
