"""The package that `make run` serves."""

from __future__ import annotations

import examples
from interlock import create_app
from interlock.settings import Settings


def test_every_example_is_served_under_the_id_that_the_documents_name() -> None:
    assert [workflow.id for workflow in examples.workflows] == [
        "release-review",
        "expense-approval",
        "writing-loop",
        "tidy-folder",
        "incident-runbook",
        "deployment-gate",
        "expense-review",
        "sprint-board",
        "photo-annotation",
    ]
    assert all(workflow.description for workflow in examples.workflows)
    create_app(examples.workflows, Settings(tokens="a-token"))
