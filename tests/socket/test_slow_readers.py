"""A client that doesn't read costs a bounded buffer, loses nothing, and holds up nobody."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from pathlib import Path

from tests.socket.workflows import workflows
from tests.support.live import Live, Talk, events_of, eventually, indexes_of, live_server, served
from websockets.exceptions import ConnectionClosed

COUNT = 10_000
SIZE = 2_000


def memory_kib(process: subprocess.Popen[bytes]) -> int:
    """What a process holds at the moment, mapped files left out."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))


async def read_whole(talk: Talk) -> None:
    """Read a stream of `COUNT` to its end, and keep nothing."""
    seen = 0
    async with asyncio.timeout(60):
        while True:
            message = await talk.next()
            talk.heard.clear()
            if "event_index" in message:
                assert message["event_index"] == seen
                seen += 1
            if message["event"] == "WorkflowCompleted":
                break
    assert seen == COUNT + 4


async def test_slow_readers_get_everything_cost_little_and_hold_up_nobody(tmp_path: Path) -> None:
    """20 MB are streamed while many sockets don't read; another one, that does, is not held up."""
    server = served("tests.socket.workflows:workflows", tmp_path)
    with server.start() as process:
        async with contextlib.AsyncExitStack() as stack:
            reader = await stack.enter_async_context(server.talk())
            slow = [
                await stack.enter_async_context(server.talk(max_queue=1, msgpack_frames=bool(number % 2)))
                for number in range(20)
            ]
            await reader.start("stream", {"count": COUNT, "size": SIZE, "brief": True})
            await read_whole(reader)  # what a stream needs by itself, caches above all, is there from here on
            gate = tmp_path / "gate"
            run_id = await reader.start("stream", {"count": COUNT, "size": SIZE, "brief": True, "gate": str(gate)})
            for each in slow:
                await each.send(action="reconnect", run_id=run_id)
                await each.until("subscribed")
            before = memory_kib(process)
            gate.touch()
            await read_whole(reader)
            grown = memory_kib(process) - before
            assert grown < 80_000, f"{grown} KiB more for {len(slow)} slow readers of 20 MB"
            for each in slow[:2]:
                await each.send(action="reconnect", run_id=run_id)
                await each.until("replay", seconds=60)
                each.heard.clear()
                await read_whole(each)
            for each in slow:
                each.socket.transport.abort()


async def test_late_reader_finds_everything_in_order(live: Live) -> None:
    async with live.talk() as reader, live.talk(max_queue=1) as late:
        run_id = await late.start("stream", {"count": COUNT, "size": SIZE, "brief": True})
        await reader.send(action="reconnect", run_id=run_id)
        await reader.until_end(run_id)
        await read_whole(late)


async def test_silent_peer_frees_its_place(tmp_path: Path) -> None:
    """A socket that neither reads nor answers pings, with megabytes under way to it, is given up."""
    with live_server(workflows, data_dir=tmp_path, max_connections=2, heartbeat_seconds=0.3) as small:
        async with small.talk(max_queue=1, ping_interval=None) as deaf:
            run_id = await deaf.start("stream", {"count": 10_000, "size": 2_000})
            transport = deaf.socket.transport
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()

            async def has_a_place() -> bool:
                try:
                    async with small.talk() as one, small.talk() as other:
                        await other.send(action="ping")
                        return (await other.next())["event"] == "pong" and bool(one)
                except Exception:  # closed with 4509
                    return False

            try:
                await eventually(has_a_place, 15)
            finally:
                transport.abort()

        async def is_whole() -> bool:
            try:
                async with small.talk() as talk:
                    await talk.send(action="reconnect", run_id=run_id)
                    await talk.until_end(run_id)
                    return indexes_of(events_of(talk.heard)) == list(range(10_004))
            except ConnectionClosed:  # those that have just left may still have their places
                return False

        await eventually(is_whole, 15)
