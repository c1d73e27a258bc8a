"""Random machines, played against a model of them, with crashes and snapshots between any two moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.workflow.machines.model import Model
from tests.workflow.machines.random_machines import CODES, VALUES, machines
from tests.workflow.simulation import Simulation

from interlock import Machine, State, Workflow
from interlock.workflow.activities import HttpCall, Script
from interlock.workflow.declare.errors import LogicError
from interlock.workflow.node import Phase
from interlock.workflow.run.untold import Untold
from interlock_protocol.errors import ErrorCode, Refusal

MOVES = 40


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(states=machines(), data=st.data())
def test_machine_does_what_its_model_does(states: dict[str, State], data: st.DataObject) -> None:
    """After any move the same logic is to run, the same halts wait, and the data is the same; in the log no logic's
    result stands twice, and it folds to the state that there is. What others are told of it is what the log has."""
    Play(states, data).run()


class Play:
    """The same moves, on a run and on the model."""

    def __init__(self, states: dict[str, State], data: st.DataObject) -> None:
        self.draw = data.draw
        self.returns: Any = None
        self.model = Model(states, "s0", {})
        workflow = Workflow("m", steps=[Machine("m", states, initial_state="s0")])
        self.run_ = Simulation(workflow, {}, logic=self._logic, jumps=False)
        self.told: list[Untold] = []

    def _logic(self, _: Script | HttpCall) -> Any:
        if isinstance(self.returns, str):
            raise LogicError(self.returns, f"{self.returns}!")
        return self.returns

    def run(self) -> None:
        self.run_.settle()
        for _ in range(MOVES):
            self._compare()
            if self.model.status != "running":
                break
            self._move()
            self.run_.settle()
        self._compare()
        assert self.run_.refolded() == self.run_.state
        assert self.run_.refolded().untold == [*self.told, *self.run_.state.untold]
        self._assert_once()

    def _move(self) -> None:
        disturbed = self.draw(st.sampled_from([None, None, None, "crash", "reload"]), "disturbance")
        if disturbed == "crash":
            self.run_.crash()
            self.run_.settle()
            self.told = []  # it was folded from its beginning
        elif disturbed == "reload":
            self.told += self.run_.state.untold
            self.run_.reload()
        work, halts = sorted(self.model.work()), sorted(self.model.halts())
        waits = sorted(self.model.waits())
        thread, name = self.draw(st.sampled_from([*work, *halts, *waits]), "next")
        if (thread, name) in waits:
            self._wake()
            return
        if (thread, name) in halts and (thread, name) not in work:
            self._answer(thread, name)
        else:
            self._finish(thread, name)

    def _wake(self) -> None:
        """Let the time come that is waited for first. Another one that is as near ends the test: it would come, too."""
        first, *others = sorted(self._waiting())
        assume(all(time > first[0] + MOVES * MOVES for time, *_ in others))
        self.run_.clock = max(self.run_.clock, first[0])
        self.model.woken(first[1])

    def _waiting(self) -> list[tuple[int, str, str]]:
        """When each wait ends, and where it is."""
        if self.run_.state.status.is_final or "m" not in self.run_.state.nodes:
            return []
        threads = self.run_.state.nodes["m"].children.items()
        return [
            (node.own.wake_at, thread, name)
            for thread, state in threads
            for name, node in state.children.items()
            if node.kind == "Wait" and node.phase is Phase.RUNNING
        ]

    def _answer(self, thread: str, state: str) -> None:
        x = self.draw(VALUES, "x")
        id_ = next(id_ for id_, each in self.run_.state.requirements.items() if where(each.path) == (thread, state))
        answer = {"id": id_, "user_input": {"x": x}}
        if not self.model.takes(thread, {"x": x}):
            before = self.run_.state.next_index
            with pytest.raises(Refusal) as caught:
                self.run_.decide(answer)
            assert caught.value.code is ErrorCode.INVALID_TRANSITION
            assert self.run_.state.next_index == before
            return
        self.run_.decide(answer)
        self.model.resumed(thread, {"x": x})

    def _finish(self, thread: str, step: str) -> None:
        self.returns = self.draw(
            st.one_of(st.builds(lambda x: {"x": x, step: x}, VALUES), st.sampled_from([*CODES, {}])), "returns"
        )
        self.run_.finish(next(each for each in self.run_.running.values() if where(each.path) == (thread, step)))
        if isinstance(self.returns, str):
            self.model.raised(thread, self.returns)
        else:
            self.model.returned(thread, self.returns)

    def _compare(self) -> None:
        state = self.run_.state
        if self.model.status == "failed":
            assert (state.status, self.run_.log[-1][0]["error_type"]) == ("ERROR", self.model.error)
            return
        assert {where(each.path) for each in self.run_.running.values()} == self.model.work()
        assert {where(each.path) for each in state.requirements.values()} == self.model.halts()
        assert {(thread, name) for _, thread, name in self._waiting()} == self.model.waits()
        if self.model.status == "completed":
            assert (state.status, state.content) == ("COMPLETED", self.model.data)
        else:
            own = state.nodes["m"].own
            assert ({} if own is None else own.data) == self.model.data

    def _assert_once(self) -> None:
        ended = [(each["step_id"], each["visit"]) for each, _, _ in self.run_.log if each["event"] == "StepCompleted"]
        assert len(ended) == len(set(ended))


def where(path: Any) -> tuple[str, str]:
    """The thread and the step of a path."""
    return path[-2], path[-1]
