"""Managing webhooks: what those who may (`webhooks:manage`) do with the subscriptions of their account.

Laws:
- Who doesn't own all of the account sees, makes and changes only subscriptions to a namespace of their own; others
  don't exist for them.
- A secret comes out of here once: when this server made it.
- What is told is what its creator may read: that is who last said where something is sent, or what. So nobody turns the
  rights of another to an address of their own.
- Where a subscription is answered, every node tells it: also one that is made while the account's first one is.

Source: `docs/webhooks.md`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypedDict

from interlock.auth import Principal, Verb, may
from interlock.identity.directory import facts_of
from interlock.outgoing.guarded import Forbidden, Guard
from interlock.outgoing.posting import checked_address
from interlock.store.ports.webhooks import (
    LISTENING_SECONDS,
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    Subscription,
    SubscriptionChange,
    SubscriptionPage,
    SubscriptionStatus,
    Webhooks,
)
from interlock.webhooks.events import EVENTS, TEST_EVENT
from interlock.webhooks.keys import SigningKeys
from interlock.webhooks.signing import LONGEST_SECRET, SHORTEST_SECRET, is_secret, new_secret
from interlock_protocol.namespaces import UnusableName, check_namespace

MOST_SUBSCRIPTIONS: Final = 100
"""How many subscriptions an account may have."""

KNOWN_MS: Final = round(2 * LISTENING_SECONDS * 1000)
"""For how long a subscription has to have been active for every node to know of it."""

LONGEST_URL: Final = 2048
LONGEST_DESCRIPTION: Final = 1024


class NotYours(Exception):  # noqa: N818 - turned into an answer
    """The namespace is another's; the message says what to do."""


class Unusable(ValueError):  # noqa: N818 - turned into an answer
    """A field has a value that it can't have."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


class UrlNotAllowed(Unusable):
    """The address is one that this server sends nothing to."""


class TooMany(Exception):  # noqa: N818 - turned into an answer
    """The account has as many subscriptions as it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subscription to make.

    Args:
        events: names out of `EVENTS`.
        namespace_filter: the only namespace whose runs are told of; None for all of the account.
        secret: one of one's own, of 32 printable characters or more; None for one that the server makes.
    """

    url: str
    events: tuple[str, ...]
    namespace_filter: str | None = None
    secret: str | None = field(default=None, repr=False)
    description: str | None = None


class Changes(TypedDict, total=False):
    """New values of some fields of a subscription."""

    url: str
    events: tuple[str, ...]
    namespace_filter: str | None
    description: str | None
    status: Literal["active", "disabled"]


@dataclass(frozen=True, slots=True)
class WithSecret:
    """A subscription, and its secret if this server has just made it: it isn't told again."""

    subscription: Subscription
    secret: str | None = field(repr=False)


