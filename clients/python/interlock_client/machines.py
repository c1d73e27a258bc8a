"""Definitions of state machines on the server: created, checked, published.

Laws:
- The server judges a definition; nothing of it is checked here.
- What a newer server adds to an answer is kept: it is an attribute like the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from interlock_client.errors import RequestFailed
from interlock_client.rest import Call, Rest, path
from interlock_protocol.types import JsonValue

Definition: TypeAlias = Mapping[str, Any]
"""A definition: `name`, `initial_state`, `states`, …, as JSON."""


class Answer(BaseModel):
    """What the HTTP API answers with."""

    model_config = ConfigDict(extra="allow", frozen=True)


class DefinitionFault(Answer):
    """Something wrong with a definition, and where: `states.start.transitions[0].target`."""

    path: str
    message: str


class MachineVersion(Answer):
    """One version of a machine. Published ones never change.

    Attributes:
        number: 1 for the first version of a machine, and higher for each later one.
        name: None in a list of one machine's versions.
        warnings: what the server would have written otherwise; also of a definition that it accepts.
        definition: what it is, where one version was asked for.
    """

    version_id: str
    status: Literal["draft", "published"] | str
    number: int | None = None
    name: str | None = None
    created_at: str | None = None
    created_by: str | None = None
    published_at: str | None = None
    published_by: str | None = None
    warnings: tuple[DefinitionFault, ...] = ()
    definition: dict[str, Any] | None = None


class MachineSummary(Answer):
    """A machine, and which of its versions are the newest and the current one."""

    name: str
    workflow_id: str | None = None
    latest_version_id: str | None = None
    published_version_id: str | None = None
    published_at: str | None = None
    drafts: int | None = None
    created_at: str | None = None


class Validation(Answer):
    """What the server thinks of a definition. With `warnings` alone it is valid."""

    valid: bool
    errors: tuple[DefinitionFault, ...] = ()
    warnings: tuple[DefinitionFault, ...] = ()


class Machines:
    """The machines of this user's account. `Client.machines`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def create(self, definition: Definition, *, only_new: bool = False) -> MachineVersion:
        """Stores a draft: the next version of the machine of that name, or its first.

        Args:
            only_new: refuse it if the name exists already.

        Raises:
            ActionRefused: `invalid_workflow`, with every fault in `details`.
            Conflict: `workflow_exists`.
            RequestFailed: there was no answer; `versions()` says whether it was stored.
        """
        headers = {"If-None-Match": "*"} if only_new else {}
        call = Call(method="POST", path=path("workflows"), body=dict(definition), headers=headers)
        return MachineVersion.model_validate(await self._rest.send(call))

    async def validate(self, definition: Definition) -> Validation:
        """Checks a definition without storing it."""
        call = Call(method="POST", path=path("workflows", "validate"), body=dict(definition), repeatable=True)
        return Validation.model_validate(await self._rest.send(call))

    async def list(self) -> tuple[MachineSummary, ...]:
        """Every machine of the account."""
        found = pages(self._rest, Call(method="GET", path=path("workflows")), "workflows")
        return tuple([MachineSummary.model_validate(each) async for each in found])

    async def versions(self, name: str) -> tuple[MachineVersion, ...]:
        """The versions of a machine, the newest first."""
        found = pages(self._rest, Call(method="GET", path=path("workflows", name, "versions")), "versions")
        return tuple([MachineVersion.model_validate(each) async for each in found])

    async def version(self, name: str, version: str | MachineVersion) -> MachineVersion:
        """A version of a machine, with its `definition`.

        Raises:
            NotFound: `version_not_found` or `workflow_not_found`.
        """
        call = Call(method="GET", path=_path_of(name, version))
        return MachineVersion.model_validate(await self._rest.send(call))

    async def diagram(self, name: str, version: str | MachineVersion) -> str:
        """The states and transitions of a version, as a diagram in Mermaid.

        Raises:
            NotFound: `version_not_found` or `workflow_not_found`.
        """
        data = await self._rest.send(Call(method="GET", path=_path_of(name, version, "diagram")))
        return str(data["mermaid"])

    async def delete_draft(self, name: str, version: str | MachineVersion) -> None:
        """Deletes a version that was never published.

        Raises:
            ActionRefused: `already_published`: it was, and is kept for its instances.
            NotFound: `version_not_found` or `workflow_not_found`; also where an earlier try had deleted it.
            RequestFailed: there was no answer; `versions()` says whether it was deleted.
        """
        await self._rest.send(Call(method="DELETE", path=_path_of(name, version)))

    async def publish(self, name: str, version: str | MachineVersion) -> MachineVersion:
        """Makes a version the current one: the one that new instances run.

        Raises:
            ActionRefused: `already_published`: it is the current one.
            NotFound: `version_not_found`.
        """
        call = Call(method="POST", path=_path_of(name, version, "publish"))
        return MachineVersion.model_validate(await self._rest.send(call))


def _path_of(name: str, version: str | MachineVersion, *more: str) -> str:
    version_id = version if isinstance(version, str) else version.version_id
    return path("workflows", name, "versions", version_id, *more)


def listed(data: JsonValue, name: str) -> list[JsonValue]:
    """The list of that name in an answer."""
    found = data.get(name) if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise RequestFailed(f"The server answered without {name!r}; it doesn't keep to its API.")
    return found


async def pages(rest: Rest, call: Call, name: str) -> AsyncIterator[JsonValue]:
    """What the list of that name has, page after page."""
    cursor: str | None = None
    while True:
        data = await rest.send(replace(call, query={**call.query, "cursor": cursor}))
        for each in listed(data, name):
            yield each
        cursor = data.get("next_cursor")
        if cursor is None:
            return
