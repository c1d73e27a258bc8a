"""The workflows of the conversations in `test_guide.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from interlock import Ask, Confirm, Router, Step, StepInput, UserInputField, Workflow


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
