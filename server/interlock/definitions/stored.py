"""Definitions in the store: the workflows of each account.

Laws:
- A version is found by its account, its name and its id together: never another account's, never another version.
- A draft is found only by its id, and only by who asks for drafts, too; lists have none.
- A version is read and compiled once, whoever asks meanwhile; what is kept is bounded in number and in bytes. As
  versions never change, nothing kept becomes outdated.
- None is what the store has proven not to be there. A store that is away raises.

Source: `docs/architecture.md`, "Definitions".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

import structlog
from pydantic_core import to_json

from interlock.definitions.currents import Currents
from interlock.definitions.lru import Lru
from interlock.definitions.port import Served
from interlock.definitions.served import served_of
from interlock.store.port import StoreUnavailable
from interlock.store.ports.definitions import DefinitionStore, VersionRow, is_definition_name, is_version_id
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.program import OFFICE, Office, Program
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

MOST_PROGRAMS: Final = 1_000
MOST_PROGRAM_BYTES: Final = 16 * 1024 * 1024
"""How many compiled definitions are kept, and how many bytes they may have as JSON. (Compiled, they take several times
as many.) Runs that are being driven hold theirs besides."""

MOST_SERVED: Final = 10_000
MOST_SERVED_BYTES: Final = 16 * 1024 * 1024
"""How many definitions are kept as lists show them, and how many bytes their input schemas may have."""

_SERVED_BYTES: Final = 1_000
"""About what an entry of a list takes besides its schema."""

Key: TypeAlias = tuple[str, str, str]
"""Account, name and version id."""


class Compile(Protocol):
    """Makes a workflow of a definition."""

    def __call__(self, definition: JsonObject, *, version_id: str) -> Workflow:
        """Return a workflow whose id is the definition's name, and whose version is this id.

        It may run on any thread.
        """


class StoredDefinitions:
    """The published definitions of a store.

    Args:
        compile_: makes a workflow of a definition.
        office: when people work, for business time.
    """

    def __init__(self, store: DefinitionStore, compile_: Compile, office: Office = OFFICE) -> None:
        self._store = store
        self._office = office
        self._compile = compile_
        self._currents = Currents(store)
        self._programs: Lru[Key, _Compiled] = Lru(MOST_PROGRAMS, MOST_PROGRAM_BYTES)
        self._served: Lru[Key, Served] = Lru(MOST_SERVED, MOST_SERVED_BYTES)
        self._loading: dict[Key, asyncio.Task[_Compiled | None]] = {}

    async def program_of(
        self, workflow_id: str, version: str | None, account: str, *, drafts: bool = False
    ) -> Program | None:
        """The definition of this name and account that has this version id; of None, the current one."""
        if not is_definition_name(workflow_id):
            return None
        id_ = await self._currents.id_of(account, workflow_id) if version is None else version
        if id_ is None or not is_version_id(id_):
            return None
        key = (account, workflow_id, id_)
        found = await self._compiled_of(key)
        if found is None or not (drafts or found.is_published or await self._was_published(key, found)):
            return None
        return found.program

    async def served(self, account: str) -> Sequence[Served]:
        """The current versions of the account's definitions, in the order of their names."""
        found: list[Served] = []
        for name, id_ in await self._currents.of(account):
            served = await self._listed((account, name, id_))
            if served is not None:
                found.append(served)
        return found

    async def run(self, every: float) -> None:
        """Learn of publications, forever: of other processes' at least every `every` seconds."""
        await self._currents.run(every)

    async def _listed(self, key: Key) -> Served | None:
        """How lists show a version; None if it can't be compiled, so that it doesn't spoil the others' list."""
        if (kept := self._served.get(key)) is not None:
            return kept
        try:
            compiled = await self._compiled_of(key)
        except StoreUnavailable:
            raise
        except Exception:
            logger.exception("definition_unusable", workflow_id=key[1], version=key[2])
            return None
        if compiled is None:
            return None
        served = served_of(compiled.program.workflow)
        self._served.put(key, served, _SERVED_BYTES + len(to_json([served.input_schema, served.ai_guidance])))
        return served

    async def _was_published(self, key: Key, compiled: _Compiled) -> bool:
        """Whether a version that was a draft when it was read has been published since."""
        row = await self._store.version(*key)
        if row is None or row.status == "draft":
            return False
        self._programs.put(key, replace(compiled, is_published=True), compiled.size)
        return True

    async def _compiled_of(self, key: Key) -> _Compiled | None:
        if (kept := self._programs.get(key)) is not None:
            return kept
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.create_task(self._load(key), name=f"load {key[2]}")
            loading.add_done_callback(lambda task: self._loaded(key, task))
        return await asyncio.shield(loading)  # others may wait for it

    def _loaded(self, key: Key, task: asyncio.Task[_Compiled | None]) -> None:
        del self._loading[key]
        if not task.cancelled():
            task.exception()  # retrieved, in case nobody waits any more

    async def _load(self, key: Key) -> _Compiled | None:
        row = await self._store.version(*key)
        if row is None:
            return None
        compiled = await asyncio.to_thread(self._compiled, row)
        self._programs.put(key, compiled, compiled.size)
        return compiled

    def _compiled(self, row: VersionRow) -> _Compiled:
        program = Program(self._compile(row.definition, version_id=row.version_id), self._office)
        if (program.id, program.version) != (row.name, row.version_id):
            raise ValueError(f"{row.version_id} of {row.name!r} compiles to {program.version} of {program.id!r}")
        return _Compiled(program, len(to_json(row.definition)), row.status == "published")


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A program, the bytes that its definition has as JSON, and whether it was published when it was read."""

    program: Program
    size: int
    is_published: bool
