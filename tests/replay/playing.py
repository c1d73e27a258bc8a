"""Scenarios: a workflow and what is done with its run, by name; and the steps that many of them have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from interlock import (
    CustomEvent,
    StepInput,
    StepOutput,
    Workflow,
)
from interlock.testing import Run

Play = Callable[[Run], Awaitable[Any]]


@dataclass(frozen=True)
class Scenario:
    """A workflow, what it is started with, and what is done with its run."""

    what: str
    workflow: Workflow
    play: Play
    message: Any = "hello"


SCENARIOS: dict[str, Scenario] = {}


def scenario(*nodes: Any, message: Any = "hello", **workflow: Any) -> Callable[[Play], Play]:
    """The scenario of a run of these nodes, called like the function that plays it; its docstring says what it is."""

    def add(play: Play) -> Play:
        name = play.__name__.removeprefix("_")
        made = Workflow(name.replace("_", "-"), steps=list(nodes), **workflow)
        SCENARIOS[name] = Scenario((play.__doc__ or "").strip(), made, play, message)
        return play

    return add


# ── Steps for all ───────────────────────────────────────────────────────────────────────────────────────


def echo(step_input: StepInput) -> str:
    before = step_input.previous_step_content
    return f"{step_input.input if before is None else before}!"


def stream(step_input: StepInput) -> Iterator[str | CustomEvent]:
    yield "one "
    yield CustomEvent("progress", {"percent": 50})
    yield "two"


def redo(step_input: StepInput) -> str:
    return f"draft, then {step_input.rejection_feedback} (was: {step_input.previous_output})"


class Flaky:
    """Fails so often, then works; anew in each process."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, step_input: StepInput) -> str:
        if self.left:
            self.left -= 1
            raise ConnectionError("no route to host")
        return f"attempt {step_input.attempt}"


def is_fine(output: StepOutput) -> bool:
    return output.success


def break_down(_: StepInput) -> str:
    raise ValueError("no fuel")


async def hang(step_input: StepInput) -> str:
    if step_input.attempt == 1:
        await asyncio.Event().wait()
    return f"attempt {step_input.attempt}"
