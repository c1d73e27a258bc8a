"""The examples that are answered in widgets: where each event leads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.widgets import workflows
from tests.support.live import ALICE, Live, continue_with, last_output, live_server

BUNDLES = Path(__file__).parents[2] / "examples/widgets/bundles"
BOX = {"label": "crack", "note": "", "x": 0.5, "y": 0.3, "width": 0.1, "height": 0.2}
APPROVED = {"approvedItems": [{"id": "item-1", "amount": 1e6}, {"id": "forged", "amount": 1}], "totalApproved": 1e6}
MOVED = {"moves": [{"card": "horn", "from": "backlog", "to": "sprint"}], "columns": {}}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    bundles = tmp_path_factory.mktemp("bundles")
    for name in ("expense-review", "kanban-board", "image-annotator"):
        (bundles / f"{name}.js").write_text("export function mount() {}")
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("live"), widgets=bundles) as server:
        yield server


@pytest.mark.parametrize(
    ("workflow", "event", "data", "told"),
    [
        ("expense-review", "approve", APPROVED, "Paid 450.00, approved by alice."),
        ("expense-review", "reject", {"approvedItems": []}, "Nothing is paid."),
        ("expense-review", "requestAmendment", {"notes": "The receipt?"}, "Sent back: The receipt?"),
        ("sprint-board", "commit", MOVED, "Moved Test the horn to sprint."),
        ("sprint-board", "commit", {"moves": []}, "Nothing was moved."),
        ("sprint-board", "discard", {}, "The board stays as it was."),
        ("photo-annotation", "submit", {"annotations": [BOX, BOX]}, "To be repaired: 2 x crack."),
        ("photo-annotation", "unusable", {}, "Another photo is needed."),
    ],
)
async def test_event_leads_where_its_port_says(live: Live, workflow: str, event: str, data: Any, told: str) -> None:
    async with live.talk(ALICE) as talk:
        run_id = await talk.start(workflow)
        output = last_output(await talk.until_pause(run_id))
        await talk.send(continue_with(output, interaction_event=event, interaction_data=data))
        (end,) = [each for each in await talk.until_end(run_id) if each["event"] == "WorkflowCompleted"]
    assert told in str(end["content"])


@pytest.mark.parametrize("name", ["expense-review", "kanban-board", "deployment-diff"])
def test_bundle_that_needs_no_build_is_there(name: str) -> None:
    assert "export function mount(container, props, callbacks)" in (BUNDLES / f"{name}.js").read_text("utf-8")
