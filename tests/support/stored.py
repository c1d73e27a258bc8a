"""Definitions of the simplest kind, for tests of whatever stores, finds and runs definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interlock import Confirm, Step, Workflow
from interlock.definitions.stored import StoredDefinitions
from interlock.store.port import Store
from interlock.store.ports.definitions import NewVersion, VersionRow
from interlock_protocol.types import JsonObject


def definition(name: str, says: str, *steps: str) -> JsonObject:
    """A definition: steps by their names, each of which asks first if its name ends in `?`, and says this."""
    return {"name": name, "says": says, "steps": [*(steps or ("say",))]}


def compiled(definition: JsonObject, *, version_id: str) -> Workflow:
    """The workflow of a definition."""
    name, says, steps = str(definition["name"]), str(definition["says"]), definition["steps"]
    assert isinstance(steps, list)
    asked = {str(step): Confirm("Go on?") if str(step).endswith("?") else None for step in steps}
    declared = [Step(step, _saying(says), human_review=review) for step, review in asked.items()]
    return Workflow(name, steps=declared, name=f"{name} {says}", version=version_id)


def _saying(says: str) -> Callable[[Any], str]:
    return lambda _: says


class Node:
    """What one process sees of a store, and how often it compiles."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.compiled: list[str] = []
        self.definitions = StoredDefinitions(store, self._compile)

    def _compile(self, definition: JsonObject, *, version_id: str) -> Workflow:
        self.compiled.append(version_id)
        return compiled(definition, version_id=version_id)

    async def draft(self, says: str, name: str = "orders", account: str = "acme", *steps: str) -> str:
        """Store a version, and return its id."""
        saved = await self.store.save(NewVersion(account, name, definition(name, says, *steps), 1))
        assert isinstance(saved, VersionRow)
        return saved.version_id

    async def publish(self, says: str, name: str = "orders", account: str = "acme", *steps: str) -> str:
        """Store and publish a version, and return its id."""
        version_id = await self.draft(says, name, account, *steps)
        assert await self.store.publish(account, name, version_id, 2) is not None
        return version_id

    async def says(self, version: str | None = None, name: str = "orders", account: str = "acme") -> str | None:
        """The definition that is found, told by its name; None if there is none."""
        program = await self.definitions.program_of(name, version, account)
        return None if program is None else program.name.removeprefix(f"{name} ")
