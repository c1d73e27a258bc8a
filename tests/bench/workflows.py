"""The work that is measured. `peer_server.py` declares the same for the peer: change both or neither."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator

from interlock import Confirm, Step, StepInput, StepOutput, Workflow

CHAIN_LENGTH = 20
KILOBYTE = "x" * 1024
TICK_SECONDS = 0.05

signal.signal(signal.SIGUSR1, lambda *_: gc.collect())  # see memory.py


async def stream(step_input: StepInput) -> AsyncIterator[str]:
    """As many deltas as the message says."""
    for _ in range(int(step_input.input)):
        yield "delta "


async def tick(step_input: StepInput) -> AsyncIterator[str]:
    """As many deltas as the message says, one after the other."""
    for _ in range(int(step_input.input)):
        yield "tick "
        await asyncio.sleep(TICK_SECONDS)


async def hold(step_input: StepInput) -> StepOutput:
    """Nothing, for as many seconds as the message says."""
    await asyncio.sleep(float(step_input.input))
    return StepOutput("done")


async def brief(step_input: StepInput) -> StepOutput:
    return StepOutput("done")


async def kilobyte(step_input: StepInput) -> StepOutput:
    return StepOutput(KILOBYTE)


workflows = [
    Workflow("stream", steps=[Step("stream", stream)]),
    Workflow("broadcast", steps=[Step("broadcast", stream, human_review=Confirm("Begin?"))]),
    Workflow("tick", steps=[Step("tick", tick)]),
    Workflow("hold", steps=[Step("hold", hold)]),
    Workflow(
        "review",
        steps=[
            Step("draft", brief),
            Step("publish", brief, human_review=Confirm("Publish?")),
            Step("announce", brief),
        ],
    ),
    Workflow(
        "chain",
        steps=[Step(f"step {number}", kilobyte, human_review=Confirm("Go on?")) for number in range(CHAIN_LENGTH)],
    ),
]
