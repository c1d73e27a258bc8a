"""An HTTP call of a workflow: what is sent, what comes of the answer, and what failures say. On real servers."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import ssl
import tracemalloc
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.foreign import Internet, Received, foreign, http, redirect
from tests.support.live import eventually

from interlock.addresses import Allowed
from interlock.engine.work.guarded import GuardedTransport
from interlock.engine.work.http_answer import (
    LONGEST_WAIT,
    MAX_ANSWER_BYTES,
    Unreadable,
    body_of,
    content_of,
    retry_after,
)
from interlock.engine.work.http_call import HttpCalls
from interlock.secrets.port import struck
from interlock.telemetry.counters import Counters
from interlock.workflow.activities import HttpCall, LogicError
from interlock_protocol.codec import event_body
from interlock_protocol.limits import MIB
from interlock_protocol.types import JsonValue

NOW = 1_800_000_000.0
SECRETS = {"KEY": "s3cret/key+of=8", "PASSWORD": "pass:word&x", "OTHER": "never-used-secret"}
LIMIT = 20.0
"""For calls that aren't about it: more than any takes."""

TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Quick to make: nothing here is encrypted."""

cases = pytest.mark.parametrize


def call(url: str, method: str = "GET", body: JsonValue = None, **more: Any) -> HttpCall:
    given: dict[str, Any] = {"headers": {}, "account": "default", "time_limit": LIMIT, "idempotency_key": "inst:s:1"}
    return HttpCall(method=method, url=url, body=body, **(given | more))


@asynccontextmanager
async def calling(*allowed: str, counters: Counters | None = None) -> AsyncIterator[HttpCalls]:
    transport = GuardedTransport(Allowed(allowed or ("127.0.0.1",)), ssl_context=TRUSTS_NOBODY)
    calls = HttpCalls(transport=transport, counters=counters, clock=lambda: NOW)
    try:
        yield calls
    finally:
        await calls.aclose()


async def sent(method: str = "POST", body: JsonValue = None, path: str = "/", **more: Any) -> Received:
    """What a server gets of a call."""
    async with foreign(http()) as server, calling() as calls:
        headers = more.pop("passed_on", {})
        await calls.run(call(f"http://127.0.0.1:{server.port}{path}", method, body, **more), SECRETS, headers=headers)
        return server.last


async def answered(answer: Any, method: str = "GET", **more: Any) -> dict[str, Any]:
    """What comes of an answer."""
    async with foreign(answer) as server, calling() as calls:
        returned = await calls.run(call(f"http://127.0.0.1:{server.port}/", method, **more), SECRETS)
    assert isinstance(returned.value, dict)
    event_body({"event": "StepCompleted", "content": returned.value})  # the log can carry it
    return returned.value


async def failure(answer: Any, method: str = "GET", **more: Any) -> LogicError:
    """How a call with this answer fails."""
    async with foreign(answer) as server, calling() as calls:
        with pytest.raises(LogicError) as failed:
            await calls.run(call(f"http://127.0.0.1:{server.port}/", method, **more), SECRETS)
    assert f"{method} 127.0.0.1:{server.port}" in str(failed.value)
    return failed.value


async def refusal(
    url: str = "http://127.0.0.1:1/", method: str = "GET", body: JsonValue = None, **more: Any
) -> LogicError:
    """Why a call isn't sent."""
    secrets = more.pop("secrets", SECRETS)
    async with calling() as calls:
        with pytest.raises(LogicError) as refused:
            await calls.run(call(url, method, body, **more), secrets)
    assert not refused.value.may_retry
    return refused.value


# ── What is sent ────────────────────────────────────────────────────────────────────────────────────────


@cases("body", [{"a": [1, 2.5, None, True, "ä"]}, [], 0, False, "text", {"deep": {"er": [{}]}}])
async def test_body_is_sent_as_json_by_default(body: JsonValue) -> None:
    received = await sent(body=body)
    assert json.loads(received.body) == body
    assert received.headers["content-type"] == "application/json"


async def test_without_a_body_none_is_sent() -> None:
    received = await sent()
    assert (received.body, received.headers["content-length"]) == (b"", "0")
    assert "content-type" not in received.headers
    assert "content-length" not in (await sent("GET")).headers


