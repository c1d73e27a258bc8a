"""Names of files: as they are kept, and as a browser is told to save them.

Laws:
- A kept name is one line without a folder: no slash, no control or formatting character, none of a right-to-left trick.
- What is put into a header is ASCII, whatever the name is.

Source: RFC 6266, section 4.3, and RFC 8187; the laws of `Content-Disposition`.
"""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import quote

MAX_NAME_BYTES: Final = 200
_NOBODY: Final = "file"
_LONGEST_END: Final = 20
"""How many characters of a name that is shortened may be its extension."""

_UNRESERVED: Final = "!#$&+-.^_`|~"
"""What may stand in a header as it is, besides letters and digits (RFC 8187, `attr-char`)."""


def safe_name(given: str) -> str:
    """A name of a file, as it is kept: the last part of a path, without what misleads; never empty."""
    last = unicodedata.normalize("NFC", given).replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in last if unicodedata.category(each)[0] != "C" and each not in "\u2028\u2029")
    return _shortened(shown.strip(" .")) or _NOBODY


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, end = name.rpartition(".")
    if not (stem and len(end) <= _LONGEST_END):
        stem, dot, end = name, "", ""
    room = MAX_NAME_BYTES - len(f"{dot}{end}".encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + end


def attachment(name: str) -> str:
    """The header `Content-Disposition` of a file to be saved under this name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    ascii_name = "".join(each if each.isalnum() or each in " -._()" else "_" for each in plain).strip(" .") or _NOBODY
    header = f'attachment; filename="{ascii_name}"'
    return header if ascii_name == name else f"{header}; filename*=UTF-8''{quote(name, safe=_UNRESERVED)}"
