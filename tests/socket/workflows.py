"""What the tests of the socket and of HTTP run. A step that has to wait does so until a file exists: in a server of
this process and in one of its own alike."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.gates import until_open

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    Loop,
    Parallel,
    Router,
    Step,
    StepInput,
    StepOutput,
    UserInputField,
    Workflow,
)


def note(step_input: StepInput, word: str) -> None:
    """Write down that a step ran, where the run's message says so."""
    message = step_input.input
    if isinstance(message, dict) and "writer" in message:
        with Path(message["writer"]).open("a") as writer:
            writer.write(f"{word}\n")


def of(step_input: StepInput, key: str, default: object = None) -> object:
    return step_input.input.get(key, default) if isinstance(step_input.input, dict) else default


async def stream(step_input: StepInput) -> AsyncIterator[str | StepOutput]:
    """`count` deltas of `size` bytes; before the one called `wait_at`, it waits for the file `gate`.

    Where it is to be `brief`, its output isn't all that it has streamed.
    """
    note(step_input, "stream")
    wait_at = of(step_input, "wait_at", 0)
    for number in range(int(str(of(step_input, "count", 3)))):
        if number == wait_at:
            await until_open(step_input.input.get("gate") if isinstance(step_input.input, dict) else None)
        text = f"{number} "
        yield text.ljust(int(str(of(step_input, "size", 0))), ".")
        if of(step_input, "pace"):
            await asyncio.sleep(float(str(of(step_input, "pace"))))
    if of(step_input, "brief"):
        yield StepOutput("done")


async def first(step_input: StepInput) -> str:
    note(step_input, "first")
    return "first"


async def last(step_input: StepInput) -> str:
    note(step_input, "last")
    return "last"


async def echo(step_input: StepInput) -> object:
    return step_input.user_input


async def one(_: StepInput) -> str:
    return "one"


async def two(_: StepInput) -> str:
    return "two"


async def broken(_: StepInput) -> str:
    raise RuntimeError("on purpose")


def deadly(_: StepInput) -> bool:
    os._exit(9)


FORM = [
    UserInputField("tone", description="formal / casual", allowed_values=["formal", "casual"]),
    UserInputField("count", "int", required=False, default=1),
    UserInputField("ratio", "float", required=False),
    UserInputField("sure", "bool", required=False),
    UserInputField("tags", "list", required=False),
    UserInputField("extra", "dict", required=False),
    UserInputField("note", required=False),
]

workflows = [
    Workflow("stream", steps=[stream], version="7", description="Streams."),
    Workflow("confirm", steps=[first, Step("publish", last, human_review=Confirm("Publish?"))]),
    Workflow(
        "strict",
        steps=[Step("publish", last, human_review=Confirm("Publish?", on_reject="skip", allowed_on_reject=["skip"]))],
    ),
    Workflow("streamed-confirm", steps=[first, stream, Step("publish", last, human_review=Confirm("Publish?"))]),
    Workflow("confirmed-stream", steps=[Step("stream", stream, human_review=Confirm("Begin?"))]),
    Workflow("ask", steps=[Step("ask", echo, human_review=Ask(FORM, "How?"))]),
    Workflow("route", steps=[Router("route", [one, two])]),
    Workflow("routes", steps=[Router("route", [one, two], human_review=Choose("Which?", multiple=True))]),
    Workflow("loop", steps=[Loop("loop", [Step("again", one, human_review=Confirm("Go on?"))], max_iterations=5)]),
    Workflow("both", steps=[Step("ask", echo, human_review=[Confirm("Begin?"), Ask(FORM, "How?")])]),
    Workflow(
        "parallel",
        steps=[
            Parallel(
                "parallel",
                [
                    Step("left", one, human_review=Confirm("Left?")),
                    Step("right", two, human_review=Confirm("Right?")),
                ],
            )
        ],
    ),
    Workflow(
        "while-streaming",
        steps=[Parallel("parallel", [stream, Step("publish", last, human_review=Confirm("Publish?"))])],
    ),
    Workflow("assigned", steps=[Step("publish", last, human_review=Confirm("Publish?", assignees=["carol"]))]),
    Workflow("grouped", steps=[Step("publish", last, human_review=Confirm("Publish?", assignees=["group:reviewers"]))]),
    Workflow(
        "condition",
        steps=[Condition("condition", lambda _: True, steps=[one], else_steps=[two], human_review=Confirm("Really?"))],
    ),
    Workflow("broken", steps=[broken]),
    Workflow("deadly-condition", steps=[Condition("deadly", deadly, steps=[one])]),
]
