"""Drives the peer's published client, unmodified, against a server: `client_program.py URL [TOKEN]`.

Runs in the peer's own environment, so it may import nothing of ours. Every claim is an assertion.
"""

import asyncio
import sys
from typing import Any
from uuid import uuid4

from agno.client import AgentOSClient  # type: ignore[import-not-found, unused-ignore]
from agno.run.base import RunStatus  # type: ignore[import-not-found, unused-ignore]

URL = sys.argv[1]
HEADERS = {"Authorization": f"Bearer {sys.argv[2]}"} if len(sys.argv) > 2 else None


async def finds_its_way(client: Any) -> None:
    config = await client.aget_config(headers=HEADERS)
    assert "confirm" in {each.id for each in config.workflows}, config
    assert (config.agents, config.teams) == ([], [])
    listed = await client.list_workflows(headers=HEADERS)
    assert {each.id for each in listed} == {each.id for each in config.workflows}
    whole = await client.aget_workflow("both", headers=HEADERS)
    assert (whole.id, [step["name"] for step in whole.steps]) == ("both", ["both"])
    assert client.get_workflow("both", headers=HEADERS).id == "both"
    assert await client.list_agents(headers=HEADERS) == []
    assert await client.list_teams(headers=HEADERS) == []


async def runs_to_the_end(client: Any) -> None:
    run = await client.run_workflow("both", "hello", session_id="s-both", headers=HEADERS)
    assert run.status == RunStatus.completed, run
    assert run.content == {"left": "echo hello", "right": "echo hello"}
    assert {each.step_name: each.content for each in run.step_results} == run.content
    assert set(run.metrics.steps) == {"left", "right"}
    assert 0 <= run.metrics.duration < 60
    assert 1.7e9 < run.created_at < 1e10, "seconds"
    assert (run.session_id, run.input) == ("s-both", "hello")


async def streams(client: Any) -> None:
    seen = [event async for event in client.run_workflow_stream("content-creation-workflow", "x", headers=HEADERS)]
    names = [event.event for event in seen]
    assert (names[0], names[-1]) == ("WorkflowStarted", "WorkflowCompleted"), names
    words = [event.content for event in seen if event.event == "RunContent"]
    assert len(words) == 30, names
    ended = [event for event in seen if event.event == "StepCompleted"]
    assert [each.step_name for each in ended] == ["research", "plan"]
    assert ended[0].content == "".join(words)
    assert len(seen[-1].step_results) == 2
    assert all(1.7e9 < event.created_at < 1e10 for event in seen), "seconds"


async def paused(client: Any, workflow_id: str, **options: Any) -> Any:
    """A run that waits, as the client has it."""
    run = await client.run_workflow(workflow_id, "hello", headers=HEADERS, **options)
    assert run.is_paused, run
    assert len(run.active_step_requirements) == 1, run.step_requirements
    return run


async def goes_on(client: Any, run: Any) -> Any:
    return await client.continue_workflow_run(
        run.workflow_id, run.run_id, run.step_requirements, session_id=run.session_id, headers=HEADERS
    )


async def confirms(client: Any) -> None:
    run = await paused(client, "confirm")
    (asked,) = run.steps_requiring_confirmation
    assert (asked.step_name, asked.confirmation_message) == ("publish", "Publish?")
    assert [each.content for each in run.step_results] == ["echo hello"]
    asked.confirm()
    ended = await goes_on(client, run)
    assert (ended.status, ended.content) == (RunStatus.completed, "echo echo hello")


async def rejects(client: Any) -> None:
    run = await paused(client, "confirm")
    (asked,) = run.steps_requiring_confirmation
    asked.reject()
    asked.on_reject = "cancel"
    assert (await goes_on(client, run)).status == RunStatus.cancelled


