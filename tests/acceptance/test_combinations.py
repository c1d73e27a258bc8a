"""Combinations of pauses and containers on a real server, answered over connections that break and through restarts.

Each run has a twin in a simulation without a server, in which the same is said to everything. What clients see, put
together over all connections, is what the twin's log has.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.live import FINAL, Live, Message, Talk, live_server
from tests.workflow.simulation import Simulation
from tests.workflow.test_combinations import CONTAINERS, PAUSES, within

from interlock import Parallel, Workflow

KINDS = [kind for kind in PAUSES if kind != "stop"]
"""A stop ends the other branch wherever it happens to be; of all others, the end is the same in any order."""

CHAINS = [chain for depth in (1, 2) for chain in itertools.product(CONTAINERS, repeat=depth)][::2]
MANY = [
    (f"w{number}", KINDS[number % len(KINDS)], KINDS[(number + 5) % len(KINDS)], chain)
    for number, chain in enumerate(CHAINS)
]


def workflow(id_: str, one: str, other: str, chain: tuple[str, ...]) -> Workflow:
    both = Parallel("both", [PAUSES[one]("a"), PAUSES[other]("b")])
    return Workflow(id_, steps=list(within(chain, both).steps))


def agreed(asked: Message) -> Message:
    """A yes to a requirement, whatever it asks; of an agent's tools, to the first that waits."""
    if "error_type" in asked:
        return {"id": asked["id"], "decision": "retry"}
    if asked["requires_user_input"]:
        return {"id": asked["id"], "user_input": {"x": 1}}
    if asked["requires_route_selection"]:
        return {"id": asked["id"], "selected_choices": asked["available_choices"][:1]}
    if asked["requires_executor_input"]:
        tool = next(each for each in asked["executor_requirements"] if not is_decided(each))
        return {"id": asked["id"], "executor_requirements": [{"id": tool["id"], **agreed_tool(tool)}]}
    return {"id": asked["id"], "confirmed": True}


def agreed_tool(tool: Message) -> Message:
    execution = tool["tool_execution"]
    if execution.get("requires_user_input"):
        return {"user_input_schema": [{"name": "x", "value": 1}]}
    if tool.get("user_feedback_schema"):
        return {"user_feedback_schema": [{"question": "Which?", "selected_options": ["a"]}]}
    if execution.get("external_execution_required"):
        return {"external_execution_result": "done"}
    return {"confirmation": True}


def is_decided(tool: Message) -> bool:
    answers = [each.get("value") for each in tool.get("user_input_schema", ())]
    answers += [each.get("selected_options") for each in tool.get("user_feedback_schema", ())]
    return "confirmation" in tool or "external_execution_result" in tool or any(each is not None for each in answers)


def story(events: Iterable[Message]) -> Counter[str]:
    """What happened, in whichever order, but for what depends on when connections broke."""
    told = (each for each in events if each["event"] not in ("WorkflowRunOutput", "WorkflowRecovered"))
    return Counter(f"{each['event']} {each.get('step_path')} {each.get('content')}" for each in told)


def twin_of(*combination: Any) -> Simulation:
    run = Simulation(workflow(*combination)).run()
    while not run.state.status.is_final:
        requirement = next(iter(run.state.requirements.values()))
        run.decide(agreed({"requires_user_input": False, "requires_route_selection": False, **requirement.facts}))
        run.run()
    return run


@dataclass
class Person:
    """Follows one run over many connections, and says yes to everything."""

    workflow_id: str
    chance: random.Random
    run_id: str = ""
    heard: list[Message] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        return bool(self.heard) and self.heard[-1]["event"] in FINAL

    async def visit(self, live: Live) -> None:
        """Come back, see what was missed, decide something, and be cut off at some moment."""
        async with live.talk() as talk:
            await self._catch_up(talk)
            while not self.has_ended:
                await self._decide(talk)
                moment = self.chance.choice(["at once", "after the ack", "in the midst", "stays"])
                if moment == "after the ack":
                    await talk.until("ack", "error")
                elif moment == "in the midst":
                    self._hear(await talk.until("StepContinued", "StepExecutorContinued"))
                if moment != "stays":
                    talk.socket.transport.abort()
                    return
                self._hear(await talk.until("WorkflowRunOutput", *FINAL))

    async def _catch_up(self, talk: Talk) -> None:
        if not self.run_id:
            self.run_id = await talk.start(self.workflow_id)
        else:
            place = {"last_event_index": self.heard[-1]["event_index"]} if self.heard else {}
            await talk.send(action="reconnect", run_id=self.run_id, **place)
            self._hear(await talk.until("subscribed", *FINAL))
        while not self.has_ended and (not self.heard or self.heard[-1]["event"] != "WorkflowRunOutput"):
            self._hear([await talk.next()])

    async def _decide(self, talk: Talk) -> None:
        output = self.heard[-1]
        kind = self.chance.choice([each for each in ("step_requirements", "error_requirements") if output.get(each)])
        answers = [agreed(self.chance.choice(output[kind]))]
        ids = {"workflow_id": self.workflow_id, "run_id": self.run_id, "request_id": "decide"}
        await talk.send(action="continue-workflow", **ids, **{kind: answers})

    def _hear(self, messages: Iterable[Message]) -> None:
        messages = list(messages)
        assert not [each for each in messages if each["event"] == "error"]
        self.heard += [each for each in messages if "event_index" in each]


async def test_clients_that_are_cut_off_and_servers_that_restart_change_nothing(tmp_path: Path) -> None:
    served = [workflow(*each) for each in MANY]  # their functions count, so they are the same after a restart
    people = [Person(each.id, random.Random(number)) for number, each in enumerate(served)]
    visits = 0
    while waiting := [each for each in people if not each.has_ended]:
        with live_server(served, data_dir=tmp_path, shutdown_grace_seconds=5) as live:
            for _ in range(3):
                await asyncio.gather(*(each.visit(live) for each in waiting if not each.has_ended))
                visits += 1
        assert visits < 100, [each.heard[-1] for each in waiting]
    assert visits > 3, "nothing was restarted"
    for person, combination in zip(people, MANY, strict=True):
        assert [each["event_index"] for each in person.heard] == list(range(len(person.heard)))
        twin = twin_of(*combination)
        assert story(person.heard) == story(event for event, _, _ in twin.log), combination
