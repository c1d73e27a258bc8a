"""Starting, deciding, cancelling and following over HTTP: the SSE twin of the socket.

Laws:
- A request is a message of the socket: the same engine carries it out, under the same rules, with the same refusals.
- A request begins watching its run before it reads the run's state, so it misses no event; a refused request follows
  nothing.
- An accepted action is carried out, even if its client has left.

Source: `docs/http.md`, "Requests"; `docs/protocol.md`, "The same over HTTP".
"""

import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from interlock.auth import Principal
from interlock.following.resume import resumable, resume
from interlock.http.bodies import Asked, M, asked
from interlock.http.errors import Unauthorized, about
from interlock.http.shapes import ANSWERED, EVENT_ID, Answers, body, json_of, refusals, stream
from interlock.http.sse import EventStream, ExpiredDuring, RunRequest, Streams, while_there
from interlock.http.tickets import STREAM, holder_of
from interlock.log.port import LogUnavailable
from interlock.services import Services
from interlock.telemetry import log_context as bind
from interlock.telemetry import tracing
from interlock_protocol.connection import validated
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, Name, Reconnect, StartWorkflow
from interlock_protocol.types import RunStatus

RUNS = "/workflows/{workflow_id}/runs"
RUN = RUNS + "/{run_id}"

_LAST_EVENT_ID = re.compile(EVENT_ID)

STATE = "WorkflowRunOutput"
_C = ErrorCode
_BODY = (_C.INVALID_JSON, _C.INVALID_MESSAGE, _C.MESSAGE_TOO_LARGE, _C.FORBIDDEN, _C.CONFLICT, *ANSWERED)
_OF_A_RUN = (_C.RUN_NOT_FOUND, _C.WORKFLOW_MISMATCH, _C.RUN_FINISHED)
_DECISION = (
    _C.RUN_NOT_PAUSED,
    _C.REQUIREMENT_NOT_FOUND,
    _C.REQUIREMENT_EXPIRED,
    _C.CLAIMED,
    _C.STALE_VIEW,
    _C.INVALID_DECISION,
    _C.INVALID_TRANSITION,
)

_START = (_C.WORKFLOW_NOT_FOUND, _C.WORKFLOW_MISMATCH, _C.BUSINESS_KEY_TAKEN, _C.NAMESPACE_QUOTA_EXCEEDED)
START = stream(*_BODY, *_START, settled=STATE)
CONTINUE = stream(*_BODY, *_OF_A_RUN, *_DECISION, settled=STATE)
CANCEL: Answers = {
    200: {"description": "The state of the cancelled run.", "content": json_of(STATE)},
    **refusals(*_BODY, *_OF_A_RUN),
}
RESUME: Answers = {
    **stream(_C.INVALID_MESSAGE, _C.RUN_NOT_FOUND, _C.WORKFLOW_MISMATCH, *ANSWERED),
    204: {"description": "The run is finished, and nothing was missed."},
}

Begin = Callable[[RunRequest, Asked[Any]], Awaitable[None]]
"""Carries out an action, and begins following the run where its events begin."""


def make_runs_router(services: Callable[[], Services], streams: Streams) -> APIRouter:
    """Make the routes that change and follow runs, on the services of a started server."""
    router, runs = APIRouter(tags=["runs"]), Runs(services, streams)

    @router.post(RUNS, operation_id="startRun", responses=START, openapi_extra=body("StartRun"))
    async def start(request: Request, workflow_id: str) -> Response:
        """Start a run."""
        order = await runs.asked(request, StartWorkflow, workflow_id=workflow_id)
        return await runs.carry_out(request, order, runs.begin_start)

    @router.post(RUN + "/continue", operation_id="continueRun", responses=CONTINUE, openapi_extra=body("ContinueRun"))
    async def continue_(request: Request, workflow_id: str, run_id: str) -> Response:
        """Decide what a run waits for."""
        order = await runs.asked(request, ContinueWorkflow, workflow_id=workflow_id, run_id=run_id)
        return await runs.carry_out(request, order, runs.begin_continue)

    @router.post(RUN + "/cancel", operation_id="cancelRun", responses=CANCEL, openapi_extra=body("CancelRun"))
    async def cancel(request: Request, workflow_id: str, run_id: str) -> Response:
        """Cancel a run that hasn't ended; a cancelled one again changes nothing."""
        order = await runs.asked(request, CancelWorkflow, workflow_id=workflow_id, run_id=run_id)
        return await runs.cancel(order)

    @router.get(STREAM, operation_id="resumeRun", responses=RESUME, response_class=Response)
    async def resume(
        principal: Annotated[Principal, Depends(holder_of(services))],
        workflow_id: str,
        run_id: str,
        last_event_index: Annotated[int | None, Query(ge=0)] = None,
        epoch: Annotated[int | None, Query(ge=0)] = None,
        snapshot: bool = False,
        session_id: Name | None = None,
        last_event_id: Annotated[str | None, Header(json_schema_extra={"pattern": f"{EVENT_ID}|^$"})] = None,
    ) -> Response:
        """Replay what was missed, then follow. The header counts more than the query: a browser keeps it current."""
        if last_event_id:
            epoch, last_event_index = _place(last_event_id)
        place = {"last_event_index": last_event_index, "epoch": epoch, "snapshot": snapshot}
        of = {"workflow_id": workflow_id, "run_id": run_id, "session_id": session_id}
        fields = {"action": "reconnect", **of, **place}
        message = validated(Reconnect, fields)
        assert isinstance(message, Reconnect)
        return await runs.resume(principal, message)

    return router


