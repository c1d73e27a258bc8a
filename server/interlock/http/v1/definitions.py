"""The routes of stored definitions: names, versions, publication, validation, diagrams.

Laws:
- A definition is stored only if it has no faults; all of them are told at once, each with its path.
- What belongs to another account doesn't exist here.
- A name that code serves is taken.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.definitions.checking import faults_of
from interlock.definitions.diagram import diagram
from interlock.http.shapes import Answers
from interlock.http.v1.answers import BODY, COMMON, answer, answers, failures
from interlock.http.v1.bodies import (
    MAX_DEFINITION_BYTES,
    MAX_DEFINITION_VALUES,
    body,
    check_has_body,
    invalid,
    read_object,
)
from interlock.http.v1.callers import caller
from interlock.http.v1.definition_shapes import (
    AnyDefinition,
    CreatedVersion,
    Diagram,
    PublishedVersion,
    Validation,
    VersionDetail,
    VersionList,
    WorkflowDefinition,
    WorkflowDetail,
    WorkflowNames,
)
from interlock.http.v1.errors import ApiError, Code, no_version, not_there
from interlock.http.v1.times import shown, shown_or_none
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.store.ports.definitions import (
    AlreadyPublished,
    DefinitionName,
    DefinitionStore,
    ListedVersion,
    NameTaken,
    NewVersion,
    Page,
    VersionRow,
)
from interlock.workflow.activities import LogicError
from interlock.workflow.declare.checks import Fault
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import Name
from interlock_protocol.types import JsonObject

MAX_PAGE: Final = 200
VERSIONS: Final = "/workflows/{name}/versions"
VERSION: Final = VERSIONS + "/{version_id}"

_NAME = (Code.WORKFLOW_NOT_FOUND,)
_VERSION = (Code.WORKFLOW_NOT_FOUND, Code.VERSION_NOT_FOUND)
_DEFINITION = (Code.INVALID_WORKFLOW, *BODY)
CREATED: Final = answers(CreatedVersion, *_DEFINITION, Code.WORKFLOW_EXISTS, status=201)
CREATED_NEXT: Final = answers(CreatedVersion, *_DEFINITION, Code.WORKFLOW_EXISTS, *_NAME, status=201)
DELETED: Final[Answers] = {
    204: {"description": "It is gone."},
    **failures(*COMMON, *_VERSION, Code.ALREADY_PUBLISHED, Code.VERSION_IN_USE),
}

_TOO_LARGE: Final = (
    "The definition is too large:"
    f" at most {MAX_DEFINITION_BYTES:,} bytes are taken, and {MAX_DEFINITION_VALUES:,} values."
)

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def make_definitions_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router, definitions = APIRouter(tags=["definitions"]), _Definitions(services)
    reader = Annotated[Principal, Depends(caller(services, Verb.READ_DEFINITIONS, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.WRITE_DEFINITIONS, Budget.WRITES))]

    @router.post(
        "/workflows",
        operation_id="createWorkflow",
        status_code=201,
        responses=CREATED,
        openapi_extra=body(WorkflowDefinition),
    )
    async def create(
        request: Request,
        principal: writer,
        if_none_match: Annotated[str | None, Header(description="`*`: only if there is no such name yet")] = None,
    ) -> Response:
        """Store a definition as a draft: the first version of its name, or the next one."""
        found = await definitions.checked(request, principal)
        only_new = if_none_match is not None and if_none_match.strip() == "*"
        return await definitions.save(principal, *found, only_new=only_new)

    @router.post(
        "/workflows/validate",
        operation_id="validateWorkflow",
        responses=answers(Validation, *BODY),
        openapi_extra=body(AnyDefinition),
    )
    async def validate(request: Request, principal: reader) -> Response:
        """Find all that is wrong with a definition, without storing it."""
        _, faults = await definitions.read(request, principal)
        return answer(_validation(faults))

    @router.get("/workflows", operation_id="listWorkflows", responses=answers(WorkflowNames))
    async def names(principal: reader, limit: Limit = MAX_PAGE, cursor: Name | None = None) -> Response:
        """The definitions of one's account, the newest first."""
        return answer(await definitions.names(principal, Page(limit, cursor)))

    _add_names(router, definitions, reader, writer)
    _add_versions(router, definitions, reader, writer)
    return router


