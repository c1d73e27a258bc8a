"""The frame of `/api/v1` and `/v1`: each an application of its own below the server's, so that no answer leaves it in
another shape.

Laws:
- Whatever happens below its prefix is answered here: an unknown path, a wrong method, a request that isn't right, a
  failure. What a failure was is only in the server's log.
- The reason for a refused token is told; the status is 401, or 503 if tokens can't be checked now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from interlock.http.errors import Unauthorized
from interlock.http.methods import allowed
from interlock.http.v1.bodies import invalid
from interlock.http.v1.callers import counted
from interlock.http.v1.errors import ApiError, Code, refused
from interlock.http.v1.idempotency import Replayed
from interlock.http.v1.request_ids import request_id_of
from interlock.log.port import LogUnavailable
from interlock.services import Services
from interlock.store.port import StoreUnavailable
from interlock.telemetry.counters import Counters
from interlock_protocol.errors import AuthErrorCode, Refusal
from interlock_protocol.limits import MAX_FAULTS

PREFIX: Final = "/api/v1"

_STORAGE_AWAY: Final = "The server can't reach its storage at the moment; try again."
_FAILED: Final = "Something went wrong in the server; it is in its log, with this request's id."


def make_frame(counters: Counters, services: Callable[[], Services] | None = None, prefix: str = PREFIX) -> FastAPI:
    """The application below a prefix, without routes yet. Without services, nothing is counted."""
    app = FastAPI(title="Interlock", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.prefix = prefix

    async def answer(request: Request, error: Exception) -> Response:
        told = _told(request, error)
        try:
            if services is not None:
                await counted(request, services())
        except ApiError as refusal:
            told = refusal
        counters.said({"event": "error", "code": told.code.value})
        return JSONResponse(error_body(told, request_id_of(request)), told.status, headers=told.headers)

    async def again(_: Request, replayed: Exception) -> Response:
        assert isinstance(replayed, Replayed)
        return replayed.answer

    async def gone(_: Request, __: Exception) -> Response:
        # Nobody gets it: the client left before its request was complete. As a refusal, it gives up the request's key.
        return Response(status_code=400)

    for kind in _ANSWERED:
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(Replayed, again)
    app.add_exception_handler(ClientDisconnect, gone)
    return app


_ANSWERED: Final = (
    *(ApiError, Refusal, Unauthorized, RequestValidationError, HTTPException),
    *(StoreUnavailable, LogUnavailable, Exception),
)


def _told(request: Request, error: Exception) -> ApiError:
    """What a request is answered with after this exception."""
    match error:
        case ApiError():
            return error
        case Refusal():
            return refused(error)
        case Unauthorized():
            return _unauthorized(error)
        case RequestValidationError():
            return invalid([_fault(each) for each in error.errors()[:MAX_FAULTS]])
        case HTTPException():
            return _not_routed(request, error.status_code)
        case StoreUnavailable() | LogUnavailable():
            return ApiError(Code.UNAVAILABLE, _STORAGE_AWAY)
        case _:
            return ApiError(Code.INTERNAL_ERROR, _FAILED)


def _unauthorized(error: Unauthorized) -> ApiError:
    if error.code is AuthErrorCode.SERVER_ERROR:
        return ApiError(Code.UNAVAILABLE, str(error))
    headers = {"WWW-Authenticate": "Bearer"}
    return ApiError(Code.UNAUTHORIZED, str(error), {"reason": error.code.value}, headers=headers)


def _not_routed(request: Request, status: int) -> ApiError:
    prefix = request.app.state.prefix
    if status != 405:
        return ApiError(Code.NOT_FOUND, f"There is no such path; {prefix}/openapi.json lists those that there are.")
    headers = {"Allow": _allowed(request)}
    sentence = f"There is no {request.method} on this path; {prefix}/openapi.json lists what there is."
    return ApiError(Code.METHOD_NOT_ALLOWED, sentence, headers=headers)


def add_routers(app: FastAPI, *routers: APIRouter) -> None:
    """Add routes to the frame; the first that fits a path and a method answers."""
    plain: dict[str, set[str]] = {}
    for router in routers:
        app.include_router(router)
        for route in router.routes:
            if isinstance(route, APIRoute) and "{" not in route.path:
                plain.setdefault(route.path, set()).update(route.methods or ())
    app.state.methods_of_plain_paths = plain


def add_document(app: FastAPI, services: Callable[[], Services], made: Callable[[], dict[str, Any]]) -> None:
    """Serve the application's OpenAPI document, which is made when it is first asked for."""

    async def document(request: Request) -> Response:
        await counted(request, services())
        if app.openapi_schema is None:
            app.openapi_schema = made()
        return JSONResponse(app.openapi_schema)

    app.add_route("/openapi.json", document, include_in_schema=False)


def _allowed(request: Request) -> str:
    """What there is on a path: on one that routes have as it is, not what a route with parameters would take it for."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    known = getattr(request.app.state, "methods_of_plain_paths", {}).get(path)
    if known is None:
        return allowed(request.app.routes, request.scope)
    return ", ".join(sorted(known | ({"HEAD"} if "GET" in known else set())))


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """The body of an error's answer."""
    return {
        "error": {
            "code": error.code.value,
            "message": error.message,
            "details": error.details,
            "request_id": request_id,
        }
    }


def _fault(error: Mapping[str, Any]) -> dict[str, str]:
    """A wrong part of the path, the query or the headers, by its name alone."""
    return {"field": ".".join(map(str, error["loc"][1:])), "error": str(error["msg"])}
