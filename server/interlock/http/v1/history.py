"""The routes of an instance's history: pages of what happened, and each thing by itself.

Law: a history is made of the run's log when it is asked for, of archived instances too.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.engine.commands.runs import Facts
from interlock.http.v1.answers import answer, answers
from interlock.http.v1.bodies import invalid
from interlock.http.v1.callers import caller
from interlock.http.v1.errors import Code
from interlock.http.v1.history_pages import Histories, Wanted, cursor_of, index_of
from interlock.http.v1.instance_shapes import History, HistoryEvent
from interlock.http.v1.instance_work import Instances
from interlock.http.v1.instances import INSTANCE
from interlock.http.v1.times import read
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.workflow.run.history import KINDS
from interlock.workflow.run.machine_view import STATUS_OF
from interlock_protocol.messages import Name

MAX_PAGE: Final = 1000
_NOT_FOUND = (Code.INSTANCE_NOT_FOUND,)


def make_history_router(services: Callable[[], Services], instances: Instances) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router, histories = APIRouter(tags=["instances"]), Histories()
    reader = Annotated[Principal, Depends(caller(services, Verb.READ_INSTANCES, Budget.READS))]

    @router.get(INSTANCE + "/history", operation_id="listHistory", responses=answers(History, *_NOT_FOUND))
    async def history(
        principal: reader,
        instance_id: Name,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        cursor: Name | None = None,
        types: Annotated[Name | None, Query(description=f"some of {', '.join(KINDS)}, with commas between")] = None,
        since: Annotated[Name | None, Query(description="a time in ISO 8601; what happened after it")] = None,
        until: Annotated[Name | None, Query(description="a time in ISO 8601; what happened before it")] = None,
        thread: Name | None = None,
        include_data: bool = False,
    ) -> Response:
        """What happened in an instance, the oldest first."""
        wanted = Wanted(
            types=_types(types),
            since=read(since, "since"),
            until=read(until, "until"),
            thread=thread,
            include_data=include_data,
            limit=limit,
            cursor=index_of(cursor),
        )
        facts, engine = await instances.facts(principal, instance_id), services().engine
        head = await engine.runs.head(instance_id)
        page = await histories.page(engine, head, wanted)
        told: dict[str, Any] = {
            "instance_id": instance_id,
            "workflow_id": await _workflow_id(services(), facts),
            "status": STATUS_OF[head.status],
            "events": page.entries,
            "pagination": {"has_more": page.next_index is not None, "next_cursor": cursor_of(page.next_index)},
        }
        return answer(told | ({"gap": True} if page.has_gap else {}))

    @router.get(
        INSTANCE + "/events/{event_id}",
        operation_id="getEvent",
        responses=answers(HistoryEvent, *_NOT_FOUND, Code.EVENT_NOT_FOUND),
    )
    async def event(principal: reader, instance_id: Name, event_id: Name, include_data: bool = False) -> Response:
        """One thing that happened in an instance."""
        await instances.facts(principal, instance_id)
        engine = services().engine
        head = await engine.runs.head(instance_id)
        return answer(await histories.event(engine, head, event_id, include_data=include_data))

    return router


def _types(text: str | None) -> frozenset[str]:
    types = frozenset(each.strip() for each in (text or "").split(",") if each.strip())
    if not types <= frozenset(KINDS):
        raise invalid([{"field": "types", "error": f"must be some of {', '.join(KINDS)}, with commas between"}])
    return types


async def _workflow_id(services: Services, facts: Facts) -> str:
    """The id of the instance's definition: that of the name, or, of one in Python, the workflow's own."""
    found = await services.store.name(facts.account, facts.workflow_id)
    return facts.workflow_id if found is None else found.workflow_id
