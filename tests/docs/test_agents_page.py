"""The page about agents: its agents run, its messages are taken, and its tables have all that there is."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from tests.docs.reading import blocks, read, section, table, ticked

import interlock.agents.pydantic_ai
from interlock.agents import AgentExecutor, AgentPause, ToolDecision, ToolRequest
from interlock.agents.pydantic_ai import PydanticAgent
from interlock.testing import running
from interlock_client.tools import ToolKind
from interlock_protocol.limits import MAX_OUTPUT_BYTES
from interlock_protocol.messages import ContinueWorkflow

PAGE = "docs/agents.md"
OWN, WITH_PYDANTIC_AI = blocks(PAGE, "python")


def flow(block: Any) -> Any:
    namespace: dict[str, Any] = {"__name__": "flows"}
    block.run(namespace)
    return namespace["workflow"]


async def test_own_agent_orders_what_is_approved() -> None:
    async with running(flow(OWN), message="apples pears plums") as run:
        pause = await run.paused()
        apples, pears, plums = pause.tools
        await pause.approve(apples, edited_args={"fruit": "apples", "crates": 2})
        await pause.deny(pears, "They are out of season.")
        await run.restart()
        await (await run.paused()).approve(plums, edited_args={"fruit": "plums", "crates": 21})
        assert await run.completed() == "Ordered 1 of 3."
        results = [event["tool"].get("result", event["tool"].get("error")) for event in run.events if "tool" in event]
    assert [each for each in results if each] == [
        {"order": "2 x apples"},
        "They are out of season.",
        "The truck takes 20 crates.",
    ]


async def test_own_agent_need_not_pause() -> None:
    async with running(flow(OWN)) as run:
        assert await run.completed() == "Nothing to buy."


async def test_agent_of_pydantic_ai_asks_as_its_tools_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODEL", raising=False)
    async with running(flow(WITH_PYDANTIC_AI), message="Tidy up.", user="ada") as run:
        pause = await run.paused()
        tools = {tool.name: tool for tool in pause.tools}
        kinds = {name: (tool.kind, tool.editable) for name, tool in tools.items()}
        assert kinds == {
            "delete_record": ("confirmation", False),
            "rename_record": ("confirmation", True),
            "close_account": ("user_input", False),
        }
        await pause.approve(tools["delete_record"])
        await pause.deny(tools["rename_record"], "No.")
        await pause.fill(tools["close_account"], reason="moved away")
        assert json.loads(await run.completed()) == {
            "find_records": ["42"],
            "delete_record": "a is deleted for ada",
            "rename_record": "No.",
            "close_account": "a is closed: moved away",
        }


def test_messages_of_the_page_are_messages() -> None:
    for block in blocks(PAGE, "json"):
        requirements = ContinueWorkflow.model_validate_json(block.text).step_requirements or []
        tools = [tool for each in requirements for tool in each.executor_requirements or []]
        assert [tool.confirmation for tool in tools] == [True, False]


def test_page_names_all_of_the_protocol() -> None:
    listed = [name for row in table(read(PAGE), "member") for name in ticked(row[0])]
    members = {name.removeprefix("await ").partition("(")[0] for name in listed}
    assert members == {name for name in vars(AgentExecutor) if not name.startswith("_")}
    own = section(PAGE, "An agent of your own")
    for each in (AgentPause, ToolRequest, ToolDecision):
        for name in each.__dataclass_fields__:
            assert f"`{name}" in own or f"({name}" in own or f", {name}" in own, f"{each.__name__}.{name}"


def test_page_names_all_of_the_adapter() -> None:
    text = section(PAGE, "Pydantic AI")
    for name in interlock.agents.pydantic_ai.__all__:
        assert name in text, name
    for name in PydanticAgent.__init__.__annotations__:
        assert name in ("agent", "return") or f"{name}=" in text, name


def test_page_names_the_ways_to_decide() -> None:
    asked = [row[0].replace(" ", "_") for row in table(section(PAGE, "What a person decides"), "asked for")]
    assert asked == list(get_args(ToolKind))


def test_page_names_the_bound_of_a_state() -> None:
    assert f"up to {MAX_OUTPUT_BYTES // 2**20} MiB" in read(PAGE)
