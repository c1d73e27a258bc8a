"""The route of the errors of all instances, and of the runs of workflows in Python.

Law: the errors of a run are there for whoever may read the run, and for nobody else.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.following.lists import errors_seen_by
from interlock.http.v1.answers import answer, answers
from interlock.http.v1.bodies import invalid
from interlock.http.v1.callers import caller
from interlock.http.v1.instance_shapes import ErrorList
from interlock.http.v1.times import read, shown
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.store.port import ListedError
from interlock.workflow.run.history import id_of
from interlock_protocol.messages import Name, Namespace
from interlock_protocol.types import JsonObject

MAX_PAGE: Final = 1000


def make_error_list_router(services: Callable[[], Services]) -> APIRouter:
    """Make the route, on the services of a started server."""
    router = APIRouter(tags=["instances"])
    reader = Annotated[Principal, Depends(caller(services, Verb.READ_INSTANCES, Budget.READS))]

    @router.get("/workflows/errors", operation_id="listErrors", responses=answers(ErrorList))
    async def errors(
        principal: reader,
        since: Annotated[Name | None, Query(description="a time in ISO 8601; what happened after it")] = None,
        until: Annotated[Name | None, Query(description="a time in ISO 8601; what happened before it")] = None,
        workflow_name: Name | None = None,
        code: Name | None = None,
        namespace: Namespace | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        cursor: Name | None = None,
    ) -> Response:
        """What failed in the instances that one may read, and in the runs of other workflows, the newest first."""
        which = replace(
            errors_seen_by(principal),
            workflow_id=workflow_name,
            code=code,
            namespace=namespace,
            since=read(since, "since"),
            until=read(until, "until"),
            limit=limit,
            cursor=cursor,
        )
        try:
            page = await services().store.errors(which)
        except ValueError:
            raise invalid([{"field": "cursor", "error": "isn't one of ours; begin without it"}]) from None
        pagination: JsonObject = {"has_more": page.next_cursor is not None, "next_cursor": page.next_cursor}
        return answer({"errors": [_shown(each) for each in page.errors], "pagination": pagination})

    return router


def _shown(error: ListedError) -> JsonObject:
    return {
        "id": id_of(error.epoch, error.index),
        "timestamp": shown(error.at),
        "instance_id": error.run_id,
        "workflow_name": error.workflow_id,
        "version_id": error.version,
        "namespace": error.namespace,
        "state": error.state,
        "thread_id": error.thread_id,
        "code": error.code,
        "message": error.message,
        "fatal": error.is_fatal,
    }
