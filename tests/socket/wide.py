"""A workflow of ten thousand branches, each of which waits for somebody."""

from __future__ import annotations

from interlock import Confirm, Parallel, Step, StepInput, Workflow

BRANCHES = 10_000


async def agreed(step_input: StepInput) -> str:
    return "agreed"


confirmed = [Step(f"branch {number}", agreed, human_review=Confirm("Agreed?")) for number in range(BRANCHES)]
workflows = [
    Workflow("wide", steps=[Parallel("all", confirmed)]),
    Workflow("busy", steps=[Parallel("all", [Step(f"branch {number}", agreed) for number in range(BRANCHES)])]),
]
