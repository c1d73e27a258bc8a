"""The bodies of requests and answers about the runs of a project."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from interlock_protocol.messages import Key, Topic
from interlock_protocol.types import AnyJson, JsonValue


class SendSignal(BaseModel):
    """A signal: its topic, and what comes with it, any JSON value up to 256 KiB. The same one again with its key is
    sent once, for as long as the run is known."""

    model_config = ConfigDict(extra="forbid", strict=True)

    topic: Topic
    payload: AnyJson = None
    idempotency_key: Key | None = None


class SentSignal(BaseModel):
    """The signal is in the run's log. The run takes it when something in it waits for the topic."""

    run_id: str
    topic: str
    signal_id: str
    status: Literal["accepted"]


class AuditEntry(BaseModel):
    """An entry of the audit's chain; one that was erased, or is about something else, has neither content nor salt."""

    run_id: str
    seq: int
    content: dict[str, JsonValue] | None
    salt: str | None
    leaf: str
    hash: str


class AuditCheckpoint(BaseModel):
    """A statement that the server signs: how far chains of the account had come. `keys` are those to check it with;
    `next_after` is null in the last one."""

    statement: str
    keys: list[dict[str, JsonValue]]
    next_after: str | None


class AuditPerson(BaseModel):
    """Somebody to whom a requirement was sent, and when they said that they saw it, in milliseconds since 1970."""

    user_id: str
    requirement_id: str
    delivered_at: int | None
    seen_at: int | None


class Audit(BaseModel):
    """A page of the audit of a run, which has `count` entries; `next_after` is null on the last one."""

    run_id: str
    count: int
    entries: list[AuditEntry]
    people: list[AuditPerson]
    next_after: int | None
