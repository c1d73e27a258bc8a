"""CEL expressions in place of small functions: in a Condition, a Router's selector, a Loop's end condition.

Laws:
- An expression that doesn't compile is refused where it is declared, with the column.
- An expression that fails when it is evaluated raises: a step error, never a silent false.
- How long one may take is bounded in advance, by its text and its data. The caller checks whether that is little enough
  to evaluate it at once.

Source: `docs/workflows.md`, "Expressions"; https://cel.dev for the language.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from interlock.workflow.declare.errors import DeclarationError, OutputError
from interlock.workflow.declare.io import StepInput
from interlock.workflow.declare.values import wire

NAMES = (
    "input",
    "previous_step_content",
    "previous_step_outputs",
    "session_state",
    "user_input",
    "signal",
    "iteration",
    "max_iterations",
    "last_step_content",
    "tasks",
    "item",
    "item_index",
    "values",
    "context",
)
"""The names that an expression may use: three are for loops, `tasks` for graphs, `item` and `item_index` for maps, the
last two for the conditions of graphs in JSON. They are null, or empty, elsewhere."""


_MACROS = r"(?:all|exists|exists_one|existsOne|map|filter)"

_MACRO = re.compile(rf"\.\s*{_MACROS}\s*\(\s*(\w+)")
"""The variables that macros bind, as `x` in `input.items.exists(x, x > 3)`."""

_REPEATS = re.compile(rf"\b{_MACROS}\b")
"""The operations that may repeat once per item, in any notation."""

SMALL_STEPS = 10_000
"""How many steps count as few: one takes some microseconds at most."""

_STEP_CHARACTERS = 64
"""How much text counts as one step."""


class Expression:
    """A compiled expression, called like the function that it replaces.

    Raises:
        DeclarationError: it doesn't compile, or the extra that brings CEL isn't installed.
    """

    def __init__(self, text: str, *, place: str) -> None:
        self.text = text
        self._program = _compiled(text, place)
        self._names = frozenset(self._program.variables())
        # A pattern of a few characters may take long, and the pattern may come from the user's data.
        self._is_boundless = "matches" in self._program.functions()
        self._repeats = len(_REPEATS.findall(text))
        self._uses = max(1, sum(word in NAMES for word in re.findall(r"\w+", text)))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __call__(self, step_input: StepInput) -> Any:
        return self.evaluate(self.values(step_input))

    def evaluate(self, values: dict[str, Any]) -> Any:
        """Return its value.

        Raises:
            OutputError: the evaluation fails.
        """
        try:
            return self._program.execute(values)
        except Exception as error:
            raise OutputError(f"the expression {self.text!r} failed: {error}") from error

    def values(self, step_input: StepInput) -> dict[str, Any]:
        """The data that it may use, as plain JSON values."""
        looping = step_input.iteration is not None
        given: dict[str, Callable[[], Any]] = {
            "input": lambda: wire(step_input.input),
            "previous_step_content": lambda: step_input.previous_step_content,
            "previous_step_outputs": step_input.all_step_contents,
            "session_state": lambda: dict(step_input.session.state),
            "user_input": lambda: wire(step_input.user_input),
            "signal": lambda: step_input.signal,
            "iteration": lambda: step_input.iteration,
            "max_iterations": lambda: step_input.max_iterations,
            "tasks": lambda: dict(step_input.tasks),
            "item": lambda: step_input.item,
            "item_index": lambda: step_input.item_index,
            "values": lambda: step_input._beside.get("values"),
            "context": lambda: step_input._beside.get("context"),
            "last_step_content": lambda: step_input.previous_step_content if looping else None,
        }
        return {name: value() for name, value in given.items() if name in self._names}

    def is_small(self, values: dict[str, Any]) -> bool:
        """Return True if it takes few steps in every case.

        Without a repetition, each value that it uses is looked at once, in as many steps as the value has items. A
        repetition does all that once per item, and its result may be as large as the steps it took. So each further
        repetition multiplies the steps, nested or not.
        """
        most = (SMALL_STEPS / self._uses) ** (1 / (self._repeats + 1))
        in_text = self.text.count(",") + len(self.text) // _STEP_CHARACTERS
        return not self._is_boundless and _is_within(round(most) - in_text, values)


def _is_within(steps: int, values: Any) -> bool:
    """Return True if looking at all of these takes at most this many steps. The check itself stops there."""
    left = [values]
    while left and steps >= 0:
        value = left.pop()
        if isinstance(value, str):
            steps -= len(value) // _STEP_CHARACTERS
        elif isinstance(value, dict | list):
            steps -= len(value)
            if steps >= 0:
                left.extend(value)
                left.extend(value.values() if isinstance(value, dict) else ())
    return steps >= 0


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
    """The first error, and its column (from 1)."""
    found = re.search(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]+)", message)
    if found is None:
        return message.splitlines()[0]
    line, column, what = found.groups()
    return f"column {column}{'' if line == '1' else f' of line {line}'}: {what}."
