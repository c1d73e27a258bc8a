"""Routes for operators: whether the server is alive, whether it is ready, and its metrics.

Laws:
- Health is public, and reveals nothing that isn't.
- Metrics reveal who works how much: they are for admins, unless the settings say otherwise.

Source: `docs/operations.md`.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from interlock.auth import Verb, may
from interlock.http.callers import principal_of
from interlock.http.errors import STATUS_OF
from interlock.http.metrics import Metrics
from interlock.http.readiness import Problem, Readiness
from interlock.http.shapes import Answers, Live, Ready, answers, json_of, refusals
from interlock.services import Services
from interlock.settings import Settings
from interlock_protocol import control
from interlock_protocol.errors import ErrorCode, Refusal

_UNREADY: Answers = {503: {"description": "`unavailable`: it isn't ready", "content": json_of("ErrorMessage")}}
_METRICS: Answers = {
    200: {"description": "Prometheus's text.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    **refusals(ErrorCode.FORBIDDEN, ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL),
    404: {"description": "`unknown_action`: INTERLOCK_METRICS is off", "content": json_of("ErrorMessage")},
}


def make_operations_router(
    services: Callable[[], Services], settings: Settings, readiness: Readiness, metrics: Metrics
) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router, principal = APIRouter(tags=["operations"]), principal_of(services)

    @router.get("/health/live", operation_id="isLive", responses=answers(Live))
    async def live() -> dict[str, str]:
        """Whether the process serves at all."""
        return {"status": "live"}

    @router.get("/health/ready", operation_id="isReady", responses={**answers(Ready), **_UNREADY})
    async def ready() -> Any:
        """Whether the server should be sent work: its database and its log answer, and it isn't shutting down."""
        problems = await readiness.problems()
        return JSONResponse(_unready(problems), STATUS_OF[ErrorCode.UNAVAILABLE]) if problems else {"status": "ready"}

    @router.get("/metrics", operation_id="getMetrics", responses=_METRICS, response_class=Response)
    async def exposition(request: Request) -> Response:
        """How the server does, for Prometheus. Needs the scope admin, or what INTERLOCK_METRICS says."""
        if settings.metrics == "off":
            raise HTTPException(404)
        if settings.metrics == "token" and not may(await principal(request), Verb.OPERATE):
            raise Refusal(ErrorCode.FORBIDDEN, "Metrics need a token with the scope admin.")
        body, content_type = await metrics.exposition(request.headers.get("accept"))
        return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    return router


def _unready(problems: tuple[Problem, ...]) -> dict[str, Any]:
    sentences = " ".join(problem.sentence for problem in problems)
    details = [{"part": problem.part, "error": problem.sentence} for problem in problems]
    return control.error(Refusal(ErrorCode.UNAVAILABLE, sentences, details=details))
