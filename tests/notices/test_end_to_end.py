"""The whole way: a real server with its command line, a real mail server and a real receiver of HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from tests.support.api_v1 import api
from tests.support.foreign import foreign, http
from tests.support.live import ALICE, BOB, CAROL, ROOT, Live, eventually, last_output, live_server
from tests.support.mail import certificate_in, mail_server
from typer.testing import CliRunner

from interlock import Confirm, Step, Workflow
from interlock.cli.commands import app

SECRET = "s3cret-of-the-environment"
ASKING = Workflow(
    "release",
    steps=[
        Step(
            "deploy",
            lambda _: {"file": "contents of a file"},
            human_review=Confirm(f"Deploy <1.4> with {SECRET}?", assignees=["bob", "group:reviewers"]),
        )
    ],
)


async def command(*arguments: str) -> tuple[int, str]:
    """What a command says: its exit code, and its output with why it failed."""
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return result.exit_code, f"{result.output}{result.exception or ''}"


async def test_whoever_is_asked_gets_mail_and_the_room_a_message_and_the_link_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_in(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("INTERLOCK_SECRET_DEPLOY", SECRET)
    async with mail_server(certificate) as mails, foreign(http(200, b"{}")) as room:
        channels = {
            "mail": f"mailtos://robot:p%40ss%2Fword@localhost:{mails.port}?mode=starttls&from=robot@example.org"
            "&to={address}",
            "room": {"url": f"json://127.0.0.1:{room.port}/pauses", "for": ["group:reviewers"]},
            "topic": f"ntfy://127.0.0.1:{room.port}/{{address}}",
            "inner": f"ntfy://127.0.0.2:{room.port}/{{address}}",
        }
        live = live_server(
            [ASKING],
            data_dir=tmp_path / "data",
            notifiers=json.dumps(channels),
            notifiers_allow=f"localhost,127.0.0.1:{room.port}",
            public_url="https://desk.example.com",
        )
        with live as desk:
            await say_where(desk)
            async with desk.talk() as talk:
                await talk.send({"action": "start-workflow", "workflow_id": "release", "message": ""})
                output = last_output(await talk.until("WorkflowRunOutput"))
                run_id = output["run_id"]
                await eventually(lambda: len(mails.messages) == 1 and len(room.received) == 2)
                (mail,) = mails.to("bob@example.com")
                link = f"https://desk.example.com/#/runs/release/{run_id}"
                bodies = [part.get_content() for part in mail.iter_parts()]
                bodies += [each.body.decode() for each in room.received]
                assert len(bodies) == 4
                for text in (*bodies, str(mail["Subject"])):
                    assert SECRET not in text
                    assert "contents of a file" not in text
                assert all(link in text for text in bodies)
                assert "Deploy <1.4> with" in bodies[0]
                assert "Deploy &lt;1.4&gt; with" in bodies[1]
                assert {json.loads(each.body).get("topic", "") for each in room.received} == {"", "bob-7"}
            await fetched(desk)
            async with api(desk, ROOT) as root:
                told = (await root.client.get(f"{desk.http_url}/workflows/release/runs/{run_id}")).json()
                assert told["status"] == "PAUSED", told
            await sends_tests(desk, len(mails.messages))


async def say_where(desk: Live) -> None:
    """Have people give their addresses."""
    path = "/me/notifications"
    async with api(desk, BOB) as bob:
        assert (await bob.get(path))["addresses"] == {}
        wrong = ({"mail": "bob"}, {"topic": "a/b"}, {"room": "x"}, {"x": "y"}, {"mail": "b@example.com\r\nBcc: x@y.co"})
        for addresses in wrong:
            answer = await bob.ask("PUT", path, {"addresses": addresses})
            assert answer.json()["error"]["details"][0]["field"] == f"addresses.{next(iter(addresses))}"
        assert await bob.refused("PUT", path, {"addresses": "x"}) == (400, "invalid_request")
        kept = await bob.ask("PUT", path, {"addresses": {"mail": "bob@example.com", "topic": "bob-7"}})
        assert kept.json()["data"]["addresses"] == {"mail": "bob@example.com", "topic": "bob-7"}
        assert "localhost" not in kept.text
        names = [each["name"] for each in (await bob.get(path))["channels"]]
        assert names == ["inner", "mail", "topic"]
        assert await bob.refused("GET", "/users/carol/notifications") == (403, "forbidden")
    async with api(desk, CAROL) as carol:
        assert (await carol.get(path))["addresses"] == {}


async def fetched(desk: Live) -> None:
    """Fetch what links lead to, as scanners of mail do."""
    async with httpx.AsyncClient(base_url=desk.http_url) as scanner:
        for method in ("GET", "HEAD"):
            await scanner.request(method, "/")


async def sends_tests(desk: Live, before: int) -> None:
    """Send somebody a test by the command line."""
    at = ("--url", desk.http_url, "--token", ROOT)
    async with api(desk, ROOT) as root:
        await root.post("/users", {"username": "dora"}, 201)
        assert (await command("users", "notify", "dora", *at)) == (0, "")
        given = ("--at", "mail=dora@example.com", "--at", "inner=dora")
        assert await command("users", "notify", "dora", *given, *at) == (0, "inner\tdora\nmail\tdora@example.com\n")
        code, said = await command("notify", "test", "dora", *at)
        assert code != 0
        assert "mail\tsent\n" in said
        assert "inner\tthe host isn't on the public internet; INTERLOCK_NOTIFIERS_ALLOW" in said
        assert await command("users", "notify", "dora", "--off", "inner", *at) == (0, "mail\tdora@example.com\n")
        assert await command("notify", "test", "dora", *at) == (0, "mail\tsent\n")
        code, said = await command("users", "notify", "dora", "--at", "mail=nothing", *at)
        assert code != 0
        assert "e-mail address" in said
        metrics = (await root.client.get(f"{desk.http_url}/metrics")).text
        assert 'interlock_notices_total{outcome="sent"} 3.0' in metrics
    async with api(desk, ALICE) as alice:
        assert await alice.refused("POST", "/users/x/notifications/test") == (403, "forbidden")
