"""The parts of this room, wired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from interlock.auth.tokens import Authenticator
from interlock.identity.directory import Directory
from interlock.identity.managing import Managing
from interlock.identity.passwords import Passwords
from interlock.identity.sealing import sealer
from interlock.identity.sign_in import SignIn, SignInStore
from interlock.identity.signing import SigningKeys
from interlock.secrets.keys import KeySettings
from interlock.secrets.port import Vault

ISSUER: Final = "urn:interlock"
"""What tokens of a server without a public address name as their issuer."""


class IdentitySettings(KeySettings, Protocol):
    """The settings that this room needs (`settings.py`)."""

    @property
    def public_url(self) -> str | None: ...


class Identity:
    """The directory, sign-ins, and those who manage them.

    Args:
        given: finds the principals of tokens that aren't this server's own.
        clock: returns the time in milliseconds since 1970.
    """

    def __init__(
        self, store: SignInStore, settings: IdentitySettings, given: Authenticator, clock: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._vault: Vault | None = None
        self._passwords = Passwords()
        issuer = (settings.public_url or ISSUER).rstrip("/")
        self.keys = SigningKeys(store, issuer, self._sealer, clock)
        self.directory = Directory(store, self.keys, given, clock)
        self.sign_in = SignIn(store, self.keys, self._passwords, self.directory, clock)
        self.managing = Managing(store, self.directory, self._passwords, self.sign_in, clock)

    async def start(self) -> None:
        """Learn where the directory stands."""
        await self.directory.start()

    def close(self) -> None:
        """End the threads."""
        self._passwords.close()

    def _sealer(self) -> Vault | None:
        """What seals signing keys: found when it is first needed, as a server that signs nobody in needs no key."""
        if self._vault is None:
            self._vault = sealer(self._settings)
        return self._vault
