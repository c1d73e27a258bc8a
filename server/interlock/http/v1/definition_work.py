"""What the routes of stored definitions do, of whichever kind.

Laws:
- A definition is stored only if it has no faults; all of them are told at once, each with its path.
- What belongs to another account, or is of another kind, doesn't exist here.
- A name that code serves is taken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from interlock.auth import Principal
from interlock.definitions.checking import faults_of
from interlock.http.v1.answers import answer
from interlock.http.v1.bodies import (
    MAX_DEFINITION_BYTES,
    MAX_DEFINITION_VALUES,
    check_has_body,
    invalid,
    read_object,
)
from interlock.http.v1.errors import ApiError, Code, no_version, not_there
from interlock.http.v1.times import shown, shown_or_none
from interlock.services import Services
from interlock.store.ports.definitions import (
    AlreadyPublished,
    DefinitionKind,
    DefinitionName,
    DefinitionStore,
    ListedVersion,
    NameTaken,
    NewVersion,
    Outdated,
    Page,
    VersionRow,
)
from interlock.workflow.activities import LogicError
from interlock.workflow.declare.checks import Fault
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import JsonObject

_TOO_LARGE: Final = (
    "The definition is too large:"
    f" at most {MAX_DEFINITION_BYTES:,} bytes are taken, and {MAX_DEFINITION_VALUES:,} values."
)


@dataclass(frozen=True, slots=True)
class _Words:
    """How a kind of definitions is called."""

    one: str
    many: str
    what: str
    not_found: Code
    invalid: Code


_WORDS: Final[Mapping[DefinitionKind, _Words]] = {
    "machine": _Words("Workflow", "workflows", "definition", Code.WORKFLOW_NOT_FOUND, Code.INVALID_WORKFLOW),
    "graph": _Words("Graph", "graphs", "graph", Code.GRAPH_NOT_FOUND, Code.INVALID_GRAPH),
}


class DefinitionWork:
    """The implementation of the routes of definitions of one kind."""

    def __init__(self, services: Callable[[], Services], kind: DefinitionKind = "machine") -> None:
        self._services = services
        self._kind: DefinitionKind = kind
        self._words = _WORDS[kind]

    @property
    def _store(self) -> DefinitionStore:
        """The port of the store that is used here."""
        return self._services().store

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────────────

    async def names(self, principal: Principal, page: Page) -> JsonObject:
        try:
            found = await self._store.names(principal.account, page, self._kind)
        except ValueError:
            raise _strange_cursor() from None
        return {self._words.many: [name_told(each) for each in found.names], "next_cursor": found.next_cursor}

    async def named(self, principal: Principal, name: str) -> DefinitionName:
        found = await self._store.name(principal.account, name)
        if found is None or found.kind != self._kind:
            raise not_there(self._words.not_found, f"{self._words.one} {name!r}")
        return found

    async def versions(self, principal: Principal, name: str, page: Page) -> JsonObject:
        await self.named(principal, name)
        try:
            found = await self._store.versions(principal.account, name, page)
        except ValueError:
            raise _strange_cursor() from None
        return {"versions": [version_told(each) for each in found.versions], "next_cursor": found.next_cursor}

    async def version(self, principal: Principal, name: str, version_id: str) -> VersionRow:
        await self.named(principal, name)
        row = await self._store.version(principal.account, name, version_id)
        if row is None:
            raise no_version(name, version_id)
        return row

    # ── Checking ────────────────────────────────────────────────────────────────────────────────────────

    async def read(self, request: Request, principal: Principal) -> tuple[JsonObject, list[Fault]]:
        """The definition in a body, and all that is to be said of it."""
        check_has_body(request)
        try:
            definition = await read_object(request, MAX_DEFINITION_BYTES, MAX_DEFINITION_VALUES)
        except Refusal as refusal:
            if refusal.code is not ErrorCode.MESSAGE_TOO_LARGE:
                raise
            return {}, [Fault("", _TOO_LARGE)]
        check_script = self._services().check_script
        for_account = None if check_script is None else partial(_checked_script, check_script, principal.account)
        types = self._services().task_types
        return definition, await faults_of(definition, for_account, types, kind=self._kind)

    async def checked(self, request: Request, principal: Principal) -> tuple[JsonObject, list[Fault]]:
        """The definition in a body, which has no faults, and its warnings; raises `invalid_workflow`."""
        definition, faults = await self.read(request, principal)
        if any(not each.is_warning for each in faults):
            raise self.not_valid(faults)
        return definition, faults

    # ── Writing ─────────────────────────────────────────────────────────────────────────────────────────

    async def save(
        self,
        principal: Principal,
        definition: JsonObject,
        warnings: list[Fault],
        *,
        only_new: bool = False,
        based_on: str | None = None,
        status: int = 201,
    ) -> Response:
        """Store the next draft; of one that is based on an outdated version, say what there is instead."""
        name, now = str(definition["name"]), self._services().engine.clock.now_ms()
        if self._services().definitions.is_in_code(name):
            raise _taken(name)
        new = NewVersion(principal.account, name, definition, now, principal.user_id, self._kind)
        row = await self._store.save(new, only_new=only_new, based_on=based_on)
        if isinstance(row, NameTaken):
            raise _taken(name)
        if isinstance(row, Outdated):
            raise await self._conflict(principal, definition, row, based_on)
        data = {"name": name, "version_id": row.version_id, "status": row.status, "created_at": shown(row.created_at)}
        return answer(data | faults_told("warnings", warnings), status)

    async def _conflict(
        self, principal: Principal, yours: JsonObject, outdated: Outdated, based_on: str | None
    ) -> ApiError:
        """Somebody else has stored another version meanwhile: both are told, and nothing is lost."""
        name = str(yours["name"])
        row = await self._store.version(principal.account, name, outdated.latest_version_id)
        theirs = None if row is None else {**version_told(row), "definition": row.definition}
        details = {"base_version": based_on, "latest": theirs, "yours": {"definition": yours}}
        return ApiError(Code.CONFLICT, "Somebody has stored another version meanwhile; see both in `details`.", details)

    async def delete(self, principal: Principal, name: str, version_id: str) -> None:
        await self.named(principal, name)
        if await self._store.delete_draft(principal.account, name, version_id):
            return
        row = await self.version(principal, name, version_id)
        if row.status == "draft":
            sentence = f"Instances try version {version_id!r}; cancel them, or let them end, and delete it then."
            raise ApiError(Code.VERSION_IN_USE, sentence)
        raise ApiError(
            Code.ALREADY_PUBLISHED, f"Version {version_id!r} was published, and is kept for the instances that it has."
        )

    async def publish(self, principal: Principal, name: str, version_id: str) -> JsonObject:
        await self.named(principal, name)
        now = self._services().engine.clock.now_ms()
        try:
            row = await self._store.publish(principal.account, name, version_id, now, by=principal.user_id)
        except AlreadyPublished:
            raise ApiError(Code.ALREADY_PUBLISHED, f"Version {version_id!r} is the published one already.") from None
        if row is None:
            raise no_version(name, version_id)
        return {"version_id": row.version_id, "status": row.status, "published_at": shown_or_none(row.published_at)}

    def not_valid(self, faults: list[Fault]) -> ApiError:
        """The answer to a definition with faults."""
        wrong = [each for each in faults if not each.is_warning]
        first = f"{wrong[0].path}: {wrong[0].message}" if wrong[0].path else wrong[0].message
        more = f" (and {len(wrong) - 1} more, see `details`)" if len(wrong) > 1 else ""
        sentence = f"The {self._words.what} isn't right: {first}{more}"
        return ApiError(self._words.invalid, sentence, faults_told("errors", wrong))


async def _checked_script(check: Callable[[str, str], Awaitable[str | None]], account: str, code: str) -> str | None:
    try:
        return await check(code, account)
    except LogicError as error:  # scripts can't be read just now
        raise ApiError(Code.UNAVAILABLE, f"{error}; send it again in a while.") from None


def name_told(found: DefinitionName) -> JsonObject:
    """A name, as lists show it."""
    return {
        "name": found.name,
        "workflow_id": found.workflow_id,
        "latest_version_id": found.latest_version_id,
        "published_version_id": found.published_version_id,
        "published_at": shown_or_none(found.published_at),
        "drafts": found.drafts,
        "created_at": shown(found.created_at),
    }


def version_told(row: ListedVersion) -> JsonObject:
    """A version, as lists show it."""
    told: JsonObject = {
        "version_id": row.version_id,
        "number": row.number,
        "status": row.status,
        "created_at": shown(row.created_at),
        "created_by": row.created_by or None,
        "published_at": shown_or_none(row.published_at),
        "published_by": row.published_by or None,
    }
    return {key: value for key, value in told.items() if value is not None}


def validation(faults: list[Fault]) -> JsonObject:
    """What was found in a definition."""
    wrong = [each for each in faults if not each.is_warning]
    warnings = [each for each in faults if each.is_warning]
    return {"valid": not wrong, **faults_told("errors", wrong), **faults_told("warnings", warnings)}


def faults_told(key: str, faults: list[Fault]) -> JsonObject:
    """Faults under this key, if there are some."""
    return {key: [_fault(each) for each in faults]} if faults else {}


def _taken(name: str) -> ApiError:
    return ApiError(Code.WORKFLOW_EXISTS, f"There is a workflow {name!r} already; choose another name.")


def _fault(fault: Fault) -> JsonObject:
    code = {"code": fault.code} if fault.code else {}
    return {"path": fault.path, **code, "message": fault.message}


def _strange_cursor() -> ApiError:
    return invalid([{"field": "cursor", "error": "isn't one of ours; begin without it"}])
