"""The built-in types that call something: a request over HTTP, a script, a language model.

Source: `docs/graphs.md`, "Task types".
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, field_validator

from interlock.tasks.builtin.inputs import Inputs, gives, marked
from interlock.tasks.context import Prompt, Request, TaskContext
from interlock.workflow.declare import schemas
from interlock.workflow.declare.logic import MAX_SCRIPT_BYTES
from interlock.workflow.declare.task_types import ANY_PROVIDER, TaskType
from interlock_protocol.types import JsonObject, JsonValue

OPENAI: Final = "openai"
"""The provider of those that speak as OpenAI's chat completions."""


class Http(Inputs):
    """A request over HTTP. An answer of 400 or above is a failure."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = Field("GET", title="Method")
    url: str = Field(
        title="Address",
        description="A whole URL, or a path below the integration's address. What is filled in is percent-encoded.",
        min_length=1,
        max_length=8192,
        json_schema_extra=marked(encoded=True, form="uri"),
    )
    headers: dict[str, str] = Field(
        {}, title="Headers", description="By their names. A secret is written as ${secrets.NAME}."
    )
    body: Any = Field(None, title="Body", description="JSON, or a text under another Content-Type.")


class Script(Inputs):
    """A script in JavaScript, in a sandbox: the body of a function that returns an object."""

    code: str = Field(
        title="Code",
        description="Has `input`, `context` and, of secrets that are for scripts, `secrets`. Nothing is filled in.",
        min_length=1,
        max_length=MAX_SCRIPT_BYTES,
        json_schema_extra=marked(fixed=True, form="javascript"),
    )
    input: Any = Field(None, title="Input", description="What the script has as `input`.")


class Ask(Inputs):
    """A question to a language model."""

    prompt: str = Field(
        title="Prompt",
        description="What the model is to do.",
        min_length=1,
        max_length=100_000,
        json_schema_extra=marked(form="textarea"),
    )
    system: str | None = Field(
        None,
        title="System prompt",
        description="What the model is, and how it answers.",
        max_length=100_000,
        json_schema_extra=marked(form="textarea"),
    )
    data: Any = Field(
        None,
        title="Data",
        description="Shown to the model as data, in which nothing is an instruction: what others wrote belongs here.",
    )
    model: str | None = Field(
        None,
        title="Model",
        description="As Pydantic AI calls it (openai:gpt-5); with an integration or an address, as that service does. "
        "Without one, the server's.",
        max_length=256,
    )
    base_url: str | None = Field(
        None,
        title="Address",
        description="Of a service that speaks as OpenAI's, up to /v1, if no integration has it.",
        max_length=1024,
        json_schema_extra=marked(encoded=True, form="uri"),
    )
    output_schema: JsonObject | None = Field(
        None,
        title="Shape of the answer",
        description="The JSON Schema of an object; without it, the answer is a text.",
        json_schema_extra=marked(fixed=True, form="json"),
    )
    temperature: float | None = Field(None, title="Temperature", description="How freely it answers.", ge=0, le=2)
    max_tokens: int | None = Field(None, title="Longest answer", description="In tokens.", ge=1, le=1_000_000)

    @field_validator("output_schema")
    @classmethod
    def _of_an_object(cls, schema: JsonObject | None) -> JsonObject | None:
        if schema is None:
            return None
        for fault in schemas.faults_in(schema, ""):
            raise ValueError(f"{fault.path}: {fault.message}".removeprefix(": ").rstrip("."))
        if schema.get("type") != "object":
            raise ValueError('The answer is an object: write "type": "object"')
        return schema


async def http(inputs: Http, context: TaskContext) -> JsonObject:
    """Make the request."""
    answer = await context.by.request(
        Request(
            method=inputs.method,
            url=inputs.url,
            headers=inputs.headers,
            body=inputs.body,
            integration=context.integration,
            has_templates=True,
        )
    )
    return {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}


async def script(inputs: Script, context: TaskContext) -> JsonObject:
    """Run the script."""
    around: JsonObject = {
        "user_id": context.user_id,
        "session_id": context.session_id,
        "idempotency_key": context.idempotency_key,
        "input": context.input,
    }
    return await context.by.script(inputs.code, {"input": inputs.input, "workflow_data": {}, "context": around})


async def prompt(inputs: Ask, context: TaskContext) -> JsonObject:
    """Ask the model."""
    written = await context.by.prompt(
        Prompt(
            text=inputs.prompt,
            system=inputs.system,
            data=inputs.data,
            model=inputs.model,
            base_url=inputs.base_url,
            schema=inputs.output_schema,
            temperature=inputs.temperature,
            max_tokens=inputs.max_tokens,
        )
    )
    value: JsonValue = written.value
    return {
        "text": value if isinstance(value, str) else None,
        "value": None if isinstance(value, str) else value,
        "model": written.model,
        "usage": {"input_tokens": written.input_tokens, "output_tokens": written.output_tokens},
    }


CALLS: Final = (
    TaskType(
        name="http",
        title="HTTP request",
        description="Asks another service, and gives its answer. From 400 on, an answer is a failure.",
        category="calls",
        icon="globe",
        input=Http,
        output_schema=gives(
            {
                "status": {"type": "integer", "description": "Below 400."},
                "headers": {"type": "object", "description": "By their names, in small letters."},
                "body": {"description": "What its JSON says, or its text."},
            }
        ),
        provider=ANY_PROVIDER,
        takes_secrets=True,
        run=http,
    ),
    TaskType(
        name="script",
        title="Script",
        description="Computes something in JavaScript, in a sandbox that reaches nothing.",
        category="calls",
        icon="code",
        input=Script,
        output_schema={"type": "object", "description": "What the script returns."},
        run=script,
    ),
    TaskType(
        name="prompt",
        title="Language model",
        description="Has a language model write a text, or an object of a given shape.",
        category="calls",
        icon="sparkles",
        input=Ask,
        output_schema=gives(
            {
                "text": {"type": ["string", "null"], "description": "The answer; null if it has a shape."},
                "value": {"type": ["object", "null"], "description": "The answer in the shape that was asked for."},
                "model": {"type": "string", "description": "The model that answered."},
                "usage": gives({"input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"}}),
            }
        ),
        provider=OPENAI,
        run=prompt,
    ),
)
