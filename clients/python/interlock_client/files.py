"""Files for the `file` fields of forms: uploaded, downloaded, deleted.

Laws:
- A file is read while it is sent. Another try sends it from its start; what a try left behind on the server, nobody
  uses, and it goes by itself.
- What a file is, the server finds out by its content.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

from interlock_client.machines import Answer
from interlock_client.rest import Call, Rest, path
from interlock_protocol.errors import ProtocolMisuse

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
"""The largest file that the server takes."""

_PIECE_BYTES: Final = 64 * 1024


class UploadedFile(Answer):
    """A file on the server; its `id` is given for a `file` field.

    Attributes:
        size: in bytes.
        content_type: by its content.
        sha256: of its content, in hexadecimal digits.
    """

    id: str
    name: str
    size: int
    content_type: str
    sha256: str
    created_at: str


class Files:
    """The files of this user, and those of the runs that they may read. `Client.files`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def upload(self, source: str | PathLike[str] | bytes, *, name: str | None = None) -> UploadedFile:
        """Uploads a file.

        Args:
            source: the path of the file, or its content.
            name: what it is called; by default as in the path.

        Raises:
            OSError: there is no such file, or it can't be read.
            ProtocolMisuse: it is larger than `MAX_FILE_BYTES`.
            ActionRefused: `forbidden`, …
            RequestFailed: there was no answer.
        """
        form = _form(source, name)
        call = Call(method="POST", path=path("files"), upload=form, repeatable=True)
        return UploadedFile.model_validate(await self._rest.send(call))

    async def info(self, file_id: str) -> UploadedFile:
        """What is known of a file. Raises `ActionRefused`: `file_not_found`."""
        return UploadedFile.model_validate(
            await self._rest.send(Call(method="GET", path=path("files", file_id, "info")))
        )

    async def download(self, file_id: str) -> bytes:
        """The content of a file. Raises `ActionRefused`: `file_not_found`."""
        return await self._rest.fetch(Call(method="GET", path=path("files", file_id)))

    async def delete(self, file_id: str) -> None:
        """Deletes a file of one's own. Raises `ActionRefused`: `file_not_found`; `file_in_use`, if a run uses it."""
        await self._rest.send(Call(method="DELETE", path=path("files", file_id)))


@dataclass(frozen=True)
class _Form:
    """A form with one file."""

    source: Path | bytes
    size: int
    head: bytes
    boundary: str

    @property
    def _end(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode()

    @property
    def headers(self) -> Mapping[str, str]:
        length = len(self.head) + self.size + len(self._end)
        return {"Content-Type": f"multipart/form-data; boundary={self.boundary}", "Content-Length": str(length)}

    def pieces(self) -> Iterator[bytes]:
        yield self.head
        if isinstance(self.source, bytes):
            yield self.source
        else:
            with self.source.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    yield piece
        yield self._end


def _form(source: str | PathLike[str] | bytes, name: str | None) -> _Form:
    content = source if isinstance(source, bytes) else Path(source)
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ProtocolMisuse(f"the file has {size} bytes, and a server takes at most {MAX_FILE_BYTES}")
    called = name or ("file" if isinstance(content, bytes) else content.name)
    boundary = secrets.token_hex(16)
    quoted = called.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")  # as browsers do
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
    return _Form(content, size, head.encode(errors="replace"), boundary)
