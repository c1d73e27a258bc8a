"""The REST routes.

Laws:
- The same principal, the same `may()`, the same error objects as on the socket; an HTTP status is added.
- Nothing here changes a run; `interlock.http.runs` does.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from interlock.auth import Principal, Verb, may
from interlock.definitions.port import Served
from interlock.following.lists import WAITING, check_may_list, may_read_in, seen_by, summary, waiting_for, waits_for
from interlock.http.callers import principal_of
from interlock.http.errors import STATUS_OF, RefusedRequest, Unauthorized, headers_of
from interlock.http.methods import allowed
from interlock.http.shapes import ANSWERED, RunDetail, RunList, WorkflowList, answers
from interlock.log.port import LogUnavailable
from interlock.services import Services
from interlock.store.port import RunFilter, StoreUnavailable
from interlock.telemetry.counters import Counters
from interlock_protocol import control
from interlock_protocol.errors import AuthErrorCode, ErrorCode, Refusal
from interlock_protocol.limits import MAX_FAULTS
from interlock_protocol.messages import Name, Namespace
from interlock_protocol.types import JsonValue, RunStatus

MAX_PAGE = 200
RUN_LIST = answers(RunList, *ANSWERED, ErrorCode.FORBIDDEN, ErrorCode.INVALID_MESSAGE)


MAX_STATUSES: Final = 50
"""How many values of `status` a list may filter by; there are six."""


def make_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["runs"])
    who = Annotated[Principal, Depends(principal_of(services))]

    @router.get(
        "/workflows", operation_id="listWorkflows", responses=answers(WorkflowList, *ANSWERED, ErrorCode.FORBIDDEN)
    )
    async def workflows(principal: who, namespace: Namespace | None = None) -> dict[str, Any]:
        """The workflows one can start, and what their `message` must be: all, in each `namespace` of one's own.

        They are those that this server has in Python, and the published definitions of one's account.
        """
        if not may(principal, Verb.LIST):
            raise Refusal(ErrorCode.FORBIDDEN, "Listing workflows needs a token with a workflows: scope.")
        if namespace is not None and not may_read_in(principal, namespace):
            return {"workflows": []}
        return {"workflows": [_workflow(each) for each in await services().definitions.served(principal.account)]}

    _add_lists(router, services, who)
    _add_run(router, services, who)
    return router


def _add_lists(router: APIRouter, services: Callable[[], Services], who: Any) -> None:
    @router.get("/runs", operation_id="listRuns", responses=RUN_LIST)
    async def runs(
        principal: who,
        status: Annotated[list[RunStatus] | None, Query(max_length=MAX_STATUSES)] = None,
        workflow_id: Name | None = None,
        session_id: Name | None = None,
        namespace: Namespace | None = None,
        waiting_for_me: bool = False,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Name | None = None,
    ) -> dict[str, Any]:
        """The runs that are one's own, or in a namespace of one's own, or name one as an assignee, newest first.

        An admin's are all of the account. `waiting_for_me` are those that wait for a decision of one's own.
        """
        of = RunFilter(workflow_id=workflow_id, session_id=session_id, namespace=namespace)
        asked = replace(of, cursor=cursor, limit=limit)
        return await (_waiting if waiting_for_me else _listed)(services(), principal, status, asked)

    @router.get("/workflows/{workflow_id}/runs", operation_id="listRunsOfWorkflow", responses=RUN_LIST)
    async def runs_of(
        principal: who,
        workflow_id: Name,
        status: Annotated[list[RunStatus] | None, Query(max_length=MAX_STATUSES)] = None,
        session_id: Name | None = None,
        namespace: Namespace | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Name | None = None,
    ) -> dict[str, Any]:
        """The same, of one workflow."""
        of = RunFilter(workflow_id=workflow_id, session_id=session_id, namespace=namespace)
        return await _listed(services(), principal, status, replace(of, cursor=cursor, limit=limit))


async def _listed(
    services: Services, principal: Principal, status: list[RunStatus] | None, of: RunFilter
) -> dict[str, Any]:
    """A page of the runs that somebody sees, of those that are asked for."""
    check_may_list(principal)
    which = replace(
        seen_by(principal),
        workflow_id=of.workflow_id,
        session_id=of.session_id,
        namespace=of.namespace,
        statuses=frozenset(status or ()),
        cursor=of.cursor,
        limit=of.limit,
    )
    with _own_cursor():
        page = await services.store.runs(which)
    return {"runs": [summary(each) for each in page.runs], "next_cursor": page.next_cursor}


async def _waiting(
    services: Services, principal: Principal, status: list[RunStatus] | None, of: RunFilter
) -> dict[str, Any]:
    """A page of the runs that wait for somebody; the page may have fewer than asked for, and still a next one."""
    check_may_list(principal)
    which = replace(
        waiting_for(principal),
        workflow_id=of.workflow_id,
        session_id=of.session_id,
        namespace=of.namespace,
        statuses=WAITING & frozenset(status) if status else frozenset(),
        cursor=of.cursor,
        limit=of.limit,
    )
    if status and not which.statuses:
        return {"runs": [], "next_cursor": None}
    with _own_cursor():
        page = await services.store.waiting(which)
    mine = [each for each in page.runs if may(principal, Verb.READ, each) and waits_for(principal, each)]
    return {"runs": [summary(each) for each in mine], "next_cursor": page.next_cursor}


@contextmanager
def _own_cursor() -> Iterator[None]:
    """Answer what isn't a cursor of the store's."""
    try:
        yield
    except ValueError as error:
        raise Refusal(ErrorCode.INVALID_MESSAGE, "This `cursor` isn't one of ours; begin without it.") from error


def _add_run(router: APIRouter, services: Callable[[], Services], who: Any) -> None:
    @router.get(
        "/workflows/{workflow_id}/runs/{run_id}",
        operation_id="getRun",
        responses=answers(RunDetail, *ANSWERED, ErrorCode.RUN_NOT_FOUND, ErrorCode.INVALID_MESSAGE),
    )
    async def run(principal: who, workflow_id: Name, run_id: Name, session_id: Name | None = None) -> dict[str, Any]:
        """One run: its row, and its state as a `WorkflowRunOutput`. One of another `session_id` isn't found."""
        engine = services().engine
        facts = await engine.runs.readable(principal, run_id)
        row = await services().store.run(run_id)
        if row is None or facts.workflow_id != workflow_id or session_id not in (None, facts.session_id):
            raise Refusal(ErrorCode.RUN_NOT_FOUND, "There is no such run of this workflow.", run_id=run_id)
        output = await engine.runs.snapshot(run_id)
        return {**summary(row), "status": output["status"], "input": row.input, "output": output}


