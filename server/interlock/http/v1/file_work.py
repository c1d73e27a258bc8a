"""Files, as the routes handle them: taken in, shown to those who may see them, given out, deleted.

Laws:
- Of a file that the caller may not see, nothing is told: it doesn't exist.
- What a file is called, and how it is sent, is chosen so that no browser runs anything in it.
- An upload that fails leaves nothing; what a crash leaves, upkeep clears away.

Source: `docs/files.md`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Final

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from pydantic_core import from_json

from interlock.auth import Principal
from interlock.engine.commands.files import is_own
from interlock.engine.upkeep.files import clear
from interlock.files.kinds import HEAD_BYTES, TEXT, type_of
from interlock.files.names import attachment, safe_name
from interlock.files.port import ObjectsUnavailable
from interlock.http.v1.errors import ApiError, Code, not_there
from interlock.http.v1.idempotency import HEADER, Keeping, Replayed, checked, claim, named_key, replay
from interlock.http.v1.multipart import uploaded
from interlock.http.v1.ranges import NO_SPAN, span_of
from interlock.services import Services
from interlock.store.port import StoredFile, StoreUnavailable
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import MIB

MAX_FILE_BYTES: Final = 10 * MIB
MAX_UNUSED_BYTES: Final = 200 * MIB
"""How much a user may have uploaded that no run uses, with what is being uploaded."""

_PREFIX: Final = "file_"

_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
"""The headers with which a browser neither runs nor keeps a file."""

_FULL: Final = (
    f"You have uploaded {MAX_UNUSED_BYTES // MIB} MB that nothing uses: give these files in forms, delete some, or come"
    " again in a day."
)
_USED: Final = "A run uses the file, so it can't be deleted; it goes seven days after the last such run has ended."


class FileWork:
    """The implementation of the routes."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    async def upload(self, request: Request, principal: Principal) -> StoredFile:
        """Take in the file of a request; one that was sent before with its idempotency key is only compared.

        Raises:
            ApiError: `invalid_request`, `payload_too_large`, `unavailable`, or as `idempotency.begin`; Replayed: it was
                taken in before.
        """
        services, said = self._services(), request.headers.get(HEADER)
        if said is None:
            name, content = await uploaded(request, MAX_FILE_BYTES)
            return await self._taken_in(principal, name, _Read(content))
        key = partial(named_key, request, principal, checked(said))
        outcome = await claim(request, services, key(b""))
        name, content = await uploaded(request, MAX_FILE_BYTES)
        read = _Read(content)
        if outcome is None:
            file = await self._taken_in(principal, name, read)
            request.state.keeping = Keeping(services, key(read.fingerprint(name)))
            return file
        async for _ in read:
            continue
        again = replay(outcome, key(read.fingerprint(name)))
        if isinstance(again, Replayed):
            await self.seen(principal, str(from_json(bytes(again.answer.body))["data"]["id"]))
        raise again

    async def _taken_in(self, principal: Principal, name: str, read: _Read) -> StoredFile:
        services = self._services()
        file_id = f"{_PREFIX}{secrets.token_urlsafe(18)}"
        has_room = await services.store.begin_file(
            file_id,
            principal.user_id,
            safe_name(name),
            account=principal.account,
            reserved=MAX_FILE_BYTES,
            most=MAX_UNUSED_BYTES,
        )
        if not has_room:
            raise ApiError(Code.FILE_QUOTA_EXCEEDED, _FULL, {"limit": MAX_UNUSED_BYTES})
        try:
            with _unavailable():
                await services.objects.put(file_id, read)
            made = await services.store.complete_file(file_id, read.size, read.content_type, read.sha256)
        except BaseException:
            await asyncio.shield(self._given_up(file_id))
            raise
        if made is None:  # it took so long that it was cleared away
            await services.objects.delete(file_id)
            raise ApiError(Code.UNAVAILABLE, "The upload took too long; send it again.")
        return made

    async def _given_up(self, file_id: str) -> None:
        services = self._services()
        with contextlib.suppress(ObjectsUnavailable, StoreUnavailable):
            if await services.store.give_up_file(file_id):
                await clear(services.store, services.objects, file_id)

    async def seen(self, principal: Principal, file_id: str) -> StoredFile:
        """A file that the caller may see: its uploader, and whoever may read a run that uses it.

        Raises:
            ApiError: `file_not_found`.
        """
        file = await self._found(principal, file_id)
        if is_own(principal, file) or await self._is_in_a_readable_run(principal, file_id):
            return file
        raise _no_file(file_id)

    async def _found(self, principal: Principal, file_id: str) -> StoredFile:
        found = await self._services().store.files([file_id], account=principal.account)
        if file_id not in found:
            raise _no_file(file_id)
        return found[file_id]

    async def _is_in_a_readable_run(self, principal: Principal, file_id: str) -> bool:
        services = self._services()
        for run_id in await services.store.runs_using(file_id):
            try:
                await services.engine.runs.readable(principal, run_id)
            except Refusal as refusal:
                if refusal.code is not ErrorCode.RUN_NOT_FOUND:
                    raise
            else:
                return True
        return False

    async def download(self, request: Request, file: StoredFile) -> Response:
        """The answer that gives out a file, or the part of it that is asked for.

        Raises:
            ApiError: `file_not_found`, `range_not_satisfiable` or `unavailable`.
        """
        tag = f'"{file.sha256}"'
        span = span_of(request.headers, file.size, tag)
        if span == NO_SPAN:
            headers = {"Content-Range": f"bytes */{file.size}"}
            sentence = f"The file has {file.size} bytes; ask for some of these."
            raise ApiError(Code.RANGE_NOT_SATISFIABLE, sentence, headers=headers)
        with _unavailable():
            content = await self._services().objects.get(file.file_id, span)
        if content is None:
            raise _no_file(file.file_id)
        kind = f"{TEXT}; charset=utf-8" if file.content_type == TEXT else file.content_type
        headers = {
            **_SAFE,
            "Content-Disposition": attachment(file.name),
            "Content-Length": str(file.size),
            "ETag": tag,
            "Accept-Ranges": "bytes",
        }
        if span is None:
            return StreamingResponse(content, headers=headers, media_type=kind)
        begin, end = span
        headers |= {"Content-Length": str(end - begin), "Content-Range": f"bytes {begin}-{end - 1}/{file.size}"}
        return StreamingResponse(content, 206, headers=headers, media_type=kind)

    async def delete(self, principal: Principal, file_id: str) -> None:
        """Delete a file of the caller's.

        Raises:
            ApiError: `file_not_found`, `forbidden` or `file_in_use`.
        """
        services = self._services()
        file = await self.seen(principal, file_id)
        if not is_own(principal, file):
            raise ApiError(Code.FORBIDDEN, "Only who uploaded the file may delete it.")
        if not await services.store.give_up_file(file_id):
            raise ApiError(Code.FILE_IN_USE, _USED) if await services.store.runs_using(file_id) else _no_file(file_id)
        with contextlib.suppress(ObjectsUnavailable):  # upkeep deletes it later
            await clear(services.store, services.objects, file_id)


class _Read:
    """The content of an upload on its way to the storage, and what is known of it once it has passed."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self._hash = hashlib.sha256()
        self._head = b""
        self.size = 0

    def __aiter__(self) -> _Read:
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._content)
        self.size += len(piece)
        self._hash.update(piece)
        if (room := HEAD_BYTES - len(self._head)) > 0:
            self._head += piece[:room]
        return piece

    @property
    def content_type(self) -> str:
        return type_of(self._head)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def fingerprint(self, name: str) -> bytes:
        """What an upload under this name is known again by."""
        return f"{self.sha256}\0{name}".encode("utf-8", "replace")


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except ObjectsUnavailable as error:
        raise ApiError(Code.UNAVAILABLE, str(error)) from None


def _no_file(file_id: str) -> ApiError:
    return not_there(Code.FILE_NOT_FOUND, f"File {file_id!r}")
