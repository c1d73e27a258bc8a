"""The life of a node: one table, by which alone it moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.replay.recording import LOGS, read

from interlock.docs.diagrams import step_edges
from interlock.workflow.node import LIFE, Happening, ImpossibleEventError, NodeState, Phase
from interlock.workflow.run import walk
from interlock.workflow.run.fold import fold
from interlock.workflow.run.state import RunState

EVERY = [(phase, happening) for phase in Phase for happening in Happening]
FIXTURES = sorted(LOGS.glob("*.json"))


def test_table_has_every_phase_and_uses_every_happening() -> None:
    assert set(LIFE) == set(Phase) == set(walk._BY_PHASE)
    assert {happening for ways in LIFE.values() for happening in ways} == set(Happening)


@pytest.mark.parametrize(("phase", "happening"), EVERY, ids=[f"{phase}-{happening.name}" for phase, happening in EVERY])
def test_node_moves_as_the_table_says_and_not_otherwise(phase: Phase, happening: Happening) -> None:
    node = NodeState("step-1", 1, phase=phase)
    leads_to = LIFE[phase].get(happening)
    if leads_to is None:
        with pytest.raises(ImpossibleEventError, match=f"step step-1 is {phase}: it can't be"):
            node.go(happening)
        assert node.phase is phase
    else:
        node.go(happening)
        assert node.phase is leads_to


def test_what_has_ended_for_good_stays_as_it_is() -> None:
    closed = {phase for phase in Phase if NodeState("a", 1, phase=phase).is_closed}
    assert closed == {phase for phase in Phase if phase.is_over} - {Phase.FAILED}


def test_everything_that_can_happen_can_be_come_to_and_left() -> None:
    reached, new = {Phase.ENTERED}, {Phase.ENTERED}
    while new:
        new = {after for phase in new for after in LIFE[phase].values()} - reached
        reached |= new
    assert reached == set(Phase)


def test_diagram_has_the_table_s_arrows_and_no_others() -> None:
    assert {(before, after) for before, after, _ in step_edges()} == {
        (before.value, after.value) for before, ways in LIFE.items() for after in ways.values()
    }


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_nodes_of_recorded_logs_move_as_the_table_says(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but `go` moves a node."""
    fixture = read(path)
    moved: list[tuple[Phase, Phase]] = []

    def follow(node: NodeState, name: str, value: Any) -> None:
        if name == "phase" and hasattr(node, "phase") and node.phase is not value:
            moved.append((node.phase, value))
        object.__setattr__(node, name, value)

    monkeypatch.setattr(NodeState, "__setattr__", follow)
    state = RunState(**fixture["run"])
    for entry in fixture["entries"]:
        fold(state, entry["event"], entry.get("private"))
    assert set(moved) <= {(before, after) for before, ways in LIFE.items() for after in ways.values()}
