"""The port of definitions: the one under which a run goes on, and those that can be started.

Laws:
- A run is pinned to the version that its row and its state keep. The provider's definition for that version is the only
  one under which the run may go on; `workflow.run.changed_definition` decides whether it can.
- A run of a stored definition keeps the id of a stored version, and goes on under exactly that one, for ever. Any other
  run goes on under a definition in Python.
- None means that the definition is known not to exist. If it can't be looked up now, that is an error.
- Nobody finds a stored definition of another account. Definitions in Python are every account's.
- Results are cached: looking up the version of a run that is being driven costs no I/O.

Source: `docs/architecture.md`, "Definitions".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from interlock.store.ports.definitions import is_version_id
from interlock.workflow.program import Program
from interlock_protocol.types import JsonObject, JsonValue, StepType


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
        ai_guidance: what a program that chooses among workflows should know.
        examples: titles, and messages that it can be tried with.
    """

    id: str
    name: str
    description: str | None
    version: str | None
    input_schema: JsonObject
    steps: Sequence[ServedStep]
    ai_guidance: str | None = None
    examples: Sequence[tuple[str, JsonValue]] = ()


class Definitions(Protocol):
    """Finds definitions."""

    async def program_of(
        self, workflow_id: str, version: str | None, account: str, *, drafts: bool = False
    ) -> Program | None:
        """Return the definition of a workflow that has this version; None if there is none.

        For a run that exists, use `program_of_run`.

        Args:
            version: the version that is asked for: a label, or the id of a stored version that was published; None is
                the version of a start that asks for none: the one in Python, or else the account's current one.
            account: the account of the run, or of whoever starts one.
            drafts: find a stored version by its id also if it was never published.

        Raises:
            StoreUnavailable: it can't be looked up now.
        """

    async def served(self, account: str) -> Sequence[Served]:
        """The workflows that an account can start, in the order of lists: those in Python, then its stored ones.

        Raises:
            StoreUnavailable: they can't be looked up now.
        """

    def is_built_in(self, workflow_id: str) -> bool:
        """Return True if it is one of the server itself, which nobody starts by its id."""

    def is_in_code(self, workflow_id: str) -> bool:
        """Return True if a workflow in Python has this id, so that no stored one may be given it."""


class Pinned(Protocol):
    """What a run keeps of its definition."""

    @property
    def workflow_id(self) -> str: ...

    @property
    def version(self) -> str | None: ...

    @property
    def account(self) -> str: ...


async def program_of_run(definitions: Definitions, run: Pinned) -> Program | None:
    """Return the definition under which a run that exists may go on, if it `fits`; None if there is none.

    Raises:
        StoreUnavailable: it can't be looked up now.
    """
    found = await definitions.program_of(run.workflow_id, run.version, run.account, drafts=True)
    if found is None or not (is_version_id(run.version) or is_version_id(found.version)):
        return found
    return found if found.version == run.version else None
