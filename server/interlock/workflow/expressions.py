"""CEL expressions in place of small functions: in a Condition, a Router's selector, a Loop's end condition.

Laws:
- An expression that doesn't compile is refused where it is declared, with the column.
- One that fails when it is evaluated raises: a step error, never a silent false.

Source: engine spec, rule 13; https://cel.dev for the language.
"""

from __future__ import annotations

import re
from typing import Any

from interlock.workflow.errors import DeclarationError, OutputError
from interlock.workflow.io import StepInput
from interlock.workflow.values import wire

NAMES = (
    "input",
    "previous_step_content",
    "previous_step_outputs",
    "session_state",
    "user_input",
    "iteration",
    "max_iterations",
    "last_step_content",
)
"""What an expression may speak of; the last three are null outside of loops."""


_MACRO = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*(\w+)")
"""What a macro binds, as `x` in `input.items.exists(x, x > 3)`."""


class Expression:
    """A compiled expression, to be called like the function it stands for.

    Raises:
        DeclarationError: it doesn't compile, or the extra that brings CEL isn't installed.
    """

    def __init__(self, text: str, *, place: str) -> None:
        self.text = text
        self._program = _compiled(text, place)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __call__(self, step_input: StepInput) -> Any:
        try:
            return self._program.execute(self._values(step_input))
        except Exception as error:
            raise OutputError(f"the expression {self.text!r} failed: {error}") from error

    def _values(self, step_input: StepInput) -> dict[str, Any]:
        looping = step_input.iteration is not None
        return {
            "input": wire(step_input.input),
            "previous_step_content": step_input.previous_step_content,
            "previous_step_outputs": step_input.all_step_contents(),
            "session_state": dict(step_input.session.state),
            "user_input": wire(step_input.user_input),
            "iteration": step_input.iteration,
            "max_iterations": step_input.max_iterations,
            "last_step_content": step_input.previous_step_content if looping else None,
        }


def _compiled(text: str, place: str) -> Any:
    try:
        import cel
    except ImportError:
        raise DeclarationError(
            f"{place}: an expression in CEL needs the extra `server`: pip install 'interlock[server]'."
        ) from None
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise DeclarationError(f"{place}: {text!r} isn't a CEL expression: {_where(str(error))}") from None
    bound = {found[1] for found in _MACRO.finditer(text)}
    for name in program.variables():
        if name not in NAMES and name not in bound:
            raise DeclarationError(f"{place}: {text!r} speaks of {name!r}; there is only: {', '.join(NAMES)}.")
    return program


def _where(message: str) -> str:
    """The first thing that is wrong, and its column (from 1)."""
    found = re.search(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]+)", message)
    if found is None:
        return message.splitlines()[0]
    line, column, what = found.groups()
    return f"column {column}{'' if line == '1' else f' of line {line}'}: {what}."
