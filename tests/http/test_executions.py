"""`POST /api/executions/{executionId}/resume`: what was done in a widget, over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.live import ALICE, BOB, Live, live_server

from interlock import Parallel, Ports, Step, Widget, Workflow

SOURCE = "export function mount() {}\n"
EXPENSE = Widget(
    "expense-review",
    ports={"approve": "approved", "reject": "rejected", "requestAmendment": "amendment"},
    schema={"approve": {"type": "object", "required": ["totalApproved"]}},
)
PRINTED: dict[str, Any] = {
    "action": "interaction",
    "interactionEvent": "approve",
    "interactionData": {
        "approvedItems": [{"id": "item-1", "amount": 450.00}],
        "rejectedItems": [],
        "totalApproved": 450.00,
        "notes": "All receipts verified",
    },
}


def paid(given: Any) -> Any:
    return {"paid": given.previous_step_content}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("widgets")
    (folder / "expense-review.js").write_text(SOURCE)
    ways = Ports("way", {"approved": [Step("pay", paid)]}, default=[Step("leave", lambda _: "left")])
    workflows = [
        Workflow("expenses", steps=[Step("review", widget=EXPENSE), ways]),
        Workflow("output", steps=[Step("review", widget=EXPENSE)]),
        Workflow("two", steps=[Parallel("both", [Step("a", widget=EXPENSE), Step("b", widget=EXPENSE)])]),
        Workflow("lost", steps=[Step("review", widget=Widget("nowhere", default="p"))]),
        Workflow("plain", steps=[Step("say", lambda _: "said")]),
    ]
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("live"), widgets=folder) as server:
        yield server


@pytest.fixture
def alice(live: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.http_url, headers={"Authorization": f"Bearer {ALICE}"}) as client:
        yield client


def begun(alice: httpx.Client, workflow: str) -> Any:
    return alice.post(f"/workflows/{workflow}/runs", json={"message": "claim", "stream": False}).json()


def resumed(client: httpx.Client, run: Any, **more: Any) -> httpx.Response:
    return client.post(f"/api/executions/{run['run_id']}/resume", json={**PRINTED, **more})


def test_printed_request_gives_the_printed_output(alice: httpx.Client) -> None:
    run = begun(alice, "output")
    (asked,) = run["step_requirements"]
    current = alice.get("/widgets/expense-review").json()["version"]
    assert (asked["requires_interaction"], asked["widget"]["version"]) == (True, current)
    answer = resumed(alice, run)
    assert (answer.status_code, answer.json()["status"]) == (200, "COMPLETED")
    content = answer.json()["content"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", content.pop("_interactedAt"))
    assert content == {**PRINTED["interactionData"], "_interactionEvent": "approve", "_interactedBy": "alice"}


def test_same_again_is_the_same_answer_and_another_is_refused_with_the_winner(alice: httpx.Client) -> None:
    run = begun(alice, "expenses")
    first = resumed(alice, run).json()
    assert first["content"]["paid"]["totalApproved"] == 450.0
    again = resumed(alice, run)
    assert (again.status_code, again.json()["content"]) == (200, first["content"])
    other = resumed(alice, run, interactionEvent="reject")
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert other.json()["details"]["resolved_by"] == "alice"
    assert other.json()["details"]["decision"]["interaction_event"] == "approve"


def test_what_the_step_does_not_expect_is_refused_and_changes_nothing(alice: httpx.Client, live: Live) -> None:
    run = begun(alice, "expenses")
    unknown = resumed(alice, run, interactionEvent="delete")
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown_interaction")
    assert unknown.json()["details"] == {"expected": ["approve", "reject", "requestAmendment"]}
    assert resumed(alice, run, interactionData={}).json()["code"] == "invalid_decision"
    for wrong in ({"action": "other"}, {"interactionEvent": None}, {"interactionData": [1]}, {"more": 1}):
        assert resumed(alice, run, **wrong).json()["code"] == "invalid_message", wrong
    with httpx.Client(base_url=live.http_url, headers={"Authorization": f"Bearer {BOB}"}) as bob:
        assert resumed(bob, run).status_code == 404
    assert resumed(alice, run, interactionEvent="reject", interactionData={}).json()["content"] == "left"


def test_of_several_widgets_one_is_named(alice: httpx.Client) -> None:
    run = begun(alice, "two")
    ids = [each["id"] for each in run["step_requirements"]]
    refused = resumed(alice, run)
    assert (refused.status_code, refused.json()["details"]) == (422, {"waiting": ids})
    assert resumed(alice, run, requirementId=ids[1]).json()["status"] == "PAUSED"
    assert resumed(alice, run, requirementId=ids[1]).status_code == 200
    assert resumed(alice, run).json()["status"] == "COMPLETED"


def test_run_that_waits_for_no_widget_says_so(alice: httpx.Client) -> None:
    refused = resumed(alice, begun(alice, "plain"))
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_paused")


def test_run_whose_widget_is_not_there_ends_at_once(alice: httpx.Client) -> None:
    assert begun(alice, "lost")["status"] == "ERROR"
