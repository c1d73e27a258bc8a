"""The routes of interactions, and of the inbox."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.http.bodies import KEY_HEADER
from interlock.http.projects.interaction_shapes import (
    CreateInteraction,
    DelegateInteraction,
    Inbox,
    InteractionInfo,
    InteractionList,
    RespondToInteraction,
)
from interlock.http.projects.interaction_work import InteractionWork
from interlock.http.sse import Streams
from interlock.http.v1.answers import BODY, answer, answers
from interlock.http.v1.bodies import body, check_has_body, invalid, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.errors import Code
from interlock.http.v1.idempotency import key_of
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.store.ports.interactions import InteractionStatus
from interlock_protocol.limits import KIB
from interlock_protocol.messages import Key, Name, Namespace
from interlock_protocol.types import InteractionType

HOME: Final = "/projects/{project}/interactions"
ONE: Final = HOME + "/{interaction_id}"
MAX_PAGE: Final = 200
_MOST: Final = 256 * KIB

_FOUND: Final = (Code.INTERACTION_NOT_FOUND,)
_CREATED: Final = (
    *BODY,
    Code.INCOMPATIBLE_MODE,
    Code.EMPTY_GROUP,
    Code.RUN_NOT_FOUND,
    Code.RUN_FINISHED,
    Code.TOPIC_BOUND,
    Code.IDEMPOTENCY_KEY_REUSED,
)
_ATTENDED: Final = (*BODY, *_FOUND, Code.ALREADY_RESOLVED, Code.CLAIMED)
_RESPONDED: Final = (*_ATTENDED, Code.INVALID_RESPONSE, Code.IDEMPOTENCY_KEY_REUSED)

KeyHeader = Annotated[Key | None, Header(alias=KEY_HEADER)]
Address = Annotated[str, Path(min_length=1, max_length=512)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def make_interactions_router(services: Callable[[], Services], streams: Streams) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["interactions"])
    work = InteractionWork(services, streams)
    reader = Annotated[Principal, Depends(caller(services, Verb.READ_INBOX, Budget.READS))]
    asker = Annotated[Principal, Depends(caller(services, Verb.ASK, Budget.CREATIONS, keeps=False))]
    taker = Annotated[Principal, Depends(caller(services, Verb.ASK, Budget.WRITES))]
    decider = Annotated[Principal, Depends(caller(services, Verb.READ_INBOX, Budget.WRITES, keeps=False))]
    attender = Annotated[Principal, Depends(caller(services, Verb.READ_INBOX, Budget.WRITES))]
    _add_asking(router, work, asker, taker)
    _add_reading(router, work, reader)
    _add_responding(router, work, decider)
    _add_attending(router, work, attender)
    return router


def _add_asking(router: APIRouter, work: InteractionWork, asker: Any, taker: Any) -> None:
    @router.post(
        HOME,
        operation_id="createInteraction",
        status_code=201,
        responses=answers(InteractionInfo, *_CREATED, status=201),
        openapi_extra=body(CreateInteraction),
    )
    async def create(request: Request, principal: asker, project: Namespace, key: KeyHeader = None) -> Response:
        """Ask somebody. The answer comes once they are asked, or says why nobody can be."""
        check_has_body(request)
        said = await read_body(request, CreateInteraction, _MOST)
        if None not in (key, said.idempotency_key) and key != said.idempotency_key:
            raise invalid([{"field": "idempotency_key", "error": f"must be what {KEY_HEADER} says, or left out"}])
        named = key_of(request, principal, key or said.idempotency_key, said)
        return answer(await work.create(principal, project, said, named), 201)

    @router.post(
        ONE + "/cancel", operation_id="cancelInteraction", responses=answers(InteractionInfo, *BODY, *_RESPONDED)
    )
    async def cancel(principal: taker, project: Namespace, interaction_id: Address) -> Response:
        """Take an interaction back. Whoever waits for it is told that it was cancelled."""
        return answer(await work.cancel(principal, project, interaction_id))


def _add_reading(router: APIRouter, work: InteractionWork, reader: Any) -> None:
    @router.get(HOME, operation_id="listInteractions", responses=answers(InteractionList))
    async def listed(
        principal: reader,
        project: Namespace,
        status: InteractionStatus | None = None,
        type: InteractionType | None = None,  # noqa: A002 - the name in the query
        target: Name | None = None,
        mine: bool = False,
        run_id: Name | None = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> Response:
        """The interactions of a project that were created by themselves, newest first. `target` is a user's id, or
        `group:NAME`; `mine` are those for the caller; `run_id` is the run that waits for the outcome."""
        found = await work.listed(
            principal,
            project,
            status=status,
            type_=type,
            target=target,
            mine=mine,
            run_id=run_id,
            limit=limit,
            cursor=cursor,
        )
        return answer(found)

    @router.get(ONE, operation_id="getInteraction", responses=answers(InteractionInfo, *_FOUND))
    async def get(principal: reader, project: Namespace, interaction_id: Address) -> Response:
        """An interaction, or anything else that a run asks, by its address."""
        return answer(await work.detail(principal, project, interaction_id))

    @router.get("/projects/{project}/inbox", operation_id="getProjectInbox", responses=answers(Inbox))
    async def project_inbox(
        principal: reader, project: Namespace, limit: Limit = 50, cursor: str | None = None
    ) -> Response:
        """What waits for the caller in this project, whatever asked for it. `limit` counts runs."""
        return answer(await work.inbox(principal, project, limit, cursor))

    @router.get("/inbox", operation_id="getInbox", responses=answers(Inbox))
    async def inbox(principal: reader, limit: Limit = 50, cursor: str | None = None) -> Response:
        """What waits for the caller, in every project. `limit` counts runs."""
        return answer(await work.inbox(principal, None, limit, cursor))


def _add_responding(router: APIRouter, work: InteractionWork, decider: Any) -> None:
    @router.post(
        ONE + "/respond",
        operation_id="respondToInteraction",
        responses=answers(InteractionInfo, *_RESPONDED),
        openapi_extra=body(RespondToInteraction),
    )
    async def respond(
        request: Request, principal: decider, project: Namespace, interaction_id: Address, key: KeyHeader = None
    ) -> Response:
        """Respond to an interaction, or decide anything else that a run asks."""
        check_has_body(request)
        said = await read_body(request, RespondToInteraction, _MOST)
        named = key_of(request, principal, key, said)
        return answer(await work.respond(principal, project, interaction_id, said, named))


def _add_attending(router: APIRouter, work: InteractionWork, decider: Any) -> None:
    @router.post(ONE + "/claim", operation_id="claimInteraction", responses=answers(InteractionInfo, *_ATTENDED))
    async def claim(principal: decider, project: Namespace, interaction_id: Address) -> Response:
        """Say that the caller is on it, so that nobody else decides it: for 15 minutes, until it is said again."""
        return answer(await work.attend(principal, project, interaction_id, {"action": "claim"}))

    @router.post(ONE + "/release", operation_id="releaseInteraction", responses=answers(InteractionInfo, *_ATTENDED))
    async def release(principal: decider, project: Namespace, interaction_id: Address) -> Response:
        """Give up a claim; an admin may give up that of somebody else."""
        return answer(await work.attend(principal, project, interaction_id, {"action": "release"}))

    @router.post(
        ONE + "/delegate",
        operation_id="delegateInteraction",
        responses=answers(InteractionInfo, *_ATTENDED),
        openapi_extra=body(DelegateInteraction),
    )
    async def delegate(request: Request, principal: decider, project: Namespace, interaction_id: Address) -> Response:
        """Hand it over to somebody else."""
        check_has_body(request)
        said = await read_body(request, DelegateInteraction, _MOST)
        asked = {"action": "delegate", **said.model_dump(exclude_none=True)}
        return answer(await work.attend(principal, project, interaction_id, asked))
