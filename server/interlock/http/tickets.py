"""Tickets: a page follows a run with `EventSource`, which can send a token only in the address.

Laws:
- A ticket opens one stream, as the user who requested it, for 10 minutes or until the token of that request expires.
  A stream that it opened ends with it.
- Until then it may be used any number of times, on every node, and may be revoked. Its user's rights are checked again
  each time, and it counts no more once the token that it was got with is revoked.
- It is stored as a hash, and never logged. As a part of an address, it must not be worth more than that.

Source: `docs/http.md`, "EventSource".
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field, ValidationError

from interlock.auth import Kind, Principal
from interlock.following.resume import resumable
from interlock.http.bodies import fields_of
from interlock.http.callers import bearer, principal_of, renewed
from interlock.http.errors import Unauthorized
from interlock.http.shapes import ANSWERED, Answers, answers, json_of, refusals
from interlock.identity.directory import OwnToken
from interlock.services import Services
from interlock.settings import Settings
from interlock.store.ports.tickets import StreamTicket, Tickets
from interlock_protocol.connection import validated
from interlock_protocol.errors import AuthErrorCode, ErrorCode, Refusal
from interlock_protocol.faults import field_faults
from interlock_protocol.messages import Reconnect

TICKETS: Final = "/stream-tickets"
STREAM: Final = "/workflows/{workflow_id}/runs/{run_id}/resume"
LIFE: Final = timedelta(minutes=10)

_STREAM_PATH: Final = r"^/workflows/[^/?#]+/runs/[^/?#]+/resume$"
_SIZE: Final = 64
"""The maximum length of what is sent as a ticket."""

_C = ErrorCode
_ASKED = (_C.INVALID_JSON, _C.INVALID_MESSAGE, _C.MESSAGE_TOO_LARGE, _C.RUN_NOT_FOUND, _C.WORKFLOW_MISMATCH)


class StreamTicketRequest(BaseModel):
    """Which stream a ticket is to open: its path on this server, as `/workflows/{workflow_id}/runs/{run_id}/resume`."""

    path: str = Field(pattern=_STREAM_PATH)


class IssuedTicket(BaseModel):
    """A ticket: `path?ticket=…` is the stream until `expires_at` (milliseconds since 1970). `id` is to revoke it by."""

    id: str
    ticket: str
    path: str
    expires_at: int


ISSUE: Answers = {201: answers(IssuedTicket)[200], **refusals(*_ASKED, *ANSWERED)}
BODY: Final = {"requestBody": {"required": True, "content": json_of("StreamTicketRequest")}}
REVOKE: Answers = {204: {"description": "It counts no more, if it was one of one's own."}, **refusals(*ANSWERED)}


def make_tickets_router(services: Callable[[], Services], settings: Settings) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["runs"])
    who = Annotated[Principal, Depends(principal_of(services))]

    @router.post(TICKETS, operation_id="createStreamTicket", responses=ISSUE, openapi_extra=BODY)
    async def issue(request: Request, principal: who) -> Response:
        """Get a ticket, which opens one stream without a token: for `EventSource`."""
        path = _asked(await fields_of(request, settings.max_message_bytes))
        await resumable(services().engine, principal, _followed(path))
        value, ticket = _made(principal, unquote(path))
        await _kept(services).keep_ticket(ticket)
        answer = IssuedTicket(id=ticket.ticket_id, ticket=value, path=path, expires_at=ticket.expires_at)
        return JSONResponse(answer.model_dump(), 201, headers={"Cache-Control": "no-store"})

    @router.delete(TICKETS + "/{ticket_id}", operation_id="revokeStreamTicket", status_code=204, responses=REVOKE)
    async def revoke(principal: who, ticket_id: str) -> Response:
        """Have a ticket count no more."""
        await _kept(services).revoke_ticket(ticket_id, principal.user_id, account=principal.account)
        return Response(status_code=204)

    return router


def _kept(services: Callable[[], Services]) -> Tickets:
    """The port of the store that is used here."""
    return services().store


def holder_of(services: Callable[[], Services]) -> Callable[..., Awaitable[Principal]]:
    """Make a dependency: the sender of a request for a stream, by a header `Authorization` or, without it, a ticket.

    Raises (when called): `Unauthorized`, or the refusal `rate_limited`.
    """
    principal = principal_of(services)

    async def holder(
        request: Request,
        workflow_id: str,
        run_id: str,
        ticket: Annotated[str | None, Query(description="instead of the header `Authorization`")] = None,
    ) -> Principal:
        if ticket is None or bearer(request) is not None:
            return await principal(request)
        path = STREAM.format(workflow_id=workflow_id, run_id=run_id)
        found = _honoured(await _kept(services).ticket(_digest(ticket)) if len(ticket) <= _SIZE else None, path)
        found = await renewed(services(), found)
        await services().rate_limits.admit(found.person)
        return found

    return holder


def _asked(fields: dict[str, Any]) -> str:
    try:
        return StreamTicketRequest.model_validate(fields).path
    except ValidationError as error:
        sentence = f"Send the `path` of a stream on this server, {STREAM}, without a query."
        raise Refusal(_C.INVALID_MESSAGE, sentence, details=field_faults(error)) from None


def _followed(path: str) -> Reconnect:
    """The message that is equivalent to opening the stream at this path."""
    _, _, workflow_id, _, run_id, _ = map(unquote, path.split("/"))
    message = validated(Reconnect, {"action": "reconnect", "workflow_id": workflow_id, "run_id": run_id})
    assert isinstance(message, Reconnect)
    return message


def _made(principal: Principal, path: str) -> tuple[str, StreamTicket]:
    """Make a new ticket: the secret for its holder, and the record to store."""
    value = secrets.token_urlsafe(32)
    ends = datetime.now(UTC) + LIFE
    if principal.expires_at is not None:
        ends = min(ends, principal.expires_at)
    own = principal.given if isinstance(principal.given, OwnToken) else None
    return value, StreamTicket(
        digest=_digest(value),
        ticket_id=f"ticket-{secrets.token_hex(16)}",
        path=path,
        user_id=principal.user_id,
        scopes=principal.scopes,
        groups=principal.groups,
        expires_at=int(ends.timestamp() * 1000),
        account=principal.account,
        namespaces=principal.namespaces,
        kind=principal.kind.value,
        generation=None if own is None else own.generation,
        grant_id=None if own is None else own.grant,
    )


def _honoured(ticket: StreamTicket | None, path: str) -> Principal:
    """The user of a ticket, if it is valid for this path now."""
    if ticket is None or ticket.path != path:
        raise Unauthorized(
            AuthErrorCode.INVALID_TOKEN, "The ticket isn't one for this path, or was revoked; get another one."
        )
    expires_at = datetime.fromtimestamp(ticket.expires_at / 1000, UTC)
    if expires_at <= datetime.now(UTC):
        raise Unauthorized(AuthErrorCode.EXPIRED_TOKEN, "The ticket has expired; get another one.")
    place = ticket.account, ticket.namespaces, Kind(ticket.kind)
    own = None
    if ticket.generation is not None:
        person = ticket.account, ticket.user_id
        own = OwnToken(person, ticket.scopes, ticket.generation, ticket.grant_id, expires_at)
    return Principal(ticket.user_id, ticket.scopes, ticket.groups, expires_at, *place, given=own)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
