"""Where a server has its keys from, and whether it needs any.

Laws:
- A key stands outside of the database, and is made up only for a server that is alone with it.
- Whoever asks for no secret needs no key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from interlock.secrets.private_file import kept
from interlock.secrets.vault import KeyedVault, is_key, new_key
from interlock.settings import Settings, SettingsError
from interlock.workflow.declare.nodes import Workflow

KEY_FILE: Final = "secrets_key"


def vault_of(settings: Settings, workflows: Sequence[Workflow]) -> KeyedVault | None:
    """The vault of a server with these settings; None when it has no key, and needs none.

    Raises:
        SettingsError: a form asks for a secret, and there is no key to seal it with.
    """
    if settings.secrets_keys is not None:
        return KeyedVault(settings.secrets_keys.get_secret_value().replace(",", " ").split())
    asks = next((each.id for each in workflows if each.asks_secrets), None)
    path = settings.data_dir / KEY_FILE
    if asks is None and (settings.redis_url is not None or not path.exists()):
        return None
    if settings.redis_url is not None:
        raise SettingsError(
            f"Workflow {asks!r} asks for a secret, and several nodes have to seal it with the same key: set "
            "INTERLOCK_SECRETS_KEYS on all of them, to what `openssl rand -base64 32 | tr +/ -_` prints once."
        )
    return KeyedVault([_own_key(settings)])


def _own_key(settings: Settings) -> str:
    path = settings.data_dir / KEY_FILE
    try:
        key = kept(path, new_key)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't text"
        raise SettingsError(
            f"The key that seals secrets can't be kept in {path} ({reason}): make that possible, or set "
            "INTERLOCK_SECRETS_KEYS."
        ) from None
    if not is_key(key):
        raise SettingsError(f"What stands in {path} is no key: restore that file, or set INTERLOCK_SECRETS_KEYS.")
    return key
