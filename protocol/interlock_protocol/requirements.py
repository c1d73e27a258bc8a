"""Requirements, which a pause asks of a person, and decisions, which a person gives.

Laws:
- The server writes requirements. The client writes decisions, and only the decision in an echoed requirement is read.
- Flags are always on the wire; any other field that is null is left out, except inside `user_input_schema[]`.

Source: `docs/protocol.md`, "Requirements" and "Decisions".
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from interlock_protocol.types import (
    AnyJson,
    Bounded,
    BoundedObject,
    FieldFormat,
    FieldType,
    InteractionMode,
    InteractionType,
    JsonValue,
    Number,
    OnReject,
    OnTimeout,
    Open,
    PathPart,
    PolicyType,
    Priority,
    StepType,
)

FLAGS = (
    "requires_confirmation",
    "requires_user_input",
    "requires_route_selection",
    "requires_output_review",
    "requires_iteration_review",
    "requires_executor_input",
)
"""The `requires_*` flags that each requirement has."""

SIGNAL = "requires_signal"
"""The flag of what waits for a signal alone, which nobody decides."""

RESPONSE = "requires_response"
"""The flag of an interaction."""

WIDGET = "requires_interaction"
"""The flag of what waits for somebody to do something in a widget."""

RARE_FLAGS = (SIGNAL, RESPONSE, WIDGET)
"""Flags that are on the wire only where they are true: of all flags, exactly one of a requirement is."""


class Tolerant(BaseModel):
    """A reader of what the other side wrote: fields it doesn't know are ignored."""

    # Values that JSON can't carry stay as they are, so that the codec refuses them: by default, NaN would silently
    # become null.
    model_config = ConfigDict(extra="ignore", frozen=True, ser_json_inf_nan="constants")

    always: ClassVar[frozenset[str]] = frozenset()
    """Fields that are on the wire even when they are null."""

    nulls: ClassVar[frozenset[str]] = frozenset()
    """Fields in which null is a value, different from leaving the field out: it is on the wire if it was given."""

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON-ready object without nulls, except in the fields of `always`, and of `nulls` if given."""
        return self.model_dump(mode="json", by_alias=True)

    # A serializer, not a loop in to_wire(): nested models drop their nulls too.
    @model_serializer(mode="wrap")
    def _without_nulls(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        kept = self.always | (self.nulls & self.model_fields_set)
        return {name: value for name, value in dump(self).items() if value is not None or name in kept}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # That serializer returns "a dict", but the documents must show the fields.
        fields = {key: value for key, value in core_schema.items() if key != "serialization"}
        return handler(cast("CoreSchema", fields))


class FieldOption(Tolerant):
    """One of the values that a field allows, as it is shown."""

    value: str
    label: str | None = None
    description: str | None = None


class UserInputField(Tolerant):
    """One field of a form. `value` is the client's, the rest is the server's. Of one that is `secret`, what is typed
    is shown to nobody. What follows `secret` is what the forms of state machines have besides."""

    always: ClassVar[frozenset[str]] = frozenset({"description", "allowed_values", "default", "value"})

    name: str
    # A reader accepts types that a later server may add; the server itself writes only `FieldType`s.
    field_type: FieldType | str = "str"
    description: str | None = None
    required: bool = True
    allowed_values: list[JsonValue] | None = None
    default: JsonValue = None
    value: JsonValue = None
    secret: bool | None = None
    format: Open[FieldFormat] | None = None
    multiline: bool | None = None
    placeholder: str | None = None
    max_length: int | None = None
    min: Number | None = None
    max: Number | None = None
    step: Number | None = None
    options: list[FieldOption] | None = None
    min_date: str | None = None
    max_date: str | None = None
    accept: str | None = None
    max_size: int | None = None


class Choice(Tolerant):
    """One route a person may select."""

    key: str
    label: str | None = None
    description: str | None = None


class ToolExecution(Tolerant):
    """A tool call of an agent inside a step, which may wait for a person."""

    model_config = ConfigDict(extra="allow", frozen=True)

    tool_call_id: str | None = None
    tool_name: str | None = None
    tool_args: dict[str, JsonValue] | None = None
    requires_confirmation: bool | None = None
    confirmed: bool | None = None
    requires_user_input: bool | None = None
    user_input_schema: list[UserInputField] | None = None
    external_execution_required: bool | None = None
    result: JsonValue = None


class ExecutorRequirement(Tolerant):
    """What an agent inside a step waits for. The last six fields are the client's."""

    nulls: ClassVar[frozenset[str]] = frozenset({"external_execution_result"})

    id: str
    tool_execution: ToolExecution | None = None
    confirmation: bool | None = None
    confirmation_note: str | None = None
    user_input_schema: list[UserInputField] | None = None
    user_feedback_schema: list[dict[str, JsonValue]] | None = None
    external_execution_result: JsonValue = None
    edited_args: dict[str, JsonValue] | None = None


