"""Asks models by Pydantic AI, as its names know them, or at an address that others ask for it."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx2
from openai import AsyncOpenAI
from pydantic_ai import Agent, StructuredDict
from pydantic_ai.exceptions import AgentRunError, ModelHTTPError, ModelRetry, UnexpectedModelBehavior, UserError
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings
from pydantic_core import from_json

from interlock.workflow.declare.errors import LogicError, TaskFailed
from interlock.workflow.declare.prompts import Exchange, Prompt, Written
from interlock.workflow.declare.schemas import faults_of_value
from interlock_protocol.limits import MAX_FAULTS
from interlock_protocol.types import JsonObject, JsonValue

NO_ANSWER = "no_answer"
"""The code of a failure where a model was asked, and gave no answer that can be used."""


async def answer(
    prompt: Prompt, named: Model | str | None, told: tuple[str, list[str]], exchange: Exchange | None
) -> Written:
    """Ask a model.

    Args:
        told: what it is told, and its instructions.

    Raises:
        LogicError: it can't be asked, or gave no answer.
    """
    if named is None:
        raise TaskFailed("no model is named, and the server has none (INTERLOCK_AI_MODEL)", "no_model")
    text, instructions = told
    try:
        model = named if exchange is None else _at_an_address(prompt, named, exchange)
        shape: Any = str if prompt.schema is None else StructuredDict(prompt.schema, name="answer")
        agent: Agent[None, Any] = Agent(model, output_type=shape, instructions=instructions)
        if prompt.schema is not None:
            agent.output_validator(partial(_fitting, prompt.schema))
        result = await agent.run(text, model_settings=_settings(prompt))
    except (AgentRunError, UserError) as error:
        raise _failure(error) from error
    usage = result.usage
    name = result.response.model_name or str(named)
    return Written(result.output, name, usage.input_tokens, usage.output_tokens)


def _fitting(schema: JsonObject, value: Any) -> Any:
    """An answer that has the shape that was asked for; the model is told what is wrong with another."""
    wrong = faults_of_value(schema, value)
    if wrong:
        raise ModelRetry("; ".join(f"{each['field'] or 'the answer'}: {each['error']}" for each in wrong[:MAX_FAULTS]))
    return value


def _settings(prompt: Prompt) -> ModelSettings:
    settings = ModelSettings()
    if prompt.temperature is not None:
        settings["temperature"] = prompt.temperature
    if prompt.max_tokens is not None:
        settings["max_tokens"] = prompt.max_tokens
    return settings


def _at_an_address(prompt: Prompt, named: Model | str, exchange: Exchange) -> Model:
    if not isinstance(named, str):
        return named
    client = AsyncOpenAI(
        base_url=prompt.base_url,
        api_key="whoever asks has it",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=_ByExchange(exchange), trust_env=False),
    )
    return OpenAIChatModel(named, provider=OpenAICompatibleProvider("compatible", openai_client=client))


class _ByExchange(httpx2.AsyncBaseTransport):
    """Has others make the requests of the framework: only what they say is kept, and no header."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        question: JsonValue = from_json(await request.aread())
        return httpx2.Response(200, json=await self._exchange(str(request.url), question), request=request)


def _failure(error: Exception) -> LogicError:
    """The error of a prompt: of the exchange, if that failed; else what the framework says, without what was
    received."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LogicError):
            return cause
        cause = cause.__cause__
    if isinstance(error, ModelHTTPError):
        may_retry = error.status_code == 429 or error.status_code >= 500
        return TaskFailed(f"the model's service answered with {error.status_code}", NO_ANSWER, may_retry=may_retry)
    if isinstance(error, UserError):
        return TaskFailed(f"the model can't be asked: {error.message}", "no_model")
    if isinstance(error, UnexpectedModelBehavior):
        return TaskFailed("the model gave no answer of the shape that was asked for", NO_ANSWER, may_retry=True)
    return TaskFailed("the model's service can't be asked, or broke off", NO_ANSWER, may_retry=True)
