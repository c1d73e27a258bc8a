"""The routes of webhooks: subscriptions, their secrets, and what was delivered to them.

Laws:
- A subscription belongs to its account. Whoever doesn't own all of that sees those to namespaces of theirs; for them
  the others, and what was delivered there, don't exist.
- A secret is in one answer, where the server has just made it. No answer that is kept for an `Idempotency-Key` has one:
  who sends that key again gets the same answer without it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from interlock.auth import Principal, Verb
from interlock.errors import SettingsError
from interlock.http.v1.answers import BODY, COMMON, answer, answers, failures
from interlock.http.v1.bodies import body, check_has_body, invalid, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.errors import ApiError, Code, not_there
from interlock.http.v1.idempotency import done_before, key_of, remember
from interlock.http.v1.instances import IdempotencyHeader
from interlock.http.v1.times import read, shown, shown_or_none
from interlock.http.v1.webhook_shapes import (
    ChangeSubscription,
    CreateSubscription,
    DeliveryInfo,
    DeliveryList,
    NewSubscription,
    Replayed,
    RotateSecret,
    SubscriptionInfo,
    SubscriptionList,
)
from interlock.ratelimit.limiter import Budget
from interlock.secrets.port import SecretUnreadable
from interlock.services import Services
from interlock.store.ports.webhooks import Delivery, DeliveryFilter, DeliveryStatus, Subscription, SubscriptionStatus
from interlock.webhooks.service import Changes, NotYours, TooMany, Unusable, Wanted, WebhookService
from interlock_protocol.messages import Name
from interlock_protocol.types import JsonObject

T = TypeVar("T")

SUBSCRIPTIONS: Final = "/webhooks/subscriptions"
SUBSCRIPTION: Final = SUBSCRIPTIONS + "/{subscription_id}"
DELIVERY: Final = "/webhooks/deliveries/{delivery_id}"
MOST: Final = 100
SUBSCRIPTION_ID: Final = "whsub_"

Limit = Annotated[int, Query(ge=1, le=MOST)]

_WRONG: Final = (*BODY, Code.INVALID_WEBHOOK)
_SEALS: Final = (*BODY, Code.NO_SECRETS_KEY)
_GONE: Final = Code.SUBSCRIPTION_NOT_FOUND


def make_webhooks_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["webhooks"])
    reader = Annotated[Principal, Depends(caller(services, Verb.MANAGE_WEBHOOKS, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.MANAGE_WEBHOOKS, Budget.WRITES))]
    work = _Webhooks(services)
    _add_subscriptions(router, work, reader, writer)
    _add_secrets(router, work, writer)
    _add_deliveries(router, work, reader, writer)
    return router


def _add_subscriptions(router: APIRouter, work: "_Webhooks", reader: Any, writer: Any) -> None:
    refused = (*_WRONG, _GONE, Code.NO_SECRETS_KEY, Code.IDEMPOTENCY_KEY_REUSED)
    made = answers(NewSubscription, *refused, status=201)

    @router.post(
        SUBSCRIPTIONS,
        operation_id="createSubscription",
        status_code=201,
        responses=made,
        openapi_extra=body(CreateSubscription),
    )
    async def create(request: Request, principal: writer, key: IdempotencyHeader = None) -> Response:
        """Have an address told of what happens in runs, from now on. A secret that the server makes is told once."""
        asked = await read_body(request, CreateSubscription)
        return await work.create(_Sent(request, principal, key), asked)

    @router.get(SUBSCRIPTIONS, operation_id="listSubscriptions", responses=answers(SubscriptionList))
    async def listed(principal: reader, limit: Limit = 50, cursor: Name | None = None) -> Response:
        """The subscriptions that one may manage, the newest first."""
        page = await _paged(work.service.subscriptions(principal, cursor=cursor, limit=limit))
        found = [work.shown(each) for each in page.subscriptions]
        return answer({"subscriptions": found, "pagination": _pagination(page.next_cursor)})

    @router.get(SUBSCRIPTION, operation_id="getSubscription", responses=answers(SubscriptionInfo, _GONE))
    async def one(principal: reader, subscription_id: Name) -> Response:
        """A subscription: how it is, and since when."""
        return answer(work.shown(await work.one(principal, subscription_id)))

    @router.patch(
        SUBSCRIPTION,
        operation_id="changeSubscription",
        responses=answers(SubscriptionInfo, *_WRONG, _GONE),
        openapi_extra=body(ChangeSubscription),
    )
    async def change(request: Request, principal: writer, subscription_id: Name) -> Response:
        """Change a subscription, pause it, or let it go on. Whoever changes where it goes, or what it tells, is from
        then on the one whose rights decide what it tells."""
        check_has_body(request)
        asked = await read_body(request, ChangeSubscription)
        return answer(work.shown(await work.change(principal, subscription_id, asked)))

    gone: Any = {204: {"description": "It is gone."}, **failures(*COMMON, _GONE)}

    @router.delete(SUBSCRIPTION, operation_id="deleteSubscription", status_code=204, responses=gone)
    async def delete(principal: writer, subscription_id: Name) -> Response:
        """Delete a subscription, and its deliveries."""
        if not await work.service.delete(principal, subscription_id):
            raise _no_subscription(subscription_id)
        return Response(status_code=204)


def _add_secrets(router: APIRouter, work: "_Webhooks", writer: Any) -> None:
    @router.post(
        SUBSCRIPTION + "/rotate",
        operation_id="rotateSubscription",
        responses=answers(NewSubscription, *_SEALS, _GONE, Code.IDEMPOTENCY_KEY_REUSED),
        openapi_extra=body(RotateSecret, required=False),
    )
    async def rotate(
        request: Request, principal: writer, subscription_id: Name, key: IdempotencyHeader = None
    ) -> Response:
        """Give it another secret. For 24 hours the old one signs, too; `X-Interactor-Signature`, of which there is one,
        is the old one's until then, or until the rotation is confirmed."""
        asked = await read_body(request, RotateSecret)
        return await work.rotate(_Sent(request, principal, key), subscription_id, asked)

    @router.post(
        SUBSCRIPTION + "/rotate/confirm",
        operation_id="confirmRotation",
        responses=answers(SubscriptionInfo, _GONE),
    )
    async def confirm(principal: writer, subscription_id: Name) -> Response:
        """End a rotation: all receivers know the new secret, and the old one signs nothing any more."""
        found = await work.service.confirm(principal, subscription_id)
        return answer(work.shown(_there(found, subscription_id)))