def _example(title: str, message: JsonValue) -> dict[str, JsonValue]:
    return {"title": title, "message": message}


def _workflow(served: Served) -> dict[str, Any]:
    return {
        "id": served.id,
        "name": served.name,
        "description": served.description,
        "version": served.version,
        "input_schema": served.input_schema,
        "steps": [{"name": step.name, "step_type": step.kind} for step in served.steps],
        **({} if served.ai_guidance is None else {"ai_guidance": served.ai_guidance}),
        **({"examples": [_example(*each) for each in served.examples]} if served.examples else {}),
    }


_NOT_ROUTED = {
    404: "There is no such path here; /openapi.json lists those that there are.",
    405: "There is no {method} on this path; /openapi.json lists what there is.",
}
"""The answer to a request without a route, by its HTTP status."""


def answer_errors(app: FastAPI, counters: Counters) -> None:
    """Answer every refusal with the protocol's error object and its HTTP status, and count it."""

    def answer(body: dict[str, Any], status: int, headers: Mapping[str, str] | None = None) -> Response:
        counters.said(body)
        return JSONResponse(body, status, headers=headers)

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return answer(control.error(error), STATUS_OF[error.code], headers_of(error))

    async def refused_request(_: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedRequest)
        body = control.error(error.refusal, request_id=error.request_id)
        return answer(body, STATUS_OF[error.refusal.code], headers_of(error.refusal))

    async def unauthorized(_: Request, error: Exception) -> Response:
        assert isinstance(error, Unauthorized)
        body = control.auth_error(str(error), error.code)
        status = 503 if error.code is AuthErrorCode.SERVER_ERROR else 401
        return answer(body, status, headers={"WWW-Authenticate": "Bearer"})

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        details = [
            {"field": ".".join(map(str, each["loc"])), "error": each["msg"]} for each in error.errors()[:MAX_FAULTS]
        ]
        refusal = Refusal(ErrorCode.INVALID_MESSAGE, "The request isn't right; see `details`.", details=details)
        return answer(control.error(refusal), STATUS_OF[refusal.code])

    async def not_routed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        refusal = Refusal(ErrorCode.UNKNOWN_ACTION, _NOT_ROUTED[error.status_code].format(method=request.method))
        headers = {"Allow": allowed(request.app.routes, request.scope)} if error.status_code == 405 else error.headers
        return answer(control.error(refusal), error.status_code, headers=headers)

    async def unavailable(_: Request, __: Exception) -> Response:
        refusal = Refusal(ErrorCode.UNAVAILABLE, "The server can't reach its storage at the moment; try again.")
        return answer(control.error(refusal), STATUS_OF[refusal.code])

    async def failed(_: Request, __: Exception) -> Response:
        refusal = Refusal(ErrorCode.INTERNAL, "Something went wrong in the server; it is in its log.")
        return answer(control.error(refusal), STATUS_OF[refusal.code])

    handlers: dict[int | type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        **dict.fromkeys(_NOT_ROUTED, not_routed),
        Refusal: refused,
        RefusedRequest: refused_request,
        Unauthorized: unauthorized,
        RequestValidationError: invalid,
        StoreUnavailable: unavailable,
        LogUnavailable: unavailable,
        ClientDisconnect: _gone,
        Exception: failed,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _gone(_: Request, __: Exception) -> Response:
    """An answer that nobody gets: the client left before its request was complete."""
    return Response()
