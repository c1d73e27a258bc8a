"""Reads the answers of foreign servers, and never more of them than is allowed, however they are compressed.

Laws:
- Nothing in an answer is trusted. What can't be read as its headers say is read as text, or is an error.
- Reading gives others their turns, however small the pieces are in which an answer comes.

Source: RFC 9110, 8.3, 8.4 and 10.2.3.
"""

from __future__ import annotations

import asyncio
import codecs
import re
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
from pydantic_core import from_json

from interlock_protocol.limits import MAX_CLIENT_DEPTH, MIB
from interlock_protocol.types import JsonValue
from interlock_protocol.values import check, is_text

MAX_ANSWER_BYTES: Final = MIB
_FRAMING_BYTES: Final = MAX_ANSWER_BYTES // 64
"""How much longer than its content a compressed answer may be: what can't be compressed grows a little."""

MAX_PIECES: Final = 100_000
"""In how many pieces an answer may come; each costs time."""

PIECES_AT_A_TIME: Final = 64
"""How many are read before others have their turn."""

LONGEST_WAIT: Final = 3600.0
"""The longest wait that `Retry-After` is believed, in seconds."""

_GZIP: Final = 31
_CHARSETS: Final = frozenset(
    {"big5", "euc-jp", "euc-kr", "gb18030", "gb2312", "gbk", "iso-2022-jp", "koi8-r", "koi8-u", "shift_jis"}
    | {"us-ascii", "utf-16", "utf-16be", "utf-16le"}
    | {f"iso-8859-{number}" for number in (*range(1, 12), *range(13, 17))}
    | {f"windows-{number}" for number in range(1250, 1259)}
)
"""Besides UTF-8. Python knows more, some of which take quadratic time, or aren't charsets."""


class Unreadable(Exception):  # noqa: N818 - describes the answer
    """An answer can't be read; the message completes "the host's answer …"."""


async def content_of(answer: httpx.Response) -> bytes:
    """Read the whole content of an answer, decompressed.

    Raises:
        Unreadable: it is too large, or compressed in a way that isn't understood.
        httpx.TransportError: it broke off.
    """
    inflation = _inflation(answer.headers.get("content-encoding", ""))
    most = MAX_ANSWER_BYTES + (_FRAMING_BYTES if inflation else 0)
    content = bytearray()
    received = pieces = 0
    async for piece in answer.aiter_raw():
        received += len(piece)
        content += inflation.of(piece, MAX_ANSWER_BYTES - len(content)) if inflation else piece
        if received > most or len(content) > MAX_ANSWER_BYTES:
            raise Unreadable(f"is larger than {MAX_ANSWER_BYTES / MIB:g} MB")
        pieces += 1
        if pieces > MAX_PIECES:
            raise Unreadable(f"comes in more than {MAX_PIECES} pieces")
        if pieces % PIECES_AT_A_TIME == 0:
            await asyncio.sleep(0)
    if received and inflation and not inflation.is_whole:
        raise Unreadable("broke off")
    return bytes(content)


class _Inflation:
    """Decompresses gzip, as far as there is room for what comes of it."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self.is_whole = False

    def of(self, data: bytes, room: int) -> bytes:
        """Return what comes of the next piece: one byte more than there is room for, if it is more.

        Raises:
            Unreadable: it isn't gzip.
        """
        found = bytearray()
        try:
            while data and len(found) <= room:
                if self._member.eof:  # several may stand one after the other
                    self._member = zlib.decompressobj(_GZIP)
                found += self._member.decompress(data, room + 1 - len(found))
                data = self._member.unused_data or self._member.unconsumed_tail
        except zlib.error:
            raise Unreadable("isn't compressed as it says") from None
        self.is_whole = self._member.eof
        return bytes(found)


def _inflation(encodings: str) -> _Inflation | None:
    named = [each.strip().lower() for each in encodings.split(",")]
    match [each for each in named if each not in ("", "identity")]:
        case []:
            return None
        case ["gzip" | "x-gzip"]:
            return _Inflation()
    raise Unreadable("is compressed in another way than gzip, which alone was asked for")


def body_of(content: bytes, content_type: str) -> JsonValue:
    """Return the value of a content: what its JSON says, if it says that it is JSON, and the log can carry it; else its
    text."""
    content = content.removeprefix(codecs.BOM_UTF8)
    if is_json(content_type):
        try:
            value: JsonValue = from_json(content, allow_inf_nan=False)
            check(value, MAX_CLIENT_DEPTH)
        except (ValueError, TypeError):
            pass
        else:
            return value
    return _text(content, content_type)


def is_json(content_type: str) -> bool:
    """Return True if a `Content-Type` says JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("application/json", "text/json") or kind.endswith("+json")


def _text(content: bytes, content_type: str) -> str:
    named = re.search(r";\s*charset\s*=\s*\"?([\w.-]{1,40})", content_type, re.IGNORECASE | re.ASCII)
    charset = named[1].lower() if named else ""
    text = content.decode(charset if charset in _CHARSETS else "utf-8", "replace")
    return text if is_text(text) else text.encode(errors="replace").decode()


def retry_after(text: str | None, now: float) -> float | None:
    """Return how many seconds a `Retry-After` asks to wait, within reason; None if it says nothing.

    Args:
        now: the time, in seconds since 1970.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), LONGEST_WAIT)
    try:
        due = parsedate_to_datetime(text[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    due = due if due.tzinfo else due.replace(tzinfo=UTC)
    return min(max(0.0, (due - datetime.fromtimestamp(now, UTC)).total_seconds()), LONGEST_WAIT)