@cases("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
async def test_text_with_a_type_of_its_own_is_sent_as_it_is(name: str) -> None:
    received = await sent(body="a=1&b=ä", headers={name: "application/x-www-form-urlencoded"})
    assert received.body == "a=1&b=ä".encode()
    assert received.headers["content-type"] == "application/x-www-form-urlencoded"


@cases("kind", ["application/json; charset=utf-8", "application/vnd.api+json", "Application/JSON"])
async def test_text_with_a_type_of_json_is_sent_as_json(kind: str) -> None:
    assert (await sent(body="text", headers={"Content-Type": kind})).body == b'"text"'


async def test_secrets_are_inserted_in_address_headers_and_body() -> None:
    received = await sent(
        path="/${secrets.KEY}?p=${secrets.PASSWORD}",
        headers={"Authorization": "Bearer ${secrets.KEY}"},
        body={"a": ["${secrets.KEY}", "x ${secrets.PASSWORD}"]},
    )
    assert received.target == "/s3cret%2Fkey%2Bof%3D8?p=pass%3Aword%26x"
    assert received.headers["authorization"] == "Bearer s3cret/key+of=8"
    assert json.loads(received.body) == {"a": ["s3cret/key+of=8", "x pass:word&x"]}


async def test_password_in_the_address_may_be_a_secret() -> None:
    async with foreign(http()) as server, calling() as calls:
        await calls.run(call(f"http://ada:${{secrets.PASSWORD}}@127.0.0.1:{server.port}/"), SECRETS)
    assert server.last.headers["authorization"] == f"Basic {b64encode(b'ada:pass:word&x').decode()}"


async def test_whole_address_may_be_a_secret() -> None:
    async with foreign(http()) as server, calling() as calls:
        secrets = {"HOOK": f"http://127.0.0.1:{server.port}/services/T0/B0?x=1"}
        await calls.run(call("${secrets.HOOK}", "POST", {}), secrets)
    assert server.last.target == "/services/T0/B0?x=1"


@cases(
    "text",
    ["${$}{secrets.KEY}", "${workflow_data.x", "${}", "$${$}{secrets.KEY}"],
)
async def test_what_data_brought_in_is_no_template(text: str) -> None:
    """The data was inserted before, with what could be read as a template made harmless."""
    assert SECRETS["KEY"] not in (await sent(body=text)).body.decode()


async def test_secret_that_looks_like_a_template_is_not_expanded_again() -> None:
    async with foreign(http()) as server, calling() as calls:
        secrets = {"A": "${secrets.B} and so on", "B": "the other one"}
        await calls.run(call(f"http://127.0.0.1:{server.port}/", "POST", "${secrets.A}"), secrets)
    assert server.last.body == b'"${secrets.B} and so on"'


@cases("method", ["POST", "PUT", "PATCH", "post"])
async def test_writing_methods_have_an_idempotency_key(method: str) -> None:
    received = await sent(method, {})
    assert (received.method, received.headers["idempotency-key"]) == (method.upper(), "inst:s:1")
    assert (await sent(method, {}, headers={"idempotency-KEY": "own"})).headers["idempotency-key"] == "own"


@cases("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_other_methods_have_none(method: str) -> None:
    received = await sent(method)
    assert received.method == method
    assert "idempotency-key" not in received.headers


async def test_idempotency_key_of_any_characters_can_be_sent() -> None:
    received = await sent(idempotency_key="inst_1:grün \r\n:1:logic")
    assert received.headers["idempotency-key"] == "inst_1:gr%C3%BCn%20%0D%0A:1:logic"


async def test_trace_and_request_id_are_passed_on_unless_the_call_has_its_own() -> None:
    passed_on = {"traceparent": "00-1-2-01", "X-Request-Id": "req_1"}
    received = await sent(passed_on=passed_on)
    assert (received.headers["traceparent"], received.headers["x-request-id"]) == ("00-1-2-01", "req_1")
    received = await sent(passed_on=passed_on, headers={"x-request-id": "own"})
    assert (received.headers["traceparent"], received.headers["x-request-id"]) == ("00-1-2-01", "own")


async def test_what_cannot_be_passed_on_is_left_out() -> None:
    received = await sent(passed_on={"X-Request-Id": "a\r\nX-Evil: 1", "traceparent": " spaced "})
    assert "x-request-id" not in received.headers
    assert received.headers["traceparent"] == "spaced"


async def test_header_is_text_whatever_its_template_stood_for() -> None:
    headers: Any = {
        "X-Text": " padded ",
        "X-Number": 5,
        "X-Truth": True,
        "X-List": [1],
        "X-Nothing": None,
        "X-Empty": "",
    }
    received = await sent(headers=headers)
    found = {name: text for name, text in received.headers.items() if name.startswith("x-")}
    assert found == {"x-text": "padded", "x-number": "5", "x-truth": "true", "x-list": "[1]", "x-empty": ""}


async def test_header_named_twice_is_sent_once() -> None:
    assert (await sent(headers={"X-A": "1", "x-a": "2"})).headers["x-a"] == "2"


@cases(
    ("name", "value"),
    [("X-A", f"a{each}b") for each in ("\r\n", "\n", "\r", "\0", "\x0b", "\x1f", "\x7f", "\r\nHost: evil.example")]
    + [(f"X{each}A", "a") for each in ("\r\n", "\n", ":", " ", "\t", "\0", "é", "(", '"')]
    + [("", "a"), (" X", "a"), ("X: a\r\nY", "b")],
)
async def test_header_that_would_inject_another_is_refused(name: str, value: str) -> None:
    assert (await refusal(headers={name: value})).code == "http_error"


async def test_secret_with_a_line_break_cannot_inject_a_header_nor_show_in_the_error() -> None:
    error = await refusal(headers={"X-A": "${secrets.S}"}, secrets={"S": "hidden\r\nX-Evil: 1"})
    assert "line break" in str(error)
    assert "hidden" not in str(error)


@cases(
    "name",
    [
        "Host",
        "host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Upgrade",
        "TE",
        "Expect",
        "Proxy-Authorization",
    ],
)
async def test_header_about_how_it_is_sent_is_refused(name: str) -> None:
    assert "leave it out" in str(await refusal(headers={name: "x"}))


async def test_only_compression_that_is_bounded_is_asked_for() -> None:
    assert (await sent(headers={"Accept-Encoding": "br, zstd"})).headers["accept-encoding"] == "gzip"


@cases("method", ["CONNECT", "TRACE", "", "GET /", "GE\r\nT", "BREW", "PROPFIND"])
async def test_unknown_method_is_refused(method: str) -> None:
    assert "method" in str(await refusal(method=method))


@cases(
    "url",
    ["", "x", "ftp://a.example/", "http://", "http:///a", "https://a b/", None, 5, "http://a.example/" + "a" * 9000],
)
async def test_address_that_is_none_is_refused(url: Any) -> None:
    assert "address" in str(await refusal(url))


@cases("path", ["secrets.MISSING", "secrets.KEY.more", "secrets", "secrets.key"])
async def test_secret_that_does_not_exist_is_refused_before_anything_is_sent(path: str) -> None:
    async with foreign(http()) as server, calling() as calls:
        with pytest.raises(LogicError, match="there is no secret") as refused:
            await calls.run(call(f"http://127.0.0.1:{server.port}/", "POST", {"a": f"${{{path}}}"}), SECRETS)
    assert server.connections == 0
    assert not refused.value.may_retry


@cases(
    "body",
    ["${secrets.LONG}" * 200, ["${secrets.LONG}"] * 200, {str(n): "${secrets.LONG}" for n in range(200)}, "x" * 2**21],
)
async def test_request_that_templates_blow_up_is_refused(body: JsonValue) -> None:
    error = await refusal(body=body, secrets={"LONG": "x" * 16_384})
    assert error.code == "data_too_large"


@cases("value", ["\ud800", {"a": "\udfff"}, {"\ud800": 1}, [10**400]])
async def test_body_that_is_no_json_of_the_wire_is_refused(value: JsonValue) -> None:
    assert (await refusal(method="POST", body=value)).code == "http_error"


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


def chunked(content: bytes, size: int, headers: bytes = b"") -> bytes:
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(content[at : at + size]), content[at : at + size]) for at in range(0, len(content), size)
    )
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + headers + b"\r\n" + chunks + b"0\r\n\r\n"


