"""The port of definitions: in what a run goes on, and what can be started.

Laws:
- A run is pinned to the version that its row and its state keep. What a provider answers for that version is the only
  definition that the run may go on in; whether it can is another question, see `workflow.run.changed_definition`.
- Only what is known not to be there is None. Where that can't be looked up now, it is an error.
- What was looked up is kept: asking again for the version of a run that is driven costs no I/O.

Source: `docs/architecture.md`, "Definitions".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from interlock.workflow.program import Program
from interlock_protocol.types import JsonObject, StepType


@dataclass(frozen=True, slots=True)
class ServedStep:
    """A step at the top of a workflow."""

    name: str
    kind: StepType


@dataclass(frozen=True, slots=True)
class Served:
    """A workflow that can be started, as lists show it.

    Attributes:
        version: the one that a run gets which is started now; None where the workflow has no label.
        input_schema: the JSON Schema of `message`, `{}` when it takes anything.
    """

    id: str
    name: str
    description: str | None
    version: str | None
    input_schema: JsonObject
    steps: Sequence[ServedStep]


class Definitions(Protocol):
    """Finds definitions."""

    async def program_of(self, workflow_id: str, version: str | None) -> Program | None:
        """The definition for runs of a workflow that have this version; None where there is none.

        Args:
            version: what the run keeps, or what a start asks for; None asks for what a start gets that names none.

        Raises:
            StoreUnavailable: it can't be looked up now.
        """

    async def served(self) -> Sequence[Served]:
        """What can be started, in the order in which it is listed.

        Raises:
            StoreUnavailable: it can't be looked up now.
        """
