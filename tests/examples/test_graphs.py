"""The graphs of `examples/graphs`, as a simulation plays them; `make run` serves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.simulation import Simulation

from interlock.definitions.graph_checks import check_graph
from interlock.definitions.task_graph import compiled
from interlock.tasks.registry import task_types
from interlock.workflow.activities import LogicError, Returned, TaskCall

FOLDER = Path(__file__).parents[2] / "examples/graphs"
GRAPHS: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def played(name: str, message: Any, logic: Any) -> Simulation:
    workflow = compiled(GRAPHS[name], task_types(), version_id="v_1")
    return Simulation(workflow, input=message, logic=logic).run()


@pytest.mark.parametrize("name", GRAPHS)
def test_example_is_a_graph_without_faults(name: str) -> None:
    assert GRAPHS[name]["name"] == name
    assert check_graph(GRAPHS[name], types=task_types()) == []


def test_greeting_joins_what_both_gave() -> None:
    ran = played("greeting", {"person": {"name": "Ada"}}, lambda _: Returned({"greeting": "Hello"}))
    assert ran.last["content"] == {"text": "Hello, Ada!"}


def test_leads_are_looked_at_by_a_person_where_one_is_large() -> None:
    def rated(call: TaskCall) -> Returned:
        lead: Any = call.input["input"]
        return Returned({"name": lead["name"], "size": "large" if lead["employees"] > 500 else "small"})

    small, large = {"name": "a", "employees": 5}, {"name": "b", "employees": 5000}
    assert played("enrichment", {"leads": [small]}, rated).last["content"]["accepted"]["accepted"] is True
    ran = played("enrichment", {"leads": [small, large]}, rated)
    pending = ran.pending("check")
    assert [each["size"] for each in pending.facts["interaction"]["context"]] == ["small", "large"]
    ran.decide({"id": pending.id, "response": {"confirmed": False}})
    assert ran.run().last["content"] == {"refused": {"accepted": False}}


def test_report_that_cannot_be_sent_says_why() -> None:
    def does(call: TaskCall) -> Returned:
        if call.task == "email":
            raise LogicError("not_sent", "no such server")
        return Returned({"count": 2, "total": 3})

    ran = played("report", {"figures": {"a": 1, "b": 2}, "to": "ada@example.com"}, does)
    assert ran.last["content"] == {"not_sent": {"sent": False, "why": "no such server"}}
