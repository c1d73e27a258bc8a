"""What comes of the answer to an HTTP call: a bounded part of it, as a value that the log can carry."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import tracemalloc
import zlib
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.calls import answered, chunked, failure
from tests.support.foreign import http

from interlock.engine.work.http_answer import (
    MAX_ANSWER_BYTES,
    Unreadable,
    body_of,
    content_of,
)
from interlock_protocol.codec import event_body
from interlock_protocol.limits import MIB
from interlock_protocol.types import JsonValue

cases = pytest.mark.parametrize


# ── What comes of an answer ─────────────────────────────────────────────────────────────────────────────


async def test_answer_has_status_headers_and_body() -> None:
    answer = http(201, b'{"id": 7}', [("Content-Type", "application/json"), ("X-Multi", "a"), ("x-multi", "b")])
    assert await answered(answer) == {
        "status": 201,
        "headers": {"content-type": "application/json", "x-multi": "a, b", "content-length": "9"},
        "body": {"id": 7},
    }


@cases("status", [200, 201, 202, 204, 206, 299, 304, 300])
async def test_answer_below_400_is_a_result(status: int) -> None:
    empty = status in (204, 304)
    raw = b"HTTP/1.1 %d Some\r\n%s\r\n%s" % (status, b"" if empty else b"Content-Length: 1\r\n", b"" if empty else b"x")
    assert (await answered(raw))["status"] == status


@cases(
    ("kind", "content", "body"),
    [
        ("application/json", b'{"a": [1, null]}', {"a": [1, None]}),
        ("application/json; charset=UTF-8", '"ä"'.encode(), "ä"),
        ("application/problem+json", b"[]", []),
        ("APPLICATION/JSON", b"1.5", 1.5),
        ("text/json", b"null", None),
        ("application/json", b'\xef\xbb\xbf{"bom": 1}', {"bom": 1}),
        ("application/json", b"", ""),
        ("application/json", b"{broken", "{broken"),
        ("application/json", b"NaN", "NaN"),
        ("application/json", b'{"a": Infinity}', '{"a": Infinity}'),
        ("application/json", b"1e999", "1e999"),
        ("application/json", b"9" * 30, "9" * 30),
        ("application/json", b'"\\ud800"', '"\\ud800"'),
        ("application/json", b'"\xff"', '"\ufffd"'),
        ("application/json", b"[" * 65 + b"]" * 65, "[" * 65 + "]" * 65),
        ("application/json", b"[" * 5000 + b"]" * 5000, "[" * 5000 + "]" * 5000),
        ("application/json", b"[" * 64 + b"]" * 64, json.loads("[" * 64 + "]" * 64)),
        ("application/json", b'{"a": 1} trailing', '{"a": 1} trailing'),
        ("application/json", b'"\\u0000"', "\0"),
        ("text/plain", b'{"a": 1}', '{"a": 1}'),
        ("text/html; charset=iso-8859-1", b"\xe4", "ä"),
        ('text/html; charset="windows-1252"', b"\x80", "€"),
        ("text/plain; charset=UTF-16LE", "ä€".encode("utf-16le"), "ä€"),
        ("text/plain; charset=utf-16", b"\x00\xd8", "\ufffd"),
        ("text/plain; charset=shift_jis", "日本".encode("shift_jis"), "日本"),
        ("text/plain; charset=rot13", b"abc", "abc"),
        ("text/plain; charset=idna", b"xn--a", "xn--a"),
        ("text/plain; charset=unicode_escape", b"\\ud800", "\\ud800"),
        ("text/plain; charset=zlib", b"abc", "abc"),
        ("text/plain; charset=../../x", b"abc", "abc"),
        ("text/plain; charset=", b"abc", "abc"),
        ("", b"\xff\xfe\x00", "\ufffd\ufffd\0"),
        ("image/png", b"\x89PNG", "\ufffdPNG"),
    ],
)
async def test_body_is_the_json_that_the_log_can_carry_or_text(kind: str, content: bytes, body: JsonValue) -> None:
    assert (await answered(http(200, content, {"Content-Type": kind})))["body"] == body


@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_content_of_any_type_is_something_that_the_log_can_carry(content: bytes, kind: str) -> None:
    for content_type in (kind, "application/json", f"text/plain; charset={kind}"):
        event_body({"content": body_of(content, content_type)})


async def test_head_has_no_body_whatever_its_headers_say() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\nContent-Encoding: gzip\r\n\r\n"
    assert (await answered(answer, "HEAD"))["body"] == ""


async def test_answer_without_a_length_ends_with_its_connection() -> None:
    assert (await answered(b"HTTP/1.0 200 OK\r\n\r\nall of it"))["body"] == "all of it"


@cases("size", [1, 7, 100_000])
async def test_answer_in_chunks_is_put_together(size: int) -> None:
    content = b"0123456789" * 500
    assert (await answered(chunked(content, size)))["body"] == content.decode()


# ── Sizes ───────────────────────────────────────────────────────────────────────────────────────────────


def gzipped(content: bytes, level: int = 9) -> bytes:
    """The same bytes at any time: the names of tests are made of them."""
    return gzip.compress(content, level, mtime=0)


NOISE = random.Random(1).randbytes(MAX_ANSWER_BYTES)


def zipped(content: bytes, level: int = 9) -> bytes:
    return http(200, gzipped(content, level), {"Content-Encoding": "gzip"})


async def test_answer_of_a_megabyte_is_taken_compressed_or_not() -> None:
    content = b"x" * MAX_ANSWER_BYTES
    for answer in (http(200, content), zipped(content), chunked(content, 4096)):
        assert len((await answered(answer))["body"]) == MAX_ANSWER_BYTES
    noise = http(200, gzipped(NOISE, 0), {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=iso-8859-1"})
    assert (await answered(noise))["body"] == NOISE.decode("latin-1"), "compressed, it is larger than it is"


def bomb() -> bytes:
    """A hundred kilobytes that decompress to a hundred megabytes."""
    squeezed = zlib.compressobj(9, wbits=31)
    return b"".join([*(squeezed.compress(bytes(MIB)) for _ in range(100)), squeezed.flush()])


async def test_bomb_takes_no_more_memory_than_an_answer_may() -> None:
    content = bomb()
    whole = httpx.ByteStream(content)
    answer = httpx.Response(
        200, headers={"Content-Encoding": "gzip"}, stream=whole, request=httpx.Request("GET", "http://_")
    )
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match="larger than 1 MB"):
            await content_of(answer)
        assert tracemalloc.get_traced_memory()[1] < 10 * MIB
    finally:
        tracemalloc.stop()


@cases(
    "answer",
    [
        pytest.param(lambda: http(200, b"x" * (MAX_ANSWER_BYTES + 1)), id="with its length"),
        pytest.param(lambda: b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (MAX_ANSWER_BYTES + 1), id="without"),
        pytest.param(lambda: chunked(b"x" * (MAX_ANSWER_BYTES + 1), 65536), id="in chunks"),
        pytest.param(lambda: zipped(b"x" * (MAX_ANSWER_BYTES + 1)), id="compressed"),
        pytest.param(lambda: http(200, bomb(), {"Content-Encoding": "gzip"}), id="a bomb"),
        pytest.param(lambda: http(200, gzipped(b"") * 60_000, {"Content-Encoding": "gzip"}), id="of nothing"),
        pytest.param(
            lambda: http(200, gzipped(b"x" * 2**20) * 2, {"Content-Encoding": "gzip"}), id="one after the other"
        ),
    ],
)
async def test_larger_answer_is_an_error_that_no_other_try_helps(answer: Callable[[], bytes]) -> None:
    error = await failure(answer())
    assert (error.code, error.may_retry) == ("http_error", False)
    assert "larger than 1 MB" in str(error)


async def test_answer_without_end_is_left_as_soon_as_it_is_too_large() -> None:
    written = 0
    closed = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(bytes(65536))
                await writer.drain()
                written += 65536
        finally:
            closed.set()

    assert "larger than 1 MB" in str(await failure(endless))
    await asyncio.wait_for(closed.wait(), 10)
    assert written < 100 * MAX_ANSWER_BYTES


async def test_members_of_gzip_one_after_the_other_are_one_content() -> None:
    answer = http(200, gzipped(b"one ") + gzipped(b"two"), {"Content-Encoding": "x-gzip"})
    assert (await answered(answer))["body"] == "one two"


@cases(
    ("content", "encoding", "what"),
    [
        (b"not gzip", "gzip", "isn't compressed as it says"),
        (gzipped(b"x" * 100)[:-9], "gzip", "broke off"),
        (gzipped(b"x")[:5], "gzip", "broke off"),
        (gzipped(b"x") + b"more", "gzip", "isn't compressed as it says"),
        (gzipped(b"x")[:-8] + bytes(8), "gzip", "isn't compressed as it says"),
        (gzipped(gzipped(b"x")), "gzip, gzip", "another way"),
        (zlib.compress(b"x"), "deflate", "another way"),
        (b"x", "br", "another way"),
        (b"x", "zstd", "another way"),
        (b"x", "compress, identity", "another way"),
    ],
)
async def test_content_that_cannot_be_decompressed_is_an_error(content: bytes, encoding: str, what: str) -> None:
    assert what in str(await failure(http(200, content, {"Content-Encoding": encoding})))


@cases("encoding", ["identity", "", " , identity"])
async def test_content_that_says_that_it_is_not_compressed_is_taken_as_it_is(encoding: str) -> None:
    assert (await answered(http(200, b"x", {"Content-Encoding": encoding})))["body"] == "x"


async def test_head_without_end_is_an_error() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: " + b"x" * 8000 + b"\r\n")
            await writer.drain()

    assert "isn't HTTP" in str(await failure(endless))


async def test_interim_answers_without_end_are_a_timeout_and_hold_up_nobody() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 100 \r\n\r\n" * 10_000)
            await writer.drain()

    loop = asyncio.get_running_loop()
    held = 0.0

    async def others() -> None:
        nonlocal held
        while True:
            since = loop.time()
            await asyncio.sleep(0)
            held = max(held, loop.time() - since)

    beside = asyncio.create_task(others())
    try:
        assert (await failure(endless, time_limit=1)).code == "http_timeout"
    finally:
        beside.cancel()
    assert held < 2, "in parts of a few kilobytes, each is over in milliseconds"


async def test_answer_in_too_many_pieces_is_an_error() -> None:
    assert "more than 100000 pieces" in str(await failure(chunked(b"x" * 100_001, 1)))


async def test_smallest_chunks_hold_up_nobody() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    try:
        await answered(chunked(b"x" * 20_000, 1))
    finally:
        beside.cancel()
    assert turns > 200, "at most 64 pieces are read at a time"
