"""The routes of providers and integrations.

Laws:
- No answer, and no error, has a credential, or what a provider answered.
- An integration is stored only if its provider accepts the credential.
- Where a person is to agree first, only the browser that was sent to the provider brings the credential back.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.engine.work.connecting import Place
from interlock.engine.work.integrations import SECRET_PARTS, NotAccepted
from interlock.errors import SettingsError
from interlock.http.connecting import send_away
from interlock.http.v1.answers import BODY, COMMON, answer, answers, failures
from interlock.http.v1.bodies import body, check_has_body, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.errors import ApiError, Code, not_there
from interlock.http.v1.integration_shapes import (
    Accepted,
    ConnectAt,
    CreateIntegration,
    IntegrationInfo,
    IntegrationList,
    ProviderInfo,
    ProviderList,
    PutProvider,
)
from interlock.http.v1.secrets import Namespace, owned, seen
from interlock.http.v1.times import shown_or_none
from interlock.ratelimit.limiter import Budget
from interlock.secrets.encodings import SHORTEST
from interlock.secrets.fence import ANY
from interlock.secrets.integrations import Integration, Unusable, Wanted
from interlock.secrets.kept import TooMany
from interlock.secrets.providers import BUILT_IN, NAME, Provider
from interlock.secrets.rules import LONGEST, is_too_short
from interlock.services import Services
from interlock_protocol.types import JsonObject

PROVIDER: Final = "/providers/{name}"
INTEGRATION: Final = "/integrations/{name}"

ItemName = Annotated[str, Path(pattern=NAME)]

_MOST: Final = 8 * LONGEST


def make_integrations_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["integrations"])
    reader = Annotated[Principal, Depends(caller(services, Verb.MANAGE_SECRETS, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.MANAGE_SECRETS, Budget.WRITES))]
    _add_providers(router, services, reader, writer)
    _add_integrations(router, _Integrations(services), reader, writer)
    return router


def _add_providers(router: APIRouter, services: Callable[[], Services], reader: Any, writer: Any) -> None:
    @router.get("/providers", operation_id="listProviders", responses=answers(ProviderList))
    async def listed(principal: reader) -> Response:
        """The outside services that integrations can be made for: those built in, and the account's own."""
        found = await services().integrations.kept.providers(principal.account)
        return answer({"providers": [_provider(name, found[name]) for name in sorted(found)]})

    @router.put(
        PROVIDER, operation_id="putProvider", responses=answers(ProviderInfo, *BODY), openapi_extra=body(PutProvider)
    )
    async def put(request: Request, principal: writer, name: ItemName) -> Response:
        """Describe an outside service. What was made for it before stays as it is."""
        check_has_body(request)
        asked = await read_body(request, PutProvider)
        now = services().engine.clock.now_ms()
        try:
            kept = services().integrations.kept
            await kept.put_provider(principal.account, name, asked, by=principal.user_id, at=now)
        except (Unusable, TooMany) as error:
            raise ApiError(Code.INVALID_REQUEST, str(error)) from None
        return answer(_provider(name, asked))

    gone: Any = {204: {"description": "It is gone."}, **failures(*COMMON, Code.PROVIDER_NOT_FOUND)}

    @router.delete(PROVIDER, operation_id="deleteProvider", status_code=204, responses=gone)
    async def delete(principal: writer, name: ItemName) -> Response:
        """Delete a provider of the account's own. Its integrations stay as they are."""
        if not await services().integrations.kept.delete_provider(principal.account, name):
            raise not_there(Code.PROVIDER_NOT_FOUND, f"A provider {name!r} of your own")
        return Response(status_code=204)


def _add_integrations(router: APIRouter, integrations: "_Integrations", reader: Any, writer: Any) -> None:
    refused = (*BODY, Code.NO_SECRETS_KEY, Code.CREDENTIAL_NOT_ACCEPTED)

    @router.get("/integrations", operation_id="listIntegrations", responses=answers(IntegrationList, Code.NOT_FOUND))
    async def listed(principal: reader, namespace: Namespace = None) -> Response:
        """The integrations, without their credentials."""
        return answer(await integrations.listed(principal, seen(principal, namespace)))

    @router.post(
        "/integrations",
        operation_id="createIntegration",
        status_code=201,
        responses=answers(IntegrationInfo, *refused, status=201),
        openapi_extra=body(CreateIntegration),
    )
    async def create(request: Request, principal: writer, namespace: Namespace = None) -> Response:
        """Store a credential, or replace one, if its provider accepts it."""
        where = owned(principal, namespace)
        asked = await read_body(request, CreateIntegration, _MOST)
        return answer(await integrations.create(principal, where, asked), 201)

    @router.post(
        "/integrations/connect",
        operation_id="connectIntegration",
        responses=answers(ConnectAt, *BODY, Code.NO_SECRETS_KEY),
        openapi_extra=body(CreateIntegration),
    )
    async def connect(request: Request, principal: writer, namespace: Namespace = None) -> Response:
        """Have a person agree at the provider (OAuth 2, authorization code): from the page of a browser, which goes to
        `url` then, and is led back to the web app when the credential is kept."""
        where = owned(principal, namespace)
        asked = await read_body(request, CreateIntegration, _MOST)
        url, kept = await integrations.connect(principal, where, asked)
        response = answer({"url": url})
        send_away(response, kept)
        return response

    gone: Any = {
        204: {"description": "It is gone."},
        **failures(*COMMON, Code.NOT_FOUND, Code.INTEGRATION_NOT_FOUND),
    }

    @router.delete(INTEGRATION, operation_id="deleteIntegration", status_code=204, responses=gone)
    async def delete(principal: writer, name: ItemName, namespace: Namespace = None) -> Response:
        """Delete an integration. With its provider, the credential is as it was."""
        await integrations.delete(principal, seen(principal, namespace), name)
        return Response(status_code=204)

    @router.post(
        INTEGRATION + "/test",
        operation_id="testIntegration",
        responses=answers(Accepted, *BODY, Code.NOT_FOUND, Code.INTEGRATION_NOT_FOUND, Code.CREDENTIAL_NOT_ACCEPTED),
    )
    async def test(principal: writer, name: ItemName, namespace: Namespace = None) -> Response:
        """Ask the provider again whether it accepts the credential."""
        await integrations.test(principal, seen(principal, namespace), name)
        return answer({"accepted": True})


