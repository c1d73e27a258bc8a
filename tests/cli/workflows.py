"""What the command line's tests run, in a server of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from pydantic import BaseModel

from interlock import Ask, Choose, Confirm, Parallel, Router, Step, StepInput, Steps, Workflow


class Release(BaseModel):
    """A form with a required text, a menu, a number and a yes or no."""

    version: str
    channel: Literal["stable", "beta"] = "stable"
    count: int = 3
    urgent: bool


async def draft(step_input: StepInput) -> AsyncIterator[str]:
    for word in ("Dear ", "all,\n", "it is ", "done."):
        yield word


async def slow(step_input: StepInput) -> AsyncIterator[str]:
    for number in range(200):
        yield f"line {number}\n"
        await asyncio.sleep(0.02)


def publish(step_input: StepInput) -> dict[str, object]:
    return {"user_input": step_input.user_input and step_input.user_input.model_dump()}


def done(step_input: StepInput) -> str:
    return "done"


def escape(step_input: StepInput) -> str:
    return "[bold]not markup[/bold] \x1b[31mnot red\x07"


def fails(step_input: StepInput) -> str:
    raise RuntimeError("the printer is on fire")


workflows = [
    Workflow("draft", steps=[Step("draft", draft)]),
    Workflow("confirmed", steps=[Step("publish", done, human_review=Confirm("Publish?", on_reject="skip"))]),
    Workflow("confirmed-by-bob", steps=[Step("publish", done, human_review=Confirm("Publish?", assignees=["bob"]))]),
    Workflow("form", steps=[Step("publish", publish, human_review=Ask(Release, "Which version?"))]),
    Workflow(
        "choice",
        steps=[Router("how", [Step("quick", done), Step("deep", done)], human_review=Choose("How?", multiple=True))],
    ),
    Workflow("twice", steps=[Step(name, done, human_review=Confirm(f"{name}?")) for name in ("first", "second")]),
    Workflow(
        "both",
        steps=[
            Parallel(
                "both",
                [
                    Steps("left", [Step("talks", slow)]),
                    Steps("right", [Step("asks", done, human_review=Confirm("Go?"))]),
                ],
            )
        ],
    ),
    Workflow("slow", steps=[Step("slow", slow)]),
    Workflow("escape", steps=[Step("escape", escape)]),
    Workflow("broken", steps=[Step("fails", fails)]),
]
