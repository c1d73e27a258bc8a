"""A workflow's input: the message that starts a run, or the content given to a nested workflow, checked as declared.

Laws:
- An input is kept as its model makes it, defaults included; code gets an instance read from that. What fits a JSON
  Schema is kept as it is.
- Anything a model's validators raise is a refusal, of the field if there is one and in the words of forms, never a
  failure of the server.
- No model breaks the list of workflows: one without a JSON Schema is listed as accepting anything.

Source: `docs/workflows.md`, "What a run is started with" and "Nested workflows".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError, to_json

from interlock.workflow.declare.errors import OutputError
from interlock.workflow.declare.form_models import WrongField, misfit_of
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.declare.schemas import faults_of_value
from interlock.workflow.declare.values import kept, legible, wire
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import KIB
from interlock_protocol.types import JsonObject, JsonValue
from interlock_protocol.values import NotWire

MAX_INPUT_BYTES = 64 * KIB
"""The largest input that a JSON Schema accepts."""


def checked_input(workflow: Workflow, message: JsonValue) -> JsonValue:
    """The run's input: the message, checked against what the workflow declares, with its defaults.

    Raises:
        Refusal: `invalid_message`.
    """
    try:
        return _kept(workflow, wire(message, "a message"), "message")
    except _Unfit as unfit:
        sentence = f"`message` isn't what workflow {workflow.id!r} needs: {unfit}"
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=unfit.details) from None
    except NotWire as fault:
        error = legible(fault.sentence)
        details = [{"field": NotWire(error, ["message", *fault.path]).where, "error": error}]
        sentence = f"`message` can't be kept: {NotWire(error, fault.path)}."
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=details) from None


def nested_input(workflow: Workflow, content: JsonValue) -> JsonValue:
    """The input of a nested workflow: the content before it, checked in the same way.

    Raises:
        OutputError: the content doesn't fit.
    """
    try:
        return _kept(workflow, content, "input")
    except (_Unfit, NotWire) as fault:
        raise OutputError(f"what comes to workflow {workflow.id!r} isn't what it needs: {fault}") from None


class _Unfit(Exception):  # noqa: N818 - what the input is
    """An input doesn't fit what is declared. `details` has each wrong field: `{"field", "error"}`."""

    def __init__(self, wrong: Sequence[WrongField], name: str) -> None:
        self.details: list[dict[str, str]] = [
            {"field": ".".join(filter(None, (name, str(each["field"])))), "error": str(each["error"])} for each in wrong
        ]
        super().__init__(f"{self.details[0]['field']}: {self.details[0]['error']}")


def _kept(workflow: Workflow, given: JsonValue, name: str) -> JsonValue:
    model = workflow.input_schema
    if workflow.accepts is not None and (wrong := _misfits(workflow.accepts, given)):
        raise _Unfit(wrong, name)
    if model is None:
        return given
    try:
        return kept(model, given, "an input")
    except NotWire:
        raise
    except BaseException as error:  # SystemExit too: code that checks an input must not end other runs' work
        raise _Unfit(misfit_of(model, given, error).wrong, name) from None


def _misfits(schema: JsonObject, given: JsonValue) -> list[WrongField]:
    """What of an input doesn't fit a JSON Schema. Its size is bounded, for all of it is kept with the run."""
    if (size := len(to_json(given))) > MAX_INPUT_BYTES:
        return [{"field": "", "error": f"It has {size:,} bytes; at most {MAX_INPUT_BYTES // KIB} KB are allowed."}]
    return faults_of_value(schema, given)


# ── Listing ─────────────────────────────────────────────────────────────────────────────────────────────


def message_schema(workflow: Workflow) -> JsonObject:
    """The JSON Schema of a message; `{}` if it may be anything, or has no schema."""
    return _schema_of(workflow.input_schema) if workflow.accepts is None else workflow.accepts


@cache
def _schema_of(model: type[BaseModel] | None) -> JsonObject:
    if model is None:
        return {}
    try:
        schema: Any = wire(model.model_json_schema(schema_generator=_Schema))
    except Exception:  # a model may have types that no schema describes, and its author's hooks
        return {}
    return schema if isinstance(schema, dict) else {}


class _Schema(GenerateJsonSchema):
    """Leaves out defaults that JSON can't express."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as it is declared there

    def encode_default(self, dft: Any) -> Any:
        try:
            return wire(dft)
        except NotWire as fault:
            raise PydanticSerializationError(str(fault)) from fault
