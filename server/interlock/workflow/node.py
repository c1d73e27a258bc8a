"""The life of a node: one visit of a step or a container, as far as it has come.

Law: what stands here is folded from the log, and from nothing else.

Source: `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from interlock_protocol.types import JsonObject, JsonValue, OnReject, StepType


class Phase(StrEnum):
    """Where a node stands."""

    ENTERED = "entered"
    RUNNING = "running"
    WAITING = "waiting"
    """Begun, and in need of a person: about its output, or about an agent's tools."""
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self in (Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED)


@dataclass(slots=True)
class AgentState:
    """What an agent goes on from: its own state, its requests, and the decisions on them once there are all.

    A request is an `executor_requirements[]` object; a decision is the client's part of one, by the request's id.
    `schemas` are the JSON schemas of tools' arguments, by the same.
    """

    state: JsonValue
    requests: list[dict[str, Any]]
    decisions: dict[str, JsonObject] = field(default_factory=dict)
    schemas: dict[str, JsonObject] = field(default_factory=dict)

    @property
    def is_resolved(self) -> bool:
        return all(request["id"] in self.decisions for request in self.requests)


@dataclass(slots=True)
class NodeState:
    """One visit of a node.

    `kind` is what the node was when it was entered, None where nothing told. `gates_passed` counts the reviews before
    execution that are done with; `pending` is the id of the requirement it waits for. `input` is a nested workflow's,
    as its `input_schema` makes it. `attempt` counts the tries of a step, `tries` those since a person last had a say;
    `at_work` is that one that is over has yet to end in its thread. `round` counts how often an output was sent back,
    `turn` how often an agent has paused, `iteration` the iterations of a loop. `content` is the output, from its review
    on, and `model` what it was an instance of; `verdict` is what a person said of it, `overruled` that they replaced
    it. `children` are the nodes inside that were entered, a loop's `earlier` those of the iteration before. `sealed`
    are the secrets in `user_input`, until the step has ended; `inputs` counts how often a person gave other input
    after an error. `asked_errors` counts how often a person had it tried again since a try began: the next one may
    fail before it begins.
    """

    step_id: str
    visit: int
    kind: StepType | None = None
    phase: Phase = Phase.ENTERED
    gates_passed: int = 0
    pending: str | None = None
    rejected: OnReject | None = None
    rejected_by: str | None = None
    feedback: str | None = None
    input: JsonValue = None
    user_input: JsonObject | None = None
    sealed: dict[str, str] = field(default_factory=dict)
    inputs: int = 0
    selected: list[str] | None = None
    chosen: bool = False
    branch: str | None = None
    attempt: int = 0
    tries: int = 0
    round: int = 0
    turn: int = 0
    retry_at: int | None = None
    at_work: bool = False
    started_index: int = -1
    started_at: int = 0
    ended_index: int = -1
    iteration: int = 0
    iterating: bool = False
    should_continue: bool = True
    content: JsonValue = None
    content_type: str = "str"
    model: str | None = None
    success: bool = True
    stop: bool = False
    verdict: Literal["approved", "retry"] | None = None
    overruled: bool = False
    previous_output: JsonValue = None
    error: str | None = None
    error_type: str | None = None
    asks: bool = False
    asked_errors: int = 0
    session_changes: list[JsonValue] = field(default_factory=list)
    agent: AgentState | None = None
    children: dict[str, NodeState] = field(default_factory=dict)
    earlier: dict[str, NodeState] = field(default_factory=dict)
