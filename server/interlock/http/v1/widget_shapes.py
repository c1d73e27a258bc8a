"""The bodies of requests and answers about widgets' bundles."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class AddWidget(BaseModel):
    """A bundle: its name, and the text of its script, up to 2 MiB. It becomes the current version of its name; runs
    that have asked go on with the version that they asked with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    source: str


class WidgetVersion(BaseModel):
    """A version of a bundle; `version` is a hash of its text."""

    name: str
    version: str
    is_current: bool
    bytes: int
    added_by: str
    added_at: str


class WidgetList(BaseModel):
    """The bundles: by name, each with its versions, the current one first."""

    widgets: list[WidgetVersion]
