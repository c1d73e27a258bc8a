"""What runs in a process of `processes.py`: a separate program, outside the server's process and its packages.

Laws:
- A question that exceeds its CPU time ends the process, through a kernel timer: nothing inside the process could stop
  it while a library holds the GIL. That holds, too, where nobody is left to kill it.
- The process ends when its standard input closes. It ignores signals meant for the server, which lets its steps finish
  first.
- It imports nothing of Interlock but the file of its program, which has a class `Answers`: `answer(*question)` returns
  an answer as a line of JSON, and `prepare()` is called after each, once it is sent.

It reads lines of JSON: first the import paths, the program's file and its memory; then one list for each question, of
which the first is the CPU time in seconds. It writes `null` when it is ready, and when it has read a question: if it
ends after that `null`, the question ended it. Then it writes the answer.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import resource
import signal
import sys
from types import ModuleType
from typing import Any


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the server, which ends this process
    settings = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = settings["path"]
    _bound(settings["memory_bytes"])
    answers = _loaded(settings["program"]).Answers()
    _say("null")
    for line in sys.stdin.buffer:
        _say("null")
        seconds, *question = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        answer = answers.answer(*question)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _say(answer)
        answers.prepare()


def _bound(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):  # not on every system
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _loaded(file: str) -> Any:
    spec = importlib.util.spec_from_file_location("program", file)
    assert spec is not None
    assert spec.loader is not None
    program: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules["program"] = program
    spec.loader.exec_module(program)
    return program


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