class InteractionSpec(Tolerant):
    """How an interaction is answered. `fields` are those of the forms of state machines, `schema` is a JSON Schema."""

    mode: Open[InteractionMode]
    options: list[FieldOption] | None = None
    min: int | None = None
    max: int | None = None
    fields: list[dict[str, JsonValue]] | None = None
    schema_: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    placeholder: str | None = None
    multiline: bool | None = None
    confirm_label: str | None = None
    reject_label: str | None = None


class InteractionQuestion(Tolerant):
    """What an interaction asks; `context` is any JSON that is shown with it."""

    type: Open[InteractionType]
    spec: InteractionSpec
    title: str | None = None
    message: str
    context: JsonValue = None
    priority: Open[Priority] | None = None


class WidgetQuestion(Tolerant):
    """The widget that a question is answered in: the name and the version of its bundle, and what it is shown with.
    Without `events`, any event is an answer; with `confirm`, pages ask once more before one counts."""

    bundle: str
    version: str
    props: dict[str, JsonValue]
    events: list[str] | None = None
    confirm: bool | None = None


class RequirementPolicy(Tolerant):
    """How the people who are asked decide together: see `docs/approvals.md`."""

    type: Open[PolicyType]
    n: int | None = None
    veto: bool | None = None


class RequirementResponse(Tolerant):
    """One of several responses to a requirement: the latest of each person. `at` is in milliseconds since 1970.

    `voter` is the entry of `voters` that it counts for. An admin's has whom it was made for, and why.
    """

    voter: str
    by: str
    at: int
    decision: dict[str, JsonValue] = Field(default_factory=dict)
    on_behalf_of: str | None = None
    reason: str | None = None


class RequirementClaim(Tolerant):
    """Who is on a requirement, so that others wait. Times are in milliseconds since 1970."""

    by: str
    since: int
    until: int


class RequirementEscalation(Tolerant):
    """Who is asked as well, if nobody has decided by then."""

    at: str
    to: str


class StepRequirement(Tolerant):
    """One thing that a run waits for; every field of it is the server's. A signal of the `topic` resolves it;
    where its `source` is `interaction`, only the outcome of one does.

    `digest` is a hash over what is asked and shown; where `bind` is true, a decision needs it.
    """

    always: ClassVar[frozenset[str]] = frozenset(FLAGS)

    id: str
    step_id: str
    step_name: str
    step_index: int
    step_path: list[PathPart]
    visit: int = 1
    step_type: Open[StepType]
    requires_confirmation: bool = False
    requires_user_input: bool = False
    requires_route_selection: bool = False
    requires_output_review: bool = False
    requires_iteration_review: bool = False
    requires_executor_input: bool = False
    requires_signal: bool | None = None
    requires_response: bool | None = None
    requires_interaction: bool | None = None
    topic: str | None = None
    source: Literal["interaction"] | str | None = None
    interaction: InteractionQuestion | None = None
    widget: WidgetQuestion | None = None
    confirmation_message: str | None = None
    user_input_message: str | None = None
    output_review_message: str | None = None
    user_input_schema: list[UserInputField] | None = None
    available_choices: list[str] | None = None
    choices: list[Choice] | None = None
    allow_multiple_selections: bool | None = None
    step_input: JsonValue = None
    step_output: JsonValue = None
    success: bool | None = None
    error: str | None = None
    executor_id: str | None = None
    executor_name: str | None = None
    executor_type: Literal["agent", "team"] | str | None = None
    executor_run_id: str | None = None
    executor_session_id: str | None = None
    executor_requirements: list[ExecutorRequirement] | None = None
    assignees: list[str] | None = None
    claim: RequirementClaim | None = None
    policy: RequirementPolicy | None = None
    voters: list[str] | None = None
    needed: int | None = None
    responses: list[RequirementResponse] | None = None
    distinct_from: list[str] | None = None
    exclude_starter: bool | None = None
    presentation: JsonValue = None
    halted_options: JsonValue = None
    accepts: JsonValue = None
    state: str | None = None
    thread_id: str | None = None
    halt_id: str | None = None
    retry_count: int | None = None
    max_retries: int | None = None
    due_at: str | None = None
    reminders: list[str] | None = None
    escalations: list[RequirementEscalation] | None = None
    timeout_at: str | None = None
    digest: str | None = None
    bind: bool | None = None
    on_timeout: Open[OnTimeout] | None = None
    on_reject: Open[OnReject] | None = None
    allowed_on_reject: list[Open[OnReject]] | None = None

    @property
    def kind(self) -> str:
        """The name of the one flag that is true, e.g. `requires_confirmation`."""
        return next(flag for flag in (*FLAGS, *RARE_FLAGS) if getattr(self, flag))


