"""The route of the types of tasks: what a definition may have, with the schemas from which pages draw forms."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.http.v1.answers import answer, answers
from interlock.http.v1.callers import caller
from interlock.http.v1.task_type_shapes import TaskTypeList
from interlock.ratelimit.limiter import Budget
from interlock.services import Services


def make_task_types_router(services: Callable[[], Services]) -> APIRouter:
    """Make the route, on the services of a started server."""
    router = APIRouter(tags=["task types"])
    reader = Annotated[Principal, Depends(caller(services, Verb.READ_DEFINITIONS, Budget.READS))]

    @router.get("/task-types", operation_id="listTaskTypes", responses=answers(TaskTypeList))
    async def listed(_: reader) -> Response:
        """The types of tasks: those built in, and the server's own."""
        return answer({"task_types": [each.described() for each in services().task_types.values()]})

    return router
