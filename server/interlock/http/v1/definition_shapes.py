"""What the routes of definitions take and give.

Law: what a definition must be is said by `definitions.machine_checks`; the models of its parts are for readers and for
programs that write clients, and judge nothing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock_protocol.types import JsonValue


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class TransitionDefinition(_Open):
    """A way to another state: the first whose condition holds is taken. `to` may stand for `target`."""

    target: str | None = None
    condition: dict[str, JsonValue] | None = None
    key: str | None = None
    description: str | None = None
    label: str | None = None


class StateDefinition(_Open):
    """A state of a machine. Which other fields it has depends on its type."""

    type: Literal["action", "halting", "terminal", "parallel", "wait"]
    transitions: list[TransitionDefinition] | None = None
    description: str | None = None


class WorkflowDefinition(_Open):
    """A state machine."""

    name: str = Field(description="1 to 64 letters and digits of ASCII, `_` and `-`")
    initial_state: str
    states: dict[str, StateDefinition]
    ai_guidance: str | None = None
    description: str | None = None


class AnyDefinition(_Open):
    """What is to be a definition: any object."""


class Fault(BaseModel):
    """What is wrong in a definition, and where: `states.start.transitions[0].target`. Faults of graphs have a code."""

    path: str
    code: str | None = None
    message: str


class Validation(BaseModel):
    """Whether a definition could be stored; all that is wrong with it, and what may be a mistake."""

    valid: bool
    errors: list[Fault] | None = None
    warnings: list[Fault] | None = None


class CreatedVersion(BaseModel):
    """A version of a definition that was stored as a draft."""

    name: str
    version_id: str
    status: Literal["draft", "published"]
    created_at: str
    warnings: list[Fault] | None = None


class Version(BaseModel):
    """A version in a list. `number` counts those of its name; whoever made and published it may not be known."""

    version_id: str
    number: int
    status: Literal["draft", "published"]
    created_at: str
    created_by: str | None = None
    published_at: str | None = None
    published_by: str | None = None


class VersionList(BaseModel):
    """A page of versions of a definition, the newest first; `next_cursor` asks for the next one."""

    versions: list[Version]
    next_cursor: str | None = None


class VersionDetail(Version):
    """A version with its definition."""

    name: str
    definition: dict[str, JsonValue]


class PublishedVersion(BaseModel):
    """The version that new instances begin with from now on."""

    version_id: str
    status: Literal["published"]
    published_at: str


class WorkflowName(BaseModel):
    """A definition: its newest version, and the one that new instances begin with, since when; how many are drafts."""

    name: str
    workflow_id: str
    latest_version_id: str
    published_version_id: str | None
    published_at: str | None
    drafts: int
    created_at: str


class WorkflowNames(BaseModel):
    """A page of an account's definitions, the newest first; `next_cursor` asks for the next one."""

    workflows: list[WorkflowName]
    next_cursor: str | None = None


class WorkflowDetail(WorkflowName):
    """A definition, with its current version; of one that was never published, the newest."""

    definition: dict[str, JsonValue]


class Diagram(BaseModel):
    """The states and transitions of a version as a diagram in Mermaid."""

    mermaid: str
