"""The REST routes.

Laws:
- The same principal, the same `may()`, the same error objects as on the socket; an HTTP status is added.
- Nothing here changes a run.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from interlock.auth import AuthError, Principal, Verb, may
from interlock.auth.principal import DECIDE, READ
from interlock.services import Services
from interlock.store.port import Run, RunFilter, StoreUnavailable
from interlock.workflow.declaration import Workflow
from interlock_protocol import control
from interlock_protocol.errors import AuthErrorCode, ErrorCode, Refusal
from interlock_protocol.messages import Name
from interlock_protocol.types import RunStatus

MAX_PAGE = 200

STATUS_OF = {
    ErrorCode.INVALID_JSON: 400,
    ErrorCode.INVALID_MESSAGE: 422,
    ErrorCode.UNKNOWN_ACTION: 400,
    ErrorCode.MESSAGE_TOO_LARGE: 413,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.WORKFLOW_NOT_FOUND: 404,
    ErrorCode.WORKFLOW_MISMATCH: 409,
    ErrorCode.RUN_NOT_FOUND: 404,
    ErrorCode.RUN_FINISHED: 409,
    ErrorCode.RUN_NOT_PAUSED: 409,
    ErrorCode.REQUIREMENT_NOT_FOUND: 404,
    ErrorCode.REQUIREMENT_EXPIRED: 409,
    ErrorCode.INVALID_DECISION: 422,
    ErrorCode.CONFLICT: 409,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}
"""The HTTP status of each error code."""


class _Unauthorized(Exception):  # noqa: N818 - turned into an answer
    def __init__(self, code: AuthErrorCode, error: str) -> None:
        super().__init__(error)
        self.code = code


def make_router(services: Callable[[], Services]) -> APIRouter:
    """The routes, on the services of a server that has started."""
    router = APIRouter()
    who = Annotated[Principal, Depends(_principal_of(services))]

    @router.get("/health/live")
    async def live() -> dict[str, str]:
        """Whether the process serves at all."""
        return {"status": "live"}

    @router.get("/workflows")
    async def workflows(principal: who) -> dict[str, Any]:
        """The workflows this server has, and what their `message` must be."""
        if not may(principal, Verb.LIST):
            raise Refusal(ErrorCode.FORBIDDEN, "Listing workflows needs a token with a workflows: scope.")
        return {"workflows": [_workflow(each) for each in services().engine.workflows.values()]}

    _add_runs(router, services, who)
    return router


def _principal_of(services: Callable[[], Services]) -> Callable[[Request], Awaitable[Principal]]:
    async def principal(request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _Unauthorized(AuthErrorCode.AUTH_REQUIRED, "Send the header `Authorization: Bearer TOKEN`.")
        try:
            return await services().authenticator.authenticate(token.strip())
        except AuthError as error:
            raise _Unauthorized(error.code, str(error)) from error

    return principal


def _add_runs(router: APIRouter, services: Callable[[], Services], who: Any) -> None:
    @router.get("/runs")
    async def runs(
        principal: who,
        status: Annotated[list[RunStatus] | None, Query()] = None,
        workflow_id: Name | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Name | None = None,
    ) -> dict[str, Any]:
        """One's own runs and those one is an assignee of, newest first; an admin's are everybody's."""
        if not may(principal, Verb.LIST):
            raise Refusal(ErrorCode.FORBIDDEN, "Listing runs needs a token with a workflows: scope.")
        which = _filter(principal, frozenset(status or ()), workflow_id, cursor, limit)
        try:
            page = await services().store.runs(which)
        except ValueError as error:
            raise Refusal(ErrorCode.INVALID_MESSAGE, "This `cursor` isn't one of ours; begin without it.") from error
        return {"runs": [_run(each) for each in page.runs], "next_cursor": page.next_cursor}

    @router.get("/workflows/{workflow_id}/runs/{run_id}")
    async def run(principal: who, workflow_id: Name, run_id: Name) -> dict[str, Any]:
        """One run: its row, and its state as a `WorkflowRunOutput`."""
        engine = services().engine
        facts = await engine.readable(principal, run_id)
        row = await services().store.run(run_id)
        if row is None or facts.workflow_id != workflow_id:
            raise Refusal(ErrorCode.RUN_NOT_FOUND, "There is no such run of this workflow.", run_id=run_id)
        output = await engine.snapshot(run_id)
        return {**_run(row), "status": output["status"], "input": row.input, "output": output}


def _filter(
    principal: Principal, statuses: frozenset[RunStatus], workflow_id: str | None, cursor: str | None, limit: int
) -> RunFilter:
    assigned = principal.names if {DECIDE, READ} & principal.scopes else frozenset()
    return RunFilter(
        user_id=None if principal.is_admin else principal.user_id,
        or_assignees=frozenset() if principal.is_admin else frozenset(assigned),
        workflow_id=workflow_id,
        statuses=statuses,
        cursor=cursor,
        limit=limit,
    )


def _workflow(workflow: Workflow) -> dict[str, Any]:
    return {
        "id": workflow.id,
        "name": workflow.name,
        "description": workflow.description,
        "version": workflow.version,
        "input_schema": {},
        "steps": [{"name": node.name, "step_type": node.kind} for node in workflow.steps],
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "workflow_id": run.workflow_id,
        "version": run.version,
        "session_id": run.session_id,
        "user_id": run.user_id,
        "status": run.status.value,
        "epoch": run.epoch,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "pending": list(run.pending),
    }


_NOT_ROUTED = {
    404: "There is no such path here; /openapi.json lists those that there are.",
    405: "There is no {method} on this path; /openapi.json lists what there is.",
}
"""What is said of a request for which there is no route, by its HTTP status."""


def answer_errors(app: FastAPI) -> None:
    """Every refusal as the error object of the protocol, with its HTTP status."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return JSONResponse(control.error(error), STATUS_OF[error.code])

    async def unauthorized(_: Request, error: Exception) -> Response:
        assert isinstance(error, _Unauthorized)
        body = control.auth_error(str(error), error.code)
        status = 503 if error.code is AuthErrorCode.SERVER_ERROR else 401
        return JSONResponse(body, status, headers={"WWW-Authenticate": "Bearer"})

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        details = [{"field": ".".join(map(str, each["loc"])), "error": each["msg"]} for each in error.errors()]
        refusal = Refusal(ErrorCode.INVALID_MESSAGE, "The request isn't right; see `details`.", details=details)
        return JSONResponse(control.error(refusal), STATUS_OF[refusal.code])

    async def not_routed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        refusal = Refusal(ErrorCode.UNKNOWN_ACTION, _NOT_ROUTED[error.status_code].format(method=request.method))
        return JSONResponse(control.error(refusal), error.status_code, headers=error.headers)

    async def unavailable(_: Request, __: Exception) -> Response:
        refusal = Refusal(ErrorCode.UNAVAILABLE, "The server can't reach its storage at the moment; try again.")
        return JSONResponse(control.error(refusal), STATUS_OF[refusal.code])

    handlers: dict[int | type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        **dict.fromkeys(_NOT_ROUTED, not_routed),
        Refusal: refused,
        _Unauthorized: unauthorized,
        RequestValidationError: invalid,
        StoreUnavailable: unavailable,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
