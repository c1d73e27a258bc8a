"""What scripts may try: each costs one process at most, ends as an error or is harmless, and holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from interlock.engine.work import script as script_module
from interlock.engine.work import script_process
from interlock.engine.work.processes import Processes, Turns
from interlock.engine.work.script import Scripts
from interlock.secrets.fence import Asker
from interlock.workflow.activities import LogicError, Script

SHORT = 0.4
"""The time limit of runaways here, in seconds."""

ERROR, TIMEOUT, LARGE = "script_error", "script_timeout", "data_too_large"

RUNAWAYS = {
    "a loop": "for (;;);",
    "a loop that catches all": "for (;;) { try { for (;;); } catch (e) {} finally { for (;;); } }",
    "a loop with labels": "a: for (;;) { b: for (;;) { continue a; } }",
    "a loop in an async function": "(async () => { for (;;); })(); return {};",
    "a generator without end": "for (const x of (function* () { for (;;) yield 1; })());",
    "a generator that doesn't return": "for (let x of (function* () { try { yield } finally { for (;;); } })()) break",
    "a proxy whose keys never come": "return { ...new Proxy({}, { ownKeys() { for (;;); } }) };",
    "a value that never becomes a number": "return { a: +{ [Symbol.toPrimitive]() { for (;;); } } };",
    "a regular expression": "return { a: /^(a+)+$/.test('a'.repeat(60) + 'b') };",
    "a regular expression that refers back": r"return { a: /^(.*?,){30}(\1)+P/.test('1,'.repeat(60)) };",
    "a search in a list that isn't one": "Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);",
    "a search in a long text": "'a'.repeat(4e6).indexOf('a'.repeat(2e6) + 'b');",
    "a reversal of a list that isn't one": "Array.prototype.reverse.call({ length: 2 ** 53 - 1 });",
    "a sort": "[1, 2].sort(() => { for (;;); });",
    "a replacement": "'aa'.replace(/a/g, () => { for (;;); });",
    "a reviver": "JSON.parse('[1]', () => { for (;;); });",
    "a toJSON of the result": "return { a: { toJSON() { for (;;); } } };",
    "a getter of the result": "return { get a() { for (;;); } };",
    "the prototype of the result": "return new Proxy({}, { getPrototypeOf() { for (;;); } });",
    "a toJSON of what is logged": "console.log({ toJSON() { for (;;); } }); return {};",
    "the name of an error": "throw new Proxy({}, { get() { for (;;); } });",
    "the message of an error": "throw Object.defineProperty(Error(), 'message', { get() { for (;;); } });",
    "the stack of an error": "throw Object.defineProperty(Error(), 'stack', { get() { for (;;); } });",
    "every error": "Object.defineProperty(TypeError.prototype, 'name', { get() { for (;;); } }); null.x;",
    "long numbers": "const a = 3n ** 100000n; for (;;) a * a;",
    "a list that is joined": "Array(2 ** 31).join('xy');",
    "a native function, again and again": "const a = Array(1e5).fill(1); for (;;) a.slice().sort().reverse().join('');",
}

BOMBS = {
    "text that doubles": "let a = 'x'; for (;;) a += a;",
    "text that is padded": "let a = ''; for (let i = 1; ; i *= 2) a = 'x'.padEnd(i, 'ab') + a;",
    "text that is repeated": "return { a: 'abc'.repeat(2 ** 29) };",
    "text that is kept": "globalThis.all = []; for (;;) all.push('x'.repeat(1000) + all.length);",
    "text that is replaced": "let a = 'aaaaaaaaaa'; for (;;) a = a.replace(/a/g, '$&$&$&');",
    "a list that grows": "const a = []; for (;;) a.push(a.length);",
    "a list that is filled": "Array(2 ** 31).fill(1);",
    "a list made of what is never at an end": "[...(function* () { for (;;) yield {}; })()];",
    "a list that is spread": "const a = Array(1e6).fill(0); Math.max(...a);",
    "memory that is typed": "const a = []; for (;;) a.push(new Float64Array(1e5));",
    "memory that is buffered": "new ArrayBuffer(2 ** 40);",
    "memory that is copied": "const a = new Uint8Array(8e6); const b = []; for (;;) b.push(a.slice());",
    "a map": "const a = new Map(); for (;;) a.set({}, a.size);",
    "symbols": "const a = []; for (;;) a.push(Symbol('x' + a.length));",
    "names": "for (let i = 0; ; i++) globalThis['x' + i] = i;",
    "closures": "let f = () => 1; for (;;) { const g = f; f = () => [g]; }",
    "numbers": "let a = 3n; for (;;) a = a * a;",
    "promises": "const all = []; for (;;) all.push(Promise.resolve().then(() => 1));",
    "a message": "throw new Error('x'.repeat(2 ** 23) + 'x'.repeat(2 ** 23));",
    "all, caught and thrown again": "const a = []; try { for (;;) a.push(Array(1000)); } catch (e) { throw e; }",
}

RECURSIONS = {
    "a function": "function f() { return f() + 1; } return { a: f() };",
    "two functions": "const f = () => g(), g = () => f(); f();",
    "a function through a native one": "const f = () => [1].map(f); f();",
    "a getter": "const a = { get b() { return this.b; } }; a.b;",
    "text of itself": "const a = { toString() { return `${this}`; } }; `${a}`;",
    "a proxy of a proxy": "let a = {}; for (let i = 0; i < 1e5; i++) a = new Proxy(a, {}); a.x;",
    "a bound function that is bound": "let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); f();",
    "JSON that is read": "JSON.parse('['.repeat(1e6) + ']'.repeat(1e6));",
    "JSON that is written": "let a = {}; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a);",
    "lists that are flattened": "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity);",
    "lists that are joined": "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; String(a);",
    "a regular expression": "new RegExp('('.repeat(1e6) + ')'.repeat(1e6));",
    "a constructor": "class A { constructor() { new A(); } } new A();",
    "a generator": "function* f() { yield* f(); } [...f()];",
}

COMPILED = {
    "one that closes its function": "}); evil(); (function () {",
    "one that closes a declaration": "} globalThis.evil = 1; function g() {",
    "one that closes a method": "}, [globalThis.evil = 1]: 1, g() {",
    "one that closes more than there is": "}}); evil(); ({ a() { if (1) {",
    "one that ends in a comment": "return {}; /*",
    "one that ends in a template": "return {}; `",
    "one that isn't closed": "if (1) {",
    "one that knows what stands behind it": "} @",
    "brackets in brackets": "return " + "[" * 30_000 + "]" * 30_000,
    "parentheses in parentheses": "return " + "(" * 30_000 + "1" + ")" * 30_000,
    "blocks in blocks": "{" * 30_000 + "}" * 30_000,
    "functions in functions": "(() => {" * 10_000 + "})()" * 10_000,
    "a sum that is long": "return { a: " + "+".join("1" for _ in range(500_000)) + " };",
    "an import": "import fs from 'fs'; return {};",
    "meta": "return { a: import.meta };",
    "await": "await 1; return {};",
    "NUL": "return {}; // \0",
    "half of a surrogate pair": "return { a: '\ud800' };",
    "super": "return { a: super.toString() };",
}

SLOW_TO_COMPILE = "let " + ", ".join(f"a{n}" for n in range(70_000)) + "; return {};"

HARMLESS: dict[str, tuple[str, Any]] = {
    "eval": ("return { a: typeof eval, b: typeof Function };", {"a": "undefined", "b": "undefined"}),
    "constructors of functions": (
        """const found = [];
        const all = [function () {}, function* () {}, async function () {}, async function* () {}, () => 1, class {},
          async () => 1, { m() {} }.m, { *m() {} }.m, { async m() {} }.m, Math.max, Array, console.log, Object.bind({}),
          Reflect.get(Object.getOwnPropertyDescriptor({ get a() { return 1; } }, 'a'), 'get'), new Proxy(Math.max, {})];
        for (const each of all) {
          for (let at = each; at; at = Object.getPrototypeOf(at)) {
            if (at === Object.prototype) break;
            const made = at.constructor;
            if (typeof made === 'function') found.push(String(made));
          }
          try { found.push(each.constructor('return 1')()); } catch (e) {}
        }
        return { found };""",
        {"found": []},
    ),
    "constructors that are put back": (
        """const f = function* () {}, kind = Object.getPrototypeOf(f);
        const put = Reflect.defineProperty(kind, 'constructor', { value: 1 });
        return { put, gone: delete kind.constructor, is: kind.constructor === undefined };""",
        {"put": False, "gone": False, "is": True},
    ),
    "a constructor by Reflect": (
        "try { return { a: Reflect.construct(Math.max, [], class {}) }; } catch (e) { return { a: e.name }; }",
        {"a": "TypeError"},
    ),
    "what is on the global object": (
        """return { gone: ['fetch', 'require', 'process', 'std', 'os', 'bjson', 'print', 'scriptArgs', 'setTimeout',
          'setInterval', 'queueMicrotask', 'performance', 'Atomics', 'SharedArrayBuffer', 'WeakRef', 'WebAssembly',
          'FinalizationRegistry', 'navigator', 'gc', 'load', 'Worker'].filter(name => name in globalThis) };""",
        {"gone": []},
    ),
    "this": ("return { a: this === globalThis, b: typeof this.eval };", {"a": True, "b": "undefined"}),
    "a dynamic import": ("import('std').then(m => { m.exit(); }); return { a: 1 };", {"a": 1}),
    "a promise that never settles": ("new Promise(() => {}).then(() => { throw 1; }); return { a: 1 };", {"a": 1}),
    "a thenable": ("return { then(f) { f(); }, a: 1 };", {"a": 1}),
    "stack traces": (
        """let seen = null;
        Error.prepareStackTrace = (error, sites) => { seen = sites; return sites; };
        Error.stackTraceLimit = {};
        try { null.x; } catch (e) { e.stack; }
        return { seen, captured: typeof Error.captureStackTrace };""",
        {"seen": None, "captured": "undefined"},
    ),
    "who called": (
        """const found = [];
        for (const read of [() => (function f() { return f.caller; })(), () => arguments.callee.caller]) {
          try { found.push(typeof read()); } catch (e) { found.push(e.name); }
        }
        return { found };""",
        {"found": ["undefined", "TypeError"]},
    ),
    "prototypes that are changed": (
        """Array.prototype.push = Array.prototype.join = String.prototype.slice = () => { throw 1; };
        Object.defineProperty(Object.prototype, 'value', { get() { throw 1; }, set() { throw 1; } });
        Array.prototype[Symbol.iterator] = null; Reflect.apply = null; JSON.stringify = JSON.parse = null;
        const functions = Object.getPrototypeOf(Math.max);
        functions.call = functions.apply = functions.bind = null;
        console.log('still', { a: 1 });
        return { a: 1 };""",
        {"a": 1},
    ),
    "the global object": (
        "const all = globalThis; for (const name of Reflect.ownKeys(all)) delete all[name]; return { a: 1 };",
        {"a": 1},
    ),
    "frozen globals": ("Object.freeze(globalThis); Object.freeze(Object.prototype); return { a: 1 };", {"a": 1}),
    "secrets that are changed": (
        """secrets.KEY = 'x'; secrets.MORE = 1; delete secrets.KEY; globalThis.secrets = 1;
        return { a: Object.keys(secrets) };""",
        {"a": ["KEY"]},
    ),
    "a recursion without end of async functions": (
        "const f = async () => { await f(); }; return { a: f() };",
        {"a": {}},
    ),
    "a chain that is long when it is let go": (
        "let a = {}; for (let i = 0; i < 1e5; i++) a = { a }; return { b: 1 };",
        {"b": 1},
    ),
    "lines that separate": ("return { a: '\u2028\u2029'\u2028 }\u2029", {"a": "\u2028\u2029"}),
    "a proxy as a result": ("return new Proxy({ a: 1 }, {});", {"a": 1}),
    "a key that is a prototype": ('return JSON.parse(\'{"__proto__": {"a": 1}}\');', {"__proto__": {"a": 1}}),
}

REFUSED = {
    "a result that is large": ("return { a: 'x'.repeat(300 * 1024) };", LARGE),
    "a result that is large in UTF-8": ("return { a: 'ü'.repeat(200 * 1024) };", LARGE),
    "a result that is wide": ("return { a: Array(3e5).fill(1) };", LARGE),
    "a result that is large by its toJSON": ("return { a: { toJSON: () => 'x'.repeat(300 * 1024) } };", LARGE),
    "a result that is deep": ("let a = {}; for (let i = 0; i < 100; i++) a = { a }; return a;", ERROR),
    "a result in itself": ("const a = {}; a.a = a; return a;", ERROR),
    "a result that becomes something else": ("return { toJSON() { return 'x'; } };", ERROR),
    "a result of another kind, by its prototype": ("Object.prototype.toJSON = () => 1; return {};", ERROR),
    "an integer that JSON doesn't know": ("return { a: 1n };", ERROR),
    "a promise": ("return Promise.resolve({});", ERROR),
    "an async function's result": ("return (async () => ({}))();", ERROR),
    "an error that can't be read": ("throw new Proxy({}, { get() { throw 1; }, ownKeys() { throw 1; } });", ERROR),
    "an accessor in all lists": (
        "Object.defineProperty(Array.prototype, '0', { set() { throw 1; } }); return {};",
        ERROR,
    ),
    "nothing, thrown": ("throw undefined;", ERROR),
}


class Counted(Processes):
    """Processes of which those that are lost are counted."""

    lost = 0

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        self.lost += not self._is_closed
        await super()._end(process)


@asynccontextmanager
async def sandbox() -> AsyncIterator[tuple[Scripts, Counted]]:
    processes = Counted(script_process.__file__, Turns(4, 3, 1000), 256 << 20, answer_bytes=32 << 20)
    scripts = Scripts(processes)
    try:
        yield scripts, processes
    finally:
        await scripts.aclose()


def asked(code: str, account: str = "villain", *, time_limit: float = SHORT) -> Script:
    return Script(code, {"input": {}, "workflow_data": {}, "context": {}}, Asker(account), time_limit)


async def is_well(scripts: Scripts) -> bool:
    """Whether the next script finds a world in which nothing has happened."""
    found = await scripts.run(
        asked(
            "return { a: [1].map(x => x + 1), b: typeof evil, c: `${{}}`, d: Object.keys(globalThis).sort(), secrets }",
            time_limit=30.0,
        ),
        {},
    )
    names = ["context", "input", "secrets", "workflow_data"]
    return found.value == {"a": [2], "b": "undefined", "c": "[object Object]", "d": names, "secrets": {}}


async def outcome(code: str, *, time_limit: float = SHORT) -> Any:
    """Run code in a sandbox of its own, check what it cost, and return its value or the code of its error."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    async with sandbox() as (scripts, processes):
        assert await is_well(scripts)
        beside = asyncio.create_task(others())
        try:
            came_to = (await scripts.run(asked(code, time_limit=time_limit), {"KEY": "a-secret"})).value
        except LogicError as error:
            came_to = f"{error.code}, and may retry" if error.may_retry else error.code
        beside.cancel()
        assert processes.lost <= 1
        assert await is_well(scripts)
        assert processes.lost <= 1
    if came_to == TIMEOUT:
        assert turns > 5, "the loop had its turns"
    return came_to


