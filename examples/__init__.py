"""Workflows that run: `interlock serve examples:workflows`, from the repository's root."""

from __future__ import annotations

from examples import expense_approval, release_review
from interlock import Workflow

workflows: list[Workflow] = [release_review.workflow, expense_approval.workflow]

__all__ = ["workflows"]
