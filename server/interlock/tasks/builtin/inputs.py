"""What the models of inputs share, and the marks of their fields."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from interlock.workflow.declare.task_types import ENCODED, FIXED
from interlock_protocol.types import JsonObject


class Inputs(BaseModel):
    """The inputs of a task: no others than those named."""

    model_config = ConfigDict(extra="forbid", defer_build=True, json_schema_serialization_defaults_required=False)


def marked(
    *,
    fixed: bool = False,
    encoded: bool = False,
    advanced: bool = False,
    form: str | None = None,
    of: str | None = None,
) -> Any:
    """What the schema of a field says besides its type.

    Args:
        fixed: its value is what the author writes.
        encoded: what is filled in is percent-encoded.
        advanced: most tasks leave it out, and a page folds it away.
        form: how a page asks for it: `textarea`, `javascript`, `expression`, `json`, `email`, `uri`.
        of: what its elements are names of: `people`, `widgets`, `workflows`.
    """
    marks: dict[str, Any] = {FIXED: fixed or None, ENCODED: encoded or None, "advanced": advanced or None}
    marks |= {"format": form, "of": of}
    return {name: value for name, value in marks.items() if value is not None}


def gives(properties: JsonObject, *, open_: bool = False) -> JsonObject:
    """The schema of an output: an object with all of these properties.

    Args:
        open_: whether it may have others.
    """
    schema: JsonObject = {"type": "object", "properties": properties, "required": [*properties]}
    return schema if open_ else {**schema, "additionalProperties": False}