class WebhookService:
    """The subscriptions and deliveries of all accounts, for those who manage them.

    Every method is of the principal's account; what isn't there, or not for them, is None or False.

    Args:
        guard: decides what may be reached.
        clock: returns the time in milliseconds since 1970.
        poke: has due deliveries looked for at once.
        learn: returns when every node knows that an account has subscriptions now.
    """

    def __init__(
        self,
        store: Webhooks,
        keys: SigningKeys,
        guard: Guard,
        clock: Callable[[], int],
        poke: Callable[[], None],
        learn: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._keys = keys
        self._guard = guard
        self._clock = clock
        self._poke = poke
        self._learn = learn

    # ── Subscriptions ───────────────────────────────────────────────────────────────────────────────────

    async def create(self, principal: Principal, wanted: Wanted) -> WithSecret:
        """Make a subscription, which is told of what happens from now on.

        Raises:
            NotYours, TooMany, Unusable, UrlNotAllowed: it can't be.
            SettingsError: there is no key to seal its secret with.
        """
        _check_namespace(principal, wanted.namespace_filter)
        account = principal.account
        if len(await self._all(account)) >= MOST_SUBSCRIPTIONS:
            raise TooMany(f"An account has at most {MOST_SUBSCRIPTIONS} subscriptions; delete one that isn't used.")
        subscription_id = f"whsub_{secrets.token_hex(12)}"
        secret, is_made = _secret(wanted.secret)
        url = await self._checked_url(wanted.url)
        now = self._clock()
        new = Subscription(
            id=subscription_id,
            account=account,
            url=url,
            events=_checked_events(wanted.events),
            namespace_filter=wanted.namespace_filter,
            secret=self._keys.sealed(account, subscription_id, secret),
            creator=facts_of(principal),
            created_at=now,
            updated_at=now,
            description=_checked_description(wanted.description),
        )
        await self._store.add_subscription(new)
        await self._heard(new)
        return WithSecret(new, secret if is_made else None)

    async def subscriptions(self, principal: Principal, *, cursor: str | None, limit: int) -> SubscriptionPage:
        """A page of subscriptions, newest first; raises ValueError for a strange cursor."""
        namespaces = None if principal.owns_all else principal.owned
        return await self._store.subscriptions(principal.account, namespaces=namespaces, cursor=cursor, limit=limit)

    async def subscription(self, principal: Principal, subscription_id: str) -> Subscription | None:
        """One subscription."""
        found = await self._store.subscription(principal.account, subscription_id)
        return found if found is not None and _is_theirs(principal, found.namespace_filter) else None

    async def change(self, principal: Principal, subscription_id: str, changes: Changes) -> Subscription | None:
        """Change a subscription. What was disabled and is active again goes on with what it still has to be told.

        Raises:
            NotYours, Unusable, UrlNotAllowed: it can't be.
        """
        if await self.subscription(principal, subscription_id) is None:
            return None
        change = await self._checked(principal, changes)
        changed = await self._changed(principal, subscription_id, lambda *_: change)
        if changed is not None and change.get("status") is SubscriptionStatus.ACTIVE:
            await self._heard(changed)
        self._poke()
        return changed

    async def _checked(self, principal: Principal, changes: Changes) -> SubscriptionChange:
        change: SubscriptionChange = {}
        if "namespace_filter" in changes:
            _check_namespace(principal, changes["namespace_filter"])
            change["namespace_filter"] = changes["namespace_filter"]
        if "events" in changes:
            change["events"] = _checked_events(changes["events"])
        if "description" in changes:
            change["description"] = _checked_description(changes["description"])
        if "url" in changes:
            change["url"] = await self._checked_url(changes["url"])
        if "status" in changes:
            change["status"] = SubscriptionStatus(changes["status"])
            change["disabled_because"] = None if change["status"] is SubscriptionStatus.ACTIVE else "asked"
        if "url" in change or change.get("status") is SubscriptionStatus.ACTIVE:
            change |= {"failures": 0, "failing_since": None, "rests_until": None}  # it may well work now
        if change.keys() & {"url", "events", "namespace_filter"}:
            change["creator"] = facts_of(principal)
        return change

    async def delete(self, principal: Principal, subscription_id: str) -> bool:
        """Delete a subscription and its deliveries; return whether there was one."""
        if await self.subscription(principal, subscription_id) is None:
            return False
        return await self._store.delete_subscription(principal.account, subscription_id)

    # ── Secrets ─────────────────────────────────────────────────────────────────────────────────────────

    async def rotate(self, principal: Principal, subscription_id: str, secret: str | None = None) -> WithSecret | None:
        """Give a subscription another secret. The one before signs, too, for a day, or until that is confirmed.

        Raises:
            Unusable: the secret can't be one.
            SettingsError, SecretUnreadable: it can't be sealed, or the one before can't be opened.
        """
        new, is_made = _secret(secret)

        def replaced(before: Subscription, now: int) -> SubscriptionChange:
            old, until = self._keys.replaced(before, now)
            sealed = self._keys.sealed(before.account, before.id, new)
            return {"secret": sealed, "old_secret": old, "old_until": until}

        changed = await self._changed(principal, subscription_id, replaced)
        return None if changed is None else WithSecret(changed, new if is_made else None)

    async def confirm(self, principal: Principal, subscription_id: str) -> Subscription | None:
        """Have only the latest secret sign from now on."""

        def ended(*_: object) -> SubscriptionChange:
            return {"old_secret": None, "old_until": None}

        return await self._changed(principal, subscription_id, ended)

    async def _changed(
        self, principal: Principal, subscription_id: str, make: Callable[[Subscription, int], SubscriptionChange]
    ) -> Subscription | None:
        """Change what nobody else has changed since it was read."""
        while True:
            before = await self.subscription(principal, subscription_id)
            if before is None:
                return None
            now = max(self._clock(), before.updated_at + 1)
            changed = await self._store.change_subscription(
                principal.account, subscription_id, make(before, now), now, unless_changed_since=before.updated_at
            )
            if changed is not None:
                return changed

    async def reseal(self) -> int:
        """Seal what was sealed with an older key with the first one, in all accounts; return how many secrets it was.

        Raises:
            SettingsError, SecretUnreadable: there is no key; or some were sealed with none of them.
        """
        count, after = 0, ""
        while found := await self._store.sealed_subscriptions(after):
            for each in found:
                secret, old = self._keys.resealed(each.secret), self._keys.resealed(each.old_secret)
                changed = (secret != each.secret) + (old != each.old_secret)
                if changed and secret is not None and await self._store.reseal_subscription(each, secret, old):
                    count += changed
            after = found[-1].id
        return count

    # ── Deliveries ──────────────────────────────────────────────────────────────────────────────────────

    async def deliveries(
        self, principal: Principal, subscription_id: str, which: DeliveryFilter
    ) -> DeliveryPage | None:
        """A page of a subscription's deliveries, newest first; raises ValueError for a strange cursor."""
        if await self.subscription(principal, subscription_id) is None:
            return None
        return await self._store.deliveries(principal.account, subscription_id, which)

    async def delivery(self, principal: Principal, delivery_id: str) -> Delivery | None:
        """One delivery."""
        found = await self._store.delivery(principal.account, delivery_id)
        if found is None or await self.subscription(principal, found.subscription_id) is None:
            return None
        return found

    async def test(self, principal: Principal, subscription_id: str) -> Delivery | None:
        """Send a test event: through the outbox, signed as all are."""
        found = await self.subscription(principal, subscription_id)
        if found is None:
            return None
        data = json.dumps({"kind": "test", "subscription_id": subscription_id, "namespace": found.namespace_filter})
        where, now = found.namespace_filter or "", self._clock()
        made = await self._store.add_test_delivery(principal.account, subscription_id, TEST_EVENT, data, where, now)
        await self._wake(found)
        return made

    async def replay(self, principal: Principal, delivery_id: str) -> Delivery | None:
        """Send a delivery again, under its own id."""
        found = await self.delivery(principal, delivery_id)
        if found is None:
            return None
        queued = await self._store.replay(principal.account, delivery_id, self._clock())
        self._poke()
        return queued

    async def replay_since(self, principal: Principal, subscription_id: str, since: int) -> int | None:
        """Send whatever happened since a time again, in order; return how many deliveries that are."""
        if await self.subscription(principal, subscription_id) is None:
            return None
        count = await self._store.replay_since(principal.account, subscription_id, since, self._clock())
        self._poke()
        return count

    # ── Checks ──────────────────────────────────────────────────────────────────────────────────────────

    async def _all(self, account: str) -> tuple[Subscription, ...]:
        return (await self._store.subscriptions(account, limit=MOST_SUBSCRIPTIONS)).subscriptions

    async def _heard(self, active: Subscription) -> None:
        """Return when every node knows that the account has subscriptions, of which this one was just made active. They
        know already if another one has been active for so long that each has asked since."""
        known = self._clock() - KNOWN_MS
        others = (each for each in await self._all(active.account) if each.id != active.id)
        if not any(each.status is SubscriptionStatus.ACTIVE and each.updated_at <= known for each in others):
            await self._learn()

    async def _wake(self, subscription: Subscription) -> None:
        """End a rest: somebody looks."""
        if subscription.rests_until is not None:
            now = self._clock()
            await self._store.change_subscription(subscription.account, subscription.id, {"rests_until": None}, now)
        self._poke()

    async def _checked_url(self, url: str) -> str:
        """Return an address as it is kept.

        Raises:
            Unusable: it isn't one of HTTP, or has a password.
            UrlNotAllowed: this server sends nothing there.
        """
        if len(url) > LONGEST_URL:
            raise Unusable("url", f"must have at most {LONGEST_URL} characters")
        try:
            return await checked_address(self._guard, url)
        except Forbidden as error:
            raise UrlNotAllowed("url", f"can't be used: {error}") from None
        except ValueError as error:
            raise Unusable("url", f"can't be used: {error}") from None


@dataclass(frozen=True, slots=True)
class _Place:
    """What a subscription tells of, as `may` has to know it; without a name, all of the account."""

    account: str
    namespace: str
    user_id: str = ""
    assignees: tuple[str, ...] = ()


def _is_theirs(principal: Principal, namespace: str | None) -> bool:
    return may(principal, Verb.MANAGE_WEBHOOKS, _Place(principal.account, namespace or ""))


def _check_namespace(principal: Principal, namespace: str | None) -> None:
    if namespace is not None:
        try:
            check_namespace(namespace)
        except UnusableName as error:
            raise Unusable("namespace_filter", str(error)) from None
    if not _is_theirs(principal, namespace):
        raise NotYours("Name a `namespace_filter` that is yours: you don't own the whole account.")


def _checked_events(events: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [each for each in events if each not in EVENTS]
    if unknown or not events:
        raise Unusable("events", f"must name one or more of {', '.join(EVENTS)}")
    return tuple(each for each in EVENTS if each in events)


def _checked_description(text: str | None) -> str | None:
    if text is not None and (len(text) > LONGEST_DESCRIPTION or "\x00" in text):
        raise Unusable("description", f"must have at most {LONGEST_DESCRIPTION} characters, and no NUL")
    return text


def _secret(given: str | None) -> tuple[str, bool]:
    """The secret to use, and whether it was made here."""
    if given is None:
        return new_secret(), True
    if not is_secret(given):
        about = f"must have {SHORTEST_SECRET} to {LONGEST_SECRET} printable ASCII characters without spaces"
        raise Unusable("secret", about)
    return given, False
