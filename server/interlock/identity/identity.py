"""The parts of this room, wired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from interlock.auth.tokens import Authenticator
from interlock.identity.by_provider import ByProvider, Terms
from interlock.identity.directory import Directory
from interlock.identity.managing import Managing
from interlock.identity.passwords import Passwords
from interlock.identity.provider import Provider
from interlock.identity.sign_in import SignIn, SignInStore
from interlock.identity.signing import SigningKeys
from interlock.secrets.vault import KeyedVault

ISSUER: Final = "urn:interlock"
"""What tokens of a server without a public address name as their issuer."""


class Identity:
    """The directory, sign-ins, and those who manage them.

    Args:
        vault: as `Keeper` has it.
        public_url: what tokens name as their issuer; `ISSUER` if None.
        given: finds the principals of tokens that aren't this server's own.
        provider: an identity provider that people of the web app sign in with, and what counts of what it says.
        clock: returns the time in milliseconds since 1970.
    """

    def __init__(
        self,
        store: SignInStore,
        vault: Callable[[], KeyedVault],
        public_url: str | None,
        given: Authenticator,
        clock: Callable[[], int],
        provider: tuple[Provider, Terms] | None = None,
    ) -> None:
        self._passwords = Passwords()
        self.keys = SigningKeys(store, (public_url or ISSUER).rstrip("/"), vault, clock)
        self.directory = Directory(store, self.keys, given, clock)
        self.sign_in = SignIn(store, self.keys, self._passwords, self.directory, clock)
        self.by_provider = (
            None if provider is None else ByProvider(*provider, store, self.sign_in, self.directory, vault, clock)
        )
        self.managing = Managing(store, self.directory, self._passwords, self.sign_in, clock)

    async def start(self) -> None:
        """Learn where the directory stands."""
        await self.directory.start()

    def close(self) -> None:
        """End the threads."""
        self._passwords.close()
