"""Who may talk: tokens, their expiry on a live socket, and pages of other origins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from tests.socket.workflows import workflows
from tests.support.live import ALICE, BOB, JWT_SECRET, PATIENCE, Live, continue_with, eventually, live_server, names_of


def jwt_of(user_id: str, seconds: float = 3600) -> str:
    """A token of this user that ends so many seconds from now (at a whole second)."""
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    claims = {"sub": user_id, "exp": expires_at, "scope": "workflows:execute workflows:read"}
    return jwt.encode(claims, JWT_SECRET, "HS256")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that waits five seconds for authentication, and admits one origin."""
    folder = tmp_path_factory.mktemp("strict")
    settings = {"auth_timeout_seconds": 5, "allowed_origins": ("https://app.example.com",)}
    with live_server(workflows, data_dir=folder, **settings) as server:
        yield server


ACTIONS = [
    {"action": "start-workflow", "workflow_id": "stream"},
    {"action": "continue-workflow", "workflow_id": "stream", "run_id": "x"},
    {"action": "cancel-workflow", "workflow_id": "stream", "run_id": "x"},
    {"action": "reconnect", "run_id": "x"},
    {"action": "unfollow", "run_id": "x"},
    {"action": "ping"},
]


@pytest.mark.parametrize("message", ACTIONS)
async def test_any_action_before_authentication_is_told_to_authenticate(live: Live, message: dict[str, str]) -> None:
    async with live.connect() as talk:
        await talk.next()
        await talk.send(message, request_id="early")
        answer = await talk.next()
        assert (answer["event"], answer["request_id"]) == ("auth_required", "early")
        await talk.send(action="authenticate", token=ALICE)
        assert (await talk.next())["event"] == "authenticated"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("wrong", "invalid_token"),
        (ALICE[:-1], "invalid_token"),
        (f"{ALICE} ", "invalid_token"),
        ("x" * 60_000, "invalid_token"),
        ("a.b.c", "invalid_token"),
        ("\x00", "invalid_token"),
        ("ü😀", "invalid_token"),
        (
            jwt.encode({"sub": "alice", "exp": 9999999999}, "another-secret-that-is-32-bytes-long", "HS256"),
            "invalid_token",
        ),
        (jwt.encode({"sub": "alice"}, JWT_SECRET, "HS256"), "invalid_token"),
        (jwt.encode({"sub": "alice", "exp": 1}, JWT_SECRET, "HS256"), "expired_token"),
    ],
)
async def test_refused_token_leaves_the_connection_open(live: Live, token: str, code: str) -> None:
    async with live.connect() as talk:
        await talk.next()
        await talk.send(action="authenticate", token=token, request_id="t")
        answer = await talk.next()
        assert (answer["event"], answer["code"], answer["request_id"]) == ("auth_error", code, "t")
        assert token not in answer["error"] or len(token) < 5
        await talk.send(action="ping")
        assert (await talk.next())["event"] == "auth_required"
        await talk.send(action="authenticate", token=ALICE)
        assert (await talk.next())["event"] == "authenticated"


async def test_refused_refresh_leaves_the_accepted_token_in_force(live: Live) -> None:
    async with live.talk(ALICE) as talk:
        await talk.send(action="authenticate", token="wrong")
        assert (await talk.next())["event"] == "auth_error"
        await talk.start("stream")
        assert (await talk.until_end())[-1]["event"] == "WorkflowCompleted"


async def test_token_of_another_user_is_refused_as_a_refresh(live: Live) -> None:
    async with live.talk(ALICE) as talk:
        await talk.send(action="authenticate", token=BOB)
        answer = await talk.next()
        assert (answer["event"], answer["code"]) == ("auth_error", "invalid_token")
        run_id = await talk.start("confirm")
        assert (await talk.until_pause(run_id))[0]["user_id"] == "alice"


async def test_token_of_the_same_user_refreshes(live: Live) -> None:
    async with live.talk(ALICE) as talk:
        await talk.send(action="authenticate", token=jwt_of("alice"), request_id="again")
        answer = await talk.next()
        assert (answer["event"], answer["request_id"]) == ("authenticated", "again")
        assert datetime.fromisoformat(answer["expires_at"]) > datetime.now(UTC)


# ── Time ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_socket_that_does_not_authenticate_in_time_is_closed(strict: Live) -> None:
    async with strict.connect() as silent, strict.connect() as wrong, strict.talk() as good:
        await wrong.send(action="authenticate", token="wrong")
        assert await silent.closed() == 4501
        assert await wrong.closed() == 4501
        await good.send(action="ping")
        assert (await good.next())["event"] == "pong"


async def test_frames_do_not_put_off_the_time_to_authenticate(strict: Live) -> None:
    async with strict.connect() as talk:
        async with asyncio.timeout(PATIENCE):
            while talk.socket.close_code is None:
                try:
                    await talk.send(action="ping")
                except Exception:  # closed while sending
                    break
                await asyncio.sleep(0.05)
        assert await talk.closed() == 4501


