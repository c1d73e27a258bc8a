"""Resuming a run by what was done in a widget: `POST /api/executions/{execution_id}/resume`.

Laws:
- An execution is a run. What was done is a decision like any other, made by the same command of the engine.
- It is for the widget that is named, or for the one that waits. If none does, it is for the one that was answered last:
  the same again gets the same answer, another is a conflict.

Source: `docs/widgets.md`, "Over HTTP".
"""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlock.auth import Principal, Verb, may
from interlock.engine.commands.runs import Facts
from interlock.http.bodies import KEY_HEADER, Asked, fields_of
from interlock.http.callers import principal_of
from interlock.http.runs import STATE, Runs
from interlock.http.shapes import ANSWERED, Answers, json_of, refusals
from interlock.http.sse import Streams
from interlock.http.v1.views import events_from
from interlock.services import Services
from interlock.telemetry import log_context as bind
from interlock.telemetry import tracing
from interlock.workflow.run.state import RunState
from interlock_protocol.connection import validated
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.faults import field_faults
from interlock_protocol.messages import ContinueWorkflow, Key, Name
from interlock_protocol.requirements import WIDGET
from interlock_protocol.types import BoundedObject

EXECUTION: Final = "/api/executions/{execution_id}/resume"

_C = ErrorCode
RESUMED: Final[Answers] = {
    200: {"description": "The state of the run, once it waits or has ended.", "content": json_of(STATE)},
    **refusals(
        *(_C.INVALID_JSON, _C.INVALID_MESSAGE, _C.MESSAGE_TOO_LARGE, _C.FORBIDDEN, _C.CONFLICT, *ANSWERED),
        *(_C.RUN_NOT_FOUND, _C.RUN_FINISHED, _C.RUN_NOT_PAUSED, _C.REQUIREMENT_NOT_FOUND, _C.REQUIREMENT_EXPIRED),
        *(_C.INVALID_DECISION, _C.INVALID_TRANSITION, _C.UNKNOWN_INTERACTION),
    ),
}


class ResumeExecution(BaseModel):
    """What was done in a widget: the event, and its data, an object of up to 256 KiB. With `requirementId`, which names
    the question that it answers, it never answers a later one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    action: Literal["interaction"]
    event: str = Field(alias="interactionEvent")
    data: BoundedObject = Field(alias="interactionData", default_factory=dict)
    requirement_id: Key | None = Field(alias="requirementId", default=None)


def make_executions_router(services: Callable[[], Services], streams: Streams) -> APIRouter:
    """Make the route, on the services of a started server."""
    router, runs = APIRouter(tags=["runs"]), Runs(services, streams)
    who = Annotated[Principal, Depends(principal_of(services))]

    @router.post(
        EXECUTION,
        operation_id="resumeExecution",
        responses=RESUMED,
        openapi_extra={"requestBody": {"required": True, "content": json_of(ResumeExecution.__name__)}},
    )
    async def resume(
        request: Request,
        principal: who,
        execution_id: Name,
        key: Annotated[Key | None, Header(alias=KEY_HEADER)] = None,
    ) -> Response:
        """Tell a run what was done in the widget that it waits for; the answer is the run's state after that."""
        tracing.adopt(request.scope["headers"])
        facts = await services().engine.runs.readable(principal, execution_id)
        said = await _read(request, streams.max_message_bytes)
        order = Asked(principal, await _message(services(), principal, facts, said, key), stream=False)
        bind.this_request(order.message)
        return await runs.carry_out(request, order, runs.begin_continue)

    return router


async def _read(request: Request, limit: int) -> ResumeExecution:
    fields = await fields_of(request, limit)
    try:
        return ResumeExecution.model_validate({name: each for name, each in fields.items() if each is not None})
    except ValidationError as error:
        faults = field_faults(error)
        sentence = f"{faults[0]['field']} {faults[0]['error']}"
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=faults) from None


async def _message(
    services: Services, principal: Principal, facts: Facts, said: ResumeExecution, key: str | None
) -> ContinueWorkflow:
    """The decision that this is."""
    asked = said.requirement_id or await _asked(services, facts)
    if asked is None:
        raise _nothing_waits(principal, facts)
    fields: dict[str, Any] = {
        "action": "continue-workflow",
        "workflow_id": facts.workflow_id,
        "run_id": facts.run_id,
        "step_requirements": [{"id": asked, "interaction_event": said.event, "interaction_data": said.data}],
        "idempotency_key": key,
    }
    message = validated(ContinueWorkflow, fields)
    assert isinstance(message, ContinueWorkflow)
    return message


async def _asked(services: Services, facts: Facts) -> str | None:
    """The id of the question that waits for a widget, or else of the one that was answered last.

    Raises:
        Refusal: several wait.
    """
    runs = services.engine.runs
    state, head = await runs.state(facts.run_id), await runs.head_now(facts.run_id)
    if (state.epoch, state.next_index) < (head.epoch, head.next_index):
        state = await runs.state(facts.run_id, fresh=True)
    waiting = [each.id for each in state.requirements.values() if each.kind == WIDGET]
    if len(waiting) > 1:
        sentence = f"{len(waiting)} widgets wait; name one of their requirements by requirementId."
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details={"waiting": waiting}, run_id=facts.run_id)
    return waiting[0] if waiting else await _answered_last(services, state)


async def _answered_last(services: Services, state: RunState) -> str | None:
    answered = [each for each in state.resolved.values() if each.requirement.kind == WIDGET]
    if answered:
        return max(answered, key=lambda each: each.index).requirement.id
    if not state.status.is_final:
        return None
    # An ended run keeps no resolutions; its log has them.
    head, last = await services.engine.runs.head(state.run_id), None
    async for event in events_from(services.engine, head, head.first_index):
        if event["event"] == "StepPaused" and event.get(WIDGET):
            last = str(event["requirement_id"])
    return last


def _nothing_waits(principal: Principal, facts: Facts) -> Refusal:
    if not may(principal, Verb.DECIDE, facts):
        return Refusal(ErrorCode.FORBIDDEN, "You may not decide anything of this run.", run_id=facts.run_id)
    sentence = "The run doesn't wait for anything to be done in a widget; look at its state first."
    return Refusal(ErrorCode.RUN_NOT_PAUSED, sentence, run_id=facts.run_id)
