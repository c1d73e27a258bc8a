"""The routes of notices: at which addresses somebody is told that they are waited for.

Laws:
- Everybody changes their own addresses; those of others, whoever may manage them and has no less than they do.
- Only managers send tests: who gives an address doesn't have it written to at will.
- No answer has a channel's URL.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.http.v1.answers import BODY, answer, answers
from interlock.http.v1.bodies import body, invalid, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.directory_work import answering, managing_of, the_member
from interlock.http.v1.errors import Code
from interlock.http.v1.notice_shapes import MAX_BODY, Notifications, PutAddresses, TriedChannels
from interlock.notices.service import BadAddress, Notices
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock_protocol.messages import Name

OWN: Final = "/me/notifications"
OTHERS: Final = "/users/{user_id}/notifications"
_USER: Final = (Code.USER_NOT_FOUND,)


def make_notices_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["notifications"])
    _add_own(router, services)
    _add_others(router, services)
    return router


def _add_own(router: APIRouter, services: Callable[[], Services]) -> None:
    reader = Annotated[Principal, Depends(caller(services, None, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, None, Budget.WRITES))]

    @router.get(OWN, operation_id="getOwnNotifications", responses=answers(Notifications))
    async def own(principal: reader) -> Response:
        """At which addresses one is told oneself."""
        return answer(await _shown(services().notices, principal.account, principal.user_id))

    @router.put(
        OWN,
        operation_id="putOwnNotifications",
        responses=answers(Notifications, *BODY),
        openapi_extra=body(PutAddresses),
    )
    async def put_own(request: Request, principal: writer) -> Response:
        """Say at which addresses one wants to be told; they replace all others."""
        return answer(await _changed(services().notices, request, principal, principal.user_id))


def _add_others(router: APIRouter, services: Callable[[], Services]) -> None:
    reader = Annotated[Principal, Depends(caller(services, Verb.MANAGE_USERS, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.MANAGE_USERS, Budget.WRITES))]

    @router.get(OTHERS, operation_id="getNotifications", responses=answers(Notifications, *_USER))
    async def others(principal: reader, user_id: Name) -> Response:
        """At which addresses a person is told."""
        await the_member(managing_of(services), principal, "user", user_id)
        return answer(await _shown(services().notices, principal.account, user_id))

    @router.put(
        OTHERS,
        operation_id="putNotifications",
        responses=answers(Notifications, *_USER, *BODY),
        openapi_extra=body(PutAddresses),
    )
    async def put_others(request: Request, principal: writer, user_id: Name) -> Response:
        """Say at which addresses a person is told; they replace all others."""
        await _may_change(services, principal, user_id)
        return answer(await _changed(services().notices, request, principal, user_id))

    @router.post(f"{OTHERS}/test", operation_id="testNotifications", responses=answers(TriedChannels, *_USER))
    async def test(principal: writer, user_id: Name) -> Response:
        """Send a person a test by each channel for which they have an address, and say how it went."""
        await _may_change(services, principal, user_id)
        tried = await services().notices.test(principal.account, user_id)
        shown = [{"channel": each.channel, "sent": each.trouble is None, "trouble": each.trouble} for each in tried]
        return answer({"tried": shown})


async def _may_change(services: Callable[[], Services], principal: Principal, user_id: str) -> None:
    managing = managing_of(services)
    member = await the_member(managing, principal, "user", user_id)
    with answering():
        managing.check_may_change(principal, member)


async def _changed(notices: Notices, request: Request, principal: Principal, user_id: str) -> dict[str, Any]:
    said = await read_body(request, PutAddresses, MAX_BODY)
    try:
        await notices.change_addresses(principal.account, user_id, said.addresses, by=principal.user_id)
    except BadAddress as error:
        raise invalid([{"field": f"addresses.{error.channel}", "error": str(error)}]) from None
    return await _shown(notices, principal.account, user_id)


async def _shown(notices: Notices, account: str, user_id: str) -> dict[str, Any]:
    offered = [
        {"name": each.name, "kind": each.kind.name, "about": each.kind.about, "example": each.kind.example}
        for each in notices.offered(account)
    ]
    return {"addresses": dict(await notices.addresses(account, user_id)), "channels": offered}
