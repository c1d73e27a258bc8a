"""The routes of graphs: their drafts, versions and activation, and their sessions.

Laws:
- A graph is kept as machines are: versions never change, and a session goes on under the version that it began with.
- A graph is active while it has a current version; only then can it be run, over HTTP and on the socket.
- A draft that is based on an outdated version is refused, and both are told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response
from pydantic_core import to_json

from interlock.auth import Principal, Verb
from interlock.definitions.checks.blanks import body_schema
from interlock.http.shapes import Answers
from interlock.http.sse import Streams
from interlock.http.v1.answers import BODY, COMMON, answer, answers, failures
from interlock.http.v1.bodies import body, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.definition_shapes import (
    AnyDefinition,
    CreatedVersion,
    PublishedVersion,
    Validation,
    VersionDetail,
    VersionList,
)
from interlock.http.v1.definition_work import DefinitionWork, name_told, validation, version_told
from interlock.http.v1.definitions import DELETED, MAX_PAGE, Limit
from interlock.http.v1.errors import ApiError, Code
from interlock.http.v1.graph_batch import NDJSON, batch_of
from interlock.http.v1.graph_endpoint import described, endpoint
from interlock.http.v1.graph_shapes import (
    ActivateGraph,
    Activation,
    CancelledSession,
    CancelSession,
    GraphBody,
    GraphDefinition,
    GraphDetail,
    GraphEndpoint,
    GraphNames,
    GraphSession,
    GraphSessionDetail,
    GraphSessions,
)
from interlock.http.v1.graph_work import MAX_WAIT, Sessions
from interlock.http.v1.instance_work import Waiting
from interlock.http.v1.instances import IdempotencyHeader
from interlock.http.v1.preferences import wait, wants_no_wait
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.store.ports.definitions import Page
from interlock.workflow.declare.checks import Fault
from interlock_protocol.messages import Name
from interlock_protocol.types import JsonObject

GRAPHS: Final = "/graphs"
GRAPH: Final = GRAPHS + "/{graph}"
VERSIONS: Final = GRAPH + "/versions"
VERSION: Final = VERSIONS + "/{graph_version}"
SESSION: Final = GRAPHS + "/sessions/{graph_session}"

_GRAPH = (Code.GRAPH_NOT_FOUND,)
_VERSION = (Code.GRAPH_NOT_FOUND, Code.VERSION_NOT_FOUND)
_DEFINITION = (Code.INVALID_GRAPH, *BODY, Code.WORKFLOW_EXISTS)
_PREFER: Final = "`wait=N`: seconds, at most and by default 60; `respond-async`: at once"
PreferHeader = Annotated[str | None, Header(alias="Prefer", description=_PREFER)]
RUN: Final[Answers] = {
    **answers(
        GraphSession,
        Code.INVALID_INPUT,
        *BODY,
        Code.IDEMPOTENCY_KEY_REUSED,
        Code.NOT_ACTIVATED,
        Code.NAMESPACE_QUOTA_EXCEEDED,
        *_GRAPH,
    ),
    202: {
        **answers(GraphSession, status=202)[202],
        "description": "It goes on, or waits for a person: `links` say where to ask, and to follow it.",
    },
}
_LINES: Final = {NDJSON: {"schema": {"type": "string"}}}
_BODIES: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
BATCH: Final[Answers] = {
    200: {
        "description": 'A line for each line: `{"line", "status", "data"}`, or `error` instead of `data`.',
        "content": _LINES,
    },
    **failures(*COMMON, Code.NOT_ACTIVATED, *_GRAPH),
}


DOCUMENT: Final[Answers] = {
    200: {"description": "The document.", "content": {"application/json": {"schema": {"type": "object"}}}},
    **failures(*COMMON),
}


@dataclass(frozen=True, slots=True)
class _Runs:
    """What running graphs needs."""

    services: Callable[[], Services]
    streams: Streams
    sessions: Sessions


def make_graphs_router(services: Callable[[], Services], streams: Streams, sessions: Sessions) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router, graphs = APIRouter(tags=["graphs"]), _Graphs(services)
    reader = Annotated[Principal, Depends(caller(services, Verb.READ_DEFINITIONS, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.WRITE_DEFINITIONS, Budget.WRITES))]
    runner = Annotated[Principal, Depends(caller(services, Verb.RUN_GRAPHS, Budget.SESSIONS, keeps=False))]
    asker = Annotated[Principal, Depends(caller(services, Verb.RUN_GRAPHS, Budget.READS))]
    canceller = Annotated[Principal, Depends(caller(services, Verb.RUN_GRAPHS, Budget.WRITES))]
    _add_sessions(router, sessions, asker, canceller)

    @router.get(GRAPHS + "/openapi.json", operation_id="describeGraphs", responses=DOCUMENT)
    async def document(principal: asker) -> Response:
        """The OpenAPI document of the active graphs of one's account, each with the body that it takes."""
        served = await services().definitions.served(principal.account)
        return Response(to_json(described(served, services().base_url)), media_type="application/json")

    _add_graphs(router, graphs, reader, writer)
    _add_versions(router, graphs, reader, writer)
    _add_activation(router, graphs, reader, writer)
    _add_running(router, graphs, _Runs(services, streams, sessions), runner, asker)
    return router