@pytest.mark.parametrize("kind", RUNAWAYS)
async def test_runaway_ends_when_its_time_is_over(kind: str) -> None:
    assert await outcome(RUNAWAYS[kind]) == TIMEOUT


@pytest.mark.parametrize("kind", BOMBS)
async def test_bomb_is_an_error_of_its_script(kind: str) -> None:
    assert await outcome(BOMBS[kind], time_limit=5.0) in (ERROR, TIMEOUT)


@pytest.mark.parametrize("kind", RECURSIONS)
async def test_recursion_is_an_error_of_its_script(kind: str) -> None:
    assert await outcome(RECURSIONS[kind], time_limit=5.0) in (ERROR, TIMEOUT)


@pytest.mark.parametrize("kind", COMPILED)
async def test_code_that_is_no_body_of_a_function_is_refused(kind: str) -> None:
    assert await outcome(COMPILED[kind], time_limit=5.0) == ERROR


@pytest.mark.parametrize("kind", REFUSED)
async def test_what_no_log_could_carry_is_refused(kind: str) -> None:
    code, expected = REFUSED[kind]
    assert await outcome(code, time_limit=5.0) == expected


@pytest.mark.parametrize("kind", HARMLESS)
async def test_what_is_tried_in_vain_harms_nothing(kind: str) -> None:
    code, expected = HARMLESS[kind]
    assert await outcome(code, time_limit=30.0) == expected


