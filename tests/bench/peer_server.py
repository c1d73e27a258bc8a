"""The peer: an AgentOS with the workflows of `workflows.py`. Runs in the peer's own environment, by its path.

It gets what makes it fastest: the floor's uvicorn settings, the quicker of its SQLite adapters, no telemetry.

    python -P peer_server.py PORT DATABASE_FILE
"""

import gc
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from agno.db.sqlite import SqliteDb  # type: ignore[import-not-found, unused-ignore]
from agno.os import AgentOS  # type: ignore[import-not-found, unused-ignore]
from agno.run.agent import RunContentEvent  # type: ignore[import-not-found, unused-ignore]
from agno.workflow import Step, Workflow  # type: ignore[import-not-found, unused-ignore]
from agno.workflow.types import HumanReview, StepOutput  # type: ignore[import-not-found, unused-ignore]

CHAIN_LENGTH = 20
KILOBYTE = "x" * 1024


async def stream(step_input: Any) -> AsyncIterator[Any]:
    for _ in range(int(step_input.input)):
        yield RunContentEvent(content="delta ")  # a bare str would be collected, not sent


async def brief(step_input: Any) -> Any:
    return StepOutput(content="done")


async def kilobyte(step_input: Any) -> Any:
    return StepOutput(content=KILOBYTE)


def confirm(message: str) -> Any:
    return HumanReview(requires_confirmation=True, confirmation_message=message)


def serve(port: int, database_file: str) -> None:
    database = SqliteDb(db_file=database_file)
    steps = {
        "stream": [Step(name="stream", executor=stream)],
        "review": [
            Step(name="draft", executor=brief),
            Step(name="publish", executor=brief, human_review=confirm("Publish?")),
            Step(name="announce", executor=brief),
        ],
        "chain": [
            Step(name=f"step {number}", executor=kilobyte, human_review=confirm("Go on?"))
            for number in range(CHAIN_LENGTH)
        ],
    }
    workflows = [Workflow(id=name, name=name, db=database, steps=each) for name, each in steps.items()]
    app = AgentOS(id="bench", workflows=workflows, db=database, telemetry=False).get_app()
    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", ws="websockets-sansio", log_level="warning")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: gc.collect())  # see memory.py
    serve(int(sys.argv[1]), sys.argv[2])
