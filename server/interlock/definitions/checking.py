"""Checking definitions: their scripts are parsed where scripts run, and everything else is judged here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from interlock.definitions.graph_checks import check_graph, scripts_in_graph
from interlock.definitions.kinds import kind_of
from interlock.definitions.machine_checks import check, scripts_in
from interlock.store.ports.definitions import DefinitionKind
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
    kind: DefinitionKind | None = None,
) -> list[Fault]:
    """All that is wrong with a definition, and what may be a mistake in it.

    Args:
        check_script: None if this process runs no scripts: then none is parsed.
        types, are_all_types: as `check` has them.
        kind: what it is to be; by default, what it looks like.
    """
    is_graph = (kind or kind_of(definition)) == "graph"
    parsed: dict[str, str | None] = {}
    if check_script is not None:
        codes = scripts_in_graph(definition) if is_graph else scripts_in(definition)
        parsed = {code: await check_script(code) for code in sorted(codes)}
    parses = None if check_script is None else parsed.get
    if is_graph:
        return check_graph(definition, parses=parses, types=types or {}, are_all_types=are_all_types)
    return check(definition, parses=parses, types=types, are_all_types=are_all_types)
