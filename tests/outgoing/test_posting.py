"""Posting on kept connections: to receivers of every bad manner, and to nobody who may not be reached."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.outgoing.conftest import serving
from tests.support.foreign import foreign, http
from tests.support.spellings import SPELLINGS

from interlock.addresses import Allowed
from interlock.outgoing.guarded import Forbidden, Guard
from interlock.outgoing.posting import Answer, NoAnswer, Poster, checked_address

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """A receiver, and what it has seen: connections, and requests."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b"


async def request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(next(line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")))
    return head + await reader.readexactly(length)


@asynccontextmanager
async def receiving(answer: Callable[[int], bytes | None], *, once: bool = False) -> AsyncIterator[Receiver]:
    """A receiver that answers its nth request so; None closes the connection. `once` closes it after an answer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver.connections += 1
        try:
            while True:
                receiver.requests.append(await request(reader))
                said = answer(len(receiver.requests))
                if said is not None:
                    writer.write(said)
                    await writer.drain()
                if said is None or once:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    receiver = Receiver(server.sockets[0].getsockname()[1])
    async with server:
        yield receiver


@asynccontextmanager
async def poster(*allowed: str, names: Sequence[str] = ()) -> AsyncIterator[Poster]:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return names

    made = Poster(Guard(Allowed(allowed or ["127.0.0.1"]), resolve, "INTERLOCK_WEBHOOK_ALLOW"))
    try:
        yield made
    finally:
        await made.close()


async def posted(made: Poster, url: str, *, seconds: float = 10, most: int = 1024) -> Answer:
    return await made.post(
        url, {"Content-Type": "application/json", "webhook-id": "1"}, b"{}", seconds=seconds, most=most
    )


async def test_request_is_what_was_given_and_the_connection_is_kept() -> None:
    async with receiving(lambda _: OK) as receiver, poster() as made:
        assert await posted(made, receiver.url) == Answer(200, b"ok", True)
        assert await posted(made, receiver.url) == Answer(200, b"ok", True)
    assert receiver.connections == 1
    head = receiver.requests[0].lower()
    assert head.startswith(b"post /hook?a=b http/1.1\r\n")
    assert head.endswith(b"\r\n\r\n{}")
    assert b"content-type: application/json" in head
    assert b"webhook-id: 1" in head
    for never in (b"cookie", b"accept-encoding", b"authorization", b"aiohttp"):
        assert never not in head


@pytest.mark.parametrize("status", [204, 301, 302, 307, 308, 410, 500])
async def test_every_status_is_an_answer_and_no_redirect_is_followed(status: int) -> None:
    head = f"HTTP/1.1 {status} X\r\nLocation: /other\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with receiving(lambda _: head.encode()) as receiver, poster() as made:
        assert (await posted(made, receiver.url)).status == status
        await posted(made, receiver.url)
    assert len(receiver.requests) == 2
    assert b"cookie" not in receiver.requests[1].lower()


async def test_connection_that_was_closed_meanwhile_costs_no_failure() -> None:
    async with receiving(lambda count: None if count == 2 else OK) as receiver, poster() as made:
        await posted(made, receiver.url)
        assert (await posted(made, receiver.url)).status == 200
    assert (receiver.connections, len(receiver.requests)) == (2, 3)


async def test_closing_without_an_answer_is_none_and_is_asked_once() -> None:
    async with receiving(lambda _: None) as receiver, poster() as made:
        with pytest.raises(NoAnswer, match="broke off"):
            await posted(made, receiver.url)
    assert len(receiver.requests) == 1


async def test_silence_ends_in_time() -> None:
    async with receiving(lambda _: b"") as receiver, poster() as made:
        with pytest.raises(NoAnswer, match="took too long"):
            await posted(made, receiver.url, seconds=0.1)


@pytest.mark.parametrize(
    "said",
    [
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: nothing\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20_000,
    ],
    ids=["nonsense", "length", "long header"],
)
async def test_what_is_no_http_is_no_answer(said: bytes) -> None:
    async with receiving(lambda _: said, once=True) as receiver, poster() as made:
        with pytest.raises(NoAnswer):
            await posted(made, receiver.url, seconds=5)


async def test_of_an_endless_answer_only_the_beginning_is_read() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        try:
            while sent < 1 << 30:
                writer.write(b"x" * 65536)
                sent += 65536
                await writer.drain()
        except ConnectionError:
            closed.set()
        finally:
            writer.close()

    closed = asyncio.Event()
    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    async with server, poster() as made:
        answer = await posted(made, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        assert answer == Answer(200, b"x" * 1024, False)
        async with asyncio.timeout(10):
            await closed.wait()
    assert sent < 64 << 20


async def test_content_that_breaks_off_or_hangs_leaves_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.outgoing.posting.CONTENT_SECONDS", 0.1)
    begun = b"HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\nabc"
    async with receiving(lambda _: begun) as hanging, receiving(lambda _: begun, once=True) as broken, poster() as made:
        assert await posted(made, hanging.url) == Answer(202, b"abc", False)
        assert await posted(made, broken.url) == Answer(202, b"abc", False)


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("127.0.0.1", ()),
        ("[::1]", ()),
        ("[::ffff:127.0.0.1]", ()),
        ("169.254.169.254", ()),
        ("localhost", ("127.0.0.1",)),
        ("outer.example.com", ("10.0.0.1",)),
        ("outer.example.com", ("93.184.215.14", "10.0.0.1")),
        ("127.1", ()),
        ("2130706433", ()),
        ("0x7f000001", ()),
    ],
)
async def test_inner_hosts_are_not_reached_unless_they_are_named(host: str, names: Sequence[str]) -> None:
    async with poster("10.9.9.9", names=names) as made:
        with pytest.raises(NoAnswer) as refused:
            await posted(made, f"http://{host}:1/")
    assert host not in str(refused.value)


async def test_refusal_names_the_setting() -> None:
    async with poster("10.9.9.9") as made:
        with pytest.raises(NoAnswer, match="INTERLOCK_WEBHOOK_ALLOW"):
            await posted(made, "http://127.0.0.1:1/")


async def test_name_is_looked_up_and_checked_for_each_connection_anew() -> None:
    addresses = ["127.0.0.1"]
    async with receiving(lambda _: OK, once=True) as receiver:

        async def resolve(host: str, port: int) -> Sequence[str]:
            return [addresses[0]]

        made = Poster(Guard(Allowed(["127.0.0.1"]), resolve))
        try:
            url = f"http://hook.example.com:{receiver.port}/"
            assert (await posted(made, url)).status == 200
            assert f"host: hook.example.com:{receiver.port}".encode() in receiver.requests[0].lower()
            addresses[0] = "127.0.0.2"
            with pytest.raises(NoAnswer, match="public internet"):
                await posted(made, url)
        finally:
            await made.close()
    assert len(receiver.requests) == 1


async def test_however_an_inner_address_is_spelt_it_is_not_reached_and_not_kept() -> None:
    async with foreign(http()) as inside, poster("10.9.9.9", names=["127.0.0.1"]) as made:
        guard = made._guard
        for spelling in SPELLINGS:
            if "example.com" not in spelling:
                url = spelling.replace("{port}", str(inside.port))
                with pytest.raises(NoAnswer):
                    await posted(made, url)
                with pytest.raises((Forbidden, ValueError)):
                    await checked_address(guard, url)
    assert inside.connections == 0


async def test_tls_is_about_the_name_while_the_connection_is_to_the_checked_address(certificate: Path) -> None:
    async with foreign(http(), tls=serving(certificate)) as server:

        async def resolve(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        guard = Guard(Allowed(["127.0.0.1"]), resolve)
        trusting = Poster(guard, lambda: ssl.create_default_context(cafile=certificate))
        doubting = Poster(guard)
        try:
            assert (await posted(trusting, f"https://SECURE.example.:{server.port}/")).status == 200
            assert server.last.server_name == "secure.example"
            for made, host in ((trusting, "other.example"), (doubting, "secure.example")):
                with pytest.raises(NoAnswer, match="certificate isn't valid"):
                    await posted(made, f"https://{host}:{server.port}/")
        finally:
            await trusting.close()
            await doubting.close()
    assert len(server.received) == 1
