"""Pydantic AI's own function model, told what to answer turn by turn."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_ai.messages import ModelMessage, ModelResponse, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel


@dataclass(frozen=True)
class Call:
    """A tool call of the model; its id is the tool's name unless it is given."""

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


Piece: TypeAlias = str | Call | Callable[[list[ModelMessage]], str]
"""Text, a tool call, or text that depends on what the model was sent."""


def scripted(*turns: list[Piece]) -> FunctionModel:
    """A model that answers with these turns, one after the other.

    Which turn it is follows from the messages alone, as with a real model: it keeps nothing between two requests.
    """

    async def answer(messages: list[ModelMessage], _: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        turn = turns[sum(isinstance(message, ModelResponse) for message in messages)]
        for number, piece in enumerate(turn):
            if isinstance(piece, Call):
                call_id = piece.id or piece.name
                yield {number: DeltaToolCall(piece.name, json.dumps(piece.args), tool_call_id=call_id)}
            else:
                yield piece if isinstance(piece, str) else piece(messages)

    return FunctionModel(stream_function=answer)


def asked(messages: list[ModelMessage]) -> str:
    """The prompt that the model was given."""
    return " ".join(str(part.content) for part in messages[0].parts if isinstance(part, UserPromptPart))


def told(messages: list[ModelMessage]) -> str:
    """What the model was told about its latest tool calls: `name: content`, in its order."""
    last = max(number for number, message in enumerate(messages) if isinstance(message, ModelResponse))
    returns = [part for message in messages[last:] for part in message.parts if isinstance(part, ToolReturnPart)]
    return "; ".join(f"{part.tool_name}: {part.model_response_str(wrap_if_error=False)}" for part in returns)
