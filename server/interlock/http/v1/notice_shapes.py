"""What the routes of notices take and give."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictStr

MAX_BODY: Final = 16 * 1024

Address: TypeAlias = Annotated[StrictStr, Field(max_length=320)]


class PutAddresses(BaseModel):
    """All the addresses at which somebody is to be told, by the names of channels."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    addresses: Annotated[dict[str, Address], Field(max_length=50)]


class OfferedChannel(BaseModel):
    """A channel for which one may give an address. `about` says what an address of it is."""

    name: str
    kind: str
    about: str
    example: str


class Notifications(BaseModel):
    """At which addresses somebody is told when a run waits for them, and for which channels they may give one."""

    addresses: dict[str, str]
    channels: list[OfferedChannel]


class TriedChannel(BaseModel):
    """How a test went by one channel; `trouble` says why it wasn't sent."""

    channel: str
    sent: bool
    trouble: str | None


class TriedChannels(BaseModel):
    """How a test went, by each channel for which somebody has an address."""

    tried: list[TriedChannel]
