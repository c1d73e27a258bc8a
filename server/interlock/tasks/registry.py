"""All types of tasks that this process has.

Laws:
- A name means one type. Own ones can't take the name of a built-in one.
- The same declaration again, as when a module is read twice, is the same type.
"""

from __future__ import annotations

from interlock.tasks.builtin import BUILT_IN
from interlock.tasks.own import registered
from interlock.workflow.declare.task_types import ANY_PROVIDER, TaskKind, TaskType, TaskTypes

__all__ = ["ANY_PROVIDER", "TaskKind", "TaskType", "TaskTypes", "task_types"]


def task_types() -> TaskTypes:
    """Every type by its name: those that are built in, then one's own."""
    return {**BUILT_IN, **{name: each for name, each in registered().items() if name not in BUILT_IN}}
