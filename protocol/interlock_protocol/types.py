"""The protocol's vocabulary, which every other module may import.

Laws:
- A leaf: it imports the standard library, pydantic and the limits only.
- A name here is a term of the protocol (`docs/protocol.md`), spelled as on the wire.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic import JsonValue as JsonValue
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from interlock_protocol.limits import MAX_LIST

T = TypeVar("T")

JsonObject: TypeAlias = dict[str, JsonValue]


class _AsIs:
    """A value that a model neither validates nor changes, in reading and in writing."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        as_is = core_schema.wrap_serializer_function_ser_schema(lambda value, _: value, schema=handler(source))
        return core_schema.any_schema(serialization=as_is)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # The documents show the possible values nevertheless.
        return handler(cast("Any", schema)["serialization"]["schema"])


AnyJson: TypeAlias = Annotated[JsonValue, _AsIs()]
"""Any value in a client's message: the codec has checked it, and a model doesn't check it again."""

Bounded: TypeAlias = Annotated[list[T], Field(max_length=MAX_LIST, fail_fast=True)]
"""A list in a client's message. Validation stops at its first wrong element."""

BoundedObject: TypeAlias = Annotated[dict[str, AnyJson], Field(max_length=MAX_LIST)]
"""An object with arbitrary values in a client's message."""

Number: TypeAlias = Annotated[int | float, WithJsonSchema({"type": "number"})]
"""A number of JSON, which stays as it is written: whole, or not."""

PROTOCOL_VERSION = "1.0"

SUBPROTOCOL_JSON = "interlock.v1.json"
SUBPROTOCOL_MSGPACK = "interlock.v1.msgpack"


class RunStatus(StrEnum):
    """Where a run stands. The last three are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.ERROR})

StepType: TypeAlias = Literal[
    "Step",
    "Router",
    "Loop",
    "Condition",
    "Steps",
    "Parallel",
    "Workflow",
    "Race",
    "Graph",
    "Map",
    "Item",
    "Ports",
    "Machine",
    "Thread",
    "Halt",
    "Wait",
]
FieldType: TypeAlias = Literal["str", "int", "float", "bool", "list", "dict"]
FieldFormat: TypeAlias = Literal["date", "file"]
OnReject: TypeAlias = Literal["skip", "cancel", "else", "retry"]
OnTimeout: TypeAlias = Literal["cancel", "skip", "approve"]
WithdrawReason: TypeAlias = Literal["lost", "failed"]
PolicyType: TypeAlias = Literal["first_responder", "all_members", "quorum", "majority", "unanimous", "chain"]
PolicyOutcome: TypeAlias = Literal["approved", "rejected", "completed", "unreachable", "expired"]
Trigger: TypeAlias = Literal["automatic", "resume", "timeout", "error", "retry"]
Join: TypeAlias = Literal["all", "any", "none"]
SkipReason: TypeAlias = Literal["rejected", "timeout", "error", "condition", "unreachable"]
InteractionType: TypeAlias = Literal["approval", "review", "input"]
InteractionMode: TypeAlias = Literal["confirm", "select", "multi_select", "input"]
Priority: TypeAlias = Literal["low", "normal", "high", "urgent"]
PauseKind: TypeAlias = Literal["step", "executor", "error"]
PathPart: TypeAlias = str | int
"""A name, or the visit of the loop named before it: `["review loop", 2, "draft"]`."""

_Word = TypeVar("_Word")


def _or_another(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        if isinstance(value, str):
            return value
        raise


Open: TypeAlias = Annotated[_Word, WrapValidator(_or_another), PlainSerializer(lambda word: word)]
"""One of these words, or a word that a later server has added; a reader accepts it, and keeps the text as it is."""