def _add_names(router: APIRouter, definitions: "_Definitions", reader: Any, writer: Any) -> None:
    @router.get("/workflows/{name}", operation_id="getWorkflow", responses=answers(WorkflowDetail, *_NAME))
    async def workflow(principal: reader, name: Name) -> Response:
        """A definition: its current version or, if none was published, its newest."""
        found = await definitions.named(principal, name)
        version_id = found.published_version_id or found.latest_version_id
        row = await definitions.version(principal, name, version_id)
        return answer({**_name(found), "definition": row.definition})

    @router.get(VERSIONS, operation_id="listVersions", responses=answers(VersionList, *_NAME))
    async def versions(principal: reader, name: Name, limit: Limit = MAX_PAGE, cursor: Name | None = None) -> Response:
        """The versions of a definition, the newest first."""
        return answer(await definitions.versions(principal, name, Page(limit, cursor)))

    @router.post(
        VERSIONS,
        operation_id="createVersion",
        status_code=201,
        responses=CREATED_NEXT,
        openapi_extra=body(WorkflowDefinition),
    )
    async def create_version(request: Request, principal: writer, name: Name) -> Response:
        """Store the next version of a definition as a draft."""
        await definitions.named(principal, name)
        definition, faults = await definitions.checked(request, principal)
        if definition["name"] != name:
            raise _not_valid([Fault("name", f"This is another name than that of the path, {name!r}.")])
        return await definitions.save(principal, definition, faults)


def _add_versions(router: APIRouter, definitions: "_Definitions", reader: Any, writer: Any) -> None:
    @router.get(VERSION, operation_id="getVersion", responses=answers(VersionDetail, *_VERSION))
    async def version(principal: reader, name: Name, version_id: Name) -> Response:
        """A version, with its definition."""
        row = await definitions.version(principal, name, version_id)
        return answer({"name": row.name, **_version(row), "definition": row.definition})

    @router.delete(VERSION, operation_id="deleteDraft", status_code=204, responses=DELETED)
    async def delete(principal: writer, name: Name, version_id: Name) -> Response:
        """Delete a draft that no instance tries. A version that was published is kept for the instances that it has."""
        await definitions.delete(principal, name, version_id)
        return Response(status_code=204)

    @router.post(
        VERSION + "/publish",
        operation_id="publishVersion",
        responses=answers(PublishedVersion, *_VERSION, Code.ALREADY_PUBLISHED),
    )
    async def publish(principal: writer, name: Name, version_id: Name) -> Response:
        """Have new instances begin with this version. An older one may be published again."""
        return answer(await definitions.publish(principal, name, version_id))

    @router.get(VERSION + "/diagram", operation_id="getDiagram", responses=answers(Diagram, *_VERSION))
    async def drawn(principal: reader, name: Name, version_id: Name) -> Response:
        """The states and transitions of a version, as a diagram in Mermaid."""
        row = await definitions.version(principal, name, version_id)
        return answer({"mermaid": diagram(row.definition)})