class _Integrations:
    """The implementation of the routes."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    async def listed(self, principal: Principal, namespace: str) -> JsonObject:
        found = await self._services().integrations.kept.listed(principal.account, namespace)
        return {"integrations": [_shown(each) for each in found]}

    async def create(self, principal: Principal, namespace: str, asked: CreateIntegration) -> JsonObject:
        services = self._services()
        try:
            made = await services.integrations.kept.made(principal.account, _wanted(asked))
            accepted = await services.integrations.check(made)
            now = services.engine.clock.now_ms()
            kept = services.integrations.kept
            return _shown(await kept.put(principal.account, namespace, accepted, by=principal.user_id, at=now))
        except (Unusable, TooMany) as error:
            raise ApiError(Code.INVALID_REQUEST, str(error)) from None
        except NotAccepted as error:
            raise _not_accepted(asked.name, error) from None
        except SettingsError as error:
            raise ApiError(Code.NO_SECRETS_KEY, str(error)) from None

    async def connect(self, principal: Principal, namespace: str, asked: CreateIntegration) -> tuple[str, str]:
        """Where a browser is sent, and what it has to bring back."""
        place = Place(principal.account, namespace, principal.user_id)
        try:
            return await self._services().connecting.begin(place, _wanted(asked))
        except Unusable as error:
            raise ApiError(Code.INVALID_REQUEST, str(error)) from None
        except SettingsError as error:
            raise ApiError(Code.NO_SECRETS_KEY, str(error)) from None

    async def delete(self, principal: Principal, namespace: str, name: str) -> None:
        if not await self._services().integrations.kept.delete(principal.account, namespace, name):
            raise not_there(Code.INTEGRATION_NOT_FOUND, f"Integration {name!r}")

    async def test(self, principal: Principal, namespace: str, name: str) -> None:
        integrations = self._services().integrations
        listed = await integrations.kept.listed(principal.account, namespace)
        found = next((each for each in listed if each.name == name), None)
        if found is None:
            raise not_there(Code.INTEGRATION_NOT_FOUND, f"Integration {name!r}")
        try:
            await integrations.check(found)
        except NotAccepted as error:
            raise _not_accepted(name, error) from None


def _wanted(asked: CreateIntegration) -> Wanted:
    """What is asked for; it is checked that what is to be struck out can be told from other text.

    Raises:
        ApiError: `invalid_request`.
    """
    for part in SECRET_PARTS:
        if is_too_short((asked.credentials or {}).get(part, "x" * SHORTEST)):
            raise ApiError(Code.INVALID_REQUEST, f"credentials.{part} must have at least {SHORTEST} characters.")
    return Wanted(
        asked.name,
        asked.provider,
        asked.credentials or {},
        asked.base_url,
        asked.auth,
        asked.check,
        (ANY,) if asked.workflows is None else asked.workflows,
    )


def _not_accepted(name: str, error: NotAccepted) -> ApiError:
    sentence = f"The credential of {name!r} isn't accepted: {error}. Nothing was changed."
    return ApiError(Code.CREDENTIAL_NOT_ACCEPTED, sentence)


def _provider(name: str, provider: Provider) -> JsonObject:
    return {"name": name, "built_in": name in BUILT_IN, **provider.model_dump(mode="json")}


def _shown(integration: Integration) -> JsonObject:
    item = integration.item
    assert item is not None, "it was stored"
    return {
        "name": integration.name,
        "namespace": item.namespace or None,
        "provider": integration.provider,
        "base_url": integration.base_url,
        "auth": integration.auth.type,
        "workflows": list(integration.workflows),
        "created_at": shown_or_none(item.created_at),
        "updated_at": shown_or_none(item.updated_at),
        "updated_by": item.updated_by or None,
    }
