"""Expressions in CEL, on whatever data a user sends, without holding up anybody.

Laws:
- What is small is evaluated at once: its bound of steps says so beforehand. (The library holds the interpreter's lock
  for as long as an expression takes, so that a thread would hold up the event loop as well.)
- Everything else is evaluated in a process beside this one, which may be killed, and is when it takes too long.
- Processes are started when they are needed, and kept.

Source: `docs/workflows.md`, "Expressions".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from interlock.engine.work import expression_process
from interlock.workflow.activities import Expression, OutputError, StepInput

CPU_SECONDS = 1.0
"""How long an expression may compute."""

ANSWER_SECONDS = 10.0
"""How long it may take in all, on a machine that is busy."""

START_SECONDS = 30.0
"""How long a process may take to start."""

MEMORY_BYTES = 1024**3
"""How much memory a process may have."""

PROCESSES = 2
"""How many expressions are evaluated at a time; others wait for their turn."""


@dataclass
class Expressions:
    """Evaluates expressions. Belongs to one event loop; `close` it in the end."""

    _idle: list[asyncio.subprocess.Process] = field(default_factory=list)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROCESSES))

    async def value(self, expression: Expression, step_input: StepInput) -> Any:
        """What an expression comes to.

        Raises:
            OutputError: it failed, or took too much of anything.
        """
        values = expression.values(step_input)
        if expression.is_small(values):
            return expression.evaluate(values)
        async with self._room:
            process = self._idle.pop() if self._idle else await _started()
            try:
                line = await _asked(process, expression.text, values)
                if line:
                    self._idle.append(process)
            finally:
                if process not in self._idle:
                    await _ended(process)
        if not line:
            raise OutputError(f"the expression {expression.text!r} {_why(process.returncode)}")
        answer = json.loads(line)
        if "error" in answer:
            raise OutputError(f"the expression {expression.text!r} failed: {answer['error']}")
        return answer["value"]

    async def close(self) -> None:
        """End the processes."""
        while self._idle:
            await _ended(self._idle.pop())


async def _started() -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", expression_process.__file__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    settings = {"path": sys.path, "cpu_seconds": CPU_SECONDS, "memory_bytes": MEMORY_BYTES}
    try:
        ready = await _answered(process, json.dumps(settings).encode(), START_SECONDS)
    except BaseException:
        await _ended(process)
        raise
    if not ready:
        await _ended(process)
        raise OutputError("no process to evaluate expressions in could be started")
    return process


async def _asked(process: asyncio.subprocess.Process, text: str, values: dict[str, Any]) -> bytes:
    """The answer; nothing when the process gave none."""
    return await _answered(process, to_json([text, values]), ANSWER_SECONDS)


async def _answered(process: asyncio.subprocess.Process, line: bytes, seconds: float) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(seconds):
            process.stdin.write(line + b"\n")
            await process.stdin.drain()
            return await process.stdout.readline()
    return b""


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Kill it, if it hasn't ended: it has nothing to lose."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)  # `process.kill()` may take away what it ended with
    await process.wait()


def _why(code: int | None) -> str:
    """What the process's end says of the expression."""
    advice = "let it look at less data, or use a function"
    if code in (-signal.SIGPROF, -signal.SIGKILL):
        return f"computed for longer than {CPU_SECONDS:g} s: {advice}"
    if code == -signal.SIGABRT:
        return f"used more than {MEMORY_BYTES >> 20} MiB: {advice}"
    return f"ended the process that it was evaluated in, with {code}: {advice}"
