"""The secrets that sign a subscription's deliveries: sealed in the store, opened here.

Laws:
- Each secret that was replaced signs for a day longer, unless its end is confirmed before: also where one is replaced
  twice in a day.
- Sealed for its subscription: elsewhere it doesn't open.
- What is opened or made is known before it is used, so that no line of the log, and no answer that is kept, shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Final, cast

from interlock.secrets.known import Known
from interlock.secrets.vault import KeyedVault
from interlock.store.ports.webhooks import Subscription
from interlock.webhooks.signing import PREFIX
from interlock_protocol.types import JsonValue

OLD_SIGNS_MS: Final = 24 * 60 * 60 * 1000
"""For how long a secret that was replaced signs."""

MOST_OLD: Final = 4
"""How many replaced secrets of a subscription sign at a time; beyond, the latest of them ends."""


class SigningKeys:
    """Seals and opens them.

    Args:
        vault: as `Keeper` has it: raises a `SettingsError` if there is no key to seal with.
    """

    def __init__(self, vault: Callable[[], KeyedVault], known: Known) -> None:
        self._vault = vault
        self._known = known

    def sealed(self, account: str, subscription_id: str, secret: str) -> str:
        """Seal a secret.

        Raises:
            SettingsError: there is no key.
        """
        return self._seal(_about(account, subscription_id), secret)

    def replaced(self, before: Subscription, now: int) -> tuple[str, int]:
        """Return what is to be kept of the secrets that a subscription has, when it gets another one: sealed, and until
        when.

        Raises:
            SettingsError, SecretUnreadable: they can't be opened or sealed.
        """
        # In the order in which they end. Of too many, the latest ones go: nobody has had the time to learn them.
        old = [*self._old(before, now), [self._opened(before, before.secret), now + OLD_SIGNS_MS]][:MOST_OLD]
        return self._seal(_about_old(before.account, before.id), cast("JsonValue", old)), max(until for _, until in old)

    def opened(self, subscription: Subscription, now: int) -> tuple[Sequence[str], float]:
        """Return the secrets that sign now, the latest first, and the time from which on they are others.

        Raises:
            SettingsError, SecretUnreadable: they can't be opened.
        """
        old = self._old(subscription, now)
        secrets = [self._opened(subscription, subscription.secret), *(secret for secret, _ in reversed(old))]
        return secrets, min((until for _, until in old), default=inf)

    def resealed(self, sealed: str | None) -> str | None:
        """As `KeyedVault.rotated`; None stays None."""
        return None if sealed is None else self._vault().rotated(sealed)

    def _old(self, subscription: Subscription, now: int) -> list[list[Any]]:
        """Those that were replaced, with their ends, the oldest first."""
        if subscription.old_secret is None or (subscription.old_until or 0) <= now:
            return []
        about = _about_old(subscription.account, subscription.id)
        old = cast("list[list[Any]]", self._vault().opened(subscription.old_secret, about))
        self._learn(*(secret for secret, _ in old))
        return [each for each in old if each[1] > now]

    def _opened(self, subscription: Subscription, sealed: str) -> str:
        secret = str(self._vault().opened(sealed, _about(subscription.account, subscription.id)))
        self._learn(secret)
        return secret

    def _seal(self, about: str, value: JsonValue) -> str:
        if isinstance(value, str):
            self._learn(value)
        return self._vault().seal(value, about)["value"]

    def _learn(self, *secrets: str) -> None:
        for secret in secrets:
            self._known.learn([secret.removeprefix(PREFIX)])


def _about(account: str, subscription_id: str) -> str:
    return f"webhook {account} {subscription_id}"


def _about_old(account: str, subscription_id: str) -> str:
    return f"replaced webhook {account} {subscription_id}"
