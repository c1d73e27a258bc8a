"""Widgets in definitions: what is wrong with them, and what they compile to."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.definitions.diagram import diagram
from interlock.definitions.machine_checks import check
from interlock.definitions.machine_json import compiled
from interlock.workflow.containers.machine import Machine

PORTS = {"approve": "approved", "reject": "rejected"}


def definition(widget: Any = None, /, **halt: Any) -> dict[str, Any]:
    declared = {"bundle": "expense-review", "props": {"total": "${workflow_data.total}"}, "interactionPortMap": PORTS}
    ways = [{"target": "paid", "port": "approved"}, {"target": "gone", "port": "rejected"}]
    review = {"type": "halting", "widget": {**declared, **(widget or {})}, "transitions": ways, **halt}
    ends = {name: {"type": "terminal"} for name in ("paid", "gone")}
    return {"name": "expenses", "initial_state": "review", "states": {"review": review, **ends}}


def faults(given: dict[str, Any]) -> list[str]:
    return [each.path for each in check(given) if not each.is_warning]


def test_widget_compiles_to_a_halt_that_goes_by_ports() -> None:
    given = definition({"schema": {"approve": {"type": "object"}}, "confirm": True, "default": "rejected"})
    assert check(given) == []
    (machine,) = compiled(given, version_id=None).steps
    assert isinstance(machine, Machine)
    halt = machine.states["review"].halt
    assert halt is not None
    assert halt.widget is not None
    assert halt.widget.shown == {
        "bundle": "expense-review",
        "events": ["approve", "reject"],
        "confirm": True,
        "props": {"total": "${workflow_data.total}"},
    }
    assert [each.port for each in machine.states["review"].transitions] == ["approved", "rejected"]
    assert "paid" in diagram(given)


def test_widget_without_a_schema_is_warned_of() -> None:
    assert [each.is_warning for each in check(definition())] == [True]


@pytest.mark.parametrize(
    ("widget", "halt", "path"),
    [
        ({"bundle": "Not one"}, {}, "states.review.widget.bundle"),
        ({"bundle": None}, {}, "states.review.widget.bundle"),
        ({"props": []}, {}, "states.review.widget.props"),
        ({"props": {"x": "${secrets.KEY}"}}, {}, "states.review.widget.props.x"),
        ({"props": {"x": "x" * 300_000}}, {}, "states.review.widget.props"),
        ({"interactionPortMap": {"an event": "approved"}}, {}, "states.review.widget.interactionPortMap"),
        ({"interactionPortMap": {**PORTS, "other": "lost"}}, {}, "states.review.widget.interactionPortMap.other"),
        ({"interactionPortMap": {"approve": "approved"}}, {}, "states.review.transitions[1].port"),
        ({"schema": {"approve": {"type": "nothing"}}}, {}, "states.review.widget.schema"),
        ({"confirm": "yes"}, {}, "states.review.widget.confirm"),
        ({"extra": 1}, {}, "states.review.widget.extra"),
        ({}, {"accepts": {"type": "object"}}, "states.review.accepts"),
        ({}, {"widget": [1]}, "states.review.widget"),
        ({}, {"widget": None}, "states.review.transitions[0].port"),
        ({}, {"transitions": [{"target": "paid", "port": 5}]}, "states.review.transitions[0].port"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(widget: Any, halt: Any, path: str) -> None:
    found = faults(definition(widget, **halt))
    assert any(each.startswith(path) for each in found), found


def test_port_outside_of_a_widget_is_a_fault() -> None:
    given = definition()
    given["states"]["review"] = {"type": "action", "transitions": [{"target": "paid", "port": "approved"}]}
    assert "states.review.transitions[0].port" in faults(given)