class ErrorRequirement(Tolerant):
    """A failed step that waits for a person to say: retry, skip or cancel. Where the step had asked for input,
    `user_input_schema` is its form, each `value` what was given, and a retry may give other input."""

    id: str
    step_id: str
    step_name: str
    step_index: int
    step_path: list[PathPart]
    visit: int = 1
    error_message: str
    error_type: str
    retry_count: int = 0
    user_input_schema: list[UserInputField] | None = None
    assignees: list[str] | None = None
    claim: RequirementClaim | None = None
    policy: RequirementPolicy | None = None
    distinct_from: list[str] | None = None
    exclude_starter: bool | None = None
    due_at: str | None = None
    reminders: list[str] | None = None
    escalations: list[RequirementEscalation] | None = None
    timeout_at: str | None = None
    digest: str | None = None
    bind: bool | None = None
    on_timeout: Open[OnTimeout] | None = None


class DecidedField(Tolerant):
    """The client's part of a form field: which one, and the value."""

    always: ClassVar[frozenset[str]] = frozenset({"value"})

    name: str
    value: AnyJson = None


class DecidedQuestion(Tolerant):
    """The client's part of a question of a tool: which one, and the options selected."""

    question: str | None = None
    selected_options: Bounded[AnyJson] | None = None


class DecidedExecutorRequirement(Tolerant):
    """The client's part of an executor requirement."""

    nulls: ClassVar[frozenset[str]] = frozenset({"external_execution_result"})

    id: str
    confirmation: bool | None = Field(default=None, strict=True)
    confirmation_note: str | None = None
    user_input_schema: Bounded[DecidedField] | None = None
    user_feedback_schema: Bounded[DecidedQuestion] | None = None
    external_execution_result: AnyJson = None
    edited_args: BoundedObject | None = None


class EchoedRequirement(Tolerant):
    """A requirement as it comes back: what finds it, the kind it claims to be, and the decision.

    Everything else that is echoed is ignored, changed or not.
    """

    nulls: ClassVar[frozenset[str]] = frozenset({"edited_output"})

    id: str | None = None
    step_id: str | None = None
    visit: AnyJson = None
    requires_confirmation: AnyJson = None
    requires_user_input: AnyJson = None
    requires_route_selection: AnyJson = None
    requires_output_review: AnyJson = None
    requires_iteration_review: AnyJson = None
    requires_executor_input: AnyJson = None
    requires_response: AnyJson = None
    digest: str | None = None
    requires_interaction: AnyJson = None

    confirmed: bool | None = Field(default=None, strict=True)
    on_reject: str | None = None
    rejection_feedback: str | None = None
    user_input: BoundedObject | None = None
    user_input_schema: Bounded[DecidedField] | None = None
    selected_choices: Bounded[str] | None = None
    edited_output: AnyJson = None
    executor_requirements: Bounded[DecidedExecutorRequirement] | None = None
    response: BoundedObject | None = None
    interaction_event: str | None = Field(default=None, strict=True)
    interaction_data: BoundedObject | None = None

    @property
    def claimed_kinds(self) -> frozenset[str]:
        """The flags that came back true: the kind of pause that the client believes it answers."""
        return frozenset(flag for flag in (*FLAGS, RESPONSE, WIDGET) if getattr(self, flag) is True)


class EchoedErrorRequirement(Tolerant):
    """An error requirement as it comes back; `user_input` goes with a `retry`."""

    id: str | None = None
    step_id: str | None = None
    digest: str | None = None
    decision: Literal["retry", "skip", "cancel"] | None = None
    user_input: BoundedObject | None = None
