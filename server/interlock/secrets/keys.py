"""Finding a server's keys, and deciding whether it needs any.

Laws:
- A key is kept outside the database, and generated only for a server that is alone.
- A server whose workflows ask for no secret needs no key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from pydantic import SecretStr

from interlock.errors import SettingsError
from interlock.secrets.private_file import kept
from interlock.secrets.vault import KeyedVault, is_key, new_key

KEY_FILE: Final = "secrets_key"


class KeySettings(Protocol):
    """The settings that say where the keys are (`settings/`)."""

    @property
    def secrets_keys(self) -> SecretStr | None: ...
    @property
    def data_dir(self) -> Path: ...
    @property
    def redis_url(self) -> SecretStr | str | None: ...


def vault_of(settings: KeySettings, asks: str | None) -> KeyedVault | None:
    """Return the vault of a server with these settings, or None if it has no key and needs none.

    Args:
        asks: the id of a workflow that asks for a secret; None if none does.

    Raises:
        SettingsError: a form asks for a secret, and there is no key to seal it with.
    """
    if settings.secrets_keys is not None:
        return KeyedVault(settings.secrets_keys.get_secret_value().replace(",", " ").split())
    path = settings.data_dir / KEY_FILE
    if asks is None and (settings.redis_url is not None or not path.exists()):
        return None
    if settings.redis_url is not None:
        raise SettingsError(
            f"Workflow {asks!r} asks for a secret, and several nodes have to seal it with the same key: set "
            "INTERLOCK_SECRETS_KEYS on all of them, to what `openssl rand -base64 32 | tr +/ -_` prints once."
        )
    return KeyedVault([_own_key(settings)])


def vault_to_keep(settings: KeySettings) -> KeyedVault:
    """Return the vault that seals what is kept for good, with a key that is made if the server is alone.

    Raises:
        SettingsError: there are several nodes, and no key that all of them have.
    """
    if settings.secrets_keys is None and settings.redis_url is not None:
        raise SettingsError(
            "Several nodes have to seal secrets with the same key, and this one has none: set INTERLOCK_SECRETS_KEYS on"
            " all of them, to what `openssl rand -base64 32 | tr +/ -_` prints once."
        )
    vault = vault_of(settings, "")
    assert vault is not None, "without a setting, a server that is alone makes a key"
    return vault


def _own_key(settings: KeySettings) -> str:
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