class Runs:
    """The implementation of the routes."""

    def __init__(self, services: Callable[[], Services], streams: Streams) -> None:
        self._services = services
        self._streams = streams

    async def asked(self, request: Request, model: type[M], **path: str) -> Asked[M]:
        tracing.adopt(request.scope["headers"])
        order = await asked(request, self._services(), self._streams.max_message_bytes, model, **path)
        bind.this_request(order.message)
        return order

    async def carry_out(self, request: Request, order: Asked[Any], begin: Begin) -> Response:
        """Carry out an action, and answer with its events as a stream, or with the state once the run settles."""
        with about(order.message.request_id), contextlib.ExitStack() as stack:
            follows = stack.enter_context(self._streams.request(self._services(), order.principal))
            with tracing.action(order.message):
                await begin(follows, order)
            if order.stream:
                return EventStream(follows, stack.pop_all())
            # The body is None if the client has left.
            return JSONResponse(await while_there(request.receive, self._outcome(follows)))

    async def begin_start(self, follows: RunRequest, order: Asked[StartWorkflow]) -> None:
        engine = self._services().engine
        accepted = await engine.start(order.principal, order.message)
        cursor = follows.watch(accepted.run_id).cursor
        follows.acknowledge(order.message, accepted)
        try:
            # The run may have gone on before it was watched.
            head = await engine.runs.head(accepted.run_id)
            cursor.told(head.epoch, head.next_index)
        except LogUnavailable:
            if accepted.first_index is None:
                raise

    async def begin_continue(self, follows: RunRequest, order: Asked[ContinueWorkflow]) -> None:
        engine = self._services().engine
        follower = follows.watch(order.message.run_id)
        accepted = await engine.continue_run(order.principal, order.message)
        follows.acknowledge(order.message, accepted)
        if accepted.first_index is not None and accepted.goes_on:
            follower.begin(accepted.first_index)
            return
        # It was decided before, or others have to respond too, and nothing follows: a snapshot of the run says so.
        snapshot = await engine.runs.snapshot(accepted.run_id)
        follows.begin_with_snapshot(snapshot)

    async def _outcome(self, follows: RunRequest) -> dict[str, Any]:
        """The state of a run once it is paused or finished."""
        while True:
            try:
                async for _ in follows.pages():
                    pass
            except ExpiredDuring as expired:
                raise Unauthorized(expired.code, expired.sentence) from None
            snapshot = await self._services().engine.runs.snapshot(follows.follower.cursor.run_id)
            if RunStatus(snapshot["status"]) not in (RunStatus.PENDING, RunStatus.RUNNING):
                return snapshot
            follows.go_on_after(snapshot)

    async def cancel(self, order: Asked[CancelWorkflow]) -> Response:
        engine = self._services().engine
        with about(order.message.request_id), tracing.action(order.message):
            accepted = await engine.cancel_run(order.principal, order.message)
            return JSONResponse(await engine.runs.snapshot(accepted.run_id))

    async def resume(self, principal: Principal, message: Reconnect) -> Response:
        services = self._services()
        facts = await resumable(services.engine, principal, message)
        with contextlib.ExitStack() as stack:
            follows = stack.enter_context(self._streams.request(services, principal))
            answer = await resume(services.engine, message, follows.watch(facts.run_id).cursor)
            if answer.first is None and answer.says[0]["event"] == "replay":
                return Response(status_code=204)  # it tells an EventSource not to reconnect
            follows.begin_with(answer)
            return EventStream(follows, stack.pop_all())


def _place(last_event_id: str) -> tuple[int, int]:
    """The epoch and index of a header `Last-Event-ID`."""
    if _LAST_EVENT_ID.fullmatch(last_event_id) is None:
        error = "must be <epoch>-<event_index>, as `id` of an event is"
        details = [{"field": "Last-Event-ID", "error": error}]
        raise Refusal(ErrorCode.INVALID_MESSAGE, f"Last-Event-ID {error}", details=details)
    epoch, _, index = last_event_id.partition("-")
    return int(epoch), int(index)
