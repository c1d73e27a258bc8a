"""Frames that leave in pages are the frames that any other server would send."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from tests.socket.workflows import workflows
from tests.support.live import ALICE, Live, eventually, live_server, settings_with
from websockets.frames import Frame, Opcode

from interlock import create_app
from interlock.settings import Settings
from interlock.socket.transport import framed


@given(st.text(max_size=300) | st.binary(max_size=300), st.sampled_from([1, 1000]))
def test_frame_is_the_librarys(payload: str | bytes, times: int) -> None:
    whole = payload * times
    opcode, data = (Opcode.TEXT, whole.encode()) if isinstance(whole, str) else (Opcode.BINARY, whole)
    assert framed(whole) == Frame(opcode, data).serialize(mask=False)


@pytest.mark.parametrize("packed", [False, True])
async def test_application_runs_on_a_server_that_knows_no_pages(tmp_path: Path, packed: bool) -> None:
    values = settings_with(data_dir=tmp_path)
    config = uvicorn.Config(create_app(workflows, Settings(**values)), port=0, ws="websockets-sansio", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        await eventually(lambda: server.started)
        elsewhere = Live(server.servers[0].sockets[0].getsockname()[1], values)
        assert await _streamed(elsewhere, packed) == 504
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.mark.parametrize("packed", [False, True])
async def test_pages_reach_the_client_frame_by_frame(tmp_path: Path, packed: bool) -> None:
    with live_server(workflows, data_dir=tmp_path) as server:
        assert await _streamed(server, packed) == 504


async def _streamed(live: Live, packed: bool) -> int:
    async with live.talk(ALICE, msgpack_frames=packed) as talk:
        messages = await talk.until_end(await talk.start("stream", {"count": 500}))
        return sum("event_index" in each for each in messages)
