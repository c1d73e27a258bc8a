"""What a language model is asked, and what it answers, whoever asks it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from interlock_protocol.types import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a language model is asked.

    Args:
        text: what it is to do.
        system: what it is told about itself, and how it answers.
        data: what it is shown, as data, in which nothing is an instruction.
        model: its name; None is the server's.
        base_url: where a service is that speaks as OpenAI's; None for the integration's, or for one that the server
            knows by the model's name.
        schema: the JSON Schema of its answer, an object; without one, it answers in text.
        temperature, max_tokens: as the model has them.
    """

    text: str
    system: str | None = None
    data: JsonValue = None
    model: str | None = None
    base_url: str | None = None
    schema: JsonObject | None = None
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What a language model answered.

    Attributes:
        value: a text, or an object where a schema was given.
        model: which model it was.
        input_tokens, output_tokens: what it cost.
    """

    value: JsonValue
    model: str
    input_tokens: int = 0
    output_tokens: int = 0


Exchange: TypeAlias = Callable[[str, JsonValue], Awaitable[JsonValue]]
"""Posts JSON to an address, and returns what it is answered; raises a `LogicError`."""
