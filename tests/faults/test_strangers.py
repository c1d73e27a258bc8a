"""Whoever hasn't said who they are keeps nobody out; and who has little to send with is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from tests.faults.floods import connected, frame, handshake, upgraded
from tests.faults.test_floods import TARGET, ponged, said
from tests.socket.workflows import workflows
from tests.support.live import ALICE, BOB, Live, Served, live_server, served

from interlock.socket.actions import ACTIONS
from interlock.socket.peer import Peer
from interlock.socket.transport import LIVE_BYTES, STRANGERS_BYTES
from interlock_protocol.messages import Authenticate

TOKEN = json.dumps({"action": "authenticate", "token": ALICE}).encode()


def long_frame(data: bytes) -> bytes:
    """A client's text of any size, masked with zeros."""
    return bytes([0x81, 0x80 | 127]) + len(data).to_bytes(8, "big") + bytes(4) + data


def ping_of(size: int) -> bytes:
    """A `ping` of some size, as a frame."""
    return long_frame(json.dumps({"action": "ping", "padding": "x" * size, "request_id": "large"}).encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = served(TARGET, tmp_path_factory.mktemp("strangers"), heartbeat_seconds=1)
    with made.start():
        yield made


# ── Places ──────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def strangers(server: Live, count: int) -> Iterator[list[socket.socket]]:
    """So many sockets on which nothing is ever said, and nothing read."""
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                made.append(stack.enter_context(upgraded(server.port)))
        yield made


async def test_strangers_on_every_place_keep_nobody_out(tmp_path: Path) -> None:
    """As many as fill the sockets' places, and as many as fill those of connections."""
    server = served(TARGET, tmp_path, max_connections=20, auth_timeout_seconds=600)
    with server.start():
        async with server.talk() as before:
            with strangers(server, 20), strangers(server, 300):
                async with server.talk(BOB) as talk, httpx.AsyncClient(base_url=server.http_url) as client:
                    assert await ponged(talk) < 10
                    assert (await client.get("/health/ready")).status_code == 200
                assert await ponged(before) < 10


async def test_stranger_that_has_held_a_place_longest_gives_it_up_and_is_told(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path, max_connections=2, auth_timeout_seconds=600)
    with server.start():
        async with server.connect() as oldest, server.connect() as newer, server.connect() as newest:
            assert await oldest.closed() == 4509
            for each in (newer, newest):
                await each.authenticate()


async def test_full_of_those_who_are_known_refuses_who_comes(tmp_path: Path) -> None:
    """Also when so many come that their refusals would fill the connections."""
    server = served(TARGET, tmp_path, max_connections=2)
    with server.start():
        async with AsyncExitStack() as stack:
            known = [await stack.enter_async_context(server.talk(token)) for token in (ALICE, BOB)]
            with strangers(server, 300):
                async with server.connect() as refused:
                    assert await refused.closed() == 4509
                async with httpx.AsyncClient(base_url=server.http_url) as client:
                    assert (await client.get("/health/ready")).status_code == 200
                for each in known:
                    assert await ponged(each) < 10


# ── Time ────────────────────────────────────────────────────────────────────────────────────────────────


def _slowly(peer: socket.socket, data: bytes, at_a_time: int) -> None:
    """Send a little every tenth of a second, without ever answering a ping."""
    for at in range(0, len(data), at_a_time):
        peer.sendall(data[at : at + at_a_time])
        time.sleep(0.1)


def _heard(peer: socket.socket, what: bytes) -> bool:
    """Whether something is said before the connection ends."""
    peer.settimeout(20)
    heard = b""
    with contextlib.suppress(ConnectionResetError):
        while what not in heard and (piece := peer.recv(65536)):
            heard += piece
    return what in heard


def test_large_frame_that_comes_slowly_is_taken(server: Served) -> None:
    with upgraded(server.port) as peer:
        peer.sendall(frame(0x81, TOKEN))
        _slowly(peer, ping_of(900_000), 20_000)  # 4.5 s: more than two heartbeats
        assert _heard(peer, b'"request_id":"large"')


def test_peer_that_answers_no_ping_and_sends_nothing_is_let_go(server: Served) -> None:
    with upgraded(server.port) as peer:
        peer.sendall(frame(0x81, TOKEN))
        assert b"keepalive" in said(peer)


def test_frame_of_which_next_to_nothing_comes_is_not_waited_for(server: Served) -> None:
    with upgraded(server.port) as peer:
        peer.sendall(frame(0x81, TOKEN))
        with pytest.raises(OSError, match=r"reset|pipe"):
            _slowly(peer, ping_of(900_000)[: LIVE_BYTES // 10], 1)


async def test_peer_that_is_not_read_while_its_token_is_looked_at_is_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers its pings, and nobody hears it for five heartbeats."""

    async def slowly(socket: Peer, message: Authenticate) -> None:
        await asyncio.sleep(1.5)
        await authenticate(socket, message)

    authenticate = ACTIONS[Authenticate]
    monkeypatch.setitem(ACTIONS, Authenticate, slowly)
    with live_server(workflows, data_dir=tmp_path, heartbeat_seconds=0.3) as slow:
        async with slow.talk() as talk:
            assert await ponged(talk) < 10


# ── What comes with the token ───────────────────────────────────────────────────────────────────────────


def test_large_message_right_behind_the_token_is_taken(server: Served) -> None:
    with upgraded(server.port) as peer:
        peer.sendall(frame(0x81, TOKEN) + ping_of(3 * STRANGERS_BYTES))
        assert _heard(peer, b'"request_id":"large"')


@pytest.mark.parametrize("first", [b"", frame(0x81, b'{"action":"authenticate","token":"nobody\'s"}')])
def test_large_message_of_a_stranger_ends_the_connection(server: Served, first: bytes) -> None:
    with upgraded(server.port) as peer:
        with contextlib.suppress(OSError):
            peer.sendall(first + ping_of(3 * STRANGERS_BYTES))
        assert (1009).to_bytes(2, "big") in said(peer)


async def test_messages_behind_a_token_are_taken_in_their_order(server: Served) -> None:
    async with server.connect() as talk:
        assert (await talk.next())["event"] == "connected"
        await talk.send(action="authenticate", token=ALICE)
        for number in range(100):
            await talk.send(action="ping", request_id=str(number), padding="x" * 20_000)
        assert (await talk.next())["event"] == "authenticated"
        assert [(await talk.next())["request_id"] for _ in range(100)] == [str(number) for number in range(100)]


# ── Upgrades ────────────────────────────────────────────────────────────────────────────────────────────


def _recv_until(peer: socket.socket, what: bytes) -> None:
    peer.settimeout(20)
    heard = b""
    while what not in heard:
        piece = peer.recv(65536)
        assert piece, heard
        heard += piece


async def test_connection_that_streams_becomes_no_socket(server: Served, tmp_path: Path) -> None:
    """It is ended, and nothing of a socket stands in the stream."""
    async with server.talk() as talk:
        gate = tmp_path / "gate"
        run_id = await talk.start("stream", {"count": 2, "wait_at": 1, "gate": str(gate)})
        follow = f"GET /workflows/stream/runs/{run_id}/resume HTTP/1.1\r\nHost: x\r\n"
        with connected(server.port) as peer:
            peer.sendall(f"{follow}Authorization: Bearer {ALICE}\r\n\r\n".encode())
            _recv_until(peer, b"RunResponseContentEvent")
            peer.sendall(handshake())
            assert b"101 Switching" not in said(peer)
        gate.touch()
        await talk.until_end(run_id)


def test_connection_that_has_had_its_answer_becomes_a_socket(server: Served) -> None:
    with connected(server.port) as peer:
        peer.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        _recv_until(peer, b'"}')
        peer.sendall(handshake())
        _recv_until(peer, b"connected")