@cases("size", [1, 7, 100_000])
async def test_answer_in_chunks_is_put_together(size: int) -> None:
    content = b"0123456789" * 500
    assert (await answered(chunked(content, size)))["body"] == content.decode()


# ── Sizes ───────────────────────────────────────────────────────────────────────────────────────────────

NOISE = random.Random(1).randbytes(MAX_ANSWER_BYTES)


def zipped(content: bytes, level: int = 9) -> bytes:
    return http(200, gzip.compress(content, level), {"Content-Encoding": "gzip"})


async def test_answer_of_a_megabyte_is_taken_compressed_or_not() -> None:
    content = b"x" * MAX_ANSWER_BYTES
    for answer in (http(200, content), zipped(content), chunked(content, 4096)):
        assert len((await answered(answer))["body"]) == MAX_ANSWER_BYTES
    noise = http(
        200, gzip.compress(NOISE, 0), {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=iso-8859-1"}
    )
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
        pytest.param(lambda: http(200, gzip.compress(b"") * 60_000, {"Content-Encoding": "gzip"}), id="of nothing"),
        pytest.param(
            lambda: http(200, gzip.compress(b"x" * 2**20) * 2, {"Content-Encoding": "gzip"}), id="one after the other"
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
    answer = http(200, gzip.compress(b"one ") + gzip.compress(b"two"), {"Content-Encoding": "x-gzip"})
    assert (await answered(answer))["body"] == "one two"


@cases(
    ("content", "encoding", "what"),
    [
        (b"not gzip", "gzip", "isn't compressed as it says"),
        (gzip.compress(b"x" * 100)[:-9], "gzip", "broke off"),
        (gzip.compress(b"x")[:5], "gzip", "broke off"),
        (gzip.compress(b"x") + b"more", "gzip", "isn't compressed as it says"),
        (gzip.compress(b"x")[:-8] + bytes(8), "gzip", "isn't compressed as it says"),
        (gzip.compress(gzip.compress(b"x")), "gzip, gzip", "another way"),
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


# ── Times ───────────────────────────────────────────────────────────────────────────────────────────────


async def silent(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    await asyncio.Event().wait()


async def drips(writer: asyncio.StreamWriter) -> None:
    """A byte of the head now and then."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def drips_later(writer: asyncio.StreamWriter) -> None:
    """A byte of the content now and then."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    for _ in range(10_000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


@cases("answer", [silent, drips, drips_later])
async def test_whole_call_has_one_time_limit_however_slowly_the_answer_comes(answer: Any) -> None:
    error = await failure(answer, time_limit=0.3)
    assert (error.code, error.may_retry) == ("http_timeout", True)
    assert "0.3 s" in str(error)


async def test_time_limit_is_for_all_redirects_together() -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(redirect(302, "/"))
        await writer.drain()

    assert (await failure(slow, time_limit=0.4)).code == "http_timeout"


async def test_time_limit_is_for_looking_up_the_name_too() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    calls = HttpCalls(transport=GuardedTransport(Allowed(), resolve=never))
    with pytest.raises(LogicError) as failed:
        await calls.run(call("http://slow.example/", time_limit=0.1), {})
    assert failed.value.code == "http_timeout"


async def test_call_that_is_given_up_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def waits(writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    async with foreign(waits) as server, calling() as calls:
        task = asyncio.create_task(calls.run(call(f"http://127.0.0.1:{server.port}/"), {}))
        await eventually(lambda: server.received)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 10)


# ── Failures ────────────────────────────────────────────────────────────────────────────────────────────


@cases(
    ("status", "may_retry"),
    [
        *((400, False), (401, False), (403, False), (404, False), (409, False), (422, False), (499, False)),
        *((429, True), (500, True), (502, True), (503, True), (504, True), (599, True), (600, False), (999, False)),
    ],
)
async def test_status_from_400_is_an_error_that_says_if_another_try_may_help(status: int, may_retry: bool) -> None:
    error = await failure(b"HTTP/1.1 %d \r\nContent-Length: 6\r\n\r\ninside" % status)
    assert (error.code, error.may_retry, error.retry_after) == ("http_error", may_retry, None)
    assert f"answered with {status}" in str(error)
    assert "inside" not in str(error)


@cases(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("99999999", LONGEST_WAIT),
        ("9" * 400, LONGEST_WAIT),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("Fri, 15 Jan 2038 08:00:00 GMT", LONGEST_WAIT),
        ("Friday, 15-Jan-27 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 10:00:30 +0200", 30.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Fri, 99 Foo 2027", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_reason(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@given(st.text())
def test_retry_after_of_any_text_is_a_bounded_wait_or_none(text: str) -> None:
    wait = retry_after(text, NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT


async def test_wait_that_the_host_asks_for_is_told() -> None:
    error = await failure(http(429, retry_after="17"))
    assert (error.may_retry, error.retry_after) == (True, 17.0)


@cases(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"SSH-2.0-x\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 abc\r\n\r\n",
        chunked(b"x" * 100, 10)[:-30],
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n",
    ],
)
async def test_answer_that_breaks_off_or_is_not_http_may_be_tried_again(answer: bytes) -> None:
    error = await failure(answer)
    assert (error.code, error.may_retry) == ("http_error", True)


async def test_answer_that_changes_the_protocol_is_no_result_with_content() -> None:
    async with foreign(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\ninside") as server, calling() as calls:
        with pytest.raises(LogicError, match="isn't HTTP"):
            await calls.run(call(f"http://127.0.0.1:{server.port}/"), {})


async def test_host_that_nobody_answers_at_may_be_tried_again() -> None:
    async with foreign(b"") as server:
        pass
    async with calling() as calls:
        with pytest.raises(LogicError, match=f"POST 127.0.0.1:{server.port}: the host can't be reached") as failed:
            await calls.run(call(f"http://127.0.0.1:{server.port}/", "POST"), {})
    assert failed.value.may_retry


async def test_name_that_does_not_exist_may_be_tried_again() -> None:
    calls = HttpCalls(transport=GuardedTransport(Allowed(), resolve=Internet({}).resolve))
    with pytest.raises(LogicError, match=r"GET no.example: the name of the host can't be resolved") as failed:
        await calls.run(call("http://no.example/"), {})
    assert failed.value.may_retry


async def test_inner_address_is_an_error_that_names_the_setting_and_not_the_address() -> None:
    calls = HttpCalls(transport=GuardedTransport(Allowed(), resolve=Internet({"in.example": ["10.1.2.3"]}).resolve))
    with pytest.raises(
        LogicError, match=r"GET in.example: the host isn't on the public internet.*INTERLOCK_HTTP_ALLOW"
    ) as failed:
        await calls.run(call("http://in.example/"), {})
    assert "10.1.2.3" not in str(failed.value)
    assert not failed.value.may_retry


async def test_error_after_a_redirect_says_where_to() -> None:
    async with foreign(redirect(302, "http://127.0.0.1:1/x")) as server, calling("127.0.0.1") as calls:
        with pytest.raises(LogicError, match=r"redirected to 127.0.0.1:1: the host can't be reached"):
            await calls.run(call(f"http://127.0.0.1:{server.port}/"), {})


# ── Secrets ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_secrets_that_were_used_can_be_struck_out_of_whatever_comes_back() -> None:
    def echo(request: Received) -> bytes:
        told = {"target": request.target, "headers": dict(request.headers), "body": request.body.decode()}
        return http(200, json.dumps(told).encode(), {"Content-Type": "application/json", "X-Echo": request.target})

    async with foreign(echo) as server, calling() as calls:
        returned = await calls.run(
            call(
                f"http://ada:${{secrets.PASSWORD}}@127.0.0.1:{server.port}/?k=${{secrets.KEY}}",
                "POST",
                {"k": "${secrets.KEY}"},
                headers={"X-Key": "${secrets.KEY}"},
            ),
            SECRETS,
        )
    shown = json.dumps(struck(returned.value, returned.secrets))
    for secret in (SECRETS["KEY"], SECRETS["PASSWORD"]):
        for form in (secret, json.dumps(secret)[1:-1], b64encode(secret.encode()).decode()):
            assert form not in shown
    assert "s3cret%2F" not in shown
    assert b64encode(b"ada:pass:word&x").decode()[6:] not in shown
    assert SECRETS["OTHER"] not in returned.secrets


@cases("answer", [http(500, b"x"), http(302, location="http://127.0.0.1:1/"), b"broken", redirect(302, "ftp://x/")])
async def test_no_error_shows_a_secret(answer: bytes) -> None:
    async with foreign(answer) as server, calling() as calls:
        with pytest.raises(LogicError) as failed:
            await calls.run(
                call(
                    f"http://ada:${{secrets.PASSWORD}}@127.0.0.1:{server.port}/${{secrets.KEY}}",
                    headers={"X-Key": "${secrets.KEY}"},
                ),
                SECRETS,
            )
    _shows_none(failed.value)


async def test_host_that_echoes_a_secret_in_a_redirect_does_not_bring_it_into_the_error() -> None:
    secrets = {"KEY": "Abcdefgh12345678"}
    host = f"{'x' * 60}.{'x' * 33}.Abcdefgh12345678.invalid"
    async with foreign(redirect(302, f"http://{host}/")) as server, calling() as calls:
        with pytest.raises(LogicError) as failed:
            await calls.run(call(f"http://127.0.0.1:{server.port}/?k=${{secrets.KEY}}"), secrets)
    assert "redirected to" in str(failed.value)
    assert "abcdef" not in str(failed.value).lower()


@cases(
    "url", ["http://${secrets.HOST}/", "${secrets.URL}", "http://a.${secrets.HOST}:80/x", "http://u:p@${secrets.HOST}"]
)
async def test_host_that_is_a_secret_is_not_named(url: str) -> None:
    secrets = {"HOST": "Inner-Name.example", "URL": "https://inner-name.example/x"}
    calls = HttpCalls(transport=GuardedTransport(Allowed(), resolve=Internet({}).resolve))
    with pytest.raises(LogicError, match="a secret host") as failed:
        await calls.run(call(url), secrets)
    assert "inner" not in str(failed.value).lower()


def _shows_none(error: BaseException) -> None:
    seen: BaseException | None = error
    while seen is not None:
        assert not any(secret in repr(seen) for secret in SECRETS.values())
        seen = None if seen.__suppress_context__ and seen.__cause__ is None else seen.__cause__ or seen.__context__


async def test_secrets_of_headers_and_content_stay_with_the_host_that_they_were_for() -> None:
    async with (
        foreign(http()) as other,
        foreign(redirect(307, f"http://127.0.0.1:{other.port}/")) as server,
        calling() as calls,
    ):
        url = f"http://127.0.0.1:{server.port}/"
        headers = {"X-Key": "${secrets.KEY}", "X-Public": "p"}
        await calls.run(call(url, "POST", {"a": 1}, headers=headers), SECRETS)
        assert "x-key" not in other.last.headers
        assert (other.last.headers["x-public"], other.last.body) == ("p", b'{"a":1}')
        with pytest.raises(LogicError, match="would carry a secret to another host"):
            await calls.run(call(url, "POST", {"a": "${secrets.KEY}"}), SECRETS)
        assert len(other.received) == 1


# ── Counting ────────────────────────────────────────────────────────────────────────────────────────────


async def test_calls_are_counted_by_their_outcome() -> None:
    counters = Counters()
    async with (
        foreign({"/": http(), "/bad": http(500), "/slow": silent}) as server,
        calling(counters=counters) as calls,
    ):
        await calls.run(call(f"http://127.0.0.1:{server.port}/"), {})
        for path, limit in (("/bad", LIMIT), ("/slow", 0.1)):
            with pytest.raises(LogicError):
                await calls.run(call(f"http://127.0.0.1:{server.port}{path}", time_limit=limit), {})
        with pytest.raises(LogicError):
            await calls.run(call("nowhere"), {})
    assert counters.calls == {"ok": 1, "http_error": 1, "http_timeout": 1}, "what isn't sent isn't counted"
    assert sum(counters.call_durations) == 3
    assert counters.call_seconds >= 0.1