def _add_deliveries(router: APIRouter, work: "_Webhooks", reader: Any, writer: Any) -> None:
    again = (Code.SUBSCRIPTION_DISABLED, Code.IDEMPOTENCY_KEY_REUSED)

    @router.post(
        SUBSCRIPTION + "/test",
        operation_id="testSubscription",
        status_code=202,
        responses=answers(DeliveryInfo, _GONE, *again, status=202),
    )
    async def test(
        request: Request, principal: writer, subscription_id: Name, key: IdempotencyHeader = None
    ) -> Response:
        """Send a test event. The delivery tells what becomes of it."""
        return await work.test(_Sent(request, principal, key), subscription_id)

    @router.get(
        SUBSCRIPTION + "/deliveries",
        operation_id="listDeliveries",
        responses=answers(DeliveryList, _GONE),
    )
    async def deliveries(
        principal: reader,
        subscription_id: Name,
        status: DeliveryStatus | None = None,
        event: Name | None = None,
        instance_id: Name | None = None,
        limit: Limit = 50,
        cursor: Name | None = None,
    ) -> Response:
        """What was delivered, and what wasn't, the newest first. It is kept for 30 days."""
        which = DeliveryFilter(status=status, event=event, run_id=instance_id, cursor=cursor, limit=limit)
        page = _there(await _paged(work.service.deliveries(principal, subscription_id, which)), subscription_id)
        found = [_delivery(each) for each in page.deliveries]
        return answer({"deliveries": found, "pagination": _pagination(page.next_cursor)})

    @router.get(DELIVERY, operation_id="getDelivery", responses=answers(DeliveryInfo, Code.DELIVERY_NOT_FOUND))
    async def one(principal: reader, delivery_id: Name) -> Response:
        """A delivery, with its attempts."""
        return answer(_delivery(_delivered(await work.service.delivery(principal, delivery_id), delivery_id)))

    @router.post(
        DELIVERY + "/replay",
        operation_id="replayDelivery",
        status_code=202,
        responses=answers(DeliveryInfo, Code.DELIVERY_NOT_FOUND, *again, status=202),
    )
    async def replay(request: Request, principal: writer, delivery_id: Name, key: IdempotencyHeader = None) -> Response:
        """Deliver one again, under its own id."""
        return await work.replay(_Sent(request, principal, key), delivery_id)

    @router.post(
        SUBSCRIPTION + "/replay",
        operation_id="replayDeliveries",
        status_code=202,
        responses=answers(Replayed, _GONE, *again, status=202),
    )
    async def replay_since(
        request: Request,
        principal: writer,
        subscription_id: Name,
        since: Annotated[Name | None, Query(description="needed: a time in ISO 8601")] = None,
        key: IdempotencyHeader = None,
    ) -> Response:
        """Deliver everything again that happened since a time, in order, under the same ids."""
        return await work.replay_since(_Sent(request, principal, key), subscription_id, since)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request: who sent it, and with which idempotency key."""

    request: Request
    principal: Principal
    key: str | None


class _Nothing(BaseModel):
    """A body that isn't read, or what a query says."""

    since: str | None = None


