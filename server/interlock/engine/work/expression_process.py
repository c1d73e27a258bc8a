"""Evaluates expressions in CEL, one after the other: a program of its own, and never a part of the server.

Laws:
- An expression that computes for longer than it may ends the process, by a timer of the kernel's: nothing in the
  process could, while the library holds the interpreter's lock. So does one that wants more memory than it may have.
- It ends with its standard input, and by no signal that is meant for the server: there, steps may end first.

It reads lines of JSON: first the paths to import from and the limits; then `[text, values]` each. It says `null` when
it is ready, and whenever it has read a question: if it ends after that, it ends of the question. Then it answers, with
`{"value": …}` or `{"error": "…"}`.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sys
import types
from typing import Any

MOST_PROGRAMS = 100
"""How many compiled expressions are kept."""

ANSWER_BYTES = 32 * 1024
"""How long an answer may be. What is asked for is a truth, or a few names."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the server, which ends us
    settings = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = settings["path"]
    _bound(settings["memory_bytes"])
    sys.modules["cel.cli"] = types.ModuleType("cel.cli")  # the library's own command line: 30 MB, for nobody here
    import cel

    programs: dict[str, Any] = {}
    _say(None)
    for line in sys.stdin.buffer:
        _say(None)
        signal.setitimer(signal.ITIMER_PROF, settings["cpu_seconds"])
        _say(_answer(cel, programs, *json.loads(line)))
        signal.setitimer(signal.ITIMER_PROF, 0)


def _bound(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):  # not on every system
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _answer(cel: Any, programs: dict[str, Any], text: str, values: dict[str, Any]) -> dict[str, Any]:
    try:
        if text not in programs:
            if len(programs) >= MOST_PROGRAMS:
                programs.clear()
            programs[text] = cel.compile(text)
        value = programs[text].execute(values)
        size = len(json.dumps(value))
    except BaseException as error:  # what the library's own language calls a panic isn't an Exception
        return {"error": str(error)[:1000] or type(error).__name__}
    return {"value": value} if size <= ANSWER_BYTES else {"error": f"it came to {size} bytes"}


def _say(answer: dict[str, Any] | None) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
