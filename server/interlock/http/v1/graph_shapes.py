"""What the routes of graphs take and give.

Law: what a graph must be is said by `definitions.checks.graph`; the models of its parts are for readers and for
programs that write clients, and judge nothing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.http.v1.definition_shapes import Version, WorkflowName
from interlock_protocol.types import JsonValue


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class GraphTask(_Open):
    """A task. An input is a value, `{"blank": true}` or `{"blank": "name"}`, or a text with `${tasks.A.output}`."""

    id: str
    type: str
    inputs: dict[str, JsonValue] | None = None
    integration: str | None = None
    retries: int | None = None
    timeout: float | None = None
    on_error: Literal["fail", "skip", "pause"] | None = None
    join: Literal["all", "any"] | None = None
    title: str | None = None


class GraphLink(_Open):
    """What leads from one task to another. `condition`: `completed` by default, `failed`, `always` or `port:NAME`."""

    from_: str = Field(alias="from")
    to: str
    condition: str | None = None


class GraphDefinition(_Open):
    """Tasks, and links between them."""

    name: str = Field(description="1 to 64 letters and digits of ASCII, `_` and `-`")
    tasks: list[GraphTask]
    links: list[GraphLink] | None = None
    description: str | None = None
    input_schema: dict[str, JsonValue] | None = None
    returns: JsonValue = None
    fail_fast: bool | None = None
    at_once: int | None = None
    positions: dict[str, JsonValue] | None = None


class GraphName(WorkflowName):
    """A graph: its newest version, and the one that new sessions begin with while it is active."""

    kind: Literal["graph"]
    active: bool


class GraphNames(BaseModel):
    """A page of an account's graphs, the newest first; `next_cursor` asks for the next one."""

    graphs: list[GraphName]
    next_cursor: str | None = None


class GraphDetail(GraphName):
    """A graph, with its newest version, which may be a draft."""

    version: Version
    definition: dict[str, JsonValue]


class ActivateGraph(BaseModel):
    """Which version to activate: by default the one that was published last or, if none was, the newest draft."""

    version_id: str | None = None


class Activation(BaseModel):
    """Whether a graph can be run, and with which version."""

    name: str
    active: bool
    version_id: str | None


class GraphBody(_Open):
    """The blanks of a graph, by their names: see its endpoint."""


class GraphEndpoint(BaseModel):
    """The request that runs a graph."""

    name: str
    active: bool
    version_id: str
    method: Literal["POST"]
    url: str
    headers: dict[str, str]
    body_schema: dict[str, JsonValue]
    body_example: dict[str, JsonValue]
    curl: str
    openapi: str


class SessionLinks(BaseModel):
    """Where a session can be asked about, cancelled and followed."""

    self: str
    cancel: str
    events: str


class GraphSession(BaseModel):
    """A session of a graph. `outputs` are those of the tasks that end the graph, or what it returns; `pauses` is what
    it asks people, each a requirement as in `WorkflowRunOutput`."""

    session_id: str
    run_id: str
    graph: str
    version_id: str | None
    status: Literal["running", "waiting", "completed", "failed", "cancelled"]
    outputs: JsonValue = None
    error: dict[str, JsonValue] | None = None
    pauses: list[dict[str, JsonValue]] | None = None
    created_at: str
    ended_at: str | None = None
    links: SessionLinks


class SessionTask(BaseModel):
    """What has become of a task in a session; times are in milliseconds since 1970."""

    status: Literal["running", "waiting", "completed", "failed", "skipped", "withdrawn"]
    output: JsonValue = None
    port: str | None = None
    error: dict[str, JsonValue] | None = None
    reason: str | None = None
    started_at: int | None = None
    ended_at: int | None = None


class GraphSessionDetail(GraphSession):
    """A session with its tasks, by their ids; those that nothing was heard of aren't there."""

    tasks: dict[str, SessionTask]


class SessionSummary(BaseModel):
    """A session in a list."""

    session_id: str
    run_id: str
    graph: str
    version_id: str | None
    status: Literal["running", "waiting", "completed", "failed", "cancelled"]
    created_at: str


class GraphSessions(BaseModel):
    """A page of sessions, the newest first; `next_cursor` asks for the next one."""

    sessions: list[SessionSummary]
    next_cursor: str | None = None


class CancelSession(BaseModel):
    """Why a session is cancelled."""

    reason: str | None = Field(None, max_length=4096)


class CancelledSession(BaseModel):
    """A session that was cancelled."""

    session_id: str
    status: Literal["cancelled"]
    cancelled_at: str | None


BODIES = (GraphDefinition, ActivateGraph, GraphBody, CancelSession)
