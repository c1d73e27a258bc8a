"""Definitions in Python: the workflows given to `serve`.

Laws:
- There is one definition of each workflow, the one that this process was started with. It is returned for every
  version: a run of an earlier version goes on under it if it can (`fits`), so that a deploy leaves no run behind.
- Whatever is built once per definition is built before the first run needs it.

Source: `docs/workflows.md`, "Changing a workflow".
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.definitions.port import Served
from interlock.definitions.served import served_of
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.program import OFFICE, Office, Program


class CodeDefinitions:
    """The workflows of a process.

    Args:
        built_in: those of the server itself, which no list has.
        office: when people work, for business time.

    Raises:
        ValueError: two have the same id.
    """

    def __init__(
        self, workflows: Sequence[Workflow], built_in: Sequence[Workflow] = (), office: Office = OFFICE
    ) -> None:
        self._built_in = {each.id: Program(each, office) for each in built_in}
        self._programs: dict[str, Program] = {}
        for workflow in workflows:
            if workflow.id in self._programs:
                raise ValueError(f"Two workflows have the id {workflow.id!r}; give each an id of its own.")
            self._programs[workflow.id] = Program(workflow, office)
        self._served: tuple[Served, ...] | None = None

    @property
    def first_with_secrets(self) -> str | None:
        """The id of the first workflow that has a form with a secret; None if there is none."""
        return next((each.id for each in self._programs.values() if each.asks_secrets), None)

    async def program_of(
        self, workflow_id: str, version: str | None, account: str, *, drafts: bool = False
    ) -> Program | None:
        """The workflow with this id, whatever its version."""
        return self._programs.get(workflow_id) or self._built_in.get(workflow_id)

    async def served(self, account: str) -> Sequence[Served]:
        """All of them, in the order in which they were given."""
        if self._served is None:
            self._served = tuple(served_of(each.workflow) for each in self._programs.values())
        return self._served

    def is_built_in(self, workflow_id: str) -> bool:
        """Return True if it is one of the server itself."""
        return workflow_id in self._built_in

    def is_in_code(self, workflow_id: str) -> bool:
        """Return True if one of them has this id."""
        return workflow_id in self._programs
