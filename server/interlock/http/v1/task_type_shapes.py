"""The body of the answer about types of tasks."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from interlock_protocol.types import JsonObject


class TaskTypeInfo(BaseModel):
    """A type of tasks."""

    name: str
    title: str
    description: str
    category: str
    kind: Literal["call", "human", "flow"] = Field(
        description="what it does: calls something, asks people, or shapes the graph"
    )
    icon: str | None = Field(description="the name of a sign of Lucide")
    input_schema: JsonObject = Field(
        description="the JSON Schema of its inputs; a field that is `fixed` takes no template and isn't left open"
    )
    output_schema: JsonObject = Field(description="the JSON Schema of what it gives; {} says nothing")
    provider: str | None = Field(description="whose integrations it takes; * for everybody's, null for none")
    needs_integration: bool
    ports: list[str] = Field(description="by which its links may lead on")
    takes_secrets: bool = Field(description="whether its inputs may name secrets, as ${secrets.NAME}")


class TaskTypeList(BaseModel):
    """The types of tasks."""

    task_types: list[TaskTypeInfo]
