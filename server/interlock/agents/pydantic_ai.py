"""Agents of Pydantic AI, as steps run them.

    agent = Agent("openai:gpt-5")

    @agent.tool_plain(requires_approval=True)
    def delete_record(record_id: str) -> str: ...

    Step("clean up", agent=PydanticAgent(agent))

Laws:
- A person is asked about the calls that the framework defers: a tool that requires approval is confirmed, an external
  one is executed elsewhere. A tool marked by this module waits for a person even if it isn't declared to.
- The state of a pause is the framework's own message history; the agent is built anew from the code.
- After a pause, the arguments of the decision are executed; the framework validates them like the model's.
- A tool's events report what happened: begun, succeeded, failed (including refused calls, and invalid arguments).

Source: https://ai.pydantic.dev/deferred-tools/; `docs/agents.md`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from interlock.agents.prompts import prompt_of
from interlock.agents.schemas import form_of
from interlock.workflow.declare.agents import AgentPause, AgentStream, Tool, ToolDecision, ToolRequest
from interlock.workflow.declare.errors import MissingExtra
from interlock.workflow.declare.io import StepInput
from interlock_protocol.types import JsonObject, JsonValue

try:
    from pydantic_ai import AgentRunResult, RunContext, ToolReturn, UsageLimits
    from pydantic_ai.agent import AbstractAgent
    from pydantic_ai.capabilities import AbstractCapability
    from pydantic_ai.exceptions import ApprovalRequired, CallDeferred
    from pydantic_ai.messages import (
        AgentStreamEvent,
        FunctionToolCallEvent,
        FunctionToolResultEvent,
        ModelMessagesTypeAdapter,
        PartDeltaEvent,
        PartStartEvent,
        TextPart,
        TextPartDelta,
        ToolCallPart,
        UserContent,
    )
    from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDefinition, ToolDenied
    from pydantic_ai.usage import RunUsage
except ModuleNotFoundError as error:
    raise MissingExtra(
        "PydanticAgent needs Pydantic AI: install the extra, `pip install 'interlock[pydantic-ai]'`."
    ) from error

__all__ = ["PydanticAgent", "editable", "user_feedback", "user_input"]

_MARK = "interlock"

Prompt = Callable[[StepInput], str | Sequence[UserContent]]


# ── Marks ───────────────────────────────────────────────────────────────────────────────────────────────


def user_input(*names: str) -> dict[str, Any]:
    """The `metadata` of a tool whose arguments a person fills in: those of these names, or all.

    The model's values are the defaults.
    """
    return {_MARK: {"user_input": names}}


def editable() -> dict[str, Any]:
    """The `metadata` of a tool whose arguments may be changed by the person who approves it."""
    return {_MARK: {"editable": True}}


def user_feedback(*questions: JsonObject) -> dict[str, Any]:
    """The `metadata` of a `CallDeferred` that asks questions; the answers are the tool's result.

    Args:
        questions: `{"question", "header", "options": [{"label", "description"}], "multi_select"}` each.
    """
    return {_MARK: {"user_feedback": questions}}


# ── The agent ───────────────────────────────────────────────────────────────────────────────────────────


class PydanticAgent:
    """An agent of Pydantic AI: `Step(name, agent=PydanticAgent(agent))`.

    Its output is the step's: text, or its `output_type`; a pydantic model's name becomes the content type. (The
    framework requires that an agent with output validators names `DeferredToolRequests` in its `output_type` itself.)

    Args:
        agent: the agent, with its model, instructions and tools.
        id: its id on the wire; by default its name.
        name: the name shown to people; by default the agent's.
        deps: its dependencies, the same in every run.
        deps_of: returns its dependencies in one run, from the step's input; for tools that need, say, the
            `idempotency_key` or the session. Called again after a pause.
        prompt: returns its prompt; by default `prompt_of`: the content before the step, or the run's message.
        usage_limits: bounds on its requests and tokens, over all pauses of a step.
    """

    type: Literal["agent"] = "agent"

    def __init__(
        self,
        agent: AbstractAgent[Any, Any],
        *,
        id: str | None = None,  # noqa: A002 - what the protocol calls it
        name: str | None = None,
        deps: Any = None,
        deps_of: Callable[[StepInput], Any] | None = None,
        prompt: Prompt = prompt_of,
        usage_limits: UsageLimits | None = None,
    ) -> None:
        self.id = id or agent.name or "agent"
        self.name = name or agent.name or self.id
        self._agent = agent
        self._deps_of = deps_of or (lambda _: deps)
        self._prompt = prompt
        self._usage_limits = usage_limits

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        """Return the agent's output for the step's input, or its pause."""
        return await self._run(step_input, stream, prompt=self._prompt(step_input))

    async def resume(
        self, state: JsonValue, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        """Return its output, or its next pause, after these decisions on the tools of the last pause."""
        paused = _Paused.load(state)
        for decision in decisions:
            if decision.tool.call_id in paused.elsewhere:
                stream.tool_completed(decision.tool, _result_of(decision))
        return await self._run(step_input, stream, paused=paused, results=paused.results(decisions))

    async def _run(
        self,
        step_input: StepInput,
        stream: AgentStream,
        *,
        prompt: str | Sequence[UserContent] | None = None,
        paused: _Paused | None = None,
        results: DeferredToolResults | None = None,
    ) -> Any:
        watch = _Watch(stream)
        result = await self._agent.run(
            prompt,
            output_type=_with_deferrals(self._agent),
            message_history=None if paused is None else ModelMessagesTypeAdapter.validate_json(paused.messages),
            deferred_tool_results=results,
            usage=None if paused is None else paused.usage,
            deps=self._deps_of(step_input),
            usage_limits=self._usage_limits,
            capabilities=[watch],
        )
        if not isinstance(result.output, DeferredToolRequests):
            return result.output
        requests = [_request(call, result.output, watch.definitions) for call in _in_order(result)]
        state = _Paused.of(result).dump()
        return AgentPause(requests, state, run_id=result.run_id, session_id=result.conversation_id)


def _with_deferrals(agent: AbstractAgent[Any, Any]) -> Any:
    """The agent's output type, extended by a pause; None if it must not be changed."""
    declared = agent.output_type
    types = list(declared) if isinstance(declared, Sequence) else [declared]
    has_room = any(DeferredToolRequests in (each, *get_args(each)) for each in types)
    # The framework allows no other output type for an agent that has output validators.
    if has_room or getattr(agent, "_output_validators", None):
        return None
    return [*types, DeferredToolRequests]


