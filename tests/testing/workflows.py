"""What a server in a process of its own runs, for tests that kill it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from interlock import Step, StepInput, Workflow


def write(writer: Path, line: str) -> None:
    with writer.open("a") as file:
        file.write(f"{line}\n")


async def charge(step_input: StepInput) -> str:
    """Has its effect (a line in the file that the message names), and then takes long: for ever in the first try."""
    write(Path(step_input.input), step_input.idempotency_key)
    if step_input.attempt == 1:
        await asyncio.Event().wait()
    return f"charged in try {step_input.attempt}"


workflows = [Workflow("charge", steps=[Step("charge", charge, restart="ask")])]
