"""Workflows that are answered in widgets, whose bundles `INTERLOCK_WIDGETS=examples/widgets/bundles` serves."""

from __future__ import annotations

from examples.widgets import expense_review, photo_annotation, sprint_board
from interlock import Workflow

workflows: list[Workflow] = [expense_review.workflow, sprint_board.workflow, photo_annotation.workflow]

__all__ = ["workflows"]
