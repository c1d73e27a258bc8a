"""What the routes of secrets take and give. No answer has a value."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from interlock.secrets.encodings import SHORTEST
from interlock.secrets.rules import Hosts, Value, Workflows


class PutSecret(BaseModel):
    """A secret. What is left out of a new one is everything, or false; of one that is there, as it was."""

    model_config = ConfigDict(extra="forbid")

    value: Annotated[Value, Field(min_length=SHORTEST, repr=False, description="never shown again")]
    hosts: Hosts | None = Field(
        None, description="where it may be sent: names, `*.` and a name, or addresses, each with or without a port"
    )
    workflows: Workflows | None = Field(None, description="the workflows that may use it")
    script: StrictBool | None = Field(None, description="whether scripts are given it")


class SecretInfo(BaseModel):
    """A secret without its value. One in the server's environment has no times, and isn't changed over HTTP."""

    name: str
    namespace: str | None
    hosts: list[str]
    workflows: list[str]
    script: bool
    source: Literal["stored", "environment"]
    created_at: str | None
    updated_at: str | None
    updated_by: str | None


class SecretList(BaseModel):
    """The secrets of one's account, or of one of its namespaces, in the order of their names."""

    secrets: list[SecretInfo]


class Rotated(BaseModel):
    """How many stored values were sealed with an older key, and are sealed with the first one now."""

    rotated: int
