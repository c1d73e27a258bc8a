"""The work that is measured. `peer_server.py` declares the same for the peer: change both or neither.

Of the state machines the peer has none.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from typing import Any

from interlock import (
    Confirm,
    Halting,
    Machine,
    ScriptLogic,
    State,
    Step,
    StepInput,
    StepOutput,
    Transition,
    Workflow,
)

CHAIN_LENGTH = 20
KILOBYTE = "x" * 1024
TICK_SECONDS = 0.05
LOGIC_STATES = 20
TURNS = 900
"""How often a machine turns before it halts; it may turn a thousand times."""

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


async def nothing(step_input: StepInput) -> dict[str, int]:
    return {}


async def turn(step_input: StepInput) -> dict[str, int]:
    return {"turns": step_input.workflow_data.get("turns", 0) + 1}


def _one_after_the_other(name: str, work: Any) -> Workflow:
    """A machine of states with the same logic, that ends without a halt."""
    states = {f"state {number}": State(work, [Transition(f"state {number + 1}")]) for number in range(LOGIC_STATES)}
    states[f"state {LOGIC_STATES}"] = State(is_terminal=True)
    return Workflow(name, steps=[Machine(name, states, initial_state="state 0")])


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
    Workflow("crowd", steps=[Step("gate", brief, human_review=Confirm("Go?", assignees=["group:crowd"]))]),
    Workflow(
        "chain",
        steps=[Step(f"step {number}", kilobyte, human_review=Confirm("Go on?")) for number in range(CHAIN_LENGTH)],
    ),
    _one_after_the_other("scripts", ScriptLogic("return {}")),
    _one_after_the_other("functions", nothing),
    Workflow(
        "turns",
        steps=[
            Machine(
                "turns",
                {
                    "turn": State(
                        turn,
                        [
                            Transition("turn", {"field": "turns", "operator": "lt", "value": TURNS}),
                            Transition("rest"),
                        ],
                    ),
                    "rest": State(halt=Halting(), transitions=[Transition("turn")]),
                },
                initial_state="turn",
            )
        ],
    ),
]
