"""What kind of file some content is, and whether a form's `accept` lets it in.

Laws:
- The content decides. The name only tells apart what looks the same from outside: kinds of text, and kinds of zip.
- A wildcard such as `image/*` is judged by the content alone, so that a text called `x.svg` is no image.
- What nobody knows is `application/octet-stream`, and text is `text/plain`: nothing is ever called HTML.
"""

from __future__ import annotations

import codecs
import mimetypes
from collections.abc import Iterator
from typing import Final

import filetype

HEAD_BYTES: Final = 8192
"""How much of a file is looked at."""

TEXT: Final = "text/plain"
BINARY: Final = "application/octet-stream"
_ZIP: Final = "application/zip"

_WRITTEN: Final = frozenset({"application/pdf", "application/rtf", "application/postscript"})
"""What is text at its beginning, and known by it nevertheless."""

_TEXTS: Final = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_TEXT_ENDS: Final = ("+json", "+xml", "/javascript", "/sql")
_ZIPPED: Final = ("application/vnd.openxmlformats-", "application/vnd.oasis.opendocument.", "application/epub+zip")
_CONTROLS: Final = frozenset(range(32)) - {*b"\t\n\v\f\r\x1b"}


def type_of(head: bytes) -> str:
    """The MIME type of a file that begins with these bytes, at least `HEAD_BYTES` of them if it has as many."""
    known = filetype.guess_mime(head) if head else None
    if known not in _WRITTEN and _is_text(head):
        return TEXT
    return known or BINARY


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return _CONTROLS.isdisjoint(head)


def is_accepted(accept: str, content_type: str, name: str) -> bool:
    """Return True if a field with this `accept`, as HTML has it, takes such a file. An empty one takes all.

    Args:
        content_type: by the content: see `type_of`.
    """
    items = [each.strip().lower() for each in accept.split(",") if each.strip()]
    kinds = frozenset(_kinds(content_type, name))
    return not items or any(_fits(each, content_type, kinds, name.lower()) for each in items)


def _fits(item: str, content_type: str, kinds: frozenset[str], name: str) -> bool:
    if item in ("*", "*/*"):
        return True
    if item.startswith("."):
        wanted = frozenset(_types_of(item))
        return name.endswith(item) and (not wanted or not wanted.isdisjoint(kinds))
    if item.endswith("/*"):
        return content_type.startswith(item[:-1])
    return _plain(item.partition(";")[0].strip()) in kinds


def _kinds(content_type: str, name: str) -> Iterator[str]:
    """The types that a file may pass for."""
    yield _plain(content_type)
    dot = name.rfind(".")
    for each in _types_of(name[dot:].lower()) if dot >= 0 else ():
        is_text = content_type == TEXT and (each.startswith(_TEXTS) or each.endswith(_TEXT_ENDS))
        if is_text or (content_type == _ZIP and each.startswith(_ZIPPED)):
            yield each


def _types_of(extension: str) -> Iterator[str]:
    """The types of files whose names end like this."""
    by_name, _ = mimetypes.guess_type(f"x{extension}", strict=False)
    if by_name:
        yield _plain(by_name)
    by_content = filetype.get_type(ext=extension.removeprefix("."))
    if by_content is not None:
        yield _plain(by_content.mime)


def _plain(mime: str) -> str:
    """A type without the mark of those that were never registered: `audio/x-wav` is `audio/wav`."""
    return mime.lower().replace("/x-", "/", 1)
