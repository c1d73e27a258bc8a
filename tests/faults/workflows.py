"""What the tests of faults run: steps that leave a mark outside of Interlock, so that one can see how far they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from interlock import Confirm, Step, StepInput, Workflow


def given(step_input: StepInput) -> dict[str, Any]:
    assert isinstance(step_input.input, dict)
    return step_input.input


async def count_up(step_input: StepInput) -> AsyncIterator[str]:
    """Yields `count` numbers, the next one when the one before was taken; `mark` says how many were.

    It waits at the half for the file `gate`.
    """
    said = given(step_input)
    is_open, mark = Path(said["gate"]).exists, Path(said["mark"]).write_text
    for number in range(said["count"]):
        while number == said["count"] // 2 and not is_open():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.002)
        yield f"{number} "
        mark(str(number + 1))
        await asyncio.sleep(0.001)


def finish(_: StepInput) -> str:
    return "finished"


workflows = [
    Workflow("count", steps=[Step("count", count_up)]),
    Workflow("confirm", steps=[Step("finish", finish, human_review=Confirm("Finish?"))]),
    Workflow("quick", steps=[Step("finish", finish)]),
]
