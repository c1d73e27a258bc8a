"""Answers that wait for a run, where another decision comes between."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.socket.workflows import first, stream
from tests.support.live import eventually, live_server
from tests.support.talk import decided, http, path_of

from interlock import Confirm, Step, Workflow
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.engine.commands.runs import Runs
from interlock.engine.engine import Accepted, Engine
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow

TWICE = Workflow(
    "twice",
    steps=[
        Step("first", first, human_review=Confirm("Begin?")),
        Step("stream", stream, human_review=Confirm("Go on?")),
    ],
)


async def test_decision_again_without_a_stream_is_answered_with_where_the_run_stands(tmp_path: Path) -> None:
    with live_server([TWICE], data_dir=tmp_path) as live:
        async with http(live) as alice:
            output = (await alice.start("twice"))[-1]
            again = {**decided(output, confirmed=True), "stream": False}
            path = f"{path_of(output)}/continue"
            waiting = [(await alice.post(path, again)).json() for _ in range(3)]
            assert {each["status"] for each in waiting} == {"PAUSED"}
            assert {each["step_requirements"][0]["step_name"] for each in waiting} == {"stream"}
            await alice.go_on(waiting[0], confirmed=True)
            assert (await alice.post(path, again)).json()["status"] == "COMPLETED"


async def test_decision_again_is_answered_once_the_run_that_went_on_meanwhile_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run waits when the repetition is looked at, and somebody else decides before it is answered."""
    gate = tmp_path / "gate"
    looked: list[bool] = []
    others: list[ContinueWorkflow] = []
    engines: list[Engine] = []
    start, snapshot = Engine.start, Runs.snapshot

    async def starts(engine: Engine, principal: Principal, message: StartWorkflow) -> Accepted:
        engines.append(engine)
        return await start(engine, principal, message)

    async def looks(runs: Runs, run_id: str) -> dict[str, Any]:
        looked.append(gate.exists())
        if len(looked) == 2:
            facts = await runs.facts(run_id)
            await engines[0].continue_run(Principal(facts.user_id, USER_SCOPES), others[0])
        return await snapshot(runs, run_id)

    monkeypatch.setattr(Engine, "start", starts)
    with live_server([TWICE], data_dir=tmp_path / "data") as live:
        async with http(live) as alice, asyncio.TaskGroup() as group:
            output = (await alice.start("twice", {"gate": str(gate)}))[-1]
            waits = (await alice.go_on(output, confirmed=True))[-1]
            ids = {"workflow_id": "twice", "run_id": output["run_id"]}
            others.append(ContinueWorkflow.model_validate({**decided(waits, confirmed=True), **ids}))
            monkeypatch.setattr(Runs, "snapshot", looks)
            again = {**decided(output, confirmed=True), "stream": False}
            answer = group.create_task(alice.post(f"{path_of(output)}/continue", again))
            await eventually(lambda: len(looked) == 2)
            gate.touch()
            assert (await answer).json()["status"] == "COMPLETED"
    assert looked == [False, False, True], "it waits for the end, and doesn't look again and again"
