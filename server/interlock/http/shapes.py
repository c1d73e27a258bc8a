"""The answers of the routes, for the OpenAPI document.

Laws:
- If the protocol has a model for an answer, that model is used; this module has only what HTTP adds.
- Every refusal is the protocol's `error`; a route lists its possible codes.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from interlock.http.errors import STATUS_OF
from interlock_protocol.errors import ErrorCode
from interlock_protocol.messages import RunSummary, WorkflowRunOutput
from interlock_protocol.types import JsonValue, StepType

Answers = dict[int | str, dict[str, Any]]

ANSWERED = (ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL)
"""The possible refusals of any request with a token."""

SCHEMAS = "#/components/schemas/"

FORMS = {"application/x-www-form-urlencoded": "Form", "multipart/form-data": "Multipart"}
"""The content types of a body besides JSON, with the suffix of their schemas' names for generators of clients."""


EVENT_ID = r"^[0-9]{1,18}-[0-9]{1,18}$"
"""The `id` of an event, `<epoch>-<event_index>`."""


STREAMED_EVENT: dict[str, Any] = {
    "title": "StreamedEvent",
    "description": "One event of a stream. What isn't an event of the run, nor a snapshot of it, has no `id`.",
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": EVENT_ID, "description": "`<epoch>-<event_index>`, for `Last-Event-ID`"},
        "event": {"type": "string", "description": "the `event` of what `data` is"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": f"{SCHEMAS}ServerMessage"},
        },
    },
    "required": ["event", "data"],
}
"""The media type of a stream, with the schema of each of its events."""


class Live(BaseModel):
    """The process serves."""

    status: Literal["live"]


class Ready(BaseModel):
    """The server may be sent work."""

    status: Literal["ready"]


class StepSummary(BaseModel):
    """A node at the top level of a workflow."""

    name: str
    step_type: StepType


class WorkflowExample(BaseModel):
    """A message that a workflow can be tried with."""

    title: str
    message: JsonValue


class WorkflowSummary(BaseModel):
    """A workflow that is served. `input_schema` is the JSON Schema of `message`, `{}` when it takes anything;
    `ai_guidance`, where there is some, is for programs that choose."""

    id: str
    name: str
    description: str | None
    version: str | None
    input_schema: dict[str, JsonValue]
    steps: list[StepSummary]
    ai_guidance: str | None = None
    examples: list[WorkflowExample] | None = None


class WorkflowList(BaseModel):
    """The workflows that this server has."""

    workflows: list[WorkflowSummary]


class RunList(BaseModel):
    """A page of runs, the newest first; `next_cursor` asks for the next one."""

    runs: list[RunSummary]
    next_cursor: str | None


class RunDetail(RunSummary):
    """A run, with what it was started with, and its present state."""

    input: JsonValue
    output: WorkflowRunOutput


def answers(model: type[BaseModel], *codes: ErrorCode) -> Answers:
    """The answers of a route that returns an object, or refuses with one of these codes."""
    return {200: {"model": model, "description": _summary(model)}, **refusals(*codes)}


def refusals(*codes: ErrorCode) -> Answers:
    """The answers that are an `error`, by status; including those for a token that isn't accepted."""
    if not codes:
        return {}
    by_status: dict[int, list[ErrorCode]] = {}
    for code in codes:
        by_status.setdefault(STATUS_OF[code], []).append(code)
    listed: Answers = {
        status: {"description": " or ".join(f"`{code}`" for code in found), "content": json_of("ErrorMessage")}
        for status, found in sorted(by_status.items())
    }
    listed[401] = {"description": "no token, or one that isn't accepted", "content": json_of("AuthError")}
    either = [{"$ref": f"{SCHEMAS}ErrorMessage"}, {"$ref": f"{SCHEMAS}AuthError"}]
    listed[503]["description"] += ", or the server can't check tokens at the moment"
    listed[503]["content"] = {"application/json": {"schema": {"anyOf": either}}}
    return listed


def stream(*codes: ErrorCode, settled: str | None = None) -> Answers:
    """The answers of a route that streams.

    Args:
        settled: the model of the answer if the client doesn't ask for a stream.
    """
    content: dict[str, Any] = {"text/event-stream": {"schema": {"$ref": f"{SCHEMAS}StreamedEvent"}}}
    description = "The run's events, until it ends or waits for people."
    if settled is not None:
        content |= json_of(settled)
        description += " With `stream` false, its state by then."
    return {200: {"description": description, "content": content}, **refusals(*codes)}


def json_of(name: str) -> dict[str, Any]:
    """The content of an answer that is one JSON object of the protocol."""
    return {"application/json": {"schema": {"$ref": f"{SCHEMAS}{name}"}}}


def body(name: str) -> dict[str, Any]:
    """A request's body, as JSON or as a form; see `interlock.http.openapi`."""
    forms = {kind: {"schema": {"$ref": f"{SCHEMAS}{name}{suffix}"}} for kind, suffix in FORMS.items()}
    return {"requestBody": {"content": {**json_of(name), **forms}}}


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def may_be_left_out(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without a null default, which only means that the field isn't required.

    Generators of clients treat a field with a default as one that is always present.
    """
    return {name: value for name, value in schema.items() if not (name == "default" and value is None)}
