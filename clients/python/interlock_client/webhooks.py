"""Webhooks: subscriptions to what happens in runs, and what was delivered to them.

Laws:
- A secret comes back once, from `subscribe` or `rotate`, where the server made it, and never again.
- What a receiver gets, it verifies with a library for Standard Webhooks (`standardwebhooks`); nothing here is needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from interlock_client.instances import Pagination
from interlock_client.machines import Answer, listed
from interlock_client.rest import Call, Rest, path


class Subscription(Answer):
    """An address that is told of events.

    Attributes:
        events: which, such as `workflow.instance.halted`.
        namespace_filter: of whose runs; None for those of the whole account.
        status: `active`, or `disabled`.
        disabled_because: `asked`, `gone` (the receiver answered 410) or `failing` (for three days); None while active.
        resting: it is active, but failed so often in a row that it is only probed until one attempt succeeds.
        failures: attempts that failed, in a row.
        rotating_until: until when the old secret signs too.
        secret: only where the server has just made it.
    """

    id: str
    url: str
    events: tuple[str, ...]
    namespace_filter: str | None = None
    description: str | None = None
    status: Literal["active", "disabled"] | str
    disabled_because: str | None = None
    resting: bool = False
    failures: int = 0
    failing_since: str | None = None
    last_success_at: str | None = None
    rotating_until: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    secret: str | None = None


class DeliveryAttempt(Answer):
    """One try to deliver.

    Attributes:
        code: the HTTP status; None if there was no answer, and `response` says why.
        response: the beginning of the answer's body.
    """

    at: str
    code: int | None = None
    duration_ms: int
    response: str | None = None


class Delivery(Answer):
    """One event for one subscription.

    Attributes:
        status: `pending`, `delivered`, `dead` (all attempts failed; `replay` tries again) or `dropped` (whoever made
            the subscription might not read the run any more).
        sequence: its number among those of its run for this subscription, from 1 on.
        next_attempt_at: None if none is due: it was delivered, is dead, or waits for an earlier event of its run.
    """

    id: str
    subscription_id: str
    event: str
    status: Literal["pending", "delivered", "dead", "dropped"] | str
    instance_id: str | None = None
    namespace: str | None = None
    sequence: int = 1
    attempts: tuple[DeliveryAttempt, ...] = ()
    next_attempt_at: str | None = None
    created_at: str | None = None


class DeliveryPage(Answer):
    """One page of deliveries, the newest first; `pagination.next_cursor` asks for the next one."""

    deliveries: tuple[Delivery, ...] = ()
    pagination: Pagination = Pagination()


class Webhooks:
    """The subscriptions of this user's account, or of the namespaces that they own. `Client.webhooks`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def subscribe(
        self,
        url: str,
        events: Sequence[str],
        *,
        secret: str | None = None,
        namespace_filter: str | None = None,
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> Subscription:
        """Makes a subscription.

        Args:
            secret: what deliveries are signed with, of 32 characters at least; by default the server makes one, and
                the answer has it in `secret`, this once.
            namespace_filter: tells of this namespace only; whoever doesn't own all of the account has to give one.
            idempotency_key: the same key again, within a day, makes no second one.

        Raises:
            ActionRefused: `invalid_webhook`, if the address can't be one, with what to do; `forbidden`.
        """
        fields = {"secret": secret, "namespace_filter": namespace_filter, "description": description}
        body = {"url": url, "events": list(events), **_given(fields)}
        call = Call(method="POST", path=_path(), body=body, key=idempotency_key)
        return Subscription.model_validate(await self._rest.send(call))

    async def list(self) -> tuple[Subscription, ...]:
        """All subscriptions that this user may manage, the newest first."""
        call = Call(method="GET", path=_path(), query={"limit": 100})
        found = []
        while True:
            page = await self._rest.send(call)
            found += [Subscription.model_validate(each) for each in listed(page, "subscriptions")]
            cursor = page.get("pagination", {}).get("next_cursor")
            if cursor is None:
                return tuple(found)
            call = replace(call, query={**call.query, "cursor": cursor})

    async def get(self, subscription_id: str) -> Subscription:
        """A subscription. Raises `NotFound`: `subscription_not_found`."""
        return await self._one(Call(method="GET", path=_path(subscription_id)))

    async def change(
        self,
        subscription_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        status: Literal["active", "disabled"] | None = None,
    ) -> Subscription:
        """Changes a subscription. What is left out stays as it is; `status` pauses it, or lets it go on.

        Raises:
            ActionRefused: `invalid_webhook`. NotFound: `subscription_not_found`.
        """
        fields = {"url": url, "events": events and list(events), "description": description, "status": status}
        call = Call(method="PATCH", path=_path(subscription_id), body=_given(fields), repeatable=True)
        return await self._one(call)

    async def delete(self, subscription_id: str) -> None:
        """Deletes a subscription, and its deliveries. Raises `NotFound`: `subscription_not_found`."""
        await self._rest.send(Call(method="DELETE", path=_path(subscription_id)))

    async def rotate(self, subscription_id: str, secret: str | None = None) -> Subscription:
        """Gives it another secret, `secret` or one that the server makes. For 24 hours the old one signs too, and what
        has a single signature is still signed with it, until `confirm`."""
        return await self._one(
            Call(method="POST", path=_path(subscription_id, "rotate"), body=_given({"secret": secret}))
        )

    async def confirm(self, subscription_id: str) -> Subscription:
        """Ends a rotation: all receivers know the new secret, and the old one signs nothing any more."""
        call = Call(method="POST", path=_path(subscription_id, "rotate", "confirm"), repeatable=True)
        return await self._one(call)

    async def test(self, subscription_id: str) -> Delivery:
        """Sends a test event; `delivery(…)` tells what became of it."""
        return Delivery.model_validate(await self._rest.send(Call(method="POST", path=_path(subscription_id, "test"))))

    async def deliveries(
        self,
        subscription_id: str,
        *,
        status: str | None = None,
        event: str | None = None,
        instance_id: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> DeliveryPage:
        """One page of its deliveries, the newest first. They are kept for 30 days.

        Args:
            limit: how many, 100 at most.
            cursor: `pagination.next_cursor` of the page before.
        """
        query: dict[str, str | int | None] = {
            "status": status,
            "event": event,
            "instance_id": instance_id,
            "limit": limit,
            "cursor": cursor,
        }
        call = Call(method="GET", path=_path(subscription_id, "deliveries"), query=query)
        return DeliveryPage.model_validate(await self._rest.send(call))

    async def all_deliveries(self, subscription_id: str, *, status: str | None = None) -> AsyncIterator[Delivery]:
        """Its deliveries, page after page."""
        cursor: str | None = None
        while True:
            page = await self.deliveries(subscription_id, status=status, cursor=cursor)
            for delivery in page.deliveries:
                yield delivery
            cursor = page.pagination.next_cursor
            if cursor is None:
                return

    async def delivery(self, delivery_id: str) -> Delivery:
        """A delivery, with its attempts. Raises `NotFound`: `delivery_not_found`."""
        call = Call(method="GET", path=path("webhooks", "deliveries", delivery_id))
        return Delivery.model_validate(await self._rest.send(call))

    async def replay(self, delivery_id: str) -> Delivery:
        """Delivers one again, under its own id. Raises `NotFound`; `Conflict`: `subscription_disabled`."""
        call = Call(method="POST", path=path("webhooks", "deliveries", delivery_id, "replay"), repeatable=True)
        return Delivery.model_validate(await self._rest.send(call))

    async def replay_since(self, subscription_id: str, since: str) -> int:
        """Delivers everything again that happened since a time in ISO 8601; how many there are.

        Raises:
            NotFound: `subscription_not_found`. Conflict: `subscription_disabled`.
        """
        call = Call(method="POST", path=_path(subscription_id, "replay"), query={"since": since}, repeatable=True)
        return int((await self._rest.send(call))["replayed"])

    async def _one(self, call: Call) -> Subscription:
        return Subscription.model_validate(await self._rest.send(call))


def _path(*parts: str) -> str:
    return path("webhooks", "subscriptions", *parts)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """Those that are given."""
    return {name: value for name, value in fields.items() if value is not None}
