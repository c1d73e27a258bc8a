"""Evaluates CEL expressions on any data that a user sends, without blocking the event loop.

Laws:
- A small expression is evaluated in place; an upper bound of its steps, known beforehand, shows that it is small. (The
  library holds the GIL for the whole evaluation, so a thread would block the event loop, too.)
- Any other expression is evaluated in a child process, which is killed if it takes too long.
- Processes are started on demand and reused. If one ends while it evaluates, that is an error of the expression. If one
  had ended before it began, something else ended it, and a new process is asked, once.

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
"""How much CPU time an expression may use."""

ANSWER_SECONDS = 10.0
"""How long it may take in all, on a busy machine."""

START_SECONDS = 30.0
"""How long a process may take to start."""

MEMORY_BYTES = 1024**3
"""How much memory a process may have."""

PROCESSES = 2
"""How many expressions are evaluated at a time; others wait for their turn."""


@dataclass
class Expressions:
    """Evaluates expressions. An instance belongs to one event loop; call `close` at the end."""

    _idle: list[asyncio.subprocess.Process] = field(default_factory=list)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROCESSES))

    async def value(self, expression: Expression, step_input: StepInput) -> Any:
        """Return the value of an expression.

        Raises:
            OutputError: it failed, or exceeded a limit.
        """
        values = expression.values(step_input)
        if expression.is_small(values):
            return expression.evaluate(values)
        question = to_json([expression.text, values])
        async with self._room:
            process = self._kept() or await _started()
            line = await self._answer(process, question)
            if line is None:
                process = await _started()
                line = await self._answer(process, question)
        if not line:
            raise OutputError(f"the expression {expression.text!r} {_why(process.returncode)}")
        answer = json.loads(line)
        if "error" in answer:
            raise OutputError(f"the expression {expression.text!r} failed: {answer['error']}")
        return answer["value"]

    def _kept(self) -> asyncio.subprocess.Process | None:
        """Return an idle process that is alive, or None."""
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        return None

    async def _answer(self, process: asyncio.subprocess.Process, question: bytes) -> bytes | None:
        """Return the process's answer: empty if it ended or timed out first, None if it had ended before it began."""
        line: bytes | None = b""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                has_begun = await _said(process, question)
                line = await _next_line(process) if has_begun else None
        except TimeoutError:
            pass
        finally:
            if line:
                self._idle.append(process)
            else:
                await _ended(process)
        return line

    async def close(self) -> None:
        """End the idle processes."""
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
    is_ready = b""
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                is_ready = await _said(process, json.dumps(settings).encode())
    finally:
        if not is_ready:
            await _ended(process)
    if not is_ready:
        raise OutputError("no process to evaluate expressions in could be started")
    return process


async def _said(process: asyncio.subprocess.Process, line: bytes) -> bytes:
    """Write a line to the process, and return the line that it writes next; empty if it has ended."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.write(line + b"\n")
        await process.stdin.drain()
    return await _next_line(process)


async def _next_line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Kill the process if it is alive, and wait for its end; it has no state to save."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)  # `process.kill()` may lose the exit code
    await process.wait()


def _why(code: int | None) -> str:
    """Explain the process's exit code for the error message."""
    advice = "let it look at less data, or use a function"
    if code in (-signal.SIGPROF, -signal.SIGKILL):
        return f"computed for longer than {CPU_SECONDS:g} s: {advice}"
    if code == -signal.SIGABRT:
        return f"used more than {MEMORY_BYTES >> 20} MiB: {advice}"
    return f"ended the process that it was evaluated in, with {code}: {advice}"
