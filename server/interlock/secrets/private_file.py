"""A text in a file that only its owner may read: generated once, and kept.

Laws:
- Others can't read the file at any moment: the text is written to a temporary file, created with mode 0600, which is
  then renamed.
- An existing text is kept.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

MAX_BYTES = 16 * 1024
"""How much of a file is read; a longer file wasn't written by this module."""


def kept(path: Path, make: Callable[[], str]) -> str:
    """Return the text in the file; if there is none, generate it with `make`.

    Raises:
        OSError, UnicodeDecodeError: the file can't be read, written or protected.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _existing(path) or _written(path, make())


def read(path: Path) -> str:
    """Return the text in the file.

    Raises:
        OSError, UnicodeDecodeError: the file can't be read.
    """
    with path.open("rb") as file:
        return file.read(MAX_BYTES).decode("ascii").strip()


def _existing(path: Path) -> str:
    try:
        text = read(path)
    except FileNotFoundError:
        return ""
    if os.name == "posix":
        _protect(path)
    return text


def _protect(path: Path) -> None:
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        # Another user put the file into a folder that others may write to, and so knows its content.
        raise PermissionError(0, "it belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o600)


def _written(path: Path, text: str) -> str:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return text
