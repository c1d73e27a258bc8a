"""The tool calls that an agent waits for, and the decisions on them.

Laws:
- A decision names its tool call by id; the server reads nothing else of it, and the arguments that run are its own.
- Deciding a tool call in a way that it doesn't have is a bug of the caller (`ProtocolMisuse`).
- Nothing here is sent: `Pause` does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

from interlock_protocol.errors import ProtocolMisuse
from interlock_protocol.requirements import (
    Choice,
    DecidedExecutorRequirement,
    DecidedField,
    DecidedQuestion,
    ExecutorRequirement,
    ToolExecution,
    UserInputField,
)
from interlock_protocol.types import JsonValue

ToolKind: TypeAlias = Literal["confirmation", "user_input", "user_feedback", "external_execution"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something that an agent asks, to be answered by selecting.

    Attributes:
        text: the question; it names the answer in `ToolCall.selected`.
        options: what there is to select, each by its `key`.
        multiple: whether several may be selected.
    """

    text: str
    header: str | None = None
    options: tuple[Choice, ...] = ()
    multiple: bool = False

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Self:
        """One item of a `user_feedback_schema[]`."""
        options = item.get("options")
        return cls(
            text=str(item.get("question") or ""),
            header=item.get("header"),
            options=tuple(_option(each) for each in options) if isinstance(options, list) else (),
            multiple=bool(item.get("multi_select")),
        )


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A tool call that waits for a person; its methods make the decisions for `Pause.resolve`.

    Attributes:
        name: the tool.
        args: what it is to be called with.
        kind: what is asked for: a yes or no, values for `fields`, answers to `questions`, or the result of a tool that
            is executed elsewhere.
        editable: whether whoever approves may change `args`.
    """

    id: str
    name: str
    kind: ToolKind
    args: Mapping[str, JsonValue]
    fields: tuple[UserInputField, ...] = ()
    questions: tuple[Question, ...] = ()
    editable: bool = False

    @classmethod
    def read(cls, requirement: ExecutorRequirement) -> Self:
        """The tool call of an `executor_requirements[]` object."""
        tool = requirement.tool_execution or ToolExecution()
        return cls(
            id=requirement.id,
            name=tool.tool_name or "tool",
            kind=_kind(requirement, tool),
            args=tool.tool_args or {},
            fields=tuple(tool.user_input_schema or requirement.user_input_schema or ()),
            questions=tuple(Question.read(each) for each in requirement.user_feedback_schema or ()),
            editable=bool((tool.model_extra or {}).get("editable")),
        )

    def approved(
        self, *, note: str | None = None, edited_args: Mapping[str, JsonValue] | None = None
    ) -> DecidedExecutorRequirement:
        """It may run; with `edited_args` instead of its own, where it is `editable`."""
        self._only("confirmation", doing="approved()")
        edited = None if edited_args is None else dict(edited_args)
        return DecidedExecutorRequirement(id=self.id, confirmation=True, confirmation_note=note, edited_args=edited)

    def denied(self, note: str | None = None) -> DecidedExecutorRequirement:
        """It may not run; the agent is told, with the note."""
        self._only("confirmation", doing="denied()")
        return DecidedExecutorRequirement(id=self.id, confirmation=False, confirmation_note=note)

    def filled(self, /, **values: JsonValue) -> DecidedExecutorRequirement:
        """The values of its `fields`, each by its name; what is left out takes its default."""
        self._only("user_input", doing="filled()")
        filled = [DecidedField(name=name, value=value) for name, value in values.items()]
        return DecidedExecutorRequirement(id=self.id, user_input_schema=filled)

    def selected(self, answers: Mapping[str, Sequence[str]]) -> DecidedExecutorRequirement:
        """The keys of the options that are selected, for each of its `questions`, by the question's text."""
        self._only("user_feedback", doing="selected()")
        schema = [DecidedQuestion(question=text, selected_options=list(options)) for text, options in answers.items()]
        return DecidedExecutorRequirement(id=self.id, user_feedback_schema=schema)

    def handed_in(self, result: JsonValue) -> DecidedExecutorRequirement:
        """What it came to where it was executed, None included."""
        self._only("external_execution", doing="handed_in()")
        return DecidedExecutorRequirement(id=self.id, external_execution_result=result)

    def _only(self, kind: ToolKind, *, doing: str) -> None:
        if self.kind != kind:
            raise ProtocolMisuse(f"{doing} doesn't answer the tool {self.name!r}, which waits for {self.kind!r}")


def waiting(requirements: Sequence[ExecutorRequirement] | None) -> tuple[ToolCall, ...]:
    """The tool calls that nobody has decided yet."""
    return tuple(ToolCall.read(each) for each in requirements or () if not _is_decided(each))


def tools_in(decision: Mapping[str, Any]) -> frozenset[str]:
    """The ids of the tool calls that a decision is about; none when it is about the whole pause."""
    tools = decision.get("executor_requirements")
    return frozenset(each["id"] for each in tools) if isinstance(tools, list) else frozenset()


def _kind(requirement: ExecutorRequirement, tool: ToolExecution) -> ToolKind:
    if tool.external_execution_required:
        return "external_execution"
    if requirement.user_feedback_schema:
        return "user_feedback"
    return "user_input" if tool.requires_user_input or requirement.user_input_schema else "confirmation"


def _is_decided(requirement: ExecutorRequirement) -> bool:
    """Whether the client's part of it is filled in, as it is in a pause of which a part was decided."""
    return (
        requirement.confirmation is not None
        or "external_execution_result" in requirement.model_fields_set
        or any(field.value is not None for field in requirement.user_input_schema or ())
        or any("selected_options" in each for each in requirement.user_feedback_schema or ())
    )


def _option(option: JsonValue) -> Choice:
    if not isinstance(option, dict):
        return Choice(key=str(option))
    described = option.get("description")
    return Choice(key=str(option.get("label", "")), description=None if described is None else str(described))
