"""The program that evaluates CEL expressions, one after the other: see `process_main.py`.

A question is `[text, values]`, the answer `{"value": …}` or `{"error": "…"}`. An expression that exceeds its memory
ends the process.
"""

from __future__ import annotations

import json
import sys
import types
from typing import Any

MOST_PROGRAMS = 100
"""How many compiled expressions are kept."""

ANSWER_BYTES = 32 * 1024
"""The maximum size of an answer. Expressions return a boolean or a few names."""


class Answers:
    def __init__(self) -> None:
        sys.modules["cel.cli"] = types.ModuleType("cel.cli")  # the library's command line: 30 MB, unused here
        import cel

        self._compile = cel.compile
        self._programs: dict[str, Any] = {}

    def answer(self, text: str, values: dict[str, Any]) -> str:
        return json.dumps(self._answer(text, values))

    def prepare(self) -> None:
        pass

    def _answer(self, text: str, values: dict[str, Any]) -> dict[str, Any]:
        try:
            if text not in self._programs:
                if len(self._programs) >= MOST_PROGRAMS:
                    self._programs.clear()
                self._programs[text] = self._compile(text)
            value = self._programs[text].execute(values)
            size = len(json.dumps(value))
        except BaseException as error:  # a Rust panic in the library isn't an Exception
            return {"error": str(error)[:1000] or type(error).__name__}
        return {"value": value} if size <= ANSWER_BYTES else {"error": f"it came to {size} bytes"}
