"""The token that the server generates if no other is configured, and how the command line finds it.

Laws:
- The token is never in a file that others may read, not even for a moment.
- An existing token is kept: links and open pages survive a restart.
- A generated token is for one person on one machine; `interlock.auth.tokens` refuses it anywhere but on
  loopback.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from interlock.auth.token_list import is_plain
from interlock.errors import SettingsError
from interlock.secrets.private_file import kept, read

TOKEN_FILE: Final = "token"  # noqa: S105 - a name, not a secret


def local_token(data_dir: Path) -> str:
    """Return the token in `data_dir`, generated if there is none.

    Raises:
        SettingsError: the file can't be read, written or protected.
    """
    path = data_dir / TOKEN_FILE
    try:
        return kept(path, lambda: secrets.token_urlsafe(32))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't text"
        raise SettingsError(
            f"The token can't be kept in {path} ({reason}): make that possible,"
            " set INTERLOCK_DATA_DIR to another folder, or set INTERLOCK_TOKENS."
        ) from None


def find_token(data_dir: Path | str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Find the command line's token: `INTERLOCK_TOKEN`, the server's own file, or a plain `INTERLOCK_TOKENS`."""
    if given := environ.get("INTERLOCK_TOKEN", "").strip():
        return given
    return _readable(Path(data_dir) / TOKEN_FILE) or _plain(environ.get("INTERLOCK_TOKENS", "")) or None


def _readable(path: Path) -> str:
    try:
        return read(path)
    except (OSError, UnicodeDecodeError):
        return ""


def _plain(tokens: str) -> str:
    return tokens.strip() if is_plain(tokens) else ""
