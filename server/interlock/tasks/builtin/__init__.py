"""The built-in types of tasks, by their names, in the order in which they are shown."""

from __future__ import annotations

from typing import Final

from interlock.tasks.builtin.calls import CALLS
from interlock.tasks.builtin.flow import FLOW
from interlock.tasks.builtin.messages import MESSAGES
from interlock.tasks.builtin.people import PEOPLE
from interlock.workflow.declare.task_types import TaskTypes

BUILT_IN: Final[TaskTypes] = {each.name: each for each in (*CALLS, *MESSAGES, *PEOPLE, *FLOW)}