async def test_expired_token_ends_the_stream_and_a_refresh_brings_it_back(live: Live) -> None:
    async with live.talk(jwt_of("alice", 6)) as talk:
        run_id = await talk.start("stream", {"count": 100_000, "pace": 0.002})
        messages = await talk.until("auth_required")
        assert messages[-1]["code"] == "expired_token"
        seen = max(each["event_index"] for each in talk.heard if "event_index" in each)
        await talk.send(action="ping", request_id="p")
        answer = await talk.next()
        assert (answer["event"], answer["code"], answer["request_id"]) == ("auth_required", "expired_token", "p")
        await talk.send(action="authenticate", token=jwt_of("bob"))
        assert (await talk.next())["event"] == "auth_error"
        await talk.send(action="authenticate", token=jwt_of("alice"))
        assert (await talk.next())["event"] == "authenticated"
        assert await talk.settled() == []
        await talk.send(action="reconnect", run_id=run_id, last_event_index=seen)
        catch_up, event = await talk.next(), await talk.next()
        assert (catch_up["event"], event["event_index"]) == ("catch_up", seen + 1)
        await talk.send(action="cancel-workflow", workflow_id="stream", run_id=run_id)
        await talk.until_end(run_id)


async def test_refresh_before_expiry_keeps_the_stream_whole(live: Live) -> None:
    async with live.talk(jwt_of("alice", 6)) as talk, live.talk(ALICE) as other:
        output_of = await talk.start("confirm")
        output = (await talk.until_pause(output_of))[-1]
        await talk.send(action="authenticate", token=jwt_of("alice"))
        assert (await talk.next())["event"] == "authenticated"
        with pytest.raises(TimeoutError):
            await talk.next(7)
        await other.send(continue_with(output, confirmed=True))
        assert names_of(await talk.until_end())[0] == "StepContinued"


async def test_expired_socket_that_is_not_refreshed_is_closed(strict: Live) -> None:
    async with strict.talk(jwt_of("alice", 6)) as talk:
        assert await talk.closed() == 4501
        assert names_of(talk.heard)[-1] == "auth_required"


# ── Origins and numbers ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://app.example.com", "https://app.example.com:8"]
)
async def test_page_of_another_origin_is_closed_before_a_word(strict: Live, origin: str) -> None:
    async with strict.connect(origin=origin) as talk:
        assert await talk.closed() == 4403
        assert talk.heard == []


async def test_page_of_an_allowed_origin_is_greeted(strict: Live) -> None:
    async with strict.connect(origin="https://app.example.com") as talk:
        assert (await talk.next())["event"] == "connected"


async def test_without_a_list_only_pages_of_this_machine_are_admitted(live: Live) -> None:
    async with live.connect(origin="https://evil.example") as talk:
        assert await talk.closed() == 4403
    async with live.connect(origin="http://localhost:3000") as talk:
        assert (await talk.next())["event"] == "connected"


def test_socket_path_without_an_upgrade_is_no_resource(live: Live) -> None:
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{live.http_url}/workflows/ws")
    assert refused.value.code in (404, 405, 426)
    refused.value.close()


async def test_connections_beyond_the_limits_are_closed_and_places_come_free(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("few")
    limits = {"max_connections": 4, "max_connections_per_user": 2}
    with live_server(workflows, data_dir=folder, **limits) as few:
        async with few.talk(ALICE), few.talk(ALICE) as second, few.talk(BOB):
            async with few.connect() as third:
                await third.next()
                await third.send(action="authenticate", token=ALICE)
                assert await third.closed() == 4509
            async with few.talk(BOB), few.connect() as fifth:
                assert await fifth.closed() == 4509
                assert fifth.heard == []
            await second.send(action="authenticate", token=ALICE)  # a refresh isn't another connection
            assert (await second.next())["event"] == "authenticated"

        async def admitted() -> bool:
            async with few.connect() as one, few.connect() as two:
                for talk in (one, two):
                    await talk.next()
                    await talk.send(action="authenticate", token=ALICE)
                return [(await talk.next())["event"] for talk in (one, two)] == ["authenticated"] * 2

        async def tried() -> bool:
            try:
                return await admitted()
            except Exception:  # closed: the places aren't free yet
                return False

        assert await eventually(tried)


async def test_greeting_of_a_server_tells_its_own_limits(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("small")
    with live_server(workflows, data_dir=folder, max_message_bytes=2048, heartbeat_seconds=3.5) as small:
        async with small.connect() as talk:
            connected = await talk.authenticate() and talk.heard[0]
            assert (connected["max_message_bytes"], connected["heartbeat_seconds"]) == (2048, 3.5)
            await talk.socket.send(json.dumps({"action": "ping", "x": "x" * 2048}))
            assert (await talk.next())["code"] == "message_too_large"
