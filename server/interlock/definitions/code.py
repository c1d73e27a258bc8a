"""Definitions in Python: what `serve` was given.

Laws:
- There is one definition of each workflow, the one that this process was started with. It is the answer for whichever
  version: a run of an earlier one goes on in it where it can (`fits`), so that a deploy leaves nobody behind.
- What is made once of a definition is made before the first run needs it.

Source: `docs/workflows.md`, "Changing a workflow".
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.definitions.port import Served, ServedStep
from interlock.workflow.declare.inputs import message_schema
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.program import Program


class CodeDefinitions:
    """The workflows that a process was given.

    Raises:
        ValueError: there are none, or two of one id.
    """

    def __init__(self, workflows: Sequence[Workflow]) -> None:
        if not workflows:
            raise ValueError("There is nothing to serve: give at least one workflow.")
        self._programs: dict[str, Program] = {}
        for workflow in workflows:
            if workflow.id in self._programs:
                raise ValueError(f"Two workflows have the id {workflow.id!r}; give each an id of its own.")
            self._programs[workflow.id] = Program(workflow)
        self._served: tuple[Served, ...] | None = None

    @property
    def first_with_secrets(self) -> str | None:
        """The id of the first workflow that has a form with a secret in it; None where none has."""
        return next((each.id for each in self._programs.values() if each.asks_secrets), None)

    async def program_of(self, workflow_id: str, version: str | None) -> Program | None:
        """The workflow of this id, whatever its version."""
        return self._programs.get(workflow_id)

    async def served(self) -> Sequence[Served]:
        """All of them, in the order in which they were given."""
        if self._served is None:
            self._served = tuple(_served(each.workflow) for each in self._programs.values())
        return self._served


def _served(workflow: Workflow) -> Served:
    return Served(
        workflow.id,
        workflow.name,
        workflow.description,
        workflow.version,
        message_schema(workflow.input_schema),
        tuple(ServedStep(node.name, node.kind) for node in workflow.steps),
    )