def _add_graphs(router: APIRouter, graphs: "_Graphs", reader: Any, writer: Any) -> None:
    @router.get(GRAPHS, operation_id="listGraphs", responses=answers(GraphNames))
    async def names(principal: reader, limit: Limit = MAX_PAGE, cursor: Name | None = None) -> Response:
        """The graphs of one's account, the newest first."""
        return answer(await graphs.listed(principal, Page(limit, cursor)))

    @router.post(
        GRAPHS,
        operation_id="createGraph",
        status_code=201,
        responses=answers(CreatedVersion, *_DEFINITION, status=201),
        openapi_extra=body(GraphDefinition),
    )
    async def create(request: Request, principal: writer) -> Response:
        """Store a new graph as a draft."""
        return await graphs.save(principal, *await graphs.checked(request, principal), only_new=True)

    @router.post(
        GRAPHS + "/validate",
        operation_id="validateGraph",
        responses=answers(Validation, *BODY),
        openapi_extra=body(AnyDefinition),
    )
    async def validate(request: Request, principal: reader) -> Response:
        """Find all that is wrong with a graph, without storing it."""
        _, faults = await graphs.read(request, principal)
        return answer(validation(faults))

    @router.get(GRAPH, operation_id="getGraph", responses=answers(GraphDetail, *_GRAPH))
    async def found(principal: reader, graph: Name) -> Response:
        """A graph, with its newest version."""
        return answer(await graphs.detail(principal, graph))

    @router.put(
        GRAPH,
        operation_id="putGraph",
        responses=answers(CreatedVersion, *_DEFINITION, Code.CONFLICT, *_GRAPH),
        openapi_extra=body(GraphDefinition),
    )
    async def put(
        request: Request,
        principal: writer,
        graph: Name,
        if_match: Annotated[str | None, Header(description="the version that this is based on")] = None,
    ) -> Response:
        """Store a draft instead of the newest one; if that isn't the one that this is based on, nothing is stored."""
        await graphs.named(principal, graph)
        definition, faults = await graphs.checked(request, principal)
        return await graphs.put(principal, graph, definition, faults, if_match)


