"""What the command line's tests run, in a server of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

from pydantic import BaseModel
from tests.support.halts import MACHINES
from tests.testing.agents import Clerk

from interlock import (
    Ask,
    Choose,
    Confirm,
    Loop,
    Parallel,
    Review,
    Router,
    Signal,
    Step,
    StepInput,
    Steps,
    UserInputField,
    Workflow,
)
from interlock.workflow.declare.agents import Tool, ToolRequest


class Release(BaseModel):
    """A form with a required text, a menu, a number and a yes or no."""

    version: str
    channel: Literal["stable", "beta"] = "stable"
    count: int = 3
    urgent: bool


class Order(BaseModel):
    """What a run is started with."""

    fruit: str
    crates: int = 1


def order(step_input: StepInput) -> str:
    return f"ordered {step_input.input.crates} x {step_input.input.fruit}"


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


def write(step_input: StepInput) -> str:
    return f"a letter{'' if step_input.rejection_feedback is None else ', ' + step_input.rejection_feedback}"


def table(step_input: StepInput) -> dict[str, int]:
    return {"rows": 3}


def fails_once(step_input: StepInput) -> str:
    if step_input.attempt == 1:
        raise RuntimeError("the printer is on fire")
    return "printed"


PASSWORD = UserInputField("password", secret=True)


def sign_in(step_input: StepInput) -> str:
    if step_input.user_input["password"].get_secret_value() != " hunter-2":
        raise ValueError("wrong")
    return f"{step_input.user_input['user']} is in"


TOOLS = (
    ToolRequest(Tool("call-1", "delete", {"path": "/tmp/x", "force": True})),
    ToolRequest(Tool("call-2", "rename", {"path": "/tmp/y"}), editable=True),
    ToolRequest(Tool("call-3", "send", {}), user_input=[UserInputField("to"), UserInputField("copies", "int")]),
    ToolRequest(
        Tool("call-4", "ask", {}),
        user_feedback=[
            {"question": "Which?", "options": [{"label": "red", "description": "like wine"}, {"label": "blue"}]}
        ],
    ),
    ToolRequest(Tool("call-5", "query", {"sql": "select 1"}), external_execution=True),
)


def told(step_input: StepInput) -> Any:
    return step_input.signal


workflows = [
    *MACHINES,
    Workflow("order", steps=[order], input_schema=Order),
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
    Workflow("reviewed", steps=[Step("letter", write, human_review=Review("Is it right?"))]),
    Workflow("reviewed-stream", steps=[Step("draft", draft, human_review=Review("Is it right?"))]),
    Workflow("reviewed-table", steps=[Step("table", table, human_review=Review("Is it right?"))]),
    Workflow("improved", steps=[Loop("improve", [Step("letter", write)], max_iterations=3, human_review=Review())]),
    Workflow("office", steps=[Step("clerk", agent=Clerk([TOOLS]))]),
    Workflow("two-tools", steps=[Step("clerk", agent=Clerk([TOOLS[:2]]))]),
    Workflow("mended", steps=[Step("print", fails_once, on_error="pause")]),
    Workflow("hasty", steps=[Step("publish", done, human_review=Confirm("Publish?", timeout=3, on_timeout="skip"))]),
    Workflow("patient", steps=[Step("publish", done, human_review=Confirm("Publish?", timeout=7200))]),
    Workflow(
        "sign-in",
        steps=[Step("sign in", sign_in, human_review=Ask([UserInputField("user"), PASSWORD]), on_error="pause")],
    ),
    Workflow("broken", steps=[Step("fails", fails)]),
    Workflow("signalled", steps=[Step("waits", told, human_review=Signal("go"))]),
]
