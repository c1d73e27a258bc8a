"""The mapping of actions, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.bridges.agentos.actions import ACTIONS, own
from interlock_protocol.messages import CLIENT_MESSAGES


def test_table_has_actions_of_the_server_only() -> None:
    assert set(ACTIONS) <= set(CLIENT_MESSAGES)


def test_version_is_text() -> None:
    assert own({"action": "start-workflow", "workflow_id": "w", "version": 3})["version"] == "3"


@pytest.mark.parametrize("name", ["session_id", "user_id"])
def test_name_that_is_empty_was_not_given(name: str) -> None:
    assert name not in own({"action": "start-workflow", "workflow_id": "w", name: ""})


def test_index_below_zero_is_none() -> None:
    assert "last_event_index" not in own({"action": "reconnect", "run_id": "r", "last_event_index": -1})
    assert own({"action": "reconnect", "run_id": "r", "last_event_index": 3})["last_event_index"] == 3


@pytest.mark.parametrize(("step_type", "is_iteration"), [("Loop", True), ("Step", None), ("Router", None)])
def test_review_of_a_loop_is_one_of_its_iteration(step_type: str, is_iteration: bool | None) -> None:
    echoed = {"step_id": "s", "step_type": step_type, "requires_output_review": True, "confirmed": True}
    (decided,) = own({"action": "continue-workflow", "step_requirements": [echoed]})["step_requirements"]
    assert decided.get("requires_iteration_review") is is_iteration


@pytest.mark.parametrize(
    "action",
    [
        {"action": "ping"},
        {"action": "authenticate", "token": "t"},
        {"action": "no such"},
        {"action": 7},
        {"type": "start-workflow"},
        {"action": "continue-workflow", "step_requirements": "text"},
        {"action": "continue-workflow", "step_requirements": [None, 1, "text"]},
        {"action": "reconnect", "last_event_index": "text"},
        {"action": "start-workflow", "version": "1.0"},
    ],
)
def test_everything_else_passes_as_it_is(action: dict[str, Any]) -> None:
    assert own(dict(action)) == action