def _add_versions(router: APIRouter, graphs: "_Graphs", reader: Any, writer: Any) -> None:
    @router.get(VERSIONS, operation_id="listGraphVersions", responses=answers(VersionList, *_GRAPH))
    async def versions(principal: reader, graph: Name, limit: Limit = MAX_PAGE, cursor: Name | None = None) -> Response:
        """The versions of a graph, the newest first."""
        return answer(await graphs.versions(principal, graph, Page(limit, cursor)))

    @router.get(VERSION, operation_id="getGraphVersion", responses=answers(VersionDetail, *_VERSION))
    async def version(principal: reader, graph: Name, graph_version: Name) -> Response:
        """A version of a graph."""
        row = await graphs.version(principal, graph, graph_version)
        return answer({"name": row.name, **version_told(row), "definition": row.definition})

    @router.delete(
        VERSION,
        operation_id="deleteGraphDraft",
        status_code=204,
        responses={
            **DELETED,
            **{status: each for status, each in answers(VersionDetail, *_VERSION).items() if status == 404},
        },
    )
    async def delete(principal: writer, graph: Name, graph_version: Name) -> Response:
        """Delete a draft; with the last one, the graph."""
        await graphs.delete(principal, graph, graph_version)
        return Response(status_code=204)

    @router.post(
        VERSION + "/publish",
        operation_id="publishGraphVersion",
        responses=answers(PublishedVersion, *_VERSION, Code.ALREADY_PUBLISHED),
    )
    async def publish(principal: writer, graph: Name, graph_version: Name) -> Response:
        """Have new sessions begin with this version: the graph is active with it."""
        return answer(await graphs.publish(principal, graph, graph_version))


def _add_activation(router: APIRouter, graphs: "_Graphs", reader: Any, writer: Any) -> None:
    @router.post(
        GRAPH + "/activate",
        operation_id="activateGraph",
        responses=answers(Activation, *_VERSION, *BODY),
        openapi_extra=body(ActivateGraph, required=False),
    )
    async def activate(request: Request, principal: writer, graph: Name) -> Response:
        """Let a graph be run: its published version or, if none was published, its newest draft."""
        asked = await read_body(request, ActivateGraph)
        return answer(await graphs.activate(principal, graph, asked.version_id))

    @router.post(GRAPH + "/deactivate", operation_id="deactivateGraph", responses=answers(Activation, *_GRAPH))
    async def deactivate(principal: writer, graph: Name) -> Response:
        """Let no new sessions begin; those that have begun go on."""
        return answer(await graphs.deactivate(principal, graph))


def _add_running(router: APIRouter, graphs: "_Graphs", runs: "_Runs", runner: Any, asker: Any) -> None:
    services, streams, sessions = runs.services, runs.streams, runs.sessions

    @router.post(
        GRAPH + "/run",
        operation_id="runGraph",
        responses=RUN,
        openapi_extra=body(GraphBody, required=False),
    )
    async def run(
        request: Request, principal: runner, graph: Name, key: IdempotencyHeader = None, prefer: PreferHeader = None
    ) -> Response:
        """Run an active graph in a session; the answer comes when it has ended, or waits for a person."""
        seconds = 0 if wants_no_wait(prefer) else wait(request, prefer, MAX_WAIT)
        return await sessions.run(Waiting(request, principal, key, seconds), graph)

    @router.post(
        GRAPH + "/run/batch",
        operation_id="runGraphBatch",
        responses=BATCH,
        openapi_extra={"requestBody": {"required": True, "content": _BODIES}},
    )
    async def run_batch(request: Request, principal: runner, graph: Name, key: IdempotencyHeader = None) -> Response:
        """Run an active graph once for each line of the body, and answer each line as soon as its session has ended, or
        waits for a person."""
        await sessions.active(principal, graph)
        return batch_of(services(), streams, sessions, Waiting(request, principal, key, MAX_WAIT), graph)

    @router.get(GRAPH + "/endpoint", operation_id="getGraphEndpoint", responses=answers(GraphEndpoint, *_GRAPH))
    async def request_of(principal: asker, graph: Name) -> Response:
        """The request that runs a graph, to copy."""
        return answer(await graphs.endpoint(principal, graph))

    @router.get(GRAPH + "/sessions", operation_id="listGraphSessions", responses=answers(GraphSessions, *_GRAPH))
    async def listed(
        principal: asker,
        graph: Name,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Name | None = None,
    ) -> Response:
        """The sessions of a graph that one may read, the newest first."""
        await graphs.named(principal, graph)
        return answer(await sessions.sessions(principal, graph, limit, cursor))


