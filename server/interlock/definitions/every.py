"""All definitions: those in Python first, then those in the store.

Laws:
- A workflow in Python takes its id in every account: no start, and no list, finds a stored one behind it.
- A stored version's id means that version, also after a workflow in Python got its name: runs that began under it go
  on.
- What is in Python is found while the store is away.
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.definitions.code import CodeDefinitions
from interlock.definitions.port import Served
from interlock.definitions.stored import StoredDefinitions
from interlock.store.ports.definitions import is_version_id
from interlock.workflow.program import Program


class EveryDefinition:
    """`Definitions` over both providers."""

    def __init__(self, code: CodeDefinitions, stored: StoredDefinitions) -> None:
        self._code = code
        self._stored = stored

    async def program_of(
        self, workflow_id: str, version: str | None, account: str, *, drafts: bool = False
    ) -> Program | None:
        """The workflow in Python with this id, or the stored definition; of a version id, the stored one first."""
        in_code = await self._code.program_of(workflow_id, version, account)
        if is_version_id(version):
            return await self._stored.program_of(workflow_id, version, account, drafts=drafts) or in_code
        if in_code is not None or version is not None:
            return in_code
        return await self._stored.program_of(workflow_id, None, account)

    async def served(self, account: str) -> Sequence[Served]:
        """The workflows in Python, then the account's stored ones."""
        stored = await self._stored.served(account)
        return [*await self._code.served(account), *(each for each in stored if not self.is_in_code(each.id))]

    def is_built_in(self, workflow_id: str) -> bool:
        """Return True if it is one of the server itself."""
        return self._code.is_built_in(workflow_id)

    def is_in_code(self, workflow_id: str) -> bool:
        """Return True if a workflow in Python has this id."""
        return self._code.is_in_code(workflow_id)
