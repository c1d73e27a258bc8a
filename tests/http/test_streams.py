"""Streams: the same objects as on the socket, in order, none missing and none twice, ending where they should."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from pathlib import Path

import jwt
import pytest
from tests.http.workflows import workflows
from tests.socket.test_slow_readers import memory_kib
from tests.support.live import (
    JWT_SECRET,
    Live,
    Message,
    Talk,
    events_of,
    eventually,
    indexes_of,
    last_output,
    live_server,
    names_of,
    served,
)
from tests.support.talk import Http, Stream, decided, http, path_of

from interlock.http.sse import SSE
from interlock_protocol.codec import JSON, event_body


def ids_of(stream: Stream) -> list[str]:
    return [each.id for each in stream.frames]


async def test_run_is_started_paused_continued_and_completed(live_on_each: Live) -> None:
    async with http(live_on_each) as alice:
        started = await alice.start("confirm")
        assert names_of(started)[0] == "WorkflowStarted"
        assert (started[-1]["event"], started[-1]["status"]) == ("WorkflowRunOutput", "PAUSED")
        continued = await alice.go_on(started[-1], confirmed=True)
        assert names_of(continued)[0] == "StepContinued"
        assert names_of(continued)[-1] == "WorkflowCompleted"
        assert indexes_of([*started, *continued]) == list(range(len(started) + len(continued)))
        row = (await alice.get(path_of(started[0]))).json()
        assert (row["status"], row["output"]["content"]) == ("COMPLETED", "last")


async def test_stream_that_breaks_off_resumes_without_repeats_and_holes(live_on_each: Live, tmp_path: Path) -> None:
    """The stream is cut off after each of its first events in turn, and taken up by what it said last."""
    gate = tmp_path / "gate"
    message = {"count": 20, "wait_at": 12, "gate": str(gate)}
    async with http(live_on_each) as alice:
        heard: list[Message] = []
        async with alice.stream("POST", "/workflows/streamed-confirm/runs", json={"message": message}) as stream:
            heard += await stream.until("StepStarted")
            last_id, path = stream.frames[-1].id, path_of(heard[0])
        while len(heard) < 15:
            async with alice.stream("GET", f"{path}/resume", headers={"Last-Event-ID": last_id}) as stream:
                assert await stream.next() is not None  # catch_up or subscribed
                heard += events_of([await stream.next() or {}])
                last_id = next((each.id for each in reversed(stream.frames) if each.id), last_id)
        gate.touch()
        heard += events_of(await alice.events("GET", f"{path}/resume", headers={"Last-Event-ID": last_id}))
        assert heard[-1]["event"] == "WorkflowRunOutput"
        heard += await alice.go_on(heard[-1], confirmed=True)
        assert indexes_of(heard) == list(range(len(heard)))
        assert heard == events_of(await alice.events("GET", f"{path}/resume"))


async def test_stream_and_socket_carry_the_same_bytes(live_on_each: Live) -> None:
    async with http(live_on_each) as alice, live_on_each.talk() as talk:
        async with alice.stream("POST", "/workflows/confirm/runs", json={"request_id": "start"}) as stream:
            acknowledged, *events = await stream.rest()
        assert acknowledged["event"] == "ack"
        run_id = acknowledged["run_id"]
        await alice.go_on(last_output(events), confirmed=True)
        for last in (None, 2, 5):
            query = {} if last is None else {"last_event_index": last}
            async with alice.stream("GET", f"/workflows/confirm/runs/{run_id}/resume", params=query) as stream:
                await stream.rest()
            await talk.send(action="reconnect", run_id=run_id, **query)
            frames = [await asyncio.wait_for(talk.socket.recv(), 10) for _ in stream.frames]
            assert [each.data for each in stream.frames] == frames
            assert frames[0] != frames[-1]


async def test_every_frame_has_its_place_as_its_id(live: Live) -> None:
    async with http(live) as alice:
        events = await alice.start("confirm")
        async with alice.stream("GET", f"{path_of(events[0])}/resume") as stream:
            catch_up, *replayed = await stream.rest()
        assert (catch_up["event"], stream.frames[0].id) == ("catch_up", "")
        assert ids_of(stream)[1:] == [f"{each['epoch']}-{each['event_index']}" for each in replayed]
        assert replayed == events


def test_frame_is_the_frame_of_the_socket_with_its_place_and_name() -> None:
    body = event_body({"event": "CustomEvent", "name": "a\nb\r\u2028", "data": "\x00"})
    assert SSE.run_frame(body, 7, 3).decode() == (
        f"id: 3-7\nevent: CustomEvent\ndata: {JSON.run_frame(body, 7, 3)!s}\n\n"
    )


async def test_two_followers_see_what_one_of_them_decides(live: Live) -> None:
    async with http(live) as alice, http(live, "token-root") as root:
        output = (await alice.start("confirm"))[-1]
        last_id = f"{output['epoch']}-{output['event_index']}"
        resume = ("GET", f"{path_of(output)}/resume")
        async with (
            alice.stream(*resume, headers={"Last-Event-ID": last_id}) as first,
            root.stream(*resume, params={"last_event_index": output["event_index"]}) as second,
        ):
            for follower in (first, second):
                subscribed = await follower.next()
                assert subscribed is not None
                assert (subscribed["event"], subscribed["status"]) == ("subscribed", "PAUSED")
            own = await alice.go_on(output, confirmed=True)
            assert await first.rest() == await second.rest() == own


async def test_stream_goes_on_over_pauses_that_are_over(live: Live) -> None:
    """Only a pause that nothing follows ends a stream; a replay goes on over the others."""
    async with http(live) as alice:
        events = await alice.start("loop")
        for _ in range(2):
            events += await alice.go_on(events[-1], confirmed=True)
        assert names_of(events).count("WorkflowRunOutput") == 3
        assert events_of(await alice.events("GET", f"{path_of(events[0])}/resume")) == events


async def test_decision_on_part_streams_up_to_the_next_pause(live: Live) -> None:
    async with http(live) as alice:
        output = (await alice.start("parallel"))[-1]
        left, right = output["step_requirements"]
        path = f"{path_of(output)}/continue"
        part = await alice.events("POST", path, json={"step_requirements": [{"id": left["id"], "confirmed": True}]})
        assert names_of(part)[0] == "StepContinued"
        assert [each["id"] for each in part[-1]["step_requirements"]] == [right["id"]]
        rest = await alice.events("POST", path, json={"step_requirements": [{"id": right["id"], "confirmed": True}]})
        assert rest[-1]["event"] == "WorkflowCompleted"


async def test_decision_again_is_answered_with_where_the_run_stands(live: Live) -> None:
    async with http(live) as alice:
        output = (await alice.start("both"))[-1]
        first = await alice.go_on(output, confirmed=True)
        assert first[-1]["status"] == "PAUSED"
        async with alice.stream("POST", f"{path_of(output)}/continue", json=decided(output, confirmed=True)) as stream:
            (snapshot,) = await stream.rest()
        assert (snapshot["as_of"], snapshot["status"]) == (first[-1]["event_index"], "PAUSED")
        assert ids_of(stream) == [f"1-{snapshot['as_of']}"]
        assert snapshot["step_requirements"] == first[-1]["step_requirements"]


async def test_gap_and_snapshot_are_those_of_the_socket(live: Live, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with http(live) as alice:
        async with alice.stream(
            "POST", "/workflows/stream/runs", json={"message": {"count": 6, "wait_at": 3, "gate": str(gate)}}
        ) as stream:
            started, *_ = await stream.until("RunResponseContentEvent")
            path = f"{path_of(started)}/resume"
            for asked in ({"headers": {"Last-Event-ID": "2-1"}}, {"params": {"last_event_index": 99}}):
                async with alice.stream("GET", path, **asked) as late:
                    gap, snapshot = await late.next(), await late.next()
                    assert gap is not None
                    assert snapshot is not None
                    assert (gap["event"], gap["next_event_index"]) == ("gap", snapshot["as_of"] + 1)
                    assert [each.id for each in late.frames] == ["", f"1-{snapshot['as_of']}"]
            async with alice.stream("GET", path, params={"snapshot": True}) as late:
                snapshot, subscribed = await late.next(), await late.next()
                assert snapshot is not None
                assert subscribed is not None
                assert subscribed["next_event_index"] == snapshot["as_of"] + 1
                gate.touch()
                assert indexes_of(await late.rest())[0] == snapshot["as_of"] + 1
            await stream.rest()
        last = stream.messages[-1]["event_index"]
        for finished in ({"last_event_index": last}, {"last_event_index": last, "epoch": 1}):
            assert (await alice.get(path, params=finished)).status_code == 204
        gap, snapshot = await alice.events("GET", path, params={"last_event_index": last + 1})
        assert (gap["event"], snapshot["status"]) == ("gap", "COMPLETED")


async def test_snapshot_of_a_run_that_waits_ends_the_stream(live: Live) -> None:
    async with http(live) as alice:
        output = (await alice.start("confirm"))[-1]
        (snapshot,) = await alice.events("GET", f"{path_of(output)}/resume", params={"snapshot": True})
        assert (snapshot["status"], snapshot["as_of"]) == ("PAUSED", output["event_index"])


async def begun_in(alice: Http, session_id: str) -> list[Message]:
    rows = (await alice.get("/runs", params={"workflow_id": "stream"})).json()["runs"]
    return [each for each in rows if each["session_id"] == session_id]


async def test_run_goes_on_without_its_client(live: Live, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with http(live) as alice:
        for stream in (True, False):
            gate.unlink(missing_ok=True)
            body = {"message": {"gate": str(gate), "count": 3}, "session_id": f"left-{stream}", "stream": stream}
            left = asyncio.create_task(alice.post("/workflows/stream/runs", body))
            (row,) = await eventually(partial(begun_in, alice, f"left-{stream}"))
            left.cancel()
            with pytest.raises(asyncio.CancelledError):
                await left
            gate.touch()
            events = events_of(await alice.events("GET", f"{path_of(row)}/resume"))
            assert events[-1]["event"] == "WorkflowCompleted"


async def test_silence_is_broken_by_comments(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with live_server(workflows, data_dir=tmp_path / "data", heartbeat_seconds=0.1) as live:
        async with http(live) as alice:
            body = {"message": {"gate": str(gate)}}
            async with alice.client.stream("POST", "/workflows/stream/runs", json=body) as response:
                text = ""
                async for piece in response.aiter_text():
                    text += piece
                    if text.count("\n:\n") >= 3:
                        gate.touch()
            assert "event: WorkflowCompleted" in text


async def test_server_that_stops_ends_its_streams(tmp_path: Path) -> None:
    server = served("tests.http.workflows:workflows", tmp_path)
    with server.start() as process:
        async with http(server) as alice, asyncio.TaskGroup() as group:
            output = (await alice.start("confirm"))[-1]
            resume = ("GET", f"{path_of(output)}/resume")
            async with alice.stream(*resume, params={"last_event_index": output["event_index"]}) as stream:
                await stream.until("subscribed")
                body = {"message": {"gate": str(tmp_path / "gate")}, "stream": False}
                waiting = group.create_task(alice.post("/workflows/stream/runs", body))

                async def is_running() -> bool:
                    return bool((await alice.get("/runs", params={"status": "RUNNING"})).json()["runs"])

                await eventually(is_running)
                process.terminate()
                assert await stream.rest() == []
                assert (await waiting).status_code == 503
                assert (await waiting).json()["code"] == "unavailable"
    with server.start():
        async with http(server) as alice:
            assert (await alice.go_on(output, confirmed=True))[-1]["event"] == "WorkflowCompleted"


async def test_stream_ends_when_the_token_does(live: Live, tmp_path: Path) -> None:
    claims = {"sub": "dora", "scope": "workflows:execute", "exp": time.time() + 12}
    token = jwt.encode(claims, JWT_SECRET, algorithm="HS256")
    gate = tmp_path / "gate"
    body = {"message": {"gate": str(gate)}}
    async with http(live, token) as dora, asyncio.TaskGroup() as group:
        waiting = group.create_task(dora.post("/workflows/stream/runs", {**body, "stream": False}))
        async with dora.stream("POST", "/workflows/stream/runs", json=body) as stream:
            *_, last = await stream.rest()
        assert (last["event"], last["code"]) == ("auth_required", "expired_token")
        assert (await waiting).status_code == 401
        assert (await waiting).json()["code"] == "expired_token"
    gate.touch()


async def test_slow_readers_cost_a_bounded_buffer_and_lose_nothing(tmp_path: Path) -> None:
    """20 MB are streamed while many clients don't read; a socket that does isn't held up, and they read them all."""
    server = served("tests.http.workflows:workflows", tmp_path)
    message = {"count": 10_000, "size": 2_000, "brief": True}
    with server.start() as process:
        async with contextlib.AsyncExitStack() as stack:
            alice = await stack.enter_async_context(http(server))
            reader = await stack.enter_async_context(server.talk())
            await read_whole(reader, message)  # what a stream needs by itself, caches above all, is there from here on
            gate = tmp_path / "gate"
            run_id = await reader.start("stream", {**message, "gate": str(gate)})
            path = f"/workflows/stream/runs/{run_id}/resume"
            slow = [await stack.enter_async_context(alice.stream("GET", path)) for _ in range(20)]
            for each in slow:
                await each.until("subscribed")
            before = memory_kib(process)
            gate.touch()
            await read_to_the_end(reader)
            grown = memory_kib(process) - before
            assert grown < 80_000, f"{grown} KiB more for {len(slow)} slow readers of 20 MB"
            for each in slow[:2]:
                await each.rest(60)
                indexes = [message["event_index"] for message in each.messages if "event_index" in message]
                assert indexes == list(range(10_004))


async def read_whole(reader: Talk, message: Message) -> None:
    await reader.start("stream", message)
    await read_to_the_end(reader)


async def read_to_the_end(reader: Talk) -> None:
    await reader.until_end()
    reader.heard.clear()