def _add_sessions(router: APIRouter, sessions: Sessions, asker: Any, canceller: Any) -> None:
    @router.get(SESSION, operation_id="getGraphSession", responses=answers(GraphSessionDetail, Code.SESSION_NOT_FOUND))
    async def session(principal: asker, graph_session: Name) -> Response:
        """A session as it is now, with its tasks."""
        return answer(await sessions.session(principal, graph_session))

    @router.post(
        SESSION + "/cancel",
        operation_id="cancelGraphSession",
        responses=answers(CancelledSession, *BODY, Code.SESSION_NOT_FOUND, Code.INSTANCE_NOT_ACTIVE),
        openapi_extra=body(CancelSession, required=False),
    )
    async def cancel(request: Request, principal: canceller, graph_session: Name) -> Response:
        """Cancel a session that hasn't ended."""
        asked = await read_body(request, CancelSession)
        return answer(await sessions.cancelled(principal, graph_session, asked.reason))


class _Graphs(DefinitionWork):
    """The implementation of the routes of graphs themselves."""

    def __init__(self, services: Callable[[], Services]) -> None:
        super().__init__(services, "graph")

    async def listed(self, principal: Principal, page: Page) -> dict[str, Any]:
        """A page of graphs."""
        found: dict[str, Any] = await self.names(principal, page)
        return {**found, "graphs": [_with_kind(each) for each in found["graphs"]]}

    async def detail(self, principal: Principal, name: str) -> JsonObject:
        """A graph with its newest version."""
        found = await self.named(principal, name)
        row = await self.version(principal, name, found.latest_version_id)
        return {**_with_kind(name_told(found)), "version": version_told(row), "definition": row.definition}

    async def put(
        self, principal: Principal, name: str, definition: JsonObject, faults: list[Fault], if_match: str | None
    ) -> Response:
        """Store a draft in place of the one that it is based on."""
        if definition["name"] != name:
            raise self.not_valid([Fault("name", f"This is another name than that of the path, {name!r}.")])
        base = None if if_match is None or if_match.strip() == "*" else if_match.strip().removeprefix("W/").strip('"')
        response = await self.save(principal, definition, faults, based_on=base, status=200)
        if base is not None:  # a draft that nothing has run is replaced
            await self._store.delete_draft(principal.account, name, base)
        return response

    async def activate(self, principal: Principal, name: str, version_id: str | None) -> JsonObject:
        """Make a version the current one."""
        found = await self.named(principal, name)
        wanted = version_id or found.published_version_id or await self._store.last_published(principal.account, name)
        wanted = wanted or found.latest_version_id
        try:
            await self.publish(principal, name, wanted)
        except ApiError as error:
            if error.code is not Code.ALREADY_PUBLISHED:
                raise
        return {"name": name, "active": True, "version_id": wanted}

    async def deactivate(self, principal: Principal, name: str) -> JsonObject:
        """Leave the graph without a current version."""
        await self.named(principal, name)
        await self._store.retire(principal.account, name)
        return {"name": name, "active": False, "version_id": None}

    async def endpoint(self, principal: Principal, name: str) -> JsonObject:
        """How a graph is called: its current version or, if it has none, its newest."""
        found = await self.named(principal, name)
        version_id = found.published_version_id or found.latest_version_id
        row = await self.version(principal, name, version_id)
        services = self._services()
        schema = body_schema(row.definition, services.task_types)
        told: JsonObject = {"name": name, "active": found.published_version_id is not None, "version_id": version_id}
        return {**told, **endpoint(name, services.base_url, schema)}


def _with_kind(told: JsonObject) -> JsonObject:
    return {**told, "kind": "graph", "active": told["published_version_id"] is not None}
