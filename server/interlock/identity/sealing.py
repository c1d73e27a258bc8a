"""What seals the private keys that sign tokens.

Law: it is what seals other secrets (`interlock.secrets`); several nodes need one key that all of them have.
"""

from __future__ import annotations

from interlock.secrets.keys import KeySettings, vault_of
from interlock.secrets.port import Vault


def sealer(settings: KeySettings) -> Vault | None:
    """Return what seals, made if the server is alone; None where several nodes have no key."""
    if settings.secrets_keys is None and settings.redis_url is not None:
        return None
    return vault_of(settings, "")
