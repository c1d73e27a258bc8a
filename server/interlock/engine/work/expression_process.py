"""Evaluates CEL expressions, one after the other, as a separate program outside the server's process.

Laws:
- An expression that exceeds its CPU time ends the process, through a kernel timer: nothing inside the process could
  stop it while the library holds the GIL. An expression that exceeds its memory ends the process, too.
- The process ends when its standard input closes. It ignores signals meant for the server, which lets its steps finish
  first.

It reads lines of JSON: first the import paths and the limits; then one `[text, values]` per question. It writes `null`
when it is ready, and when it has read a question: if it ends after that `null`, the question ended it. Then it writes
the answer, `{"value": …}` or `{"error": "…"}`.
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
"""The maximum size of an answer. Expressions return a boolean or a few names."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the server, which ends this process
    settings = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = settings["path"]
    _bound(settings["memory_bytes"])
    sys.modules["cel.cli"] = types.ModuleType("cel.cli")  # the library's command line: 30 MB, unused here
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
    except BaseException as error:  # a Rust panic in the library isn't an Exception
        return {"error": str(error)[:1000] or type(error).__name__}
    return {"value": value} if size <= ANSWER_BYTES else {"error": f"it came to {size} bytes"}


def _say(answer: dict[str, Any] | None) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
