"""What a script is given, what it may return and log, and what is said of one that fails."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.services import is_alive

from interlock.engine.work.script import LINE_BYTES, MOST_LINES, Scripts
from interlock.engine.work.script_process import RESULT_DEPTH, Refused, Sandbox
from interlock.secrets.fence import Asker
from interlock.secrets.port import STRUCK
from interlock.workflow.activities import LogicError, Returned, Script
from interlock_protocol.limits import MAX_DEPTH
from interlock_protocol.values import check, written

SECRET = 'it\'s a "secret"/ü'


@asynccontextmanager
async def sandbox() -> AsyncIterator[Scripts]:
    scripts = Scripts()
    try:
        yield scripts
    finally:
        await scripts.aclose()


def script(code: str, *, time_limit: float = 30.0, **given: Any) -> Script:
    return Script(code, {"input": {}, "workflow_data": {}, "context": {}} | given, Asker("mine"), time_limit)


async def returned(code: str, secrets: Mapping[str, str] | None = None, **given: Any) -> Returned:
    async with sandbox() as scripts:
        return await scripts.run(script(code, **given), secrets or {})


async def error_of(code: str, secrets: Mapping[str, str] | None = None, **given: Any) -> LogicError:
    with pytest.raises(LogicError) as error:
        await returned(code, secrets, **given)
    return error.value


async def test_script_is_given_copies_of_what_the_reference_names() -> None:
    code = """
    workflow_data.total += input.amount;
    context.mine = true;
    return { ...workflow_data, who: context.workflow_name, has: !!secrets.API_KEY, not: secrets.OTHER === undefined };
    """
    data = {"total": 1, "kept": None}
    given = {"input": {"amount": 2}, "workflow_data": data, "context": {"workflow_name": "w"}}
    found = await returned(code, {"API_KEY": "12345678"}, **given)
    assert found.value == {"total": 3, "kept": None, "who": "w", "has": True, "not": True}
    assert data == {"total": 1, "kept": None}


async def test_globals_are_those_of_the_language_and_no_others() -> None:
    found = await returned("return { a: Reflect.ownKeys(globalThis).map(String).sort() };")
    assert found.value == {"a": sorted(GLOBALS.split())}


GLOBALS = """Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Date Error EvalError Float32Array
Float64Array Infinity Int16Array Int32Array Int8Array JSON Map Math NaN Number Object Promise Proxy RangeError
ReferenceError Reflect RegExp Set String Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array
Uint8ClampedArray WeakMap WeakSet console context decodeURI decodeURIComponent encodeURI encodeURIComponent escape
globalThis input isFinite isNaN parseFloat parseInt secrets undefined unescape workflow_data"""


async def test_names_of_what_is_given_may_be_declared_anew() -> None:
    code = "const input = 1, context = 2, secrets = 3; let workflow_data = 4; return { a: [input, context, secrets] };"
    assert (await returned(code)).value == {"a": [1, 2, 3]}


async def test_time_is_real_and_utc() -> None:
    before = time.time() * 1000
    found = await returned("return { now: Date.now(), zone: new Date().getTimezoneOffset() };")
    assert isinstance(found.value, dict)
    assert before - 1 <= float(str(found.value["now"])) <= time.time() * 1000 + 1
    assert found.value["zone"] == 0


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("{ a: undefined, b() {}, c: null, d: [undefined, () => 1] }", {"c": None, "d": [None, None]}),
        ("{ a: NaN, b: -Infinity, c: -0, d: 1.5, e: 1e300 }", {"a": None, "b": None, "c": 0, "d": 1.5, "e": 1e300}),
        ("{ a: 2 ** 53, b: 2 ** 63, c: -(2 ** 64), d: 1e20 }", {"a": 2**53, "b": 2.0**63, "c": -(2.0**64), "d": 1e20}),
        ("{ a: new Date(0), b: { toJSON: () => [1] } }", {"a": "1970-01-01T00:00:00.000Z", "b": [1]}),
        ("{ get a() { return 1; } }", {"a": 1}),
        ("Object.create(null, { a: { value: 1, enumerable: true } })", {"a": 1}),
        (r"{ a: '\0\x01\u2028', '\0': '😀' }", {"a": "\0\x01\u2028", "\0": "😀"}),
        (r"{ a: '😀'.slice(0, 1), '\ud800': ['x\udc00y'] }", {"a": "\ufffd", "\ufffd": ["x\ufffdy"]}),
        ("{ ...input }", {"text": "\0\ufffd\u2029", "list": [[]]}),
    ],
)
async def test_result_is_json_that_a_log_can_carry(result: str, expected: Any) -> None:
    found = await returned(f"return {result};", input={"text": "\0\ud83d\u2029", "list": [[]]})
    check(found.value, MAX_DEPTH)
    written(found.value)
    assert found.value == expected


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(st.text(), inside, max_size=5),
    max_leaves=30,
)


async def test_values_cross_unchanged_both_ways() -> None:
    loop = asyncio.get_running_loop()
    async with sandbox() as scripts:

        @settings(max_examples=60, deadline=None)
        @given(JSON)
        def crosses(value: Any) -> None:
            run = scripts.run(script("return { a: input.a };", input={"a": value}), {})
            assert asyncio.run_coroutine_threadsafe(run, loop).result().value == {"a": value}

        await asyncio.to_thread(crosses)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "returned nothing; end it with `return {…}`"),
        ("return null;", "returned null"),
        ("return 1;", "returned a number"),
        ("return 'x';", "returned a string"),
        ("return [];", "returned an array"),
        ("return () => 1;", "returned a function"),
        ("return new Map();", "returned a Map"),
        ("return new Date();", "returned a Date"),
        ("return Promise.resolve({});", "returned a Promise, and nothing waits for one"),
        ("return new (class A {})();", "returned an instance of a class"),
    ],
)
async def test_result_that_is_no_plain_object_is_named(code: str, said: str) -> None:
    error = await error_of(code)
    assert error.code == "script_error"
    assert said in str(error)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("\n\n  null.x;", "TypeError: cannot read property 'x' of null, at line 3, column 3"),
        ("const f = () => {\n  throw new Error('no');\n};\n\nf();", "Error: no, at line 2, column 13"),
        ("\r\nreturn { get a() { throw new RangeError(); } };", "RangeError, at line 2, column 30"),
        ("\n\nreturn {\n  toJSON() { missing(); } };", "ReferenceError: missing is not defined, at line 4"),
        ("throw 'words';", "words"),
        ("throw { code: 7 };", '{"code":7}'),
        ("throw undefined;", "undefined"),
        ("\nreturn { a: 1n };", "TypeError: BigInt are forbidden"),
        ("const a = [];\nfor (;;) a.push('x'.repeat(1000) + a.length);", "it used more than 16 MiB of memory"),
        ("throw new Error('\ufffd' + '😀'.slice(1));", "Error: \ufffd\ufffd"),
    ],
)
async def test_error_is_said_with_the_authors_line(code: str, said: str) -> None:
    error = await error_of(code)
    assert error.code == "script_error"
    assert said in str(error)
    assert not error.may_retry


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("return {};", None),
        ("// only a remark", None),
        ("let a = 1;\nlet b = ;", "SyntaxError: unexpected token in expression: ';', at line 2, column 9"),
        ("let a; let a;", "SyntaxError: invalid redefinition of lexical identifier, at line 1"),
        ("'use strict';\nwith (a) {}", "SyntaxError"),
        ("if (true) {", "SyntaxError: the code ends too early"),
        ("return `", "SyntaxError: unexpected end of string, at line 1"),
        ("}); (function () {", "SyntaxError: unexpected token in expression: ')', at line 1, column 2"),
        ("return " + "(" * 30_000, "the code is nested too deep"),
        ("return {}; // \0", "text without NUL"),
        ("for (;;);", None),
    ],
)
async def test_check_says_what_is_wrong_before_anything_runs(code: str, said: str | None) -> None:
    async with sandbox() as scripts:
        found = await scripts.check(code)
    assert (found is None) if said is None else (said in str(found))


async def test_logs_are_kept_in_order_also_of_a_script_that_fails() -> None:
    code = """console.log('a', 1, { b: [null] }, undefined, Symbol('s'), null, 5n, () => 1, new TypeError('t'));
    console.error(''); console.log();
    throw 1;"""
    error = await error_of(code)
    assert error.logs == ('a 1 {"b":[null]} undefined Symbol(s) null 5 [function] TypeError: t', "", "")


def test_logs_are_kept_of_a_script_that_the_engine_stopped_in_time() -> None:
    Sandbox.engine = pytest.importorskip("_quickjs")
    sandbox = Sandbox()
    with pytest.raises(Refused) as refused:
        sandbox.result("console.log('begun'); for (;;);", '{"secrets": {}, "longest": 0}', 0.05)
    assert refused.value.code == "script_timeout"
    assert sandbox.logged() == {"logs": ["begun"], "count": 1}


async def test_logs_are_bounded() -> None:
    code = "for (let i = 0; i < 1000; i++) console.log('ü'.repeat(i && 5000), 'x'.repeat(1e4)); return {};"
    logs = (await returned(code)).logs
    assert len(logs) == MOST_LINES + 1
    assert logs[-1] == f"… 900 more; a script logs at most {MOST_LINES} lines"
    assert max(len(line.encode()) for line in logs) <= LINE_BYTES
    assert logs[1].startswith("üüü")
    assert logs[1].endswith("ü…")


async def test_what_logs_while_it_is_logged_is_logged_too() -> None:
    code = """const a = { toJSON() { console.log('in'); return 1; } };
    console.log(a, 'out'); console.log('after'); return {};"""
    assert (await returned(code)).logs == ("in", "1 out", "after")


async def test_what_cannot_be_logged_is_no_error() -> None:
    code = """const a = {}; a.a = a;
    console.log(a, new Proxy({}, { get() { throw 1; } }), { toJSON() { throw 1; } }, '\\ud800');
    return {};"""
    (line,) = (await returned(code)).logs
    assert line.endswith(" \ufffd")


@pytest.mark.parametrize(
    "told",
    [
        "secrets.KEY",
        "{ a: secrets.KEY }",
        "encodeURIComponent(secrets.KEY)",
        "'x'.repeat(4090) + secrets.KEY",
        "Error(secrets.KEY)",
        "[secrets]",
    ],
)
async def test_secret_stands_neither_in_logs_nor_in_errors(told: str) -> None:
    error = await error_of(f"console.log({told}); throw {told};", {"KEY": SECRET})
    for text in (*error.logs, str(error)):
        assert STRUCK in text or text.endswith("…")
        assert "it's" not in text
        assert "secret" not in text


async def test_secrets_are_known_to_who_writes_what_a_script_returned() -> None:
    found = await returned("return { a: secrets.KEY };", {"KEY": SECRET, "OTHER": "12345678"})
    assert found.value == {"a": SECRET}
    assert {SECRET, "12345678"} <= found.secrets
    assert SECRET not in repr(found.logs)


async def test_result_may_be_as_deep_as_what_clients_send_and_no_deeper() -> None:
    code = "let a = {}; for (let i = 1; i < input.depth; i++) a = { a }; return a;"
    await returned(code, input={"depth": RESULT_DEPTH})
    assert "nested at most" in str(await error_of(code, input={"depth": RESULT_DEPTH + 1}))


async def test_nothing_is_left_for_the_next_script() -> None:
    async with sandbox() as scripts:
        await scripts.run(
            script(
                """globalThis.left = 1; var alsoLeft = 2; Object.prototype.polluted = 3; Math.max = () => 4;
                JSON.stringify = null; console.log('x'); return {};"""
            ),
            {"KEY": "12345678"},
        )
        (process,) = scripts._processes._alive
        found = await scripts.run(
            script("return { a: [typeof left, typeof alsoLeft, typeof ({}).polluted, Math.max(1, 2)], secrets };"), {}
        )
        assert found.value == {"a": ["undefined", "undefined", "undefined", 2], "secrets": {}}
        assert found.logs == ()
        assert scripts._processes._alive == {process}


async def test_process_has_nothing_of_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_SECRET_X", "12345678")
    async with sandbox() as scripts:
        await scripts.run(script("return {};"), {})
        (process,) = scripts._processes._alive
        environment, files, limits = _of_process(process.pid)
        assert {each.partition(b"=")[0] for each in environment.split(b"\0")} <= {b"", b"TZ", b"LD_LIBRARY_PATH"}
        assert files == {"0", "1", "2"}
        for what in ("Max file size", "Max open files", "Max processes", "Max core file size"):
            assert limits[what] == "0", what


def _of_process(pid: int) -> tuple[bytes, set[str], dict[str, str]]:
    of = Path(f"/proc/{pid}")
    limits = (re.split("  +", line) for line in (of / "limits").read_text().splitlines())
    files = {each.name for each in (of / "fd").iterdir()}
    return (of / "environ").read_bytes(), files, {name: soft for name, soft, *_ in limits}


async def test_process_that_is_killed_at_work_is_an_error_that_may_be_retried() -> None:
    async with sandbox() as scripts:
        await scripts.run(script("return {};"), {})
        (process,) = scripts._processes._alive
        at_work = asyncio.create_task(scripts.run(script("for (;;);"), {}))
        begun = _cpu_of(process.pid)
        while _cpu_of(process.pid) < begun + 0.05:  # noqa: ASYNC110 - until it computes
            await asyncio.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(LogicError, match="ended, with -9") as error:
            await at_work
        assert error.value.code == "script_error"
        assert error.value.may_retry
        assert (await scripts.run(script("return {};"), {})).value == {}


def _cpu_of(pid: int) -> float:
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(times[11]) / os.sysconf("SC_CLK_TCK")


async def test_process_that_was_killed_while_it_had_nothing_to_do_is_no_failure() -> None:
    async with sandbox() as scripts:
        await scripts.run(script("return {};"), {})
        (process,) = scripts._processes._alive
        os.kill(process.pid, signal.SIGKILL)
        assert (await scripts.run(script("return {};"), {})).value == {}


async def test_cancelled_script_ends_with_its_process() -> None:
    async with sandbox() as scripts:
        await scripts.run(script("return {};"), {})
        (process,) = scripts._processes._alive
        at_work = asyncio.create_task(scripts.run(script("for (;;);"), {}))
        while scripts._processes._idle:  # noqa: ASYNC110 - until it is given away
            await asyncio.sleep(0)
        at_work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await at_work
        assert not is_alive(process.pid)


async def test_end_of_the_server_ends_what_runs() -> None:
    scripts = Scripts()
    at_work = [asyncio.create_task(scripts.run(script("for (;;);"), {})) for _ in range(5)]
    while len(scripts._processes._alive) < 3:  # noqa: ASYNC110 - until all that may run do
        await asyncio.sleep(0.01)
    pids = [process.pid for process in scripts._processes._alive]
    await scripts.aclose()
    for outcome in await asyncio.gather(*at_work, return_exceptions=True):
        assert isinstance(outcome, LogicError)
    assert not any(map(is_alive, pids))
