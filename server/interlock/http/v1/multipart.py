"""The one part of an upload, while it arrives.

Laws:
- Nothing but the chunk that has just arrived is in memory; the parser bounds the headers of a part.
- There is one part, `file`, and it has a name; what else there is, is refused where it begins.
- Only a body that is complete counts: a part that breaks off is an error, not a shorter file.

Source: RFC 7578; `docs/files.md`, "What is taken".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from interlock.http.v1.bodies import invalid, too_large
from interlock.http.v1.errors import ApiError, Code

PART: Final = "file"
KIND: Final = "multipart/form-data"

_AROUND: Final = 16 * 1024
"""What a body may have besides the content of its part."""

_WANTED: Final = "Send multipart/form-data with one part, `file`, which has a file name."


async def uploaded(request: Request, limit: int) -> tuple[str, AsyncIterator[bytes]]:
    """The name of the file in a request, and its content as it arrives.

    Raises:
        ApiError: `invalid_request` or `payload_too_large`; also while the content is read.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind.decode("latin-1").lower() != KIND or not boundary:
        raise ApiError(Code.INVALID_REQUEST, _WANTED)
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limit + _AROUND:
        raise too_large(limit)
    part = _Part(boundary)
    content = _content(request, part, limit)
    first = await anext(content, b"")  # nothing of it comes before the name
    return part.name, _again(first, content)


async def _again(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece


async def _content(request: Request, part: _Part, limit: int) -> AsyncIterator[bytes]:
    size = around = 0
    async for chunk in request.stream():
        for begin in range(0, len(chunk), _AROUND):
            piece = chunk[begin : begin + _AROUND]
            content = part.read(piece)
            size += len(content)
            around += len(piece) - len(content)
            if size > limit or around > _AROUND:
                raise too_large(limit)
            if content:
                yield content
    if not (part.is_open and part.is_complete):
        raise invalid([{"field": PART, "error": "breaks off; send it again, whole" if part.is_open else "is required"}])


class _Part:
    """What has arrived of the part.

    Attributes:
        name: the name of its file.
        is_open: it has begun.
        is_complete: the whole body has arrived.
    """

    def __init__(self, boundary: bytes) -> None:
        self.name = ""
        self.is_open = self.is_complete = False
        self._field = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._content = bytearray()
        callbacks: Any = {
            "on_part_begin": self._begun,
            "on_header_field": self._in_field,
            "on_header_value": self._in_value,
            "on_header_end": self._header_ended,
            "on_headers_finished": self._head_ended,
            "on_part_data": self._in_content,
            "on_end": self._ended,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise ApiError(Code.INVALID_REQUEST, _WANTED) from None

    def read(self, piece: bytes) -> bytes:
        """Take the next piece of the body, and return what it has of the content."""
        self._content.clear()
        try:
            self._parser.write(piece)
        except FormParserError:
            raise ApiError(Code.INVALID_REQUEST, f"This isn't multipart/form-data as it should be. {_WANTED}") from None
        return bytes(self._content)

    def _begun(self) -> None:
        if self.is_open:
            raise ApiError(Code.INVALID_REQUEST, f"There is more than one part. {_WANTED}")
        self.is_open = True

    def _in_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _in_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ended(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _head_ended(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != PART.encode() or b"filename" not in options:
            raise ApiError(Code.INVALID_REQUEST, _WANTED)
        self.name = options[b"filename"].decode(errors="replace")

    def _in_content(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _ended(self) -> None:
        self.is_complete = True
