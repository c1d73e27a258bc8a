"""The bodies of requests and answers about the runs of a project."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from interlock_protocol.messages import Key, Topic
from interlock_protocol.types import AnyJson


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
