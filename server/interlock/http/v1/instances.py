"""The routes of instances: creating, finding, resuming and cancelling them, and their threads.

Laws:
- An instance is a run whose id begins with `inst_`. To a caller who may not read it, it doesn't exist.
- What was accepted is done, also if the caller leaves; a caller waits at most 30 seconds for the next halt or the end.
- An answer to a request with an `Idempotency-Key` is kept before it is sent.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.http.shapes import Answers
from interlock.http.v1.answers import BODY, answer, answers
from interlock.http.v1.bodies import body, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.errors import Code
from interlock.http.v1.instance_shapes import (
    CancelInstance,
    CancelledInstance,
    CreateInstance,
    Instance,
    InstanceDetail,
    InstanceList,
    InstanceStatus,
    ResumeInstance,
    RetryInstance,
    ThreadList,
)
from interlock.http.v1.instance_work import Instances, Waiting
from interlock.http.v1.preferences import wait
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock_protocol.messages import Key, Name, Namespace

MAX_PAGE: Final = 200
INSTANCES: Final = "/workflows/instances"
INSTANCE: Final = INSTANCES + "/{instance_id}"
THREADS: Final = INSTANCE + "/threads"

_FAILED = (Code.SCRIPT_ERROR, Code.SCRIPT_TIMEOUT, Code.HTTP_ERROR, Code.HTTP_TIMEOUT, Code.SECRET_NOT_ALLOWED)
_INPUT = (Code.INVALID_INPUT, *BODY, Code.IDEMPOTENCY_KEY_REUSED, *_FAILED)
_RESUMED = (
    *_INPUT,
    Code.INVALID_TRANSITION,
    Code.INSTANCE_NOT_HALTED,
    Code.DATA_TOO_LARGE,
    Code.INSTANCE_NOT_FOUND,
    Code.CONCURRENT_MODIFICATION,
)
CREATED: Final[Answers] = answers(
    Instance,
    *_INPUT,
    Code.WORKFLOW_NOT_FOUND,
    Code.VERSION_NOT_FOUND,
    Code.WORKFLOW_NOT_PUBLISHED,
    Code.NAMESPACE_QUOTA_EXCEEDED,
    Code.BUSINESS_KEY_TAKEN,
    status=201,
)
RETRIED: Final[Answers] = answers(
    Instance,
    *_INPUT,
    Code.INSTANCE_NOT_FOUND,
    Code.INSTANCE_NOT_FAILED,
    Code.VERSION_NOT_FOUND,
    Code.WORKFLOW_NOT_FOUND,
    Code.NAMESPACE_QUOTA_EXCEEDED,
    Code.BUSINESS_KEY_TAKEN,
    status=201,
)
RESUMED: Final[Answers] = answers(Instance, *_RESUMED, Code.THREAD_REQUIRED, Code.THREAD_NOT_FOUND)
CANCELLED: Final[Answers] = answers(CancelledInstance, *BODY, Code.INSTANCE_NOT_FOUND, Code.INSTANCE_NOT_ACTIVE)

IdempotencyHeader = Annotated[Key | None, Header(alias="Idempotency-Key")]
_PREFER: Final = "`wait=N`: seconds, at most and by default 30; what is no whole number is ignored"
PreferHeader = Annotated[str | None, Header(alias="Prefer", description=_PREFER)]


def make_instances_router(services: Callable[[], Services], instances: Instances) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["instances"])
    reader = Annotated[Principal, Depends(caller(services, Verb.READ_INSTANCES, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.EXECUTE_INSTANCES, Budget.WRITES))]
    resumer = Annotated[Principal, Depends(caller(services, Verb.EXECUTE_INSTANCES, Budget.WRITES, keeps=False))]
    creator = Annotated[Principal, Depends(caller(services, Verb.EXECUTE_INSTANCES, Budget.CREATIONS, keeps=False))]
    _add_reading(router, instances, reader)
    _add_creating(router, instances, creator)
    _add_resuming(router, instances, resumer)
    _add_cancelling(router, instances, writer)
    return router


def _add_creating(router: APIRouter, instances: Instances, creator: Any) -> None:
    @router.post(
        "/workflows/{name}/instances",
        operation_id="createInstance",
        status_code=201,
        responses=CREATED,
        openapi_extra=body(CreateInstance, required=False),
    )
    async def create(
        request: Request, principal: creator, name: Name, key: IdempotencyHeader = None, prefer: PreferHeader = None
    ) -> Response:
        """Begin an instance of a published workflow, or try a draft; the answer comes when it halts or has ended."""
        asked = await read_body(request, CreateInstance)
        return await instances.create(Waiting(request, principal, key, wait(request, prefer)), name, asked)

    @router.post(
        INSTANCE + "/retry",
        operation_id="retryInstance",
        status_code=201,
        responses=RETRIED,
        openapi_extra=body(RetryInstance, required=False),
    )
    async def retry(
        request: Request,
        principal: creator,
        instance_id: Name,
        key: IdempotencyHeader = None,
        prefer: PreferHeader = None,
    ) -> Response:
        """Begin a new instance in the state in which one failed, with the data that it had, of the same version."""
        asked = await read_body(request, RetryInstance)
        return await instances.retry(Waiting(request, principal, key, wait(request, prefer)), instance_id, asked)


def _add_resuming(router: APIRouter, instances: Instances, resumer: Any) -> None:
    @router.post(
        INSTANCE + "/resume",
        operation_id="resumeInstance",
        responses=RESUMED,
        openapi_extra=body(ResumeInstance, required=False),
    )
    async def resume(
        request: Request,
        principal: resumer,
        instance_id: Name,
        key: IdempotencyHeader = None,
        prefer: PreferHeader = None,
    ) -> Response:
        """Give a halted instance its input; the answer comes when it halts again or has ended."""
        asked = await read_body(request, ResumeInstance)
        return await instances.resume(Waiting(request, principal, key, wait(request, prefer)), instance_id, asked)

    @router.post(
        THREADS + "/{thread_id}/resume",
        operation_id="resumeThread",
        responses=RESUMED,
        openapi_extra=body(ResumeInstance, required=False),
    )
    async def resume_thread(
        request: Request,
        principal: resumer,
        instance_id: Name,
        thread_id: Name,
        key: IdempotencyHeader = None,
        prefer: PreferHeader = None,
    ) -> Response:
        """Give one halted thread its input; the answer comes when that thread halts again or has ended."""
        asked = await read_body(request, ResumeInstance)
        waiting = Waiting(request, principal, key, wait(request, prefer))
        return await instances.resume(waiting, instance_id, asked, thread=thread_id)


def _add_cancelling(router: APIRouter, instances: Instances, writer: Any) -> None:
    @router.post(
        INSTANCE + "/cancel",
        operation_id="cancelInstance",
        responses=CANCELLED,
        openapi_extra=body(CancelInstance, required=False),
    )
    async def cancel(request: Request, principal: writer, instance_id: Name) -> Response:
        """Cancel an instance that hasn't ended; a cancelled one again changes nothing."""
        asked = await read_body(request, CancelInstance)
        return answer(await instances.cancel(principal, instance_id, asked.reason))


def _add_reading(router: APIRouter, instances: Instances, reader: Any) -> None:
    @router.get(INSTANCES, operation_id="listInstances", responses=answers(InstanceList))
    async def listed(
        principal: reader,
        namespace: Namespace | None = None,
        workflow_name: Name | None = None,
        status: InstanceStatus | None = None,
        business_key: Name | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Name | None = None,
    ) -> Response:
        """The instances that one may read, the newest first."""
        which = (namespace, workflow_name, status, business_key)
        return answer(await instances.listed(principal, *which, limit, cursor))

    @router.get(INSTANCE, operation_id="getInstance", responses=answers(InstanceDetail, Code.INSTANCE_NOT_FOUND))
    async def instance(principal: reader, instance_id: Name) -> Response:
        """An instance as it is now, what it asks, and the states that it came through."""
        return answer(await instances.detail(principal, instance_id))

    @router.get(THREADS, operation_id="listThreads", responses=answers(ThreadList, Code.INSTANCE_NOT_FOUND))
    async def threads(principal: reader, instance_id: Name) -> Response:
        """The threads of an instance."""
        return answer({"threads": await instances.threads(principal, instance_id)})
