"""What those who manage webhooks may do, see and change, and which secrets sign when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.contract.store.samples import Clock
from tests.webhooks.conftest import HALTED, SECRET, Outbox

from interlock.addresses import Allowed
from interlock.auth import Kind, Principal
from interlock.identity.directory import facts_of
from interlock.outgoing.guarded import Guard
from interlock.secrets.known import Known
from interlock.secrets.vault import KeyedVault, new_key
from interlock.store.ports.webhooks import DeliveryFilter
from interlock.webhooks.keys import OLD_SIGNS_MS, SigningKeys
from interlock.webhooks.service import (
    KNOWN_MS,
    MOST_SUBSCRIPTIONS,
    Changes,
    NotYours,
    TooMany,
    Unusable,
    UrlNotAllowed,
    Wanted,
    WebhookService,
)

SCOPES = frozenset({"webhooks:manage", "workflows:read"})
SERVICE = Principal("deployer", SCOPES, kind=Kind.SERVICE)
ADA, BOB = Principal("ada", SCOPES), Principal("bob", SCOPES)
URL = "https://hooks.example.com/a"


@pytest.fixture
def told() -> list[str]:
    """What the service had others do: `poke` and `learn`."""
    return []


@pytest.fixture
def service(outbox: Outbox, told: list[str]) -> WebhookService:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if host == "nowhere.example.com":
            raise OSError
        return ["10.0.0.1"] if host == "inner.example.com" else ["93.184.215.14"]

    async def learn() -> None:
        told.append("learn")

    guard = Guard(Allowed(["10.9.9.9"]), resolve, "INTERLOCK_WEBHOOK_ALLOW")
    return WebhookService(outbox.store, outbox.keys, guard, outbox.clock, lambda: told.append("poke"), learn)


def wanted(url: str = URL, **fields: Any) -> Wanted:
    return Wanted(url=url, **{"events": (HALTED,), **fields})


async def test_subscription_is_answered_when_all_know_that_its_account_has_one(
    service: WebhookService, outbox: Outbox, told: list[str]
) -> None:
    made = await service.create(SERVICE, wanted())
    other = await service.create(SERVICE, wanted())
    assert told == ["learn", "learn"], "there is no other, then none that all know"
    outbox.clock.now += KNOWN_MS
    await service.create(SERVICE, wanted())
    for status in ("disabled", "active"):
        await service.change(SERVICE, made.subscription.id, {"status": status})
    assert told.count("learn") == 2, "all know the first two"
    outbox.clock.now += KNOWN_MS
    for each in (await service.subscriptions(SERVICE, cursor=None, limit=9)).subscriptions:
        await service.change(SERVICE, each.id, {"status": "disabled"})
    for one in (made, other):
        await service.change(SERVICE, one.subscription.id, {"status": "active"})
    assert told.count("learn") == 4, "for a while there was none"


async def test_secret_is_told_once_if_it_was_made_here_and_is_kept_sealed(
    service: WebhookService, outbox: Outbox
) -> None:
    made = await service.create(SERVICE, wanted())
    own = await service.create(SERVICE, wanted(secret=SECRET))
    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    assert own.secret is None
    assert made.secret not in repr(made)
    for given, secret in ((made, made.secret), (own, SECRET)):
        found = await service.subscription(SERVICE, given.subscription.id)
        assert found is not None
        assert secret not in found.secret
        assert outbox.keys.opened(found, outbox.clock()) == ([secret], float("inf"))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"url": "ftp://a.example.com/"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://user:password@a.example.com/"}, "url"),
        ({"url": "https://a.example.com/" + "a" * 2048}, "url"),
        ({"url": "http://127.1/"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"events": ()}, "events"),
        ({"events": ("workflow.instance.exploded",)}, "events"),
        ({"events": ("webhook.test",)}, "events"),
        ({"secret": "too short"}, "secret"),
        ({"secret": "x" * 31}, "secret"),
        ({"secret": "with spaces in it, and 32 or more characters"}, "secret"),
        ({"secret": "ä" * 40}, "secret"),
        ({"namespace_filter": "no/namespace"}, "namespace_filter"),
        ({"description": "x" * 1025}, "description"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    fields: dict[str, Any], name: str, service: WebhookService
) -> None:
    with pytest.raises(Unusable) as refused:
        await service.create(SERVICE, wanted(**fields))
    assert refused.value.name == name
    assert not isinstance(refused.value, UrlNotAllowed)
    assert "password" not in str(refused.value).replace("a password", "")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://169.254.169.254/", "http://inner.example.com/"],
)
async def test_inner_addresses_are_refused_and_the_setting_is_named(url: str, service: WebhookService) -> None:
    with pytest.raises(UrlNotAllowed, match="INTERLOCK_WEBHOOK_ALLOW"):
        await service.create(SERVICE, wanted(url))
    made = await service.create(SERVICE, wanted())
    with pytest.raises(UrlNotAllowed):
        await service.change(SERVICE, made.subscription.id, {"url": url})


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("HTTPS://Hooks.Example.com/A?b=c#d", "https://hooks.example.com/A?b=c"),
        ("http://10.9.9.9:8080", "http://10.9.9.9:8080/"),
        ("https://nowhere.example.com/", "https://nowhere.example.com/"),
    ],
)
async def test_addresses_are_kept_as_they_are_checked(url: str, kept: str, service: WebhookService) -> None:
    made = await service.create(SERVICE, wanted(url))
    assert made.subscription.url.removesuffix("/") == kept.removesuffix("/")


async def test_who_owns_a_namespace_manages_its_subscriptions_and_no_others(service: WebhookService) -> None:
    for namespace in (None, "user_bob"):
        with pytest.raises(NotYours):
            await service.create(ADA, wanted(namespace_filter=namespace))
    mine = (await service.create(ADA, wanted(namespace_filter="user_ada"))).subscription
    everything = (await service.create(SERVICE, wanted())).subscription
    assert [each.id for each in (await service.subscriptions(ADA, cursor=None, limit=9)).subscriptions] == [mine.id]
    assert len((await service.subscriptions(SERVICE, cursor=None, limit=9)).subscriptions) == 2
    elsewhere = Principal("deployer", SCOPES, kind=Kind.SERVICE, account="acme")
    for stranger, theirs in ((ADA, everything), (BOB, mine), (elsewhere, mine)):
        assert await service.subscription(stranger, theirs.id) is None
        assert await service.change(stranger, theirs.id, {"description": "mine now"}) is None
        assert await service.rotate(stranger, theirs.id) is None
        assert await service.confirm(stranger, theirs.id) is None
        assert await service.test(stranger, theirs.id) is None
        assert await service.deliveries(stranger, theirs.id, DeliveryFilter()) is None
        assert await service.replay_since(stranger, theirs.id, 0) is None
        assert not await service.delete(stranger, theirs.id)
    with pytest.raises(NotYours):
        await service.change(ADA, mine.id, {"namespace_filter": None})
    assert await service.delete(ADA, mine.id)


async def test_rights_are_those_of_who_last_said_what_is_sent_where(service: WebhookService) -> None:
    made = (await service.create(SERVICE, wanted(namespace_filter="user_ada"))).subscription
    described = await service.change(ADA, made.id, {"description": "for the deployment"})
    assert described is not None
    assert described.creator == facts_of(SERVICE)
    changes: Sequence[Changes] = (
        {"url": "https://ada.example.com/"},
        {"events": (HALTED,)},
        {"namespace_filter": "user_ada"},
    )
    for change in changes:
        await service.change(SERVICE, made.id, {"url": URL})
        changed = await service.change(ADA, made.id, change)
        assert changed is not None
        assert changed.creator == facts_of(ADA), "nobody turns another's rights to an address of their own"


async def test_old_secrets_sign_for_a_day_each_or_until_they_are_confirmed(
    service: WebhookService, outbox: Outbox
) -> None:
    made = (await service.create(SERVICE, wanted(secret=SECRET))).subscription
    outbox.clock.now += 1
    second = await service.rotate(SERVICE, made.id)
    outbox.clock.now += OLD_SIGNS_MS // 2
    third = await service.rotate(SERVICE, made.id, "a-secret-of-my-own-of-32-characters")
    assert second is not None
    assert third is not None
    assert third.secret is None
    found = third.subscription
    now = outbox.clock.now + 1
    secrets, until = outbox.keys.opened(found, now)
    assert secrets == ["a-secret-of-my-own-of-32-characters", second.secret, SECRET]
    assert abs(until - (now + OLD_SIGNS_MS // 2)) <= 3
    now += OLD_SIGNS_MS // 2 + 3
    assert outbox.keys.opened(found, now)[0] == ["a-secret-of-my-own-of-32-characters", second.secret]
    now += OLD_SIGNS_MS // 2
    assert outbox.keys.opened(found, now)[0] == ["a-secret-of-my-own-of-32-characters"]
    confirmed = await service.confirm(SERVICE, made.id)
    assert confirmed is not None
    assert outbox.keys.opened(confirmed, outbox.clock.now)[0] == ["a-secret-of-my-own-of-32-characters"]
    with pytest.raises(Unusable):
        await service.rotate(SERVICE, made.id, "short")


async def test_activating_and_moving_end_a_rest_and_disabling_says_who_asked(
    service: WebhookService, outbox: Outbox
) -> None:
    made = (await service.create(SERVICE, wanted())).subscription
    failing: Any = {"failures": 12, "failing_since": 5, "rests_until": outbox.clock.now + 1000}
    for changes in ({"status": "active"}, {"url": "https://other.example.com/"}):
        await outbox.store.change_subscription(made.account, made.id, failing, outbox.clock.now)
        changed = await service.change(SERVICE, made.id, changes)  # type: ignore[arg-type]
        assert changed is not None
        assert (changed.failures, changed.failing_since, changed.rests_until) == (0, None, None)
    disabled = await service.change(SERVICE, made.id, {"status": "disabled"})
    assert disabled is not None
    assert (disabled.status, disabled.disabled_because) == ("disabled", "asked")


async def test_tests_and_replays_are_sent_at_once(service: WebhookService, outbox: Outbox, told: list[str]) -> None:
    made = (await service.create(SERVICE, wanted())).subscription
    test = await service.test(SERVICE, made.id)
    assert test is not None
    assert (test.event, test.next_attempt_at) == ("webhook.test", outbox.clock.now)
    assert told[-1] == "poke"
    assert await service.delivery(SERVICE, test.id) == test
    assert await service.delivery(ADA, test.id) is None
    assert await service.replay(ADA, test.id) is None
    assert await service.replay(SERVICE, test.id) is not None
    assert await service.replay_since(SERVICE, made.id, 0) == 0
    page = await service.deliveries(SERVICE, made.id, DeliveryFilter())
    assert page is not None
    assert [each.id for each in page.deliveries] == [test.id]


async def test_an_account_has_so_many_subscriptions_and_no_more(service: WebhookService, outbox: Outbox) -> None:
    for number in range(MOST_SUBSCRIPTIONS):
        await outbox.subscribe(URL, f"whsub_{number}")
    with pytest.raises(TooMany):
        await service.create(SERVICE, wanted())
    elsewhere = Principal("deployer", SCOPES, kind=Kind.SERVICE, account="acme")
    await service.create(elsewhere, wanted())


async def test_secrets_are_sealed_anew_with_the_first_key_and_signatures_stay(outbox: Outbox) -> None:
    old, new = new_key(), new_key()
    before = SigningKeys(lambda: KeyedVault([old]), Known())
    outbox.keys = before
    service = WebhookService(outbox.store, before, Guard(Allowed(), _nowhere), Clock(), lambda: None, _known)
    made = (await service.create(SERVICE, wanted(secret=SECRET))).subscription
    assert await service.rotate(SERVICE, made.id, SECRET[::-1])
    both = SigningKeys(lambda: KeyedVault([new, old]), Known())
    rotating = WebhookService(outbox.store, both, Guard(Allowed(), _nowhere), Clock(), lambda: None, _known)
    assert await rotating.reseal() == 2
    assert await rotating.reseal() == 0
    found = await outbox.store.subscription(made.account, made.id)
    assert found is not None
    after = SigningKeys(lambda: KeyedVault([new]), Known())
    assert after.opened(found, outbox.clock.now)[0] == [SECRET[::-1], SECRET]


async def _nowhere(host: str, port: int) -> Sequence[str]:
    raise OSError


async def _known() -> None:
    """All know."""
