"""Files: uploaded as they arrive, given in forms, read by those who may, and never run by a browser."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.http.v1.conftest import FREE, TOKENS
from tests.http.v1.machines import END, machine
from tests.support.api_v1 import Api, api, check, data_of, error_of
from tests.support.live import Live, eventually, live_server

from interlock import Halting, State, Transition
from interlock.http.v1.file_work import MAX_FILE_BYTES

BOB, FAR, READER = "token-bob", "token-far", "token-reader"
DORA, EVE, MUTE = "token-dora", "token-eve", "token-mute"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
FILES = "files:write"

papers = machine(
    "papers",
    "ask",
    {
        "ask": State(
            halt=Halting(
                presentation={
                    "type": "form",
                    "fields": [
                        {"name": "scan", "type": "file", "accept": "image/*, .pdf", "maxSize": 1000},
                        {"name": "any", "type": "file", "default": "${input.earlier}"},
                    ],
                }
            ),
            transitions=[Transition("again")],
        ),
        "again": State(
            halt=Halting(presentation={"type": "form", "fields": [{"name": "more", "type": "file"}]}),
            transitions=[Transition("end")],
        ),
        "end": END,
    },
)


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("desk")
    scopes = ["workflows:read", "workflows:execute", FILES]
    people = [
        {"token": "token-alice", "user_id": "alice", "scopes": scopes, "groups": ["desk"]},
        {"token": DORA, "user_id": "dora", "scopes": scopes, "groups": ["desk"]},
        {"token": EVE, "user_id": "eve", "scopes": scopes},
        {"token": MUTE, "user_id": "mute", "scopes": ["workflows:write"]},
        *(each for each in TOKENS if each["token"] in (FAR, READER)),
    ]
    with live_server([papers], data_dir=folder, tokens=json.dumps(people), **FREE) as live:
        live.folder = folder / "files"  # type: ignore[attr-defined]
        yield live


def kept(live: Live) -> set[str]:
    folder: Path = live.folder  # type: ignore[attr-defined]
    return {each.name for each in folder.iterdir()} if folder.exists() else set()


async def send(api: Api, content: bytes = PNG, name: str = "a.png") -> httpx.Response:
    answer = await api.client.post("/files", files={"file": (name, content)})
    check(answer)
    return answer


async def uploaded(api: Api, content: bytes = PNG, name: str = "a.png") -> str:
    return str(data_of(await send(api, content, name), 201)["id"])


async def resumed(api: Api, instance: Any, **given: Any) -> httpx.Response:
    return await api.ask("POST", f"/workflows/instances/{instance['id']}/resume", {"input": given})


# ── Uploading and reading ───────────────────────────────────────────────────────────────────────────────


async def test_file_comes_back_as_it_was_sent_and_tells_what_it_is_by_its_content(desk: Live) -> None:
    content = PNG + bytes(range(256)) * 4000
    async with api(desk) as alice:
        made = data_of(await send(alice, content, "photo.html"), 201)
        assert made["id"].startswith("file_")
        assert {**made, "id": "", "created_at": ""} == {
            "id": "",
            "name": "photo.html",
            "size": len(content),
            "content_type": "image/png",
            "sha256": hashlib.sha256(content).hexdigest(),
            "created_at": "",
        }
        assert await alice.get(f"/files/{made['id']}/info") == made
        answer = await alice.client.get(f"/files/{made['id']}")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Length"] == str(len(content))
        head = await alice.client.head(f"/files/{made['id']}")
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(content)))


async def test_part_of_a_file_is_given_where_one_is_asked_for(desk: Live) -> None:
    async with api(desk) as alice:
        file_id = await uploaded(alice, b"0123456789", "digits.txt")

        async def part(said: str) -> httpx.Response:
            return await alice.client.get(f"/files/{file_id}", headers={"Range": said})

        some = await part("bytes=2-4")
        assert (some.status_code, some.content) == (206, b"234")
        assert (some.headers["Content-Range"], some.headers["Content-Length"]) == ("bytes 2-4/10", "3")
        assert some.headers["Content-Disposition"].startswith("attachment")
        assert (await part("bytes=-1")).content == b"9"
        none = await part("bytes=10-")
        assert (none.status_code, none.headers["Content-Range"]) == (416, "bytes */10")
        assert error_of(none)["code"] == "range_not_satisfiable"
        whole = await part("bytes=0-1,3-4")
        assert (whole.status_code, whole.content, whole.headers["Accept-Ranges"]) == (200, b"0123456789", "bytes")


async def test_upload_that_takes_longer_than_a_request_may_arrives_if_it_goes_on(tmp_path: Path) -> None:
    pieces, size = 16, 64 * 1024

    async def slowly() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(pieces):
            await asyncio.sleep(0.1)
            yield bytes(size)
        yield b"\r\n--x--\r\n"

    with live_server([papers], data_dir=tmp_path, request_timeout_seconds=1) as live:
        async with api(live) as alice:
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            answer = await alice.client.post("/files", content=slowly(), headers=headers)
            assert data_of(answer, 201)["size"] == pieces * size


async def test_upload_that_is_sent_again_with_its_key_is_the_same_file(desk: Live) -> None:
    async with api(desk) as alice, api(desk, DORA) as dora:
        before = kept(desk)
        headers = {"Idempotency-Key": "one upload"}

        async def again(client: Api, content: bytes = PNG, name: str = "a.png") -> httpx.Response:
            return await client.client.post("/files", files={"file": (name, content)}, headers=headers)

        first = data_of(await again(alice), 201)
        assert data_of(await again(alice), 201) == first  # the boundary between the parts is another one
        assert error_of(await again(alice, PDF))["code"] == "idempotency_key_reused"
        assert error_of(await again(alice, name="b.png"))["code"] == "idempotency_key_reused"
        assert data_of(await again(dora), 201)["id"] != first["id"]
        assert len(kept(desk) - before) == 2
        await alice.ask("DELETE", f"/files/{first['id']}")
        assert error_of(await again(alice))["code"] == "file_not_found"


async def test_html_with_a_script_is_sent_as_text_that_is_saved_and_runs_nowhere(desk: Live) -> None:
    async with api(desk) as alice:
        page = b"<!doctype html><script>alert(1)</script>"
        answer = await alice.client.get(f"/files/{await uploaded(alice, page, 'x.html')}")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="x.html"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("..", "file"),
        ("a%0D%0AX-Evil: 1.png", "a%0D%0AX-Evil: 1.png"),
        ("a\r\nX-Evil: 1.png", '"a'),
        ('a"b;c.png', 'a"b;c.png'),
    ],
)
async def test_name_is_never_a_path_nor_a_header(desk: Live, given: str, name: str) -> None:
    quoted = given.replace('"', '\\"')
    body = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\nabc\r\n--x--\r\n'
    async with api(desk) as alice:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        sent = await alice.client.post("/files", content=body.encode(), headers=headers)
        check(sent)
        made = data_of(sent, 201)
        assert made["name"] == name
        answer = await alice.client.get(f"/files/{made['id']}")
        assert "X-Evil" not in answer.headers
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize("is_told", [True, False])
async def test_more_than_ten_megabytes_are_cut_off_and_leave_nothing(desk: Live, is_told: bool) -> None:
    before = kept(desk)
    file = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    end = b"\r\n--x--\r\n"

    async def stream(size: int) -> AsyncIterator[bytes]:
        yield file
        for begin in range(0, size, 65536):
            yield bytes(min(65536, size - begin))
        yield end

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    async with api(desk) as alice:
        for size, status in ((MAX_FILE_BYTES + 1, 413), (MAX_FILE_BYTES, 201)):
            told = {"Content-Length": str(len(file) + size + len(end))} if is_told else {}
            answer = await alice.client.post("/files", content=stream(size), headers={**headers, **told})
            assert answer.status_code == status, answer.text
            if status == 413:
                assert error_of(answer)["code"] == "payload_too_large"
                assert kept(desk) == before
            else:
                await alice.client.delete(f"/files/{data_of(answer, 201)['id']}")
        assert kept(desk) == before


PARTS: dict[str, bytes] = {
    "no part": b"--x--\r\n",
    "nothing": b"",
    "another part": b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nabc\r\n--x--\r\n',
    "a text": b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc\r\n--x--\r\n',
    "10,000 parts": b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n' * 10_000
    + b"--x--\r\n",
    "10,000 headers": b"--x\r\n" + b"A: b\r\n" * 10_000 + b"\r\nabc\r\n--x--\r\n",
    "an endless header": b"--x\r\nA: " + b"b" * 1_000_000 + b"\r\n\r\nabc\r\n--x--\r\n",
    "broken off": b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
    "no form": b"x" * 100_000,
}


@pytest.mark.parametrize("name", PARTS)
async def test_body_that_is_no_upload_is_refused_and_leaves_nothing(desk: Live, name: str) -> None:
    before = kept(desk)
    async with api(desk) as alice:
        for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "application/json", ""):
            headers = {"Content-Type": kind} if kind else {}
            answer = await alice.client.post("/files", content=PARTS[name], headers=headers)
            check(answer)
            assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")
    assert kept(desk) == before


async def test_upload_that_is_broken_off_leaves_nothing_and_may_be_sent_again_with_its_key(desk: Live) -> None:
    before = kept(desk)
    begun = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(600_000)
        begun.set()
        await asyncio.Event().wait()

    async with api(desk) as alice:
        key = {"Idempotency-Key": "broken off"}
        headers = {"Content-Type": "multipart/form-data; boundary=x", **key}
        sending = asyncio.create_task(alice.client.post("/files", content=stalls(), headers=headers))
        await begun.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await eventually(lambda: kept(desk) == before)
        again = data_of(await alice.client.post("/files", files={"file": ("a", PNG)}, headers=key), 201)
        await alice.client.delete(f"/files/{again['id']}")


async def test_upload_that_is_too_slow_is_cut_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "files"

    async def trickles() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(600_000)
        while True:
            await asyncio.sleep(0.05)
            yield b"x"

    with live_server([papers], data_dir=tmp_path, request_timeout_seconds=1) as live:
        async with api(live) as alice:
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            with suppress(httpx.HTTPError):  # or nothing can be written any more
                answer = await alice.client.post("/files", content=trickles(), headers=headers)
                assert answer.status_code == 408
        await eventually(lambda: folder.exists() and not [*folder.iterdir()])


async def test_who_may_not_see_a_file_is_told_that_there_is_none(desk: Live) -> None:
    async with api(desk) as alice:
        file_id = await uploaded(alice)
    for token in (EVE, DORA, FAR):
        async with api(desk, token) as other:
            for method, path in (("GET", ""), ("GET", "/info"), ("DELETE", "")):
                assert await other.refused(method, f"/files/{file_id}{path}") == (404, "file_not_found")
    async with api(desk, READER) as reader:  # alice, with a token that reads
        assert (await reader.get(f"/files/{file_id}/info"))["id"] == file_id
        assert await reader.refused("DELETE", f"/files/{file_id}") == (403, "forbidden")
        assert (await send(reader)).status_code == 403
    async with api(desk, MUTE) as mute:
        assert await mute.refused("GET", f"/files/{file_id}") == (403, "forbidden")


async def test_deleted_file_is_gone_and_so_are_its_bytes(desk: Live) -> None:
    async with api(desk) as alice:
        file_id = await uploaded(alice)
        assert file_id in kept(desk)
        assert (await alice.ask("DELETE", f"/files/{file_id}")).status_code == 204
        assert file_id not in kept(desk)
        for method, path in (("GET", ""), ("GET", "/info"), ("DELETE", "")):
            assert await alice.refused(method, f"/files/{file_id}{path}") == (404, "file_not_found")


# ── In a form ───────────────────────────────────────────────────────────────────────────────────────────


async def test_file_in_a_run_is_read_by_the_readers_of_the_run_and_stays(desk: Live) -> None:
    async with api(desk) as alice, api(desk, DORA) as dora, api(desk, EVE) as eve:
        instance = await alice.create("papers", namespace="org_desk")
        file_id = await uploaded(alice)
        shown = data_of(await resumed(alice, instance, scan=file_id), 200)
        assert shown["workflow_data"]["scan"] == [file_id]
        assert (await dora.client.get(f"/files/{file_id}")).content == PNG
        assert await eve.refused("GET", f"/files/{file_id}") == (404, "file_not_found")
        assert await dora.refused("DELETE", f"/files/{file_id}") == (403, "forbidden")
        assert await alice.refused("DELETE", f"/files/{file_id}") == (409, "file_in_use")
        # What the run has already, others give in it, too; not in another.
        other = await dora.create("papers", namespace="org_desk")
        assert (await resumed(dora, other, scan=file_id)).status_code == 400
        assert data_of(await resumed(dora, instance, more=[file_id]), 200)["status"] == "completed"


async def test_each_wrong_file_of_a_form_is_told_and_nothing_happens(desk: Live) -> None:
    async with api(desk) as alice, api(desk, EVE) as eve:
        instance = await alice.create("papers")
        text, large = await uploaded(alice, b"hello", "x.png"), await uploaded(alice, PDF + bytes(2000), "x.pdf")
        theirs = await uploaded(eve)
        answer = await resumed(alice, instance, scan=[text, large], any=[theirs, "file_x", text])
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (400, "invalid_input")
        assert [each["field"] for each in error["details"]] == ["scan", "scan", "any", "any"]
        said = [each["error"] for each in error["details"]]
        assert [text in said[0], large in said[1], theirs in said[2], "file_x" in said[3]] == [True] * 4
        assert ("text/plain" in said[0], "1000" in said[1]) == (True, True)
        assert said[2].replace(theirs, "") == said[3].replace("file_x", "")
        shown = await alice.get(f"/workflows/instances/{instance['id']}")
        assert (shown["status"], shown["current_state"]) == ("halted", "ask")
        assert (await alice.ask("DELETE", f"/files/{text}")).status_code == 204  # the run doesn't use it


async def test_default_of_a_form_is_checked_like_what_is_given(desk: Live) -> None:
    async with api(desk) as alice, api(desk, EVE) as eve:
        theirs = await uploaded(eve)
        instance = await alice.create("papers", {"earlier": theirs})
        answer = await resumed(alice, instance)
        assert [each["field"] for each in error_of(answer)["details"]] == ["any"]


async def test_same_resume_again_is_the_same_though_the_file_could_not_be_given_now(desk: Live) -> None:
    async with api(desk) as alice:
        instance = await alice.create("papers")
        file_id = await uploaded(alice)
        given = {"input": {"scan": file_id}, "halt_id": instance["halt_id"]}
        path = f"/workflows/instances/{instance['id']}/resume"
        first = data_of(await alice.ask("POST", path, given), 200)
        assert data_of(await alice.ask("POST", path, given), 200)["current_state"] == first["current_state"]


async def test_decision_on_the_socket_passes_the_same_check(desk: Live) -> None:
    async with api(desk) as alice, desk.talk() as talk:
        instance = await alice.create("papers")
        decision = {"id": instance["halt_id"], "user_input": {"scan": "file_x"}}
        await talk.send(
            action="continue-workflow", workflow_id="papers", run_id=instance["id"], step_requirements=[decision]
        )
        error = (await talk.until("error"))[-1]
        assert error["code"] == "invalid_decision"
        assert [each["field"] for each in error["details"]] == ["scan"]