async def test_compiling_runs_nothing() -> None:
    async with sandbox() as (scripts, processes):
        for code in COMPILED.values():
            with suppress(LogicError):
                await scripts.check(code)
        for code in RUNAWAYS.values():
            assert await scripts.check(code) is None
        assert await scripts.check("}); for (;;); (function () {") is not None
        assert await is_well(scripts)
        assert processes.lost == 0


async def test_code_that_is_slow_to_compile_is_a_timeout_and_found_by_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_module, "CHECK_SECONDS", SHORT)
    assert await outcome(SLOW_TO_COMPILE) == TIMEOUT
    async with sandbox() as (scripts, processes):
        assert "ran for longer than" in str(await scripts.check(SLOW_TO_COMPILE))
        assert processes.lost == 1


async def test_scripts_of_others_run_while_one_account_has_nothing_but_runaways() -> None:
    async with sandbox() as (scripts, _):
        runaway = asked("Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);", time_limit=60.0)
        runaways = [asyncio.create_task(scripts.run(runaway, {})) for _ in range(20)]
        for _ in range(20):
            await scripts.run(asked("return {};", "neighbour", time_limit=30.0), {})
        assert not any(each.done() for each in runaways)
        for each in runaways:
            each.cancel()
        await asyncio.gather(*runaways, return_exceptions=True)
        assert await is_well(scripts)


