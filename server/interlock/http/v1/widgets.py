"""The routes of widgets' bundles, for those who operate the server.

Laws:
- A bundle is the server's, and of no account: adding one takes what the server's metrics take.
- The same text again changes nothing.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.http.v1.answers import BODY, answer, answers
from interlock.http.v1.bodies import body, check_has_body, invalid, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.times import shown
from interlock.http.v1.widget_shapes import AddWidget, WidgetList, WidgetVersion
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.store.ports.widgets import ListedBundle
from interlock.widgets.bundles import MAX_BYTES, Unusable, bundle_of

_MOST: Final = 6 * MAX_BYTES
"""JSON may take six characters for one."""


def make_widgets_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["widgets"])
    reader = Annotated[Principal, Depends(caller(services, Verb.OPERATE, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.OPERATE, Budget.WRITES))]

    @router.get("/widgets", operation_id="listWidgets", responses=answers(WidgetList))
    async def listed(principal: reader) -> Response:
        """The bundles of widgets that the server has."""
        return answer({"widgets": _shown(await services().store.bundles())})

    @router.post(
        "/widgets",
        operation_id="addWidget",
        status_code=201,
        responses=answers(WidgetVersion, *BODY, status=201),
        openapi_extra=body(AddWidget),
    )
    async def add(request: Request, principal: writer) -> Response:
        """Add a bundle, or a version of one; it is the current one from then on."""
        check_has_body(request)
        asked = await read_body(request, AddWidget, _MOST)
        try:
            made = bundle_of(asked.name, asked.source, by=principal.user_id, at=services().engine.clock.now_ms())
        except Unusable as error:
            raise invalid([{"field": error.field, "error": f"can't be taken: {error}"}]) from None
        await services().store.keep_bundle(made)
        return answer(_shown(await services().store.bundles(made.name))[0], 201)

    return router


def _shown(found: Any) -> list[dict[str, Any]]:
    """Versions as they are answered; of each name, the first is the current one."""
    names: set[str] = set()
    told = []
    for each in found:
        told.append(_version(each, is_current=each.name not in names))
        names.add(each.name)
    return told


def _version(each: ListedBundle, *, is_current: bool) -> dict[str, Any]:
    facts = {"name": each.name, "version": each.version, "is_current": is_current, "bytes": each.bytes}
    return {**facts, "added_by": each.added_by, "added_at": shown(each.added_at)}
