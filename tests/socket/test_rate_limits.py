"""What a socket is told when it asks for too much at once, and what it takes to be closed for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from limits import parse
from tests.socket.workflows import workflows
from tests.support.live import ALICE, BOB, continue_with, events_of, eventually, live_server, names_of

from interlock.ratelimit.connection import MAX_REFUSALS
from interlock.settings import Settings

BURST = 1_000


def test_defaults_admit_what_one_client_may_need(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert parse(settings.rate_limit_per_user).amount >= 2 * 10_000, "each of 10,000 sockets of a user says two things"
    assert parse(settings.rate_limit_per_connection).amount >= 2 * BURST


async def test_action_over_the_users_limit_is_refused_and_the_connection_lives(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path, rate_limit_per_user="3/minute") as small:
        async with small.talk(ALICE) as one, small.talk(ALICE) as other, small.talk(BOB) as bob:
            run_id = await one.start("confirm")
            output = (await one.until_pause(run_id))[-1]
            await one.start("confirm")
            await other.start("confirm")
            await one.settled()

            decision = continue_with(output, confirmed=True)
            await one.send(decision, request_id="too much")
            (error,) = [each for each in await one.settled() if each["event"] == "error"]
            assert (error["code"], error["retryable"]) == ("rate_limited", True)
            assert (error["request_id"], error["run_id"]) == ("too much", run_id)
            assert (error["details"]["of"], error["details"]["limit"]) == ("user", "3 per 1 minute")
            assert 0 < error["details"]["retry_after"] <= 60

            await other.send(action="start-workflow", workflow_id="confirm", request_id="elsewhere")
            assert (await other.until("error"))[-1]["code"] == "rate_limited", "all sockets of a user count together"
            await bob.start("confirm")
        async with small.talk(BOB) as bob:
            await bob.send(action="reconnect", run_id=run_id)
            assert (await bob.until("error"))[-1]["code"] == "run_not_found"


async def test_refused_action_has_done_nothing_and_works_later(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path, rate_limit_per_user="2/second") as small:
        async with small.talk(ALICE) as talk:
            output = (await talk.until_pause(await talk.start("confirm")))[-1]
            decision = continue_with(output, confirmed=True)
            refused: list[Any] = []

            async def is_accepted() -> bool:
                await talk.send(decision, request_id=f"try {len(refused)}")
                answer = (await talk.until("ack", "error", request_id=f"try {len(refused)}"))[-1]
                refused.append(answer)
                return bool(answer["event"] == "ack")

            for _ in range(5):
                await talk.send(action="start-workflow", workflow_id="nowhere")
            await eventually(is_accepted)
            assert {each["code"] for each in refused[:-1]} <= {"rate_limited"}
            events = events_of(await talk.until_end(output["run_id"]), output["run_id"])
            assert names_of(events).count("StepContinued") == 1


async def test_connection_over_its_limit_is_refused_anything_and_lives(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path, rate_limit_per_connection="20/minute") as small:
        async with small.talk(ALICE) as talk:
            for number in range(30):
                await talk.send(action="ping", request_id=f"ping {number}")
            answers = [(await talk.until("pong", "error", request_id=f"ping {n}"))[-1] for n in range(30)]
            assert names_of(answers) == ["pong"] * 19 + ["error"] * 11, "with the authenticate, 20"
            assert {each["code"] for each in answers if each["event"] == "error"} == {"rate_limited"}
            assert answers[-1]["details"]["of"] == "connection"
            async with small.talk(ALICE) as another:
                await another.settled()


async def test_connection_that_goes_on_regardless_is_closed_with_4529(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path, rate_limit_per_connection="5/minute") as small:
        async with small.connect() as talk:
            await talk.next()
            for number in range(10 + MAX_REFUSALS):
                await talk.send(action="authenticate", token=f"guess {number}")
            assert await talk.closed() == 4529
            assert names_of(talk.heard).count("auth_error") == 5
            assert names_of(talk.heard).count("error") == MAX_REFUSALS + 1


async def test_events_arent_counted(tmp_path: Path) -> None:
    limits = {"rate_limit_per_user": "1/minute", "rate_limit_per_connection": "2/minute"}
    with live_server(workflows, data_dir=tmp_path, **limits) as small:
        async with small.talk(ALICE) as talk:
            run_id = await talk.start("stream", {"count": 2000})
            assert len(events_of(await talk.until_end(run_id))) > 2000


async def test_thousand_starts_at_once_are_admitted(tmp_path: Path) -> None:
    with live_server(workflows, data_dir=tmp_path) as usual:
        async with usual.talk(ALICE) as talk:
            for number in range(BURST):
                await talk.send(action="start-workflow", workflow_id="confirm", request_id=f"{number}")
            last = await talk.until("ack", "error", seconds=60, request_id=f"{BURST - 1}")
            assert "error" not in names_of(last)
