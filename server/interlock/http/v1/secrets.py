"""The routes of secrets.

Laws:
- No answer, and no error, has a value.
- What is for a namespace is managed by who owns it; for others the namespace isn't there.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb, may
from interlock.engine.commands.runs import Facts
from interlock.errors import SettingsError
from interlock.http.shapes import Answers
from interlock.http.v1.answers import BODY, COMMON, answer, answers, failures
from interlock.http.v1.bodies import body, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.errors import ApiError, Code, not_there
from interlock.http.v1.secret_shapes import PutSecret, Rotated, SecretInfo, SecretList
from interlock.http.v1.times import shown_or_none
from interlock.ratelimit.limiter import Budget
from interlock.secrets.kept import TooMany
from interlock.secrets.port import SecretUnreadable
from interlock.secrets.rules import LONGEST, NAME
from interlock.secrets.stored import ListedSecret
from interlock.services import Services
from interlock_protocol.namespaces import NAMESPACE
from interlock_protocol.types import JsonObject

SECRETS: Final = "/secrets"
SECRET: Final = "/secrets/{name}"  # noqa: S105 - a path

SecretName = Annotated[str, Path(pattern=NAME)]
Namespace = Annotated[str | None, Query(pattern=NAMESPACE, description="by default the whole account")]

_PUT: Final = (*BODY, Code.NO_SECRETS_KEY)
_DELETED: Final[Answers] = {
    204: {"description": "It is gone."},
    **failures(*COMMON, Code.NOT_FOUND, Code.SECRET_NOT_FOUND),
}


def make_secrets_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["secrets"])
    reader = Annotated[Principal, Depends(caller(services, Verb.MANAGE_SECRETS, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.MANAGE_SECRETS, Budget.WRITES))]
    operator = Annotated[Principal, Depends(caller(services, Verb.OPERATE, Budget.WRITES))]

    @router.get(SECRETS, operation_id="listSecrets", responses=answers(SecretList, Code.NOT_FOUND))
    async def listed(principal: reader, namespace: Namespace = None) -> Response:
        """The secrets, by their names: where each may go, and when it was set; never a value."""
        where = seen(principal, namespace)
        found = await services().secrets.listed(principal.account, where)
        return answer({"secrets": [_shown(each) for each in found]})

    @router.put(SECRET, operation_id="putSecret", responses=answers(SecretInfo, *_PUT), openapi_extra=body(PutSecret))
    async def put(request: Request, principal: writer, name: SecretName, namespace: Namespace = None) -> Response:
        """Store a secret, or replace it. On every node it counts within a second."""
        where = owned(principal, namespace)
        asked = await read_body(request, PutSecret, 4 * LONGEST + 64 * 1024)
        given = asked.model_dump(include={"hosts", "workflows", "script"}, exclude_none=True)
        now = services().engine.clock.now_ms()
        made = services().secrets.put(principal.account, where, name, asked.value, given, by=principal.user_id, at=now)
        try:
            return answer(_shown(await made))
        except SettingsError as error:
            raise ApiError(Code.NO_SECRETS_KEY, str(error)) from None
        except TooMany as error:
            raise ApiError(Code.INVALID_REQUEST, str(error)) from None

    @router.delete(SECRET, operation_id="deleteSecret", status_code=204, responses=_DELETED)
    async def delete(principal: writer, name: SecretName, namespace: Namespace = None) -> Response:
        """Delete a stored secret. What is sent already isn't called back."""
        if not await services().secrets.delete(principal.account, seen(principal, namespace), name):
            raise not_there(Code.SECRET_NOT_FOUND, f"A stored secret {name!r}")
        return Response(status_code=204)

    @router.post(
        SECRETS + "/keys/rotate", operation_id="rotateSecrets", responses=answers(Rotated, *BODY, Code.NO_SECRETS_KEY)
    )
    async def rotate(principal: operator) -> Response:
        """Seal the values of all accounts, and the keys that sign tokens and webhooks, with the first key, so that the
        others can be taken out of the settings."""
        try:
            keys = await services().identity.keys.reseal() + await services().webhooks.reseal()
            return answer({"rotated": keys + await services().secrets.rotate()})
        except (SettingsError, SecretUnreadable) as error:
            raise ApiError(Code.NO_SECRETS_KEY, f"{str(error)[0].upper()}{str(error)[1:].rstrip('.')}.") from None

    return router


def owned(principal: Principal, namespace: str | None) -> str:
    """The namespace that something is to be kept for, `` for the whole account.

    Raises:
        ApiError: `forbidden`: it is another's.
    """
    if not _may_manage(principal, namespace):
        raise ApiError(Code.FORBIDDEN, "That namespace isn't yours; name one that your token gives you.")
    return namespace or ""


def seen(principal: Principal, namespace: str | None) -> str:
    """The namespace that is asked about.

    Raises:
        ApiError: `not_found`: it is another's.
    """
    if not _may_manage(principal, namespace):
        raise not_there(Code.NOT_FOUND, f"Namespace {namespace!r}")
    return namespace or ""


def _may_manage(principal: Principal, namespace: str | None) -> bool:
    about = None if namespace is None else Facts.of_new(principal.account, namespace, "")
    return may(principal, Verb.MANAGE_SECRETS, about)


def _shown(listed: ListedSecret) -> JsonObject:
    secret, item = listed.secret, listed.item
    fence: dict[str, Any] = {
        "hosts": list(secret.fence.hosts),
        "workflows": list(secret.fence.workflows),
        "script": secret.fence.script,
    }
    return {
        "name": secret.name,
        "namespace": item.namespace or None if item else None,
        **fence,
        "source": secret.source,
        "created_at": shown_or_none(item.created_at if item else None),
        "updated_at": shown_or_none(item.updated_at if item else None),
        "updated_by": item.updated_by or None if item else None,
    }
