"""What the audit is asked for decisions that a state no longer keeps."""

from __future__ import annotations

from typing import Any

from interlock import Step, Workflow
from interlock.engine.commands.audit import audited, by_requirement
from interlock.store.port import Decision
from interlock.workflow.program import Program
from interlock.workflow.run.state import RunState

RUN = "run-1"


class Store:
    """A store without any decision, which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.read_whole = 0

    async def decision(self, run_id: str, requirement_id: str) -> None:
        self.asked.append(requirement_id)

    async def decisions(self, run_id: str) -> list[Decision]:
        self.read_whole += 1
        return []


async def test_many_unknown_requirements_are_looked_for_once_each_and_the_audit_is_read_once() -> None:
    store: Any = Store()
    workflow = Workflow("w", steps=[Step("s", lambda _: "x")])
    ids = [f"req-{number % 100}" for number in range(1000)]
    state = RunState(RUN, "w", "sess-1", "ada", None, None, workflow.fingerprint)
    assert await audited(store, store, Program(workflow), state, ids) == {}
    assert sorted(store.asked) == sorted(set(ids))
    assert store.read_whole == 1


def decision(requirement_id: str, index: int) -> Decision:
    return Decision(
        run_id=RUN,
        requirement_id=requirement_id,
        decision={"id": requirement_id},
        resolved_by="ada",
        decided_at=0,
        epoch=1,
        event_index=index,
    )


def test_decisions_on_tools_are_found_under_their_requirement_in_order() -> None:
    made = [decision("req-a.1", 7), decision("req-a.0", 3), decision("req-b", 5)]
    assert [each.event_index for each in by_requirement(made)["req-a"]] == [3, 7]
    assert [each.event_index for each in by_requirement(made)["req-b"]] == [5]
    assert [each.event_index for each in by_requirement(made)["req-a.1"]] == [7]
