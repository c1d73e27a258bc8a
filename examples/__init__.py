"""Workflows that run: `interlock serve examples:workflows`, from the repository's root.

Those that are answered in widgets are in the folder `widgets`: `INTERLOCK_WIDGETS=examples/widgets/bundles` has the
bundles.
Those that are definitions in JSON are in the folder `machines`: `INTERLOCK_DEFINITIONS=examples/machines` serves them.
"""

from __future__ import annotations

from examples import (
    deployment_gate,
    expense_approval,
    incident_runbook,
    release_review,
    tidy_folder,
    widgets,
    writing_loop,
)
from interlock import Workflow

workflows: list[Workflow] = [
    release_review.workflow,
    expense_approval.workflow,
    writing_loop.workflow,
    tidy_folder.workflow,
    incident_runbook.workflow,
    deployment_gate.workflow,
    *widgets.workflows,
]

__all__ = ["workflows"]
