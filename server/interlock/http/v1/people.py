"""The routes of people and service accounts.

Laws:
- Nobody gives what they lack, nor changes whoever has more (`interlock.identity.managing`).
- What belongs to another account doesn't exist here.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from interlock.auth import Kind, Principal, Verb
from interlock.http.shapes import Answers
from interlock.http.v1.answers import BODY, COMMON, answer, answers, failures
from interlock.http.v1.bodies import body, invalid, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.directory_work import (
    MAX_PAGE,
    address_of,
    answering,
    client_of,
    managing_of,
    paging,
    the_member,
    user_of,
)
from interlock.http.v1.errors import Code
from interlock.http.v1.people_shapes import (
    MAX_BODY,
    AddClient,
    AddUser,
    ChangeList,
    ChangePassword,
    ChangeUser,
    ClientList,
    NewClient,
    User,
    UserList,
)
from interlock.http.v1.times import shown
from interlock.identity.managing import Wanted
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock_protocol.messages import Name

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]

_USER: Final = (Code.USER_NOT_FOUND,)
_CHANGED: Final = (*_USER, *BODY, Code.CONCURRENT_MODIFICATION)
_GONE: Final[Answers] = {
    204: {"description": "Its tokens count no more, and it gets no more."},
    **failures(*COMMON, Code.CLIENT_NOT_FOUND, Code.CONCURRENT_MODIFICATION),
}
_SIGNED_OUT: Final[Answers] = {
    204: {"description": "Their tokens count no more."},
    **failures(*COMMON, *_USER, Code.CONCURRENT_MODIFICATION),
}
_PASSWORD: Final[Answers] = {
    204: {"description": "It is the password now, and all earlier tokens count no more."},
    **failures(*COMMON, *BODY, Code.CONCURRENT_MODIFICATION),
}


def make_people_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["people"])
    reader = Annotated[Principal, Depends(caller(services, Verb.MANAGE_USERS, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.MANAGE_USERS, Budget.WRITES))]
    anybody = Annotated[Principal, Depends(caller(services, None, Budget.WRITES))]
    _add_users(router, services, reader, writer)
    _add_changes(router, services, reader, writer, anybody)
    _add_clients(router, services, reader, writer)
    return router


def _add_users(router: APIRouter, services: Callable[[], Services], reader: Any, writer: Any) -> None:
    @router.post(
        "/users",
        operation_id="addUser",
        status_code=201,
        responses=answers(User, *BODY, Code.NAME_TAKEN, status=201),
        openapi_extra=body(AddUser),
    )
    async def add(request: Request, principal: writer) -> Response:
        """Add a person."""
        said = await read_body(request, AddUser, MAX_BODY)
        wanted = Wanted(
            name=said.username,
            user_id=said.id,
            issuer=said.issuer,
            subject=said.subject,
            password=said.password,
            scopes=frozenset(said.scopes),
            groups=frozenset(said.groups),
            namespaces=frozenset(said.namespaces),
        )
        with answering():
            return answer(user_of(await managing_of(services).add(principal, wanted)), 201)

    @router.get("/users", operation_id="listUsers", responses=answers(UserList))
    async def users(
        principal: reader,
        username: Annotated[str | None, Query(max_length=255, description="only who is called so")] = None,
        limit: Limit = 50,
        cursor: Name | None = None,
    ) -> Response:
        """The people of one's account, the newest first."""
        if username is not None:
            found = await managing_of(services).called(principal, username)
            only = [] if found is None or found.kind != "user" else [user_of(found)]
            return answer({"users": only, "next_cursor": None})
        with paging():
            page = await managing_of(services).members(principal, "user", limit, cursor)
        return answer({"users": [user_of(each) for each in page.members], "next_cursor": page.next_cursor})

    @router.get("/users/{user_id}", operation_id="getUser", responses=answers(User, *_USER))
    async def user(principal: reader, user_id: Name) -> Response:
        """A person."""
        return answer(user_of(await the_member(managing_of(services), principal, "user", user_id)))

    @router.patch(
        "/users/{user_id}",
        operation_id="changeUser",
        responses=answers(User, *_CHANGED),
        openapi_extra=body(ChangeUser),
    )
    async def change(request: Request, principal: writer, user_id: Name) -> Response:
        """Change a person: their scopes, their password, or whether they may sign in."""
        said, managing = await read_body(request, ChangeUser, MAX_BODY), managing_of(services)
        member = await the_member(managing, principal, "user", user_id)
        with answering():
            edited = await managing.edit(
                principal,
                member,
                name=said.name,
                scopes=None if said.scopes is None else frozenset(said.scopes),
                namespaces=None if said.namespaces is None else frozenset(said.namespaces),
                password=said.password,
                is_disabled=said.disabled,
            )
        return answer(user_of(edited))


