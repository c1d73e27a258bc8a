"""The route of signals.

Law: it is a door like the socket's `signal`: the engine takes the signal, and a key is the same at both.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.http.bodies import KEY_HEADER
from interlock.http.projects.shapes import SendSignal, SentSignal
from interlock.http.v1.answers import BODY, answer, answers
from interlock.http.v1.bodies import body, check_has_body, invalid, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.errors import ApiError, Code, refused
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.telemetry import tracing
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import MIB
from interlock_protocol.messages import Key, Name, Namespace
from interlock_protocol.messages import SendSignal as Message

_CODES: Final = {
    ErrorCode.RUN_NOT_FOUND: Code.RUN_NOT_FOUND,
    ErrorCode.RUN_FINISHED: Code.RUN_FINISHED,
    ErrorCode.CONFLICT: Code.IDEMPOTENCY_KEY_REUSED,
}
"""What refusals of the engine are called here, other than elsewhere."""

_REFUSED: Final = (
    *_CODES.values(),
    *BODY,
    Code.INVALID_INPUT,
    Code.INVALID_TRANSITION,
    Code.SIGNALS_FULL,
    Code.TOPIC_BOUND,
)


def make_signals_router(services: Callable[[], Services]) -> APIRouter:
    """Make the route, on the services of a started server."""
    router = APIRouter(tags=["signals"])
    sender = Annotated[Principal, Depends(caller(services, Verb.EXECUTE_INSTANCES, Budget.WRITES, keeps=False))]

    @router.post(
        "/projects/{project}/runs/{run_id}/signals",
        operation_id="sendSignal",
        status_code=202,
        responses=answers(SentSignal, *_REFUSED, status=202),
        openapi_extra=body(SendSignal),
    )
    async def send(
        request: Request,
        principal: sender,
        project: Namespace,
        run_id: Name,
        key: Annotated[Key | None, Header(alias=KEY_HEADER)] = None,
    ) -> Response:
        """Send a signal to a run. The answer means that it is durable, not that anything has taken it already."""
        check_has_body(request)
        said = await read_body(request, SendSignal, MIB)
        message = _message(run_id, said, key)
        with tracing.action(message):
            return answer(await _sent(services(), principal, project, message), 202)

    return router


def _message(run_id: str, said: SendSignal, key: str | None) -> Message:
    if None not in (key, said.idempotency_key) and key != said.idempotency_key:
        raise invalid([{"field": "idempotency_key", "error": f"must be what {KEY_HEADER} says, or left out"}])
    named = key or said.idempotency_key
    return Message(run_id=run_id, topic=said.topic, payload=said.payload, idempotency_key=named)


async def _sent(services: Services, principal: Principal, project: str, message: Message) -> dict[str, Any]:
    try:
        facts = await services.engine.runs.readable(principal, message.run_id)
        if facts.namespace != project:
            raise ApiError(Code.RUN_NOT_FOUND, "There is no such run in this project; check both ids.")
        accepted = await services.engine.signal(principal, message)
    except Refusal as refusal:
        raise refused(refusal, _CODES.get(refusal.code)) from None
    sent = {"run_id": accepted.run_id, "topic": message.topic, "signal_id": accepted.signal_id}
    return {**sent, "status": "accepted"}
