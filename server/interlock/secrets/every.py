"""The secrets of an account, wherever they are: stored, and in the environment.

Law: of two with one name, the nearer counts: a namespace's before its account's, and a stored one before one in the
environment. Whoever manages secrets can so replace one of the operator's for their own account, and never read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from interlock.secrets.environment import EnvironmentSecrets
from interlock.secrets.fence import Asker, Fence, Secret
from interlock.secrets.kept import Keeper, Opened
from interlock_protocol.types import JsonObject


class EverySecret:
    """`Secrets`: those that are stored, then those in the environment."""

    def __init__(self, keeper: Keeper, environment: EnvironmentSecrets) -> None:
        self._keeper = keeper
        self._environment = environment

    async def of(self, asker: Asker) -> Mapping[str, Secret]:
        kept = (await self._keeper.of(asker.account)).of("secret")
        nearest = sorted(_in_reach(kept, asker.namespace), key=lambda each: each.item.namespace != "")
        return {**self._environment.of(asker.account), **{each.item.name: secret_of(each) for each in nearest}}


def _in_reach(kept: Iterable[Opened], namespace: str) -> Iterator[Opened]:
    return (each for each in kept if each.item.namespace in ("", namespace))


def secret_of(opened: Opened) -> Secret:
    """Return a stored secret."""
    value = opened.value if isinstance(opened.value, str) else None
    return Secret(opened.item.name, value, fence_in(opened.item.facts))


def fence_in(facts: JsonObject) -> Fence:
    """Return the fence that was stored with a secret. What it doesn't say is closed."""
    return Fence(_texts(facts.get("hosts")), _texts(facts.get("workflows")), facts.get("script") is True)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
