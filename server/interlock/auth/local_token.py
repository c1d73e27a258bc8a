"""The token that the server makes for itself when nothing else guards it, and how the command line finds it.

Laws:
- The token is never in a file that others may read, not for a moment: it is written under another name,
  born with mode 0600, and then renamed.
- A token that is there is kept: links and open pages survive a restart.
- A made-up token is for one person on one machine; `interlock.auth.tokens` refuses it anywhere but on
  loopback.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from interlock.auth.token_list import MAX_TOKEN_BYTES, is_plain
from interlock.settings import SettingsError

TOKEN_FILE: Final = "token"  # noqa: S105 - a name, not a secret


def local_token(data_dir: Path) -> str:
    """The token in `data_dir`, made when there is none.

    Raises:
        SettingsError: the file can't be read, written or protected.
    """
    path = data_dir / TOKEN_FILE
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _existing(path) or _make(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't text"
        raise SettingsError(
            f"The token can't be kept in {path} ({reason}): make that possible,"
            " set INTERLOCK_DATA_DIR to another folder, or set INTERLOCK_TOKENS."
        ) from None


def find_token(data_dir: Path | str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The command line's token: `INTERLOCK_TOKEN`, the server's own file, or a plain `INTERLOCK_TOKENS`."""
    if given := environ.get("INTERLOCK_TOKEN", "").strip():
        return given
    return _readable(Path(data_dir) / TOKEN_FILE) or _plain(environ.get("INTERLOCK_TOKENS", "")) or None


def _existing(path: Path) -> str:
    try:
        token = _read(path)
    except FileNotFoundError:
        return ""
    if os.name == "posix":
        _protect(path)
    return token


def _protect(path: Path) -> None:
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        # A folder that others may write to: whoever put the file there knows the token.
        raise PermissionError(0, "it belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o600)


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return token


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_TOKEN_BYTES).decode("ascii").strip()


def _readable(path: Path) -> str:
    try:
        return _read(path)
    except (OSError, UnicodeDecodeError):
        return ""


def _plain(tokens: str) -> str:
    return tokens.strip() if is_plain(tokens) else ""
