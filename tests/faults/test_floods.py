"""Whoever floods a server with small things holds up nobody else, and fills nothing.

The bounds are generous, because the flooders are threads of this very process, and the machine is shared. A server that
looks at whole reads at once, or keeps what isn't read, is over them many times.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.faults.floods import FLOODS, connected, flooded, frame, handshake, upgraded
from tests.socket.test_slow_readers import memory_kib
from tests.support.live import ALICE, ROOT, Served, Talk, eventually, served
from websockets.exceptions import ConnectionClosed

from interlock.process.connections import SLICE_BYTES

SECONDS = 2.5
PONG_SECONDS = 1.0
WORST_PONG_SECONDS = 15.0
"""Of the pongs of somebody else meanwhile, the median is below the first and the slowest below the second: what is
claimed is that nobody waits for a second, and that is left for a machine that does other things too."""
MEMORY_KIB = 60_000
"""What a server may hold more after a flood, fragmentation included: what piled up were hundreds of megabytes."""
TARGET = "tests.socket.workflows:workflows"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = served(TARGET, tmp_path_factory.mktemp("flooded"))
    with made.start():
        yield made


async def ponged(talk: Talk) -> float:
    """How long somebody waits for a pong."""
    began = time.monotonic()
    await talk.send(action="ping")
    assert (await talk.next(30))["event"] == "pong"
    return time.monotonic() - began


@pytest.mark.parametrize("name", FLOODS)
async def test_flood_holds_up_nobody_and_fills_nothing(server: Served, name: str) -> None:
    assert server.process is not None
    before, took = memory_kib(server.process), []
    async with server.talk() as talk:
        with flooded(name, server.port, SECONDS) as threads:
            while any(thread.is_alive() for thread in threads):
                took.append(await ponged(talk))
                await asyncio.sleep(0.02)
        grown = memory_kib(server.process) - before
    assert statistics.median(took) < PONG_SECONDS, took
    assert max(took) < WORST_PONG_SECONDS, took
    assert grown < MEMORY_KIB, f"{grown} KiB more"


async def test_pings_of_a_client_are_answered_however_often_it_sends_them_within_reason(server: Served) -> None:
    async with server.talk() as talk:
        for _ in range(3):
            await asyncio.gather(*[await talk.socket.ping() for _ in range(200)])
        await ponged(talk)


async def test_message_in_many_large_fragments_is_taken(server: Served) -> None:
    async with server.talk() as talk:
        pieces = ['{"action":"ping","padding":"', *(["x" * 600] * 1500), '","request_id":"whole"}']
        await talk.socket.send(pieces)
        assert (await talk.next())["request_id"] == "whole"


@pytest.mark.parametrize(
    ("first", "code"),
    [(frame(0x89) * 3000, 4529), (frame(0x01, b"{") + frame(0x00) * 3000, 4529), (frame(0x81, b"\xff"), 1007)],
)
def test_too_much_and_what_is_wrong_is_told_by_a_close_code(server: Served, first: bytes, code: int) -> None:
    with upgraded(server.port) as peer:
        with contextlib.suppress(OSError):
            peer.sendall(first)
        assert code.to_bytes(2, "big") in said(peer)


# ── Connections ─────────────────────────────────────────────────────────────────────────────────────────


def said(peer: socket.socket, seconds: float = 10.0) -> bytes:
    """All that the server says until it ends the connection."""
    peer.settimeout(seconds)
    heard = b""
    try:
        while piece := peer.recv(65536):
            heard += piece
    except ConnectionResetError:
        pass  # what was sent to it after it had ended; what it said came before
    return heard


HEADS = {
    "a long cookie": (handshake(more=f"Cookie: {'x' * 9000}\r\n"), b" 431 "),
    "many headers": (handshake(more="X: y\r\n" * 200), b" 431 "),
    "a long address": (handshake(path="/workflows/ws?" + "x" * 9000), b" 414 "),
    "a body": (handshake(more="Content-Length: 2\r\n") + b"{}", b" 400 "),
    "a long cookie without a socket": (f"GET / HTTP/1.1\r\nHost: x\r\nCookie: {'x' * 9000}\r\n\r\n".encode(), b" 431 "),
    "a header without an end": (b"GET / HTTP/1.1\r\nCookie: " + b"x" * 70_000, b" 431 "),
}


@pytest.mark.parametrize("what", HEADS)
def test_head_beyond_a_bound_is_answered_and_ended_at_once(server: Served, what: str) -> None:
    head, status = HEADS[what]
    with connected(server.port) as peer:
        peer.sendall(head)
        assert status in said(peer).partition(b"\r\n")[0]


FORM = b"Host: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 9\r\n\r\n--x"
BEGUN = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\n",
    "an empty line": b"\r\n",
    "half a body": b"POST /workflows/confirm/runs HTTP/1.1\r\n" + FORM,
}


@pytest.mark.parametrize("begun", BEGUN)
def test_request_that_does_not_come_is_not_waited_for(tmp_path: Path, begun: str) -> None:
    impatient = served(TARGET, tmp_path, request_timeout_seconds=0.5)
    with impatient.start(), connected(impatient.port) as peer:
        peer.sendall(BEGUN[begun])
        assert (b" 408 " in said(peer)) is begun.startswith("half")


def test_connection_that_has_had_its_answer_is_not_kept_by_what_is_no_request(tmp_path: Path) -> None:
    impatient = served(TARGET, tmp_path, request_timeout_seconds=0.5)
    with impatient.start(), connected(impatient.port) as peer:
        peer.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        until, ended = time.monotonic() + 30, False
        while not ended and time.monotonic() < until:
            try:
                peer.sendall(b"\r\n")
            except OSError:
                ended = True
            time.sleep(0.1)
        assert ended


async def test_idle_connections_make_room_for_who_has_something_to_say(tmp_path: Path) -> None:
    """Twice as many as there is room for, with as few files as a process usually has."""
    server = served(TARGET, tmp_path, max_connections=20, request_timeout_seconds=600)
    with server.start(), contextlib.ExitStack() as stack:
        async with server.talk() as talk:
            idle = [stack.enter_context(connected(server.port)) for _ in range(600)]
            assert len(idle) == 600
            async with httpx.AsyncClient(base_url=server.http_url) as client:
                assert (await client.get("/health/ready")).status_code == 200
                headers = {"Authorization": f"Bearer {ROOT}"}
                metrics = (await client.get("/metrics", headers=headers)).text
            assert 'interlock_connections_refused_total{reason="displaced"} 3' in metrics
            assert "interlock_connections_limit 296.0" in metrics
            assert await ponged(talk) < 10
    assert (tmp_path / "server.log").read_text().count("connections_near_limit") == 1


def test_server_takes_as_many_files_as_it_may(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = served(TARGET, tmp_path)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
    try:
        with server.start() as process:
            limits = Path(f"/proc/{process.pid}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (files,) = [line.split() for line in limits.splitlines() if line.startswith("Max open files")]
    assert files[3] == files[4] == str(hard)


def test_too_few_files_for_the_sockets_that_are_wanted_are_told(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path, max_connections=100_000_000)
    with server.start():
        assert "too_few_files" in (tmp_path / "server.log").read_text()


# ── Who doesn't read ────────────────────────────────────────────────────────────────────────────────────


async def test_answers_that_are_not_read_stop_the_reading_and_in_time_end_the_connection(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path, rate_limit_per_connection="off", heartbeat_seconds=3)
    with server.start() as process:
        async with server.talk(max_queue=1, ping_interval=None) as deaf, server.talk() as other:
            before = memory_kib(process)
            with pytest.raises(ConnectionClosed):
                await _pings(deaf, 10_000_000)  # at first the network takes the answers
            assert await ponged(other) < 10
            assert memory_kib(process) - before < MEMORY_KIB


async def test_whoever_reads_again_gets_all_answers(tmp_path: Path) -> None:
    """Pipelined without reading, far beyond what may wait; then read."""
    server = served(TARGET, tmp_path, rate_limit_per_connection="off")
    with server.start():
        async with server.talk(max_queue=1) as talk:
            sent = asyncio.create_task(_pings(talk, 20_000))
            for number in range(20_000):
                assert (await talk.next())["request_id"] == f"{number:0250}"
            await sent


async def _pings(talk: Talk, count: int) -> None:
    for number in range(count):
        await talk.send(action="ping", request_id=f"{number:0250}")


def test_answer_over_http_that_is_not_read_is_let_go(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path, heartbeat_seconds=0.3)
    request = f"GET /openapi.json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ALICE}\r\n\r\n".encode()
    with server.start(), connected(server.port, hears=4096) as peer:
        with contextlib.suppress(OSError):
            for _ in range(2000):
                peer.sendall(request)
        deadline = time.monotonic() + 20
        while b"not_reading" not in _metric(server, b"not_reading"):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _metric(server: Served, reason: bytes) -> bytes:
    text = httpx.get(f"{server.http_url}/metrics", headers={"Authorization": f"Bearer {ROOT}"}).content
    wanted = b'{reason="' + reason + b'"}'
    return next((line for line in text.splitlines() if wanted in line and not line.endswith(b" 0.0")), b"")


# ── Silence ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_server_that_stops_with_clients_that_do_not_read_says_nothing_of_it(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path, shutdown_grace_seconds=10)
    with server.start() as process:
        async with server.talk(max_queue=1, ping_interval=None) as deaf:
            run_id = await deaf.start("stream", {"count": 10_000, "size": 2_000})
            follow = f"GET /workflows/stream/runs/{run_id}/resume?last_event_index=-1 HTTP/1.1\r\nHost: x\r\n"
            with connected(server.port, hears=4096) as stream, upgraded(server.port, hears=4096) as gone:
                stream.sendall(f"{follow}Authorization: Bearer {ALICE}\r\n\r\n".encode())
                gone.sendall(frame(0x88, b"\x03\xe8"))
                await asyncio.sleep(1)
                process.send_signal(signal.SIGTERM)
                began = time.monotonic()
                await eventually(lambda: process.poll() is not None, 30)
                assert time.monotonic() - began < 25
    log = (tmp_path / "server.log").read_text()
    assert "Traceback" not in log
    assert "[error" not in log
    assert "Cancel" not in log


async def test_invalid_frames_are_one_line_in_the_log(tmp_path: Path) -> None:
    server = served(TARGET, tmp_path)
    frames = [
        frame(0x81, b"\xff\xfe"),
        frame(0x83),
        frame(0x80),
        frame(0x88, b"\x03\xe8\xff"),
        b"\x81\x01x",
        frame(0xF1),
    ]
    with server.start():
        for each in frames:
            with upgraded(server.port) as peer:
                peer.sendall(each)
                said(peer)
        for each in frames:  # right behind the handshake, before there is a socket to be closed
            with connected(server.port) as peer:
                room = SLICE_BYTES - len(handshake(more="X: \r\n"))
                peer.sendall(handshake(more=f"X: {'x' * room}\r\n") + each)
                said(peer)
    log = (tmp_path / "server.log").read_text()
    assert "Traceback" not in log
    assert log.count("frames_refused") >= len(frames)
    assert "\ufffd" not in log
