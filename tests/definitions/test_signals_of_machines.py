"""Halting states that wait for signals: what may be declared, and how it is drawn."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.simulation import Simulation

from interlock import DeclarationError, Halting
from interlock.definitions.diagram import diagram
from interlock.definitions.machine_checks import check
from interlock.definitions.machine_json import compiled
from interlock_protocol.types import JsonObject, RunStatus


def machine(**fields: Any) -> dict[str, Any]:
    halt = {"type": "halting", "accepts": {"type": "object"}, "transitions": [{"target": "end"}], **fields}
    return {"name": "m", "initial_state": "waits", "states": {"waits": halt, "end": {"type": "terminal"}}}


def test_state_that_waits_for_a_signal_is_compiled_and_drawn() -> None:
    declared = machine(signal="order.paid")
    assert list(check(declared)) == []
    assert "⚡ order.paid" in diagram(declared)
    run = Simulation(compiled(declared, version_id="v_1"), input={}).run()
    assert run.of("StepPaused")[0]["requires_signal"] is True
    run.signal("order.paid", {"amount": 1})
    assert run.run().state.status is RunStatus.COMPLETED
    assert run.state.content == {"amount": 1}


@pytest.mark.parametrize("topic", ["", "a b", "order.${input.id}", 1, ["x"], "x" * 129])
def test_what_is_no_topic_is_told_with_its_path(topic: Any) -> None:
    (fault,) = check(machine(signal=topic))
    assert (fault.path, fault.is_warning) == ("states.waits.signal", False)


def test_assignees_that_nobody_asks_are_warned_of() -> None:
    (warning,) = check(machine(signal="x", assignees=["bob"]))
    assert (warning.path, warning.is_warning) == ("states.waits.assignees", True)
    shown = {"type": "message", "title": "Paid?", "message": "Go on."}
    assert list(check(machine(signal="x", assignees=["bob"], presentation=shown))) == []


@pytest.mark.parametrize(
    ("name", "value"), [("policy", "majority"), ("exclude_starter", True), ("distinct_from", ["starter"])]
)
def test_signal_does_not_get_round_who_decides(name: str, value: Any) -> None:
    shown: JsonObject = {"type": "message", "title": "Paid?", "message": "Go on."}
    asked = {"assignees": ["ada", "bob"], "timeout": 60, "presentation": shown, name: value}
    assert [each.path for each in check(machine(signal="x", **asked))] == [f"states.waits.{name}"]
    assert list(check(machine(**asked))) == []
    with pytest.raises(DeclarationError, match="signal"):
        Halting(shown, assignees=["ada", "bob"], timeout=60, signal="x", **{name: value})


def test_timeout_of_a_signal_leads_on() -> None:
    declared = machine(signal="x", timeout=5, on_timeout={"target": "end"})
    run = Simulation(compiled(declared, version_id="v_1"), input={}).run()
    run.expire(6_000)
    assert run.run().state.status is RunStatus.COMPLETED
