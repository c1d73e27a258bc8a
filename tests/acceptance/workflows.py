"""The workflows of the conversations in `test_guide.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from interlock import Ask, Confirm, Router, Step, StepInput, UserInputField, Workflow
from interlock.agents.pydantic_ai import PydanticAgent


async def words(step_input: StepInput) -> AsyncIterator[str]:
    """Streams its input, word by word."""
    for word in str(step_input.input).split():
        yield f"{word} "


def process_data(step_input: StepInput) -> str:
    return f"processed {step_input.input}"


def collect_preferences(step_input: StepInput) -> dict[str, object]:
    return dict(step_input.user_input)


def quick(_: StepInput) -> str:
    return "a quick look"


def deep(_: StepInput) -> str:
    return "a deep look"


async def delete_and_report(messages: list[ModelMessage], _: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
    """A model that deletes record 42, and says what came of it."""
    results = [part.content for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
    if results:
        yield f"Done: {results[0]}"
    else:
        yield {0: DeltaToolCall("delete_record", '{"record_id": "42"}')}


action_agent = Agent(FunctionModel(stream_function=delete_and_report), name="ActionAgent")


@action_agent.tool_plain(requires_approval=True)
def delete_record(record_id: str) -> str:
    return f"record {record_id} is deleted"


PREFERENCES = [
    UserInputField("tone", description="formal / casual"),
    UserInputField("language", description="Language code", required=False),
]

workflows = [
    Workflow("words", steps=[Step("words", words)]),
    Workflow("confirm", steps=[Step("process_data", process_data, human_review=Confirm("Process?")), words]),
    Workflow(
        "input",
        steps=[
            Step("collect_preferences", collect_preferences, human_review=Ask(PREFERENCES, "Provide your preferences:"))
        ],
    ),
    Workflow("agent", steps=[words, Step("execute_action", agent=PydanticAgent(action_agent, id="agent-001"))]),
    Workflow("route", steps=[Router("analysis_router", [quick, deep])]),
    Workflow(
        "confirmed-route",
        steps=[Router("analysis_router", [quick, deep], selector=lambda _: "quick", human_review=Confirm("Route?"))],
    ),
    Workflow(
        "chained",
        steps=[
            Step(
                "collect_preferences", collect_preferences, human_review=Ask(PREFERENCES, "Provide your preferences:")
            ),
            Step("process_data", process_data, human_review=Confirm("Process?")),
            Router("analysis_router", [quick, deep]),
        ],
    ),
]