def test_nothing_that_a_script_can_reach_compiles_code() -> None:
    """Walks from all that a script begins with, over properties, prototypes, accessors and what plain calls return."""
    engine = pytest.importorskip("_quickjs")
    context = engine.Context()
    compilers = context.eval(
        """[function* () {}, async function () {}, async function* () {}].map(each => each.constructor)
          .concat([eval, Function])"""
    )
    context.eval(script_process.SANDBOX)
    walk = context.eval(
        """(function (compilers) {
          const seen = new Set(), waiting = [globalThis, console, function () {}, function* () {}, async function () {},
            async function* () {}, class {}, [], {}, '', 1, true, 1n, Symbol.iterator, /a/, new Date(), new Error('x'),
            new Proxy({}, {}), (function* () {})(), (async function* () {})(), [][Symbol.iterator](),
            'a'.matchAll(/a/g), new Map().entries(), (function () { return arguments; })(1), Promise.resolve(),
            new Uint8Array(1)];
          try { null.x; } catch (error) { waiting.push(error); }
          try { (function f() { f(); })(); } catch (error) { waiting.push(error); }
          while (waiting.length) {
            const value = waiting.pop();
            if (value === null || value === undefined) continue;
            const object = Object(value);
            if (seen.has(value)) continue;
            seen.add(value);
            if (compilers.indexOf(value) >= 0) return 'reached ' + String(value);
            waiting.push(Object.getPrototypeOf(object));
            for (const key of Reflect.ownKeys(object)) {
              const { get, set, value: inside } = Object.getOwnPropertyDescriptor(object, key);
              waiting.push(get, set, inside);
            }
          }
          return String(seen.size > 500);
        })"""
    )
    assert walk(compilers) == "true"
