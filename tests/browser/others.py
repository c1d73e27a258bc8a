"""What goes on beside the page: other clients of the same server, and the log that the page has to agree with."""

from __future__ import annotations

from typing import Any

from tests.support.live import ALICE, ROOT, Live, Message, Talk, events_of


async def started(live: Live, workflow_id: str, message: Any = "", token: str = ALICE) -> str:
    """A run that another client of the same person has started; its id."""
    async with live.talk(token) as talk:
        return await talk.start(workflow_id, message)


async def waiting(live: Live, workflow_id: str, message: Any = "", token: str = ALICE) -> str:
    """A run as above that waits for a person."""
    async with live.talk(token) as talk:
        run_id = await talk.start(workflow_id, message)
        await talk.until_pause(run_id)
        return run_id


async def log_of(live: Live, run_id: str) -> list[Message]:
    """The events of a run, once it has ended."""
    async with live.talk(ROOT) as talk:
        await talk.send(action="reconnect", run_id=run_id)
        return events_of(await talk.until_end(run_id))


async def decision_in(live: Live, run_id: str) -> Message:
    """The last decision in the log of a run that has ended."""
    return [each for each in await log_of(live, run_id) if "decision" in each][-1]["decision"]  # type: ignore[no-any-return]


async def decide(live: Live, run_id: str, token: str = ROOT, **decision: Any) -> None:
    """Decide all that waits in a run, as another client."""
    async with live.talk(token) as talk:
        output = await _question(talk, run_id)
        requirements = [{"id": each["id"], **decision} for each in output["step_requirements"]]
        await talk.send(
            action="continue-workflow",
            workflow_id=output["workflow_id"],
            run_id=run_id,
            step_requirements=requirements,
            request_id="decide",
        )
        answer = (await talk.until("ack", "error", request_id="decide"))[-1]
        assert answer["event"] == "ack", answer


async def _question(talk: Talk, run_id: str) -> Message:
    await talk.send(action="reconnect", run_id=run_id, snapshot=True)
    return (await talk.until("WorkflowRunOutput", run_id=run_id))[-1]


def text_of(log: list[Message]) -> str:
    """What a run has streamed."""
    return "".join(each["content"] for each in log if each["event"] == "RunResponseContentEvent")
