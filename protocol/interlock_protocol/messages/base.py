"""What the messages of a server have in common.

Source: `docs/protocol.md`, "Answers and control messages" and "Run events".
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field

from interlock_protocol.requirements import Tolerant
from interlock_protocol.types import PathPart


class ServerMessage(Tolerant):
    """What every server message has."""

    event: str


class UnknownEvent(ServerMessage):
    """A message of a later protocol; everything it carries is kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    always: ClassVar[frozenset[str]] = frozenset()


class RunEvent(ServerMessage):
    """What every event of a run has. `created_at` is in milliseconds since 1970.

    `replayed` marks the last event of a finished run that is sent once more, to a client that has missed nothing.
    """

    event_index: int | None = None
    replayed: bool | None = None
    epoch: int = 0
    created_at: int = 0
    workflow_id: str
    workflow_name: str | None = None
    run_id: str
    session_id: str | None = None


class StepEvent(RunEvent):
    """What every event of a step has. `visit` (from 1) tells the iterations of a loop apart."""

    step_id: str
    step_name: str
    step_index: int
    step_path: list[PathPart] = Field(default_factory=list)
    visit: int = 1
    parent_step_id: str | None = None
    nested_depth: int | None = None
