"""Checking definitions: their scripts are parsed where scripts run, and everything else is judged here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from interlock.definitions.machine_checks import check, scripts_in
from interlock.workflow.declare.checks import Fault
from interlock.workflow.declare.task_types import TaskTypes

ScriptCheck: TypeAlias = Callable[[str], Awaitable[str | None]]
"""Says what is wrong with a script, with its line; None if it can be parsed."""


async def faults_of(
    definition: object,
    check_script: ScriptCheck | None,
    types: TaskTypes | None = None,
    *,
    are_all_types: bool = True,
) -> list[Fault]:
    """All that is wrong with a definition, and what may be a mistake in it.

    Args:
        check_script: None if this process runs no scripts: then none is parsed.
        types, are_all_types: as `check` has them.
    """
    if check_script is None:
        return check(definition, types=types, are_all_types=are_all_types)
    parsed = {code: await check_script(code) for code in sorted(scripts_in(definition))}
    return check(definition, parses=parsed.get, types=types, are_all_types=are_all_types)
