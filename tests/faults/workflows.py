"""What the tests of faults run: steps that leave a mark outside of Interlock, so that one can see how far they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.support.gates import until_open

from interlock import Confirm, Loop, Parallel, Signal, Step, StepInput, Steps, Workflow


def given(step_input: StepInput) -> dict[str, Any]:
    assert isinstance(step_input.input, dict)
    return step_input.input


async def count_up(step_input: StepInput) -> AsyncIterator[str]:
    """Yields `count` numbers, the next one when the one before was taken; `mark` says how many were.

    It waits at the half for the file `gate`.
    """
    said = given(step_input)
    mark = Path(said["mark"]).write_text
    for number in range(said["count"]):
        if number == said["count"] // 2:
            await until_open(said["gate"])
        yield f"{number} "
        mark(str(number + 1))
        await asyncio.sleep(0.001)


def finish(_: StepInput) -> str:
    return "finished"


def remember(step_input: StepInput) -> str:
    """Changes the session: that is in the database, and needs it."""
    step_input.session.state["times"] = step_input.session.state.get("times", 0) + 1
    return "remembered"


async def wait(step_input: StepInput) -> str:
    """Waits for the file `gate`, and leaves a line for each time that it began."""
    with Path(given(step_input)["mark"]).open("a") as mark:  # noqa: ASYNC230 - a line
        mark.write("begun\n")
    await until_open(given(step_input)["gate"])
    return "waited"


def collect(step_input: StepInput) -> dict[str, Any]:
    return {"number": step_input.signal}


async def wait_a_little(step_input: StepInput) -> str:
    """Waits for the file `sooner`."""
    await until_open(given(step_input)["sooner"])
    return "waited a little"


workflows = [
    Workflow("count", steps=[Step("count", count_up)]),
    Workflow("confirm", steps=[Step("finish", finish, human_review=Confirm("Finish?"))]),
    Workflow("several", steps=[Step("wait", wait), Step("remember", remember), Step("finish", finish)]),
    Workflow(
        "beside",
        steps=[
            Parallel(
                "both",
                [Step("wait", wait), Steps("more", [Step("wait a little", wait_a_little), Step("remember", remember)])],
            )
        ],
    ),
    Workflow(
        "brief",
        steps=[Step("finish", finish, human_review=Confirm("Finish?", timeout=0.3, on_timeout="approve"))],
    ),
    Workflow("quick", steps=[Step("finish", finish)]),
    Workflow(
        "collect",
        steps=[Loop("all", [Step("each", collect, human_review=Signal("number"))], max_iterations=24)],
    ),
]
