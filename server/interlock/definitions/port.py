"""The port of definitions: the one under which a run goes on, and those that can be started.

Laws:
- A run is pinned to the version that its row and its state keep. The provider's definition for that version is the only
  one under which the run may go on; `workflow.run.changed_definition` decides whether it can.
- None means that the definition is known not to exist. If it can't be looked up now, that is an error.
- Results are cached: looking up the version of a run that is being driven costs no I/O.

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
    """A top-level step of a workflow."""

    name: str
    kind: StepType


@dataclass(frozen=True, slots=True)
class Served:
    """A workflow that can be started, as lists show it.

    Attributes:
        version: the version of a run that is started now; None if the workflow has no label.
        input_schema: the JSON Schema of `message`, `{}` if it accepts anything.
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
        """Return the definition for runs of a workflow that have this version; None if there is none.

        Args:
            version: the version kept by the run, or requested by a start; None is the version of a start without one.

        Raises:
            StoreUnavailable: it can't be looked up now.
        """

    async def served(self) -> Sequence[Served]:
        """The workflows that can be started, in the order of lists.

        Raises:
            StoreUnavailable: it can't be looked up now.
        """
