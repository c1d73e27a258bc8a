"""The activities that a run asks of the engine: each is plain data, and the engine has one runner for each kind.

Laws:
- An activity states what to call and with which arguments. The runner decides how (on the loop, in a thread, in another
  process), for how long, and what is streamed meanwhile.
- Runners get the names that they need from `declare` here, and import nothing else of it.

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
]


@dataclass(frozen=True, slots=True)
class SessionRead:
    """Read the current session of the run. Its result is a `Session` that one step may change."""


@dataclass(frozen=True, slots=True)
class Function:
    """Run a step's function to completion, and stream what it yields. Its result is a `Content`.

    Args:
        time_limit: how long it may take, in seconds; None means no limit.
    """

    function: Callable[[StepInput], Any]
    given: StepInput
    time_limit: float | None = None


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """Run an agent, or resume it from `paused`. Its result is a `Content`, or an `AgentPause`."""

    agent: AgentExecutor
    paused: AgentState | None
    given: StepInput
    time_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Ask a function, or a CEL expression, about the run or an output. Its result is the value returned."""

    evaluator: Callable[[Any], Any]
    given: StepInput | StepOutput


@dataclass(frozen=True, slots=True)
class ThreadEnd:
    """Wait until no thread is still running an earlier try of the step, `time_limit` seconds at most."""

    time_limit: float | None = None


Activity: TypeAlias = SessionRead | Function | AgentTurn | Evaluation | ThreadEnd
