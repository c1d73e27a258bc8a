"""Rooms and telephones: what each kind of service asks goes over the guarded transport, and calls nobody by itself."""

from __future__ import annotations

import importlib
import json
import logging
import socket
import ssl
from typing import Any

import httpx
import pytest
import requests
from tests.support.foreign import foreign, http, redirect

from interlock.addresses import Allowed
from interlock.outgoing.channels import KINDS, Channel, channels_in
from interlock.outgoing.letters import Letter, NotSent
from interlock.outgoing.notifier import Notifier, check
from interlock.outgoing.plugins import send_by

TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
LINK = "https://desk.example.com/#/runs/release/run-1"
LETTER = Letter(
    key="run-1 r-1",
    subject="release waits for you",
    text="Deploy?",
    html="<p>Deploy?</p>",
    link=LINK,
    chat_subject="release waits for you",
    chat_text=f"Deploy?\n\nOpen it: {LINK}",
)
URLS = {
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "gchat": "gchat://workspace1/key12345/token678",
    "gotify": "gotify://gotify.example.com/AbCdEfGh12345",
    "gotifys": "gotifys://gotify.example.com/AbCdEfGh12345",
    "json": "json://ops.example.com:8080/pauses",
    "jsons": "jsons://ops.example.com/pauses",
    "mmost": "mmost://mm.example.com/3ccdd113474722377935511fc85d3dd4",
    "mmosts": "mmosts://mm.example.com/3ccdd113474722377935511fc85d3dd4",
    "ntfy": "ntfy://ntfy.example.com/{address}",
    "ntfys": "ntfys://ntfy.example.com/{address}",
    "rocket": "rocket://user:password@rocket.example.com/#room",
    "rockets": "rockets://AbCdEf12345/ghiJKLmno67890pqrSTUvwxYZ@rocket.example.com/#room",
    "slack": "slack://xoxb-1234-1234-abc124/{address}",
    "tgram": "tgram://123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/{address}",
    "workflows": "workflows://prod-1.logic.azure.com/643e69f83c8944438d68119179a10a64/KODuebWbDGYFr0z0eu",
    "zulip": "zulip://robot@org/a8e8fd8a8e8fd8a8e8fd8a8e8fd8a8e8/general",
}
ADDRESSES = {"ntfy": "ada-7f3k", "slack": "U012AB3CD", "telegram": "100000001"}
SAYS_YES = {
    "ok": True,
    "status": "success",
    "success": True,
    "result": {"message_id": 1},
    "data": {"authToken": "t", "userId": "u"},
    "id": "1",
}


class Recorded(httpx.AsyncBaseTransport):
    """A transport that answers everything itself."""

    def __init__(self, status: int = 200) -> None:
        self.requests: list[httpx.Request] = []
        self._status = status

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        return httpx.Response(self._status, json=SAYS_YES)


@pytest.fixture
def only_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would connect past the transport fails."""

    def refused(*_: Any) -> None:
        raise AssertionError("a connection past the transport")

    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def channel(scheme: str) -> Channel:
    said = {"x": {"url": URLS[scheme], "for": ["*"]}}
    return channels_in(json.dumps(said))["x"]


async def sent(scheme: str, letter: Letter = LETTER) -> list[httpx.Request]:
    to = channel(scheme)
    transport = Recorded()
    await send_by(transport, to, ADDRESSES.get(to.kind.name, ""), letter)
    return transport.requests


def test_every_kind_is_tried_here() -> None:
    assert {scheme for scheme, kind in KINDS.items() if kind.name != "email"} == URLS.keys()


@pytest.mark.usefixtures("only_way")
@pytest.mark.parametrize("scheme", URLS)
async def test_what_a_service_asks_goes_over_the_transport(scheme: str) -> None:
    await check(channel(scheme))
    found = await sent(scheme)
    assert found
    told = b"".join(each.content for each in found).decode()
    assert "desk.example.com" in told
    to = channel(scheme)
    if to.is_personal:
        address = ADDRESSES[to.kind.name]
        assert any(address in f"{each.url} {each.content!r}" for each in found)
    else:
        with pytest.raises(NotSent):
            await send_by(Recorded(500), to, "", LETTER)


CALLS = ("<!channel>", "<@U012AB3CD>", "@everyone", "@here", "<users/all>", "<at>ada</at>", "@**all**")


@pytest.mark.parametrize("scheme", ["discord", "gchat", "mmosts", "slack", "workflows", "zulip"])
async def test_what_a_workflow_says_calls_nobody_in_a_room(scheme: str) -> None:
    from interlock.notices.words import quiet_of

    said = " ".join(map(quiet_of, CALLS)) + quiet_of(" [click](https://evil.example)")
    letter = Letter(key="k", subject="s", text="", html="", link=LINK, chat_subject=said, chat_text=said)
    told = b"".join(each.content for each in await sent(scheme, letter)).decode()
    texts = json.dumps(json.loads(told), ensure_ascii=False) if told.startswith("{") else told
    for call in CALLS:
        assert call not in texts
    assert "[click](" not in texts


@pytest.mark.usefixtures("only_way")
async def test_the_library_says_nothing_of_ours_and_is_elsewhere_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    await sent("ntfys")
    assert not [each for each in caplog.records if each.name.startswith("apprise")]
    logging.getLogger("apprise").warning("somebody else's")
    assert "somebody else's" in caplog.text
    theirs: Any = importlib.import_module("apprise.plugins.ntfy")

    assert theirs.requests.codes.ok == 200
    with pytest.raises((AssertionError, requests.RequestException)):
        theirs.requests.post("http://127.0.0.1:9/", timeout=1)


async def test_inner_hosts_are_refused_unless_the_operator_names_them_and_redirects_are_not_followed() -> None:
    async with foreign(http(200, b"{}")) as inner, foreign(redirect(302, f"http://127.0.0.1:{inner.port}/")) as leading:
        for port, allowed, about in (
            (inner.port, (), "INTERLOCK_NOTIFIERS_ALLOW"),
            (leading.port, ("127.0.0.1",), "answered 302"),
        ):
            to = channels_in(json.dumps({"x": {"url": f"json://127.0.0.1:{port}/in", "for": ["*"]}}))["x"]
            notifier = Notifier(Allowed(allowed), ssl_context=TRUSTS_NOBODY)
            with pytest.raises(NotSent, match=about):
                await notifier.send(to, "", LETTER)
            await notifier.aclose()
        assert not inner.received
        to = channels_in(json.dumps({"x": {"url": f"json://127.0.0.1:{inner.port}/in", "for": ["*"]}}))["x"]
        notifier = Notifier(Allowed(["127.0.0.1"]), ssl_context=TRUSTS_NOBODY)
        await notifier.send(to, "", LETTER)
        await notifier.aclose()
    assert json.loads(inner.last.body)["message"].startswith("Deploy?")
