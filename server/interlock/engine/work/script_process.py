"""The program that runs scripts, one after the other, each in a context of its own: see `process_main.py`.

Laws:
- A script gets a fresh runtime of QuickJS, with its own heap; nothing is left of an earlier one. What it finds there is
  said in `script_sandbox.js`. There is no function of Python's in it.
- Values cross as JSON text, both ways. What is sent back can be written to a log: of bounded size and depth, integers
  only where JavaScript has them, to 2^53, texts of valid Unicode; half of a surrogate pair becomes U+FFFD.
- Code is compiled as the body of a method. Before, it is compiled as the body of a function declaration, with a fault
  behind it, so that nothing runs. What closes either body early can't be both: behind the one comes `,` or `}`, behind
  the other a statement.
- The process opens no file, writes none, and starts no process.

A question is `[code, given, seconds]`. `given` is JSON text, of an object with the script's globals, and with
`longest`, how many characters more of a line are kept than will be shown; it is null if the code is only to be
compiled. After `seconds` the engine stops what it can stop. The answer is `{"value": …}`, or `{"error": "…", "code":
"…"}`, without a sentence where the time was over; and `logs`, and `count`, how many lines were logged.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
from pathlib import Path
from typing import Any, Final

MEMORY_BYTES: Final = 16 * 1024 * 1024
"""How much memory a script may use, with its values."""

TOLD_BYTES: Final = 16 * 1024 * 1024
"""How much more there is for what is told of a script that has used all of it."""

STACK_BYTES: Final = 2 * 1024 * 1024
"""How deep a script may recurse: to some 1,200 calls."""

RESULT_BYTES: Final = 256 * 1024
"""The largest result, as JSON."""

RESULT_DEPTH: Final = 64
"""How deep a result may be nested, including itself: what clients may send."""

SANDBOX: Final = " ".join(Path(__file__).with_name("script_sandbox.js").read_text(encoding="utf-8").splitlines())

_AS_DECLARATION: Final = "function body() {\n%s\n}\n@"
_AS_METHOD: Final = "({body() {\n%s\n}})"
_FAULT_BEHIND: Final = "SyntaxError: unexpected token in expression: '@'"

_PLACE = re.compile(r"<input>:(\d+):(\d+)")
_LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXACT = 2**53

_TOO_LARGE: Final = f"a script's result is at most {RESULT_BYTES >> 10} KiB as JSON; let it return less"
_NO_MEMORY: Final = "InternalError: out of memory"
_OUT_OF_MEMORY: Final = (
    f"it used more than {MEMORY_BYTES >> 20} MiB of memory, or threw null; let it keep less at a time"
)
_NOT_CLOSED: Final = "SyntaxError: the code ends too early; a brace, a bracket or a text in it isn't closed"
_AT_END: Final = ", at its end"
_NESTED: Final = "the code is nested too deep"
_TOO_DEEP: Final = f"a script's result is nested at most {RESULT_DEPTH} deep"


class Refused(Exception):  # noqa: N818 - describes the script
    """The script failed, with a sentence about it."""

    def __init__(self, sentence: str, code: str = "script_error") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code


class Answers:
    def __init__(self) -> None:
        import _quickjs  # not `quickjs`, which starts a thread

        Sandbox.engine = _quickjs
        self._next: Sandbox | None = Sandbox()
        self._last: Sandbox | None = None
        _confine()

    def answer(self, code: str, given: str | None, seconds: float) -> str:
        sandbox, self._next = self._next or Sandbox(), None
        self._last = sandbox
        answer: dict[str, Any]
        try:
            answer = {"value": sandbox.result(code, given, seconds)}
        except Refused as refused:
            answer = {"error": refused.sentence, "code": refused.code}
        return json.dumps(answer | sandbox.logged())

    def prepare(self) -> None:
        """Forget the last sandbox, and have another at hand."""
        self._last = None
        self._next = Sandbox()


def _confine() -> None:
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        with contextlib.suppress(ValueError, OSError):  # not on every system
            resource.setrlimit(limit, (0, 0))


class Sandbox:
    """A context for one script."""

    engine: Any

    def __init__(self) -> None:
        self._context = self.engine.Context()
        self._context.set_memory_limit(MEMORY_BYTES)
        self._context.set_max_stack_size(_stack_bytes())
        part = self._context.eval(SANDBOX)
        self._run, self._told = part("run"), part("told")
        self._about: dict[str, Any] = {}

    def result(self, code: str, given: str | None, seconds: float) -> Any:
        """Run a script, and return its result; null if it is only to be compiled.

        Raises:
            Refused: it failed.
        """
        self._context.set_time_limit(seconds)
        body = self._compiled(code)
        if given is None:
            return None
        try:
            text = self._run(body, given)
        except self.engine.JSException as error:  # what `run` doesn't catch
            raise self._stopped(str(error), seconds) from None
        self._about = self._tell()
        if self._about.get("failure"):
            raise self._failed(code)
        if text is None:  # no memory was left to hand it over
            raise Refused(_OUT_OF_MEMORY)
        return _result(text)

    def logged(self) -> dict[str, Any]:
        lines = [_SURROGATE.sub("\ufffd", each) for each in self._about.get("lines", ())]
        return {"logs": lines, "count": self._about.get("count", 0)}

    def _compiled(self, code: str) -> Any:
        try:
            self._context.eval(_AS_DECLARATION % code)
        except self.engine.JSException as error:
            if not str(error).startswith(_FAULT_BEHIND + "\n"):
                raise self._faulty(code, error) from None
        except ValueError:
            raise Refused("a script's code is text without NUL and without half a surrogate pair; escape it") from None
        try:
            return self._context.eval(_AS_METHOD % code)
        except self.engine.JSException as error:
            raise self._faulty(code, error) from None

    def _faulty(self, code: str, error: Exception) -> Refused:
        what, _, trace = str(error).partition("\n")
        if isinstance(error, self.engine.StackOverflow):
            return Refused(_NESTED)
        if what == _NO_MEMORY:
            return Refused(_OUT_OF_MEMORY)
        where = _where(code, trace)
        return Refused(_NOT_CLOSED if where == _AT_END else _SURROGATE.sub("\ufffd", what) + where)

    def _stopped(self, error: str, seconds: float) -> Refused:
        self._about = self._tell()
        if error.startswith("InternalError: interrupted"):
            return Refused("", "script_timeout")
        return Refused(_OUT_OF_MEMORY)

    def _tell(self) -> dict[str, Any]:
        """Return what is known of the script; nothing of it runs any more."""
        self._context.set_memory_limit(MEMORY_BYTES + TOLD_BYTES)
        try:
            about = self._told()
        except self.engine.JSException:
            return {}
        return json.loads(about) if about else {}

    def _failed(self, code: str) -> Refused:
        what = _SURROGATE.sub("\ufffd", self._about["failure"])
        if what == _NO_MEMORY:
            what = _OUT_OF_MEMORY
        return Refused(what + _where(code, self._about["trace"]))


def _stack_bytes() -> int:
    whole, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return STACK_BYTES if whole == resource.RLIM_INFINITY else min(STACK_BYTES, whole // 4)


def _where(code: str, trace: str) -> str:
    """Say in which of the author's lines something is, if it is in one: see `script_sandbox.js`."""
    for found in _PLACE.finditer(trace):
        line = int(found[1]) - 1
        if line > 1 + len(_LINE_END.findall(code)):
            return _AT_END
        if line > 0:
            return f", at line {line}, column {found[2]}"
    return ""


def _result(text: str) -> Any:
    """Make a result of JSON text.

    Raises:
        Refused: a log can't carry it, or it is too large.
    """
    if len(text) > RESULT_BYTES:
        raise Refused(_TOO_LARGE, "data_too_large")
    try:
        value = _plain(json.loads(text), RESULT_DEPTH)
    except RecursionError:
        raise Refused(_TOO_DEEP) from None
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > RESULT_BYTES:
        raise Refused(_TOO_LARGE, "data_too_large")
    return value


def _plain(value: Any, depth: int) -> Any:
    """Return the value as a log can carry it."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, int):  # booleans, too
        return value if -_EXACT <= value <= _EXACT else float(value)  # which it was in JavaScript
    if not isinstance(value, (dict, list)):
        return value
    if depth == 0:
        raise Refused(_TOO_DEEP)
    if isinstance(value, list):
        return [_plain(each, depth - 1) for each in value]
    return {_plain(key, depth): _plain(each, depth - 1) for key, each in value.items()}
