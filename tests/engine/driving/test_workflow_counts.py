"""What is counted by workflow, where it happens."""

from __future__ import annotations

from tests.engine.driving.test_pool import idle, make_pool
from tests.support.storage import Storage

from interlock import Machine, ScriptLogic, State, StepInput, Transition, Workflow
from interlock.engine.work.logic import LogicRunners
from interlock.telemetry.counters import Counters, counted
from interlock.workflow.activities import LogicError, Returned


class OneScript:
    """Runs the script `fails` by failing, and every other at once."""

    async def run(self, script: object, secrets: object) -> Returned:
        if "fails" in str(script):
            raise LogicError("script_error", "It failed.")
        return Returned({"a": 1})

    async def aclose(self) -> None:
        """Nothing to close."""


def works(_: StepInput) -> dict[str, int]:
    return {"b": 2}


async def test_states_scripts_and_ends_are_counted_where_they_happen(storage: Storage) -> None:
    states = {
        "first": State(ScriptLogic("works"), [Transition("second")]),
        "second": State(works, [Transition("third")]),
        "third": State(ScriptLogic("fails"), [Transition("end")]),
        "end": State(is_terminal=True),
    }
    workflow = Workflow("machine", steps=[Machine("machine", states, initial_state="first")])
    counters = Counters()
    storage.log = counted(storage.log, counters)  # type: ignore[assignment]
    await storage.create(workflow, "run-1")
    pool = make_pool(storage, workflow, counters=counters, logic=LogicRunners(scripts=OneScript()))
    pool.dispatch("run-1")
    await idle(pool)
    by_workflow, of_workflow = counters.by_workflow, ("default", "machine")
    instances = by_workflow.instances.items[of_workflow]
    assert (instances.created, instances.failed, instances.completed) == (1, 1, 0)
    assert sum(by_workflow.scripts.items[of_workflow].counts) == 2
    assert {labels[-1]: sum(each.counts) for labels, each in by_workflow.states.items.items()} == {
        "first": 1,
        "second": 1,
    }