def _add_changes(router: APIRouter, services: Callable[[], Services], reader: Any, writer: Any, anybody: Any) -> None:
    @router.post("/users/{user_id}/revoke", operation_id="revokeUser", status_code=204, responses=_SIGNED_OUT)
    async def revoke(principal: writer, user_id: Name) -> Response:
        """Sign a person out everywhere."""
        managing = managing_of(services)
        member = await the_member(managing, principal, "user", user_id)
        with answering():
            await managing.edit(principal, member, revokes=True)
        return Response(status_code=204)

    @router.post(
        "/password",
        operation_id="changePassword",
        status_code=204,
        responses=_PASSWORD,
        openapi_extra=body(ChangePassword),
    )
    async def change_password(request: Request, principal: anybody) -> Response:
        """Change one's own password."""
        said = await read_body(request, ChangePassword, MAX_BODY)
        with answering():
            is_changed = await managing_of(services).change_own_password(
                principal, said.current_password, said.new_password, address_of(request)
            )
        if not is_changed:
            raise invalid([{"field": "current_password", "error": "isn't right, or you have no password here"}])
        return Response(status_code=204)

    @router.get("/directory/changes", operation_id="listDirectoryChanges", responses=answers(ChangeList))
    async def changes(
        principal: reader,
        user_id: Annotated[str | None, Query(max_length=255, description="only those about this member")] = None,
        limit: Limit = 50,
        cursor: Name | None = None,
    ) -> Response:
        """Who changed what in one's account's directory, the newest first."""
        with paging():
            page = await managing_of(services).history(principal, user_id, limit, cursor)
        shown_changes = [
            {
                "what": each.what,
                "user_id": each.user_id or None,
                "by": each.by,
                "at": shown(each.at),
                "detail": each.detail,
            }
            for each in page.changes
        ]
        return answer({"changes": shown_changes, "next_cursor": page.next_cursor})


def _add_clients(router: APIRouter, services: Callable[[], Services], reader: Any, writer: Any) -> None:
    @router.post(
        "/clients",
        operation_id="addClient",
        status_code=201,
        responses=answers(NewClient, *BODY, status=201),
        openapi_extra=body(AddClient),
    )
    async def add(request: Request, principal: writer) -> Response:
        """Add a service account. Its secret is in this answer, and nowhere else."""
        said = await read_body(request, AddClient, MAX_BODY)
        wanted = Wanted(
            name=said.name,
            scopes=frozenset(said.scopes),
            groups=frozenset(said.groups),
            namespaces=frozenset(said.namespaces),
            kind=Kind.SERVICE,
        )
        with answering():
            member, secret = await managing_of(services).add_client(principal, wanted)
        return answer({**client_of(member), "client_secret": secret}, 201, {"Cache-Control": "no-store"})

    @router.get("/clients", operation_id="listClients", responses=answers(ClientList))
    async def clients(principal: reader, limit: Limit = 50, cursor: Name | None = None) -> Response:
        """The service accounts of one's account, the newest first."""
        with paging():
            page = await managing_of(services).members(principal, "service", limit, cursor)
        return answer({"clients": [client_of(each) for each in page.members], "next_cursor": page.next_cursor})

    @router.delete("/clients/{client_id}", operation_id="revokeClient", status_code=204, responses=_GONE)
    async def revoke(principal: writer, client_id: Name) -> Response:
        """Have a service account, and its tokens, count no more."""
        managing = managing_of(services)
        member = await the_member(managing, principal, "service", client_id)
        with answering():
            await managing.edit(principal, member, is_disabled=True)
        return Response(status_code=204)
