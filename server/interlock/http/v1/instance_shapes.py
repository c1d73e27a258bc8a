"""What the routes of instances take and give."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock_protocol.limits import MAX_REASON
from interlock_protocol.messages import Name, Namespace
from interlock_protocol.types import JsonValue

InstanceStatus = Literal["running", "halted", "completed", "failed", "cancelled"]


class _Asked(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class CreateInstance(_Asked):
    """What an instance begins with. Without a `namespace` it is in its owner's own.

    No two active instances of a workflow have the same `business_key`; the definition may give one, too. Without a
    `version_id` it has the current version. To try a draft takes the scope that writing one does.
    """

    namespace: Namespace | None = None
    business_key: Name | None = None
    version_id: Name | None = None
    input: dict[str, JsonValue] = Field(default_factory=dict)


class ResumeInstance(_Asked):
    """A person's input. It is for the halt that is open when it arrives, or for the one that is named.

    `choice` may stand for `input: {"choice": …}`. `digest` says what it was decided on. An admin decides `on_behalf_of`
    one of those who are asked, with a `reason`.
    """

    input: dict[str, JsonValue] = Field(default_factory=dict)
    choice: str | None = None
    thread_id: Name | None = None
    halt_id: Name | None = None
    expected_state: Name | None = None
    digest: Name | None = None
    on_behalf_of: Name | None = None
    reason: str | None = Field(default=None, min_length=1, max_length=MAX_REASON)


class RetryInstance(_Asked):
    """Nothing is asked."""


class CancelInstance(_Asked):
    """Why an instance is cancelled."""

    reason: str | None = Field(default=None, max_length=MAX_REASON)


class Halt(BaseModel):
    """What somebody is asked, where something is: as a presentation, or as instructions with choices; and the topic of
    the signals that lead on, too. `halted_digest` is a hash over it; where `halted_bind` is true, a resume needs it."""

    halt_id: str | None = None
    halted_at_state: str | None = None
    halting_presentation: dict[str, JsonValue] | None = None
    halted_options: dict[str, JsonValue] | None = None
    halted_signal: str | None = None
    accepts: dict[str, JsonValue] | None = None
    halted_digest: str | None = None
    halted_bind: bool | None = None


class Thread(Halt):
    """A thread: the state that it is in or ended in, and what it asks."""

    id: str
    status: InstanceStatus
    current_state: str


class ThreadList(BaseModel):
    """The threads of an instance."""

    threads: list[Thread]


class Instance(Halt):
    """An instance as it is now, and what it asks. `error` is `code: message`; `retried_from` the failed instance that
    it repeats."""

    id: str
    workflow_name: str
    version_id: str | None
    namespace: str
    business_key: str | None = None
    retried_from: str | None = None
    status: InstanceStatus
    current_state: str | None
    workflow_data: dict[str, JsonValue]
    threads: list[Thread]
    error: str | None = None
    created_at: str
    ended_at: str | None = None


class HistoryEntry(BaseModel):
    """A stay in a state. `thread` is there for another thread than the main one."""

    state: str
    thread: str | None = None
    entered_at: str
    exited_at: str | None = None
    transition: str | None = None
    logs: list[str] | None = None
    duration_ms: int | None = None
    input_received: dict[str, JsonValue] | None = None
    resumed_at: str | None = None
    resumed_by: str | None = None


class InstanceDetail(Instance):
    """An instance with the states that it came through, at most the last 1,000, and a megabyte of logs."""

    history: list[HistoryEntry]


class CancelledInstance(BaseModel):
    """An instance that was cancelled."""

    id: str
    status: Literal["cancelled"]
    cancelled_at: str


class InstanceSummary(BaseModel):
    """An instance in a list."""

    id: str
    workflow_name: str
    version_id: str | None
    namespace: str
    business_key: str | None = None
    retried_from: str | None = None
    status: InstanceStatus
    current_state: str | None
    created_at: str


class InstanceList(BaseModel):
    """A page of instances, the newest first; `next_cursor` asks for the next one."""

    instances: list[InstanceSummary]
    next_cursor: str | None = None


class HistoryEvent(BaseModel):
    """Something that happened. Which other fields it has depends on its type and subtype."""

    model_config = ConfigDict(extra="allow")

    id: str
    type: Literal["transition", "step", "halt", "signal", "error", "lifecycle"]
    subtype: str
    timestamp: str
    thread: str | None = None
    workflow_data: dict[str, JsonValue] | None = None


class Pagination(BaseModel):
    """Whether there is more, and the cursor that asks for it."""

    has_more: bool
    next_cursor: str | None


class History(BaseModel):
    """A page of what happened in an instance, the oldest first. `gap`: what happened before is no longer kept."""

    instance_id: str
    workflow_id: str
    status: InstanceStatus
    events: list[HistoryEvent]
    pagination: Pagination
    gap: bool | None = None


class ListedError(BaseModel):
    """What failed, and where. `id` is that of the event in the history; `fatal` if it ended the instance.

    Of a workflow in Python, the instance is a run, and `state` the name of a step.
    """

    id: str
    timestamp: str
    instance_id: str
    workflow_name: str
    version_id: str | None
    namespace: str
    state: str | None
    thread_id: str | None
    code: str
    message: str
    fatal: bool


class ErrorList(BaseModel):
    """A page of errors, the newest first."""

    errors: list[ListedError]
    pagination: Pagination
