"""What a run has the engine do: each activity is data, and the engine has one runner for each kind.

Laws:
- An activity says what is to be called and what it is given; how (on the loop, in a thread, in another process), how
  long, and what is streamed meanwhile, is the runner's.
- What a runner needs of the border between a run and its author's code is named here, and nothing else of `declare`.

Source: `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from interlock.workflow.declare.agents import (
    AgentExecutor,
    AgentPause,
    Tool,
    ToolDecision,
    ToolRequest,
)
from interlock.workflow.declare.errors import OutputError
from interlock.workflow.declare.expressions import Expression
from interlock.workflow.declare.io import (
    Content,
    CustomEvent,
    EarlierRun,
    Session,
    StepInput,
    StepOutput,
    content_of,
    json_ready,
)
from interlock.workflow.declare.values import legible
from interlock.workflow.node import AgentState

__all__ = [
    "Activity",
    "AgentExecutor",
    "AgentPause",
    "AgentState",
    "AgentTurn",
    "Content",
    "CustomEvent",
    "EarlierRun",
    "Evaluation",
    "Expression",
    "Function",
    "OutputError",
    "Session",
    "SessionRead",
    "StepInput",
    "StepOutput",
    "ThreadEnd",
    "Tool",
    "ToolDecision",
    "ToolRequest",
    "content_of",
    "json_ready",
    "legible",
]


@dataclass(frozen=True, slots=True)
class SessionRead:
    """Read the session of the run, as it is now. Its result is a `Session` that one step may change."""


@dataclass(frozen=True, slots=True)
class Function:
    """Run a step's function to its end, and stream what it yields. Its result is a `Content`.

    Args:
        time_limit: how long it may take, in seconds; None for as long as it likes.
    """

    function: Callable[[StepInput], Any]
    given: StepInput
    time_limit: float | None = None


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """Run an agent, or resume it where it `paused`. Its result is a `Content`, or an `AgentPause`."""

    agent: AgentExecutor
    paused: AgentState | None
    given: StepInput
    time_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Ask a function, or an expression in CEL, about the run or an output. Its result is whatever that returns."""

    evaluator: Callable[[Any], Any]
    given: StepInput | StepOutput


@dataclass(frozen=True, slots=True)
class ThreadEnd:
    """Wait until no thread is at work any more for an earlier try of the step, `time_limit` seconds at most."""

    time_limit: float | None = None


Activity: TypeAlias = SessionRead | Function | AgentTurn | Evaluation | ThreadEnd
