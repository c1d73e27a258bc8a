"""An HTTP call of a workflow: what is sent, how long it takes, and what failures say. On real servers."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.calls import LIMIT, NOW, SECRETS, Calls, call, calling, chunked, failure
from tests.support.foreign import Internet, Received, foreign, http, redirect
from tests.support.live import eventually

from interlock.addresses import Allowed
from interlock.engine.work.http_answer import (
    LONGEST_WAIT,
    retry_after,
)
from interlock.outgoing.guarded import GuardedTransport
from interlock.secrets.port import struck
from interlock.telemetry.counters import Counters
from interlock.workflow.activities import LogicError
from interlock_protocol.types import JsonValue

cases = pytest.mark.parametrize


async def sent(method: str = "POST", body: JsonValue = None, path: str = "/", **more: Any) -> Received:
    """What a server gets of a call."""
    async with foreign(http()) as server, calling() as calls:
        headers = more.pop("passed_on", {})
        await calls.run(call(f"http://127.0.0.1:{server.port}{path}", method, body, **more), SECRETS, headers=headers)
        return server.last


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

    calls = Calls(transport=GuardedTransport(Allowed(), resolve=never))
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
    calls = Calls(transport=GuardedTransport(Allowed(), resolve=Internet({}).resolve))
    with pytest.raises(LogicError, match=r"GET no.example: the name of the host can't be resolved") as failed:
        await calls.run(call("http://no.example/"), {})
    assert failed.value.may_retry


async def test_inner_address_is_an_error_that_names_the_setting_and_not_the_address() -> None:
    calls = Calls(transport=GuardedTransport(Allowed(), resolve=Internet({"in.example": ["10.1.2.3"]}).resolve))
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
    calls = Calls(transport=GuardedTransport(Allowed(), resolve=Internet({}).resolve))
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
