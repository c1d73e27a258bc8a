"""Object storages by `obstore`: a folder, or S3 and what speaks like it.

Laws:
- The storage is opened when it is first needed: a server without files makes no folder.
- Of a file, no more than two parts are in memory.
- An error names no key of the storage's owner: what went wrong in detail is only in the server's log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import from_url

from interlock.files.port import Objects, ObjectsUnavailable

logger = structlog.get_logger(__name__)

PIECE_BYTES: Final = 64 * 1024
"""The least that is read at a time."""

_FOLDER_PART_BYTES: Final = 256 * 1024
_PART_BYTES: Final = 5 * 1024 * 1024
"""The least that S3 takes for a part that isn't the last."""

_AWAY: Final = "The server can't reach the storage of its files at the moment; try again."


def open_objects(url: str | None, folder: Path, *, is_alone: bool) -> Objects:
    """The storage of files.

    Args:
        url: `file:///FOLDER`, or `s3://BUCKET[/PREFIX]`, with the rest in the variables of AWS.
        folder: where files are if there is no URL, on a server that is alone.
    """
    if url is not None and urlsplit(url).scheme != "file":
        return StoredObjects(url)
    if url is None and not is_alone:
        return NoObjects()
    return FolderObjects(folder if url is None else Path(unquote(urlsplit(url).path)))


class NoObjects:
    """Where several nodes have no storage of files that they share."""

    async def put(self, key: str, content: AsyncIterator[bytes]) -> None:
        raise _not_set_up()

    async def get(self, key: str, span: tuple[int, int] | None = None) -> AsyncIterator[bytes] | None:
        raise _not_set_up()

    async def delete(self, key: str) -> None:
        raise _not_set_up()


def _not_set_up() -> ObjectsUnavailable:
    return ObjectsUnavailable(
        "This server takes no files: its nodes share no storage for them. Whoever runs it has to set"
        " INTERLOCK_FILES_URL."
    )


class StoredObjects:
    """Objects in a storage that `obstore` knows."""

    part_bytes = _PART_BYTES

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _store(self) -> Any:
        return from_url(self._url)

    async def put(self, key: str, content: AsyncIterator[bytes]) -> None:
        source = _Source(content)
        try:
            await obstore.put_async(self._store, key, source, chunk_size=self.part_bytes, max_concurrency=1)
        except (BaseError, OSError) as error:
            if source.failed is not None:
                raise source.failed from None
            raise _unavailable("put", error) from error

    async def get(self, key: str, span: tuple[int, int] | None = None) -> AsyncIterator[bytes] | None:
        try:
            found = await obstore.get_async(self._store, key, options=None if span is None else {"range": span})
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unavailable("get", error) from error
        return _pieces(found)

    async def delete(self, key: str) -> None:
        try:
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store, key)
        except (BaseError, OSError) as error:
            raise _unavailable("delete", error) from error


class FolderObjects(StoredObjects):
    """Objects in a folder of this machine, which only its user can read."""

    part_bytes = _FOLDER_PART_BYTES

    def __init__(self, folder: Path) -> None:
        super().__init__(folder.absolute().as_uri())
        self._folder = folder.absolute()

    @cached_property
    def _store(self) -> Any:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unavailable("open", error) from error
        return from_url(self._url)

    async def delete(self, key: str) -> None:
        await super().delete(key)
        try:
            for left in self._folder.glob(f"{key}#*"):  # of a write that a crash interrupted
                left.unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable("delete", error) from error


class _Source:
    """Content on its way into a storage; remembers what it raised."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self.failed: Exception | None = None

    def __aiter__(self) -> _Source:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._content)
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.failed = error
            raise


async def _pieces(found: Any) -> AsyncIterator[bytes]:
    try:
        async for piece in found.stream(min_chunk_size=PIECE_BYTES):
            yield bytes(piece)
    except (BaseError, OSError) as error:
        raise _unavailable("read", error) from error


def _unavailable(what: str, error: Exception) -> ObjectsUnavailable:
    logger.warning("file_storage_failed", what=what, error=str(error).partition("\n")[0])
    return ObjectsUnavailable(_AWAY)
