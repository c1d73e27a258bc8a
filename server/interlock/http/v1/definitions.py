"""The routes of stored definitions: names, versions, publication, validation, diagrams.

Laws:
- A definition is stored only if it has no faults; all of them are told at once, each with its path.
- What belongs to another account doesn't exist here.
- A name that code serves is taken.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.definitions.diagram import diagram
from interlock.http.shapes import Answers
from interlock.http.v1.answers import BODY, COMMON, answer, answers, failures
from interlock.http.v1.bodies import (
    body,
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
from interlock.http.v1.definition_work import DefinitionWork, name_told, validation, version_told
from interlock.http.v1.errors import Code
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.store.ports.definitions import (
    Page,
)
from interlock.workflow.declare.checks import Fault
from interlock_protocol.messages import Name

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

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def make_definitions_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router, definitions = APIRouter(tags=["definitions"]), DefinitionWork(services)
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
        return answer(validation(faults))

    @router.get("/workflows", operation_id="listWorkflows", responses=answers(WorkflowNames))
    async def names(principal: reader, limit: Limit = MAX_PAGE, cursor: Name | None = None) -> Response:
        """The definitions of one's account, the newest first."""
        return answer(await definitions.names(principal, Page(limit, cursor)))

    _add_names(router, definitions, reader, writer)
    _add_versions(router, definitions, reader, writer)
    return router


def _add_names(router: APIRouter, definitions: DefinitionWork, reader: Any, writer: Any) -> None:
    @router.get("/workflows/{name}", operation_id="getWorkflow", responses=answers(WorkflowDetail, *_NAME))
    async def workflow(principal: reader, name: Name) -> Response:
        """A definition: its current version or, if none was published, its newest."""
        found = await definitions.named(principal, name)
        version_id = found.published_version_id or found.latest_version_id
        row = await definitions.version(principal, name, version_id)
        return answer({**name_told(found), "definition": row.definition})

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
            raise definitions.not_valid([Fault("name", f"This is another name than that of the path, {name!r}.")])
        return await definitions.save(principal, definition, faults)


def _add_versions(router: APIRouter, definitions: DefinitionWork, reader: Any, writer: Any) -> None:
    @router.get(VERSION, operation_id="getVersion", responses=answers(VersionDetail, *_VERSION))
    async def version(principal: reader, name: Name, version_id: Name) -> Response:
        """A version, with its definition."""
        row = await definitions.version(principal, name, version_id)
        return answer({"name": row.name, **version_told(row), "definition": row.definition})

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
