"""Integrations: somebody's credential for a provider.

Laws:
- An integration keeps the address, the way of authenticating and the check that it was created with: a provider that is
  changed later sends nobody's credential elsewhere.
- A credential comes back out only as what a request is given, for the address that it is for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from interlock.secrets.fence import ANY, Asker
from interlock.secrets.kept import Keeper, Opened, Place
from interlock.secrets.providers import BUILT_IN, CREDENTIALS, Auth, Check, Provider
from interlock.store.ports.vault import VaultItem
from interlock_protocol.errors import InterlockError
from interlock_protocol.types import JsonObject


class Unusable(InterlockError):  # noqa: N818 - a state of the world, not a programming error
    """What was given for an integration doesn't fit its provider."""


class _Changed(Exception):  # noqa: N818 - a state of the world, not a programming error
    """An integration isn't what it was any more."""


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration.

    Attributes:
        credentials: None if they can't be opened with the keys that the server has.
        item: as it is stored; None before that.
    """

    name: str
    provider: str
    base_url: str
    auth: Auth
    check: Check | None
    workflows: tuple[str, ...]
    credentials: Mapping[str, str] | None = field(repr=False)
    item: VaultItem | None = None

    def lets_use(self, workflow_id: str) -> bool:
        """Return True if a workflow may use it."""
        return ANY in self.workflows or workflow_id in self.workflows

    @property
    def is_mail(self) -> bool:
        """Whether it is for SMTP, not for HTTP."""
        return self.base_url.startswith("smtp")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An integration to be created; what is None is as the provider has it."""

    name: str
    provider: str
    credentials: Mapping[str, str] = field(repr=False)
    base_url: str | None = None
    auth: Auth | None = None
    check: Check | None = None
    workflows: Sequence[str] = (ANY,)


class KeptIntegrations:
    """The providers and integrations of all accounts."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def providers(self, account: str) -> Mapping[str, Provider]:
        """Return those that are built in, and the account's own."""
        own = (await self._keeper.of(account)).of("provider")
        return {**{each.item.name: Provider.model_validate(each.item.facts) for each in own}, **BUILT_IN}

    async def put_provider(self, account: str, name: str, provider: Provider, *, by: str, at: int) -> None:
        """Store a provider of an account's own, or replace it.

        Raises:
            Unusable: a built-in one has the name.
            TooMany: the account has as many as it may.
        """
        if name in BUILT_IN:
            raise Unusable(f"{name} is built in; choose another name.")
        facts: JsonObject = provider.model_dump(mode="json")
        place: Place = (account, "provider", "", name)
        await self._keeper.put(place, lambda _: VaultItem(*place, "", facts, at, at, by), None)

    async def delete_provider(self, account: str, name: str) -> bool:
        """Delete a provider; return whether there was one. Its integrations stay as they are."""
        return await self._keeper.delete((account, "provider", "", name))

    async def listed(self, account: str, namespace: str = "") -> Sequence[Integration]:
        """Return an account's integrations in one namespace, or those for its whole account."""
        kept = (await self._keeper.of(account)).of("integration")
        return [_integration(each) for each in kept if each.item.namespace == namespace]

    async def named(self, asker: Asker, name: str) -> Integration | None:
        """Return the nearest integration of a name: the namespace's, or the account's."""
        items = (await self._keeper.of(asker.account)).items
        found = items.get(("integration", asker.namespace, name)) or items.get(("integration", "", name))
        return None if found is None else _integration(found)

    async def made(self, account: str, wanted: Wanted) -> Integration:
        """Return an integration that isn't stored yet.

        Raises:
            Unusable: it doesn't fit its provider.
        """
        provider = (await self.providers(account)).get(wanted.provider)
        if provider is None:
            raise Unusable(f"There is no provider {wanted.provider!r}; GET /providers lists those that there are.")
        base_url, auth = wanted.base_url or provider.base_url, provider.auth or wanted.auth
        if base_url is None or auth is None:
            missing = "base_url" if base_url is None else "auth"
            raise Unusable(f"The provider {wanted.provider!r} leaves {missing} to its integrations; give it.")
        needed = CREDENTIALS[auth.type]
        if wanted.credentials.keys() != set(needed):
            raise Unusable(f"The credentials for {auth.type} are {', '.join(needed) or 'none'}: these, and no others.")
        if auth.type.startswith("oauth2") and auth.token_url is None:
            raise Unusable("OAuth 2 needs the provider's token_url; give it with auth.")
        return Integration(
            wanted.name,
            wanted.provider,
            base_url,
            auth,
            wanted.check or provider.check,
            tuple(wanted.workflows),
            dict(wanted.credentials),
        )

    async def put(self, account: str, namespace: str, made: Integration, *, by: str, at: int) -> Integration:
        """Store an integration, or replace it.

        Raises:
            SettingsError: there is no key to seal it with.
            TooMany: the account has as many as it may.
        """
        facts: JsonObject = {
            "provider": made.provider,
            "base_url": made.base_url,
            "auth": made.auth.model_dump(mode="json"),
            "check": None if made.check is None else made.check.model_dump(mode="json"),
            "workflows": list(made.workflows),
        }
        place: Place = (account, "integration", namespace, made.name)
        value: JsonObject = dict(made.credentials or {})
        item = await self._keeper.put(place, lambda _: VaultItem(*place, "", facts, at, at, by), value)
        return _integration(Opened(item, value))

    async def delete(self, account: str, namespace: str, name: str) -> bool:
        """Delete an integration; return whether there was one."""
        return await self._keeper.delete((account, "integration", namespace, name))

    async def current(self, integration: Integration) -> Integration:
        """Return a stored integration as it is by now; as it was if it is gone."""
        item = integration.item
        if item is None:
            return integration
        found = (await self._keeper.of(item.account)).items.get(("integration", item.namespace, item.name))
        return integration if found is None else _integration(found)

    async def renew(self, integration: Integration) -> None:
        """Keep the credentials that a provider gave instead of those that were used, unless somebody has given others
        meanwhile, or deleted them."""
        item = integration.item
        if item is None or integration.credentials is None:
            return

        def made(known: VaultItem | None) -> VaultItem:
            if known is None or known.sealed != item.sealed:
                raise _Changed
            return known

        with contextlib.suppress(_Changed):
            await self._keeper.put(item.place, made, dict(integration.credentials))


def _integration(opened: Opened) -> Integration:
    facts, value = opened.item.facts, opened.value
    check, workflows = facts.get("check"), facts.get("workflows")
    return Integration(
        opened.item.name,
        str(facts["provider"]),
        str(facts["base_url"]),
        Auth.model_validate(facts["auth"]),
        None if check is None else Check.model_validate(check),
        tuple(map(str, workflows)) if isinstance(workflows, list) else (),
        {name: str(each) for name, each in value.items()} if isinstance(value, dict) else None,
        opened.item,
    )
