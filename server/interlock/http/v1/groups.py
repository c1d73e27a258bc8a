"""The routes of groups.

Laws:
- Nobody puts themselves into a group, nor, unless an admin, anybody into one that they aren't in.
- A group of an identity provider has no members here: its tokens name them.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.http.shapes import Answers
from interlock.http.v1.answers import BODY, COMMON, answer, answers, failures
from interlock.http.v1.bodies import body, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.directory_work import MAX_PAGE, answering, managing_of, paging, the_group
from interlock.http.v1.errors import Code, not_there
from interlock.http.v1.people_shapes import MAX_BODY, AddGroup, GroupList, GroupMembers, GroupShape
from interlock.http.v1.times import shown
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.store.ports.directory import Group
from interlock_protocol.messages import Name

_GROUP: Final = (Code.GROUP_NOT_FOUND,)
_REGROUPED: Final[Answers] = {
    204: {"description": "It is so now."},
    **failures(*COMMON, *_GROUP, Code.USER_NOT_FOUND, Code.CONCURRENT_MODIFICATION),
}
_MEMBERS: Final = "/groups/{name}/members"


def make_groups_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["people"])
    reader = Annotated[Principal, Depends(caller(services, Verb.MANAGE_USERS, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.MANAGE_USERS, Budget.WRITES))]

    @router.post(
        "/groups",
        operation_id="addGroup",
        status_code=201,
        responses=answers(GroupShape, *BODY, Code.NAME_TAKEN, status=201),
        openapi_extra=body(AddGroup),
    )
    async def add(request: Request, principal: writer) -> Response:
        """Add a group. It takes an admin: from then on, the group says who is meant by that name."""
        said = await read_body(request, AddGroup, MAX_BODY)
        with answering():
            return answer(_shown(await managing_of(services).add_group(principal, said.name, said.issuer)), 201)

    @router.get("/groups", operation_id="listGroups", responses=answers(GroupList))
    async def groups(principal: reader) -> Response:
        """The groups of one's account."""
        return answer({"groups": [_shown(each) for each in await managing_of(services).groups(principal)]})

    @router.get(_MEMBERS, operation_id="listMembers", responses=answers(GroupMembers, *_GROUP))
    async def members(
        principal: reader, name: Name, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50, cursor: Name | None = None
    ) -> Response:
        """Who is in a group of the directory."""
        with paging():
            page = await managing_of(services).members_of(principal, name, limit, cursor)
        if page is None:
            raise not_there(Code.GROUP_NOT_FOUND, f"Group {name!r}")
        found = [{"id": each.user_id, "name": each.name, "kind": each.kind} for each in page.members]
        return answer({"members": found, "next_cursor": page.next_cursor})

    _add_membership(router, services, writer)
    return router


def _add_membership(router: APIRouter, services: Callable[[], Services], writer: Any) -> None:
    @router.put(_MEMBERS + "/{user_id}", operation_id="addMember", status_code=204, responses=_REGROUPED)
    async def join(principal: writer, name: Name, user_id: Name) -> Response:
        """Put somebody into a group."""
        return await _regroup(services, principal, name, user_id, joins=True)

    @router.delete(_MEMBERS + "/{user_id}", operation_id="removeMember", status_code=204, responses=_REGROUPED)
    async def leave(principal: writer, name: Name, user_id: Name) -> Response:
        """Take somebody out of a group."""
        return await _regroup(services, principal, name, user_id, joins=False)


async def _regroup(
    services: Callable[[], Services], principal: Principal, name: str, user_id: str, *, joins: bool
) -> Response:
    managing = managing_of(services)
    group = await the_group(managing, principal, name)
    member = await managing.any_member(principal, user_id)
    if member is None:
        raise not_there(Code.USER_NOT_FOUND, f"User {user_id!r}")
    with answering():
        await managing.regroup(principal, group, member, joins=joins)
    return Response(status_code=204)


def _shown(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "issuer": group.issuer or None,
        "created_at": shown(group.created_at),
        "created_by": group.created_by,
    }