async def confirms_while_it_streams(client: Any) -> None:
    seen = [event async for event in client.run_workflow_stream("confirm", "hello", headers=HEADERS)]
    assert [event.event for event in seen[-2:]] == ["StepPaused", "WorkflowPaused"], seen
    pause = seen[-1]
    assert (pause.is_paused, pause.status, pause.pause_kind) == (True, "PAUSED", "step")
    (asked,) = pause.step_requirements
    asked["confirmed"] = True
    rest = [
        event.event
        async for event in client.continue_workflow_run_stream(
            "confirm", pause.run_id, [asked], session_id=pause.session_id, headers=HEADERS
        )
    ]
    assert (rest[0], rest[-1]) == ("StepContinued", "WorkflowCompleted"), rest


async def fills_in(client: Any) -> None:
    run = await paused(client, "form")
    (asked,) = run.steps_requiring_user_input
    assert [field.name for field in asked.user_input_schema] == ["tone", "language"]
    asked.set_user_input(tone="formal", language="en")
    assert (await goes_on(client, run)).content == {"tone": "formal", "language": "en"}


async def chooses(client: Any) -> None:
    run = await paused(client, "route")
    (asked,) = run.steps_requiring_route
    assert asked.available_choices == ["quick", "deep"]
    asked.select("deep")
    ended = await goes_on(client, run)
    assert [each.step_name for each in ended.step_results] == ["deep"]


async def reviews(client: Any) -> None:
    run = await paused(client, "review")
    (asked,) = run.steps_requiring_output_review
    output = asked.step_output
    assert (output.content, output.success, output.error) == ("half a draft", False, "two sources are missing")
    asked.edit("a whole draft")
    assert (await goes_on(client, run)).content == "echo a whole draft"


async def reviews_rounds(client: Any) -> None:
    run = await paused(client, "rounds")
    (asked,) = run.steps_requiring_output_review
    assert asked.step_output.content == "echo hello"
    asked.on_reject = "retry"
    asked.reject("once more")
    run = await goes_on(client, run)
    assert run.is_paused
    run.steps_requiring_output_review[0].confirm()
    assert (await goes_on(client, run)).status == RunStatus.completed


async def decides_tools(client: Any) -> None:
    from agno.run.requirement import RunRequirement  # type: ignore[import-not-found, unused-ignore]

    run = await paused(client, "tools")
    (asked,) = run.steps_requiring_executor_resolution
    (tool,) = [RunRequirement.from_dict(each) for each in asked.executor_requirements]
    assert (asked.executor_name, tool.tool_execution.tool_name) == ("Clerk", "delete_record")
    tool.confirm()
    asked.executor_requirements = [tool]
    assert (await goes_on(client, run)).status == RunStatus.completed


async def cancels(client: Any) -> None:
    run = await paused(client, "confirm", session_id="s-cancelled")
    await client.cancel_workflow_run("confirm", run.run_id, headers=HEADERS)
    again = await client.get_session_run("s-cancelled", run.run_id, headers=HEADERS)
    assert again.status == "CANCELLED"


async def lists_a_session(client: Any) -> None:
    session_id = f"s-{uuid4()}"
    run = await client.run_workflow("both", "hello", session_id=session_id, headers=HEADERS)
    (listed,) = await client.get_session_runs(session_id, headers=HEADERS)
    assert (listed.run_id, listed.run_input, listed.content) == (run.run_id, "hello", run.content)
    assert listed.created_at.timestamp() > 1.7e9
    assert await client.get_session_runs("s-of-nobody", headers=HEADERS) == []


async def main() -> None:
    client = AgentOSClient(URL)
    for claim in (
        finds_its_way,
        runs_to_the_end,
        streams,
        confirms,
        rejects,
        confirms_while_it_streams,
        fills_in,
        chooses,
        reviews,
        reviews_rounds,
        decides_tools,
        cancels,
        lists_a_session,
    ):
        try:
            await claim(client)
        except BaseException as error:
            raise AssertionError(claim.__name__) from error
        print("ok", claim.__name__)


asyncio.run(main())
