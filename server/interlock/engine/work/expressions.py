"""Evaluates CEL expressions on any data that a user sends, without blocking the event loop.

Laws:
- A small expression is evaluated in place; an upper bound of its steps, known beforehand, shows that it is small. (The
  library holds the GIL for the whole evaluation, so a thread would block the event loop, too.)
- Any other expression is evaluated in a child process (`processes.py`), which is killed if it takes too long. If it
  ends while it evaluates, that is an error of the expression.

Source: `docs/workflows.md`, "Expressions".
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from interlock.engine.work import expression_process
from interlock.engine.work.processes import Lost, NotStarted, Processes, Turns
from interlock.workflow.activities import Expression, OutputError, StepInput

CPU_SECONDS = 1.0
"""How much CPU time an expression may use."""

ANSWER_SECONDS = 10.0
"""How long it may take in all, on a busy machine."""

MEMORY_BYTES = 1024**3
"""How much memory a process may have."""

PROCESSES = 2
"""How many expressions are evaluated at a time; others wait for their turn."""


def _processes() -> Processes:
    return Processes(expression_process.__file__, Turns(PROCESSES, most_of_one=PROCESSES), MEMORY_BYTES)


@dataclass
class Expressions:
    """Evaluates expressions. An instance belongs to one event loop; call `close` at the end."""

    _processes: Processes = field(default_factory=_processes)

    async def value(self, expression: Expression, step_input: StepInput) -> Any:
        """Return the value of an expression.

        Raises:
            OutputError: it failed, or exceeded a limit.
        """
        values = expression.values(step_input)
        if expression.is_small(values):
            return expression.evaluate(values)
        question = to_json([CPU_SECONDS, expression.text, values])
        try:
            async with self._processes.turns.turn(account=""):
                line = await self._processes.answer(question, seconds=ANSWER_SECONDS)
        except NotStarted:
            raise OutputError("no process to evaluate expressions in could be started") from None
        except Lost as lost:
            raise OutputError(f"the expression {expression.text!r} {_why(lost.code)}") from None
        answer = json.loads(line)
        if "error" in answer:
            raise OutputError(f"the expression {expression.text!r} failed: {answer['error']}")
        return answer["value"]

    async def close(self) -> None:
        """End the processes."""
        await self._processes.aclose()


def _why(code: int | None) -> str:
    """Explain the process's exit code for the error message."""
    advice = "let it look at less data, or use a function"
    if code in (-signal.SIGPROF, -signal.SIGKILL):
        return f"computed for longer than {CPU_SECONDS:g} s: {advice}"
    if code == -signal.SIGABRT:
        return f"used more than {MEMORY_BYTES >> 20} MiB: {advice}"
    return f"ended the process that it was evaluated in, with {code}: {advice}"