class _Webhooks:
    """The implementation of the routes."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @property
    def service(self) -> WebhookService:
        return self._services().webhooks

    async def one(self, principal: Principal, subscription_id: str) -> Subscription:
        return _there(await self.service.subscription(principal, subscription_id), subscription_id)

    async def create(self, sent: _Sent, asked: CreateSubscription) -> Response:
        wanted = Wanted(
            url=asked.url,
            events=tuple(asked.events),
            namespace_filter=asked.namespace_filter,
            secret=asked.secret,
            description=asked.description,
        )

        async def make() -> tuple[str, JsonObject, str | None]:
            made = await _checked(self.service.create(sent.principal, wanted))
            return made.subscription.id, self.shown(made.subscription), made.secret

        return await self._once(sent, _without_secret(asked), make, 201)

    async def change(self, principal: Principal, subscription_id: str, asked: ChangeSubscription) -> Subscription:
        changes: Changes = {}
        if asked.url is not None:
            changes["url"] = asked.url
        if asked.events is not None:
            changes["events"] = tuple(asked.events)
        if asked.description is not None:
            changes["description"] = asked.description
        if asked.status is not None:
            changes["status"] = asked.status.value
        return _there(await _checked(self.service.change(principal, subscription_id, changes)), subscription_id)

    async def rotate(self, sent: _Sent, subscription_id: str, asked: RotateSecret) -> Response:
        await self.one(sent.principal, subscription_id)

        async def make() -> tuple[str, JsonObject, str | None]:
            found = await _checked(self.service.rotate(sent.principal, subscription_id, asked.secret))
            made = _there(found, subscription_id)
            return subscription_id, self.shown(made.subscription), made.secret

        return await self._once(sent, _without_secret(asked), make, 200)

    async def test(self, sent: _Sent, subscription_id: str) -> Response:
        await self._active(sent.principal, subscription_id)

        async def make() -> tuple[str, JsonObject, None]:
            made = _there(await self.service.test(sent.principal, subscription_id), subscription_id)
            return made.id, _delivery(made), None

        return await self._once(sent, _Nothing(), make, 202)

    async def replay(self, sent: _Sent, delivery_id: str) -> Response:
        found = _delivered(await self.service.delivery(sent.principal, delivery_id), delivery_id)
        await self._active(sent.principal, found.subscription_id)

        async def make() -> tuple[str, JsonObject, None]:
            queued = _delivered(await self.service.replay(sent.principal, delivery_id), delivery_id)
            return delivery_id, _delivery(queued), None

        return await self._once(sent, _Nothing(), make, 202)

    async def replay_since(self, sent: _Sent, subscription_id: str, since: str | None) -> Response:
        await self._active(sent.principal, subscription_id)
        at = read(since, "since")
        if at is None:
            raise invalid([{"field": "since", "error": "is required"}])

        async def make() -> tuple[str, JsonObject, None]:
            count = await self.service.replay_since(sent.principal, subscription_id, at)
            return subscription_id, {"replayed": _there(count, subscription_id)}, None

        return await self._once(sent, _Nothing(since=since), make, 202)

    async def _active(self, principal: Principal, subscription_id: str) -> None:
        """Check that something can be delivered.

        Raises:
            ApiError: `subscription_disabled`, `subscription_not_found`.
        """
        if (await self.one(principal, subscription_id)).status is SubscriptionStatus.DISABLED:
            raise ApiError(
                Code.SUBSCRIPTION_DISABLED, 'The subscription is disabled; set its `status` to "active" first.'
            )

    async def _once(
        self,
        sent: _Sent,
        asked: BaseModel,
        make: Callable[[], Awaitable[tuple[str, JsonObject, str | None]]],
        status: int,
    ) -> Response:
        """Answer a request, or as it was answered before.

        Args:
            make: does what is asked, and returns the id of what it is about, the answer, and a secret for this one.
        """
        key = key_of(sent.request, sent.principal, sent.key, asked)
        if (earlier := await done_before(self._services(), key)) is not None:
            if earlier.about.startswith(SUBSCRIPTION_ID):
                await self.one(sent.principal, earlier.about)  # it may be gone, or another's, by now
            return earlier.answer
        about, data, secret = await make()
        await remember(self._services(), key, about, answer(data, status))
        return answer(data if secret is None else {**data, "secret": secret}, status)

    def shown(self, subscription: Subscription) -> JsonObject:
        now = self._services().engine.clock.now_ms()
        until = subscription.old_until if subscription.old_secret is not None else None
        creator = subscription.creator.get("user_id")
        return {
            "id": subscription.id,
            "url": subscription.url,
            "events": list(subscription.events),
            "namespace_filter": subscription.namespace_filter,
            "description": subscription.description,
            "status": subscription.status.value,
            "disabled_because": subscription.disabled_because,
            "resting": subscription.status is SubscriptionStatus.ACTIVE and subscription.rests_until is not None,
            "failures": subscription.failures,
            "failing_since": shown_or_none(subscription.failing_since),
            "last_success_at": shown_or_none(subscription.last_success_at),
            "rotating_until": shown_or_none(until if until is not None and until > now else None),
            "created_by": creator if isinstance(creator, str) else None,
            "created_at": shown(subscription.created_at),
            "updated_at": shown(subscription.updated_at),
        }


async def _checked(work: Awaitable[T]) -> T:
    """What the service gives.

    Raises:
        ApiError: what it refuses.
    """
    try:
        return await work
    except NotYours as error:
        raise ApiError(Code.FORBIDDEN, str(error)) from None
    except Unusable as error:
        raise _unusable(error) from None
    except TooMany as error:
        raise ApiError(Code.INVALID_REQUEST, str(error)) from None
    except (SettingsError, SecretUnreadable) as error:
        raise ApiError(Code.NO_SECRETS_KEY, f"{str(error)[0].upper()}{str(error)[1:].rstrip('.')}.") from None


def _unusable(error: Unusable) -> ApiError:
    fault = {"field": error.name, "error": str(error)}
    if error.name != "url":
        return invalid([fault])
    return ApiError(Code.INVALID_WEBHOOK, f"The address {str(error).rstrip('.')}.", [fault])


async def _paged(work: Awaitable[T]) -> T:
    """A page.

    Raises:
        ApiError: `invalid_request`: the cursor is strange.
    """
    try:
        return await work
    except ValueError:
        raise invalid([{"field": "cursor", "error": "isn't one of ours; begin without it"}]) from None


def _there(found: T | None, subscription_id: str) -> T:
    if found is None:
        raise _no_subscription(subscription_id)
    return found


def _no_subscription(subscription_id: str) -> ApiError:
    return not_there(Code.SUBSCRIPTION_NOT_FOUND, f"Subscription {subscription_id!r}")


def _delivered(found: Delivery | None, delivery_id: str) -> Delivery:
    if found is None:
        raise not_there(Code.DELIVERY_NOT_FOUND, f"Delivery {delivery_id!r}")
    return found


def _without_secret(asked: BaseModel) -> BaseModel:
    """What a key's fingerprint is made of: a hash of somebody's secret is kept nowhere."""
    return asked.model_copy(update={"secret": None})


def _pagination(cursor: str | None) -> JsonObject:
    return {"has_more": cursor is not None, "next_cursor": cursor}


def _delivery(delivery: Delivery) -> JsonObject:
    is_test = delivery.is_test
    return {
        "id": delivery.id,
        "subscription_id": delivery.subscription_id,
        "event": delivery.event,
        "status": delivery.status.value,
        "instance_id": None if is_test else delivery.run_id,
        "namespace": delivery.namespace or None,
        "sequence": delivery.seq,
        "attempts": [
            {
                "at": shown(each.at),
                "code": each.code,
                "duration_ms": each.duration_ms,
                "response": each.response,
            }
            for each in delivery.attempts
        ],
        "next_attempt_at": shown_or_none(delivery.next_attempt_at),
        "created_at": shown(delivery.created_at),
    }