class _Definitions:
    """The implementation of the routes."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @property
    def _store(self) -> DefinitionStore:
        """The port of the store that is used here."""
        return self._services().store

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────────────

    async def names(self, principal: Principal, page: Page) -> JsonObject:
        try:
            found = await self._store.names(principal.account, page)
        except ValueError:
            raise _strange_cursor() from None
        return {"workflows": [_name(each) for each in found.names], "next_cursor": found.next_cursor}

    async def named(self, principal: Principal, name: str) -> DefinitionName:
        found = await self._store.name(principal.account, name)
        if found is None:
            raise not_there(Code.WORKFLOW_NOT_FOUND, f"Workflow {name!r}")
        return found

    async def versions(self, principal: Principal, name: str, page: Page) -> JsonObject:
        await self.named(principal, name)
        try:
            found = await self._store.versions(principal.account, name, page)
        except ValueError:
            raise _strange_cursor() from None
        return {"versions": [_version(each) for each in found.versions], "next_cursor": found.next_cursor}

    async def version(self, principal: Principal, name: str, version_id: str) -> VersionRow:
        row = await self._store.version(principal.account, name, version_id)
        if row is None:
            raise await self._no_version(principal, name, version_id)
        return row

    async def _no_version(self, principal: Principal, name: str, version_id: str) -> ApiError:
        await self.named(principal, name)
        return no_version(name, version_id)

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
        return definition, await faults_of(definition, for_account, self._services().task_types)

    async def checked(self, request: Request, principal: Principal) -> tuple[JsonObject, list[Fault]]:
        """The definition in a body, which has no faults, and its warnings; raises `invalid_workflow`."""
        definition, faults = await self.read(request, principal)
        if any(not each.is_warning for each in faults):
            raise _not_valid(faults)
        return definition, faults

    # ── Writing ─────────────────────────────────────────────────────────────────────────────────────────

    async def save(
        self, principal: Principal, definition: JsonObject, warnings: list[Fault], *, only_new: bool = False
    ) -> Response:
        name, now = str(definition["name"]), self._services().engine.clock.now_ms()
        if self._services().definitions.is_in_code(name):
            raise _taken(name)
        new = NewVersion(principal.account, name, definition, now, principal.user_id)
        row = await self._store.save(new, only_new=only_new)
        if isinstance(row, NameTaken):
            raise _taken(name)
        data = {"name": name, "version_id": row.version_id, "status": row.status, "created_at": shown(row.created_at)}
        return answer(data | _faults("warnings", warnings), 201)

    async def delete(self, principal: Principal, name: str, version_id: str) -> None:
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
        now = self._services().engine.clock.now_ms()
        try:
            row = await self._store.publish(principal.account, name, version_id, now, by=principal.user_id)
        except AlreadyPublished:
            raise ApiError(Code.ALREADY_PUBLISHED, f"Version {version_id!r} is the published one already.") from None
        if row is None:
            raise await self._no_version(principal, name, version_id)
        return {"version_id": row.version_id, "status": row.status, "published_at": shown_or_none(row.published_at)}


async def _checked_script(check: Callable[[str, str], Awaitable[str | None]], account: str, code: str) -> str | None:
    try:
        return await check(code, account)
    except LogicError as error:  # scripts can't be read just now
        raise ApiError(Code.UNAVAILABLE, f"{error}; send it again in a while.") from None


def _name(found: DefinitionName) -> JsonObject:
    return {
        "name": found.name,
        "workflow_id": found.workflow_id,
        "latest_version_id": found.latest_version_id,
        "published_version_id": found.published_version_id,
        "published_at": shown_or_none(found.published_at),
        "drafts": found.drafts,
        "created_at": shown(found.created_at),
    }


def _version(row: ListedVersion) -> JsonObject:
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


def _validation(faults: list[Fault]) -> JsonObject:
    wrong = [each for each in faults if not each.is_warning]
    warnings = [each for each in faults if each.is_warning]
    return {"valid": not wrong, **_faults("errors", wrong), **_faults("warnings", warnings)}


def _faults(key: str, faults: list[Fault]) -> JsonObject:
    return {key: [{"path": each.path, "message": each.message} for each in faults]} if faults else {}


def _not_valid(faults: list[Fault]) -> ApiError:
    wrong = [each for each in faults if not each.is_warning]
    first = f"{wrong[0].path}: {wrong[0].message}" if wrong[0].path else wrong[0].message
    more = f" (and {len(wrong) - 1} more, see `details`)" if len(wrong) > 1 else ""
    return ApiError(Code.INVALID_WORKFLOW, f"The definition isn't right: {first}{more}", _faults("errors", wrong))


def _taken(name: str) -> ApiError:
    return ApiError(Code.WORKFLOW_EXISTS, f"There is a workflow {name!r} already; choose another name.")


def _strange_cursor() -> ApiError:
    return invalid([{"field": "cursor", "error": "isn't one of ours; begin without it"}])
