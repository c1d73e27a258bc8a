"""Files that a person gives in a terminal: by their paths, which are uploaded, or by the ids of files on the server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from interlock_client import ClientError, ProtocolMisuse
from interlock_client.files import Files
from interlock_protocol.types import JsonValue

_ID: Final = "file_"


async def uploaded(files: Files, given: JsonValue) -> list[JsonValue]:
    """The ids of the files that were given for a field; those that are paths are uploaded, one after the other.

    Raises:
        ValueError: one can't be read, or isn't taken; a sentence says which and why.
    """
    entries: Sequence[JsonValue] = given if isinstance(given, list) else [given]
    return [await _uploaded(files, str(each)) for each in entries]


async def _uploaded(files: Files, entry: str) -> str:
    path = await asyncio.to_thread(_path_in, entry)
    if path is None:
        return entry
    try:
        return (await files.upload(path)).id
    except OSError as error:
        raise ValueError(f"{entry}: {error.strerror or error}.") from None
    except (ClientError, ProtocolMisuse) as error:
        raise ValueError(f"{entry}: {error}") from None


def _path_in(entry: str) -> Path | None:
    """The path that was typed; None for an id, unless a file is called like that."""
    path = Path(entry).expanduser()
    return None if entry.startswith(_ID) and not path.exists() else path