def _in_order(result: AgentRunResult[Any]) -> list[ToolCallPart]:
    """The deferred calls in the order in which the model made them."""
    deferred = {call.tool_call_id for call in (*result.output.approvals, *result.output.calls)}
    return [call for call in result.response.tool_calls if call.tool_call_id in deferred]


def _request(
    call: ToolCallPart, requests: DeferredToolRequests, definitions: Mapping[str, ToolDefinition]
) -> ToolRequest:
    """A deferred call, as a request to a person."""
    tool, definition = _tool(call), definitions[call.tool_name]
    mark = {**_mark(definition.metadata), **_mark(requests.metadata.get(call.tool_call_id))}
    if requests.kind(call.tool_call_id) != "approval":
        questions = mark.get("user_feedback", ())
        return ToolRequest(tool, user_feedback=questions, external_execution=not questions)
    if "user_input" in mark:
        form = form_of(definition.parameters_json_schema, mark["user_input"], tool.args)
        return ToolRequest(tool, user_input=form, args_schema=definition.parameters_json_schema)
    if mark.get("editable", False):
        return ToolRequest(tool, editable=True, args_schema=definition.parameters_json_schema)
    return ToolRequest(tool)


def _mark(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    mark: dict[str, Any] = (metadata or {}).get(_MARK, {})
    return mark


def _tool(call: ToolCallPart) -> Tool:
    return Tool(call.tool_call_id, call.tool_name, call.args_as_dict())


# ── Between pauses ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Paused:
    """What an agent resumes from.

    Args:
        messages: the message history, as the framework's JSON.
        usage: its usage so far.
        elsewhere: ids of the calls whose results come from outside.
    """

    messages: str
    usage: RunUsage
    elsewhere: list[str]

    @classmethod
    def of(cls, result: AgentRunResult[Any]) -> _Paused:
        return cls(
            result.all_messages_json().decode(), result.usage, [call.tool_call_id for call in result.output.calls]
        )

    @classmethod
    def load(cls, state: JsonValue) -> _Paused:
        return _STATE.validate_python(state)

    def dump(self) -> JsonValue:
        state: JsonValue = _STATE.dump_python(self, mode="json")
        return state

    def results(self, decisions: Sequence[ToolDecision]) -> DeferredToolResults:
        results = DeferredToolResults()
        for decision in decisions:
            call_id = decision.tool.call_id
            if call_id in self.elsewhere:
                results.calls[call_id] = _result_of(decision)
            elif decision.approved:
                args = {**decision.tool.args, **(decision.user_input or {})}
                results.approvals[call_id] = ToolApproved(override_args=args)
            else:
                results.approvals[call_id] = ToolDenied(decision.note) if decision.note else ToolDenied()
        return results


_STATE = TypeAdapter(_Paused)


def _result_of(decision: ToolDecision) -> Any:
    """The tool's result from outside: of an execution, or answers to questions."""
    return decision.result if decision.user_feedback is None else list(decision.user_feedback)


# ── Events ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Watch(AbstractCapability[Any]):
    """Streams an agent's text and tool calls, and notes which tools it has."""

    stream: AgentStream
    definitions: dict[str, ToolDefinition] = field(default_factory=dict)
    _calls: dict[str, Tool] = field(default_factory=dict)
    _executed: set[str] = field(default_factory=set)

    async def prepare_tools(self, ctx: RunContext[Any], tool_defs: list[ToolDefinition]) -> list[ToolDefinition]:
        """The tools of a turn; a marked tool waits for a person."""
        prepared = [_deferred(each) for each in tool_defs]
        self.definitions.update((each.name, each) for each in prepared)
        return prepared

    async def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterable[AgentStreamEvent]:
        """Stream text as it comes, and report calls that failed without being executed."""
        try:
            async for event in stream:
                self._heard(event)
                await self.stream.room()
                yield event
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def _heard(self, event: AgentStreamEvent) -> None:
        match event:
            case PartStartEvent(part=TextPart(content=text)):
                self.stream.content(text)
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                self.stream.content(text)
            case FunctionToolCallEvent(part=call):
                self._calls[call.tool_call_id] = _tool(call)
            case FunctionToolResultEvent(part=part) if part.outcome != "success":
                if part.tool_call_id not in self._executed:
                    self.stream.tool_failed(
                        self._calls[part.tool_call_id], part.model_response_str(wrap_if_error=False)
                    )

    async def wrap_tool_execute(
        self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: Any, handler: Any
    ) -> Any:
        """Execute a tool, and report it."""
        tool = _tool(call)
        self._executed.add(tool.call_id)
        self.stream.tool_started(tool)
        try:
            result = await handler(args)
        except (ApprovalRequired, CallDeferred):  # the tool has seen its arguments, and asks
            raise
        except Exception as error:
            self.stream.tool_failed(tool, str(error) or type(error).__name__)
            raise
        self.stream.tool_completed(tool, _loggable(result.return_value if isinstance(result, ToolReturn) else result))
        return result


def _deferred(definition: ToolDefinition) -> ToolDefinition:
    """Make a marked tool require approval, even if it wasn't declared so."""
    if definition.kind == "function" and _mark(definition.metadata).keys() & {"user_input", "editable"}:
        return replace(definition, kind="unapproved")
    return definition


def _loggable(result: Any) -> JsonValue:
    """A tool's result as JSON, of any type: it is only shown, and not used further."""
    data = to_json(result, inf_nan_mode="strings", bytes_mode="base64", serialize_unknown=True)
    shown: JsonValue = from_json(data)
    return shown
