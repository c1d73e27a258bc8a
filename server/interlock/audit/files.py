"""The audit of a run as a file: JSON lines or CSV, and back.

Laws:
- What is read back is what was written, to the byte that is hashed: a content is one JSON text in both.
- A file says how many entries it is to have, so that a part of one isn't taken for the whole.
- No cell of a CSV begins a formula: what else than a content is shown there is for people, and isn't read back.

Source: `docs/audit.md`, "Files".
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.audit.chain import Entry
from interlock_protocol.canonical import canonical_json
from interlock_protocol.types import JsonObject

COLUMNS: Final = (
    "run_id",
    "seq",
    "of",
    "kind",
    "requirement_id",
    "by",
    "at",
    "content",
    "salt",
    "leaf",
    "hash",
)
_SHOWN: Final = ("kind", "requirement_id", "by", "at")
_MAX_CELL: Final = 2**30
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class UnreadableFile(ValueError):  # noqa: N818 - says what it is
    """This isn't an exported audit; the message says where it can't be read."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A run's entries as a file has them, and how many it says there are."""

    run_id: str
    count: int
    entries: Sequence[Entry]


def json_lines(entries: Sequence[Entry], count: int, people: Iterable[JsonObject] = ()) -> Iterator[str]:
    """The lines of a file, each with its end: entries, then who got, saw and decided what.

    Args:
        count: how many entries the run has: more than there are here, in a part of a file.
    """
    for each in entries:
        yield _line({"type": "entry", "of": count, **each.to_wire()})
    for person in people:
        yield _line({"type": "person", **person})


def csv_lines(entries: Sequence[Entry], count: int, *, with_header: bool = True) -> Iterator[str]:
    """The lines of a CSV file (RFC 4180), each with its end."""
    out = io.StringIO()
    rows = csv.writer(out)
    if with_header:
        rows.writerow(COLUMNS)
    for each in entries:
        rows.writerow(_cells(each, count))
        yield _taken(out)
    if rest := _taken(out):
        yield rest


def read_file(text: str) -> list[Chain]:
    """The chains of a file of either kind, in the order of their first entries.

    Raises:
        UnreadableFile: it is neither.
    """
    read = _read_csv if text.startswith(COLUMNS[0]) else _read_lines
    chains: dict[str, tuple[list[Entry], int]] = {}
    for entry, count in read(text):
        chains.setdefault(entry.run_id, ([], count))[0].append(entry)
    return [Chain(run_id, count, entries) for run_id, (entries, count) in chains.items()]


def entry_in(wire: Mapping[str, Any]) -> Entry:
    """The opposite of `Entry.to_wire`.

    Raises:
        KeyError, TypeError: it isn't one.
    """
    texts = [wire[name] for name in ("run_id", "leaf", "hash")]
    seq, content, salt = wire["seq"], wire["content"], wire["salt"]
    if not (all(isinstance(each, str) for each in texts) and type(seq) is int and isinstance(salt, str | None)):
        raise TypeError(seq)
    if not isinstance(content, dict | None):
        raise TypeError(content)
    return Entry(texts[0], seq, content, salt, texts[1], texts[2])


def _line(wire: Mapping[str, Any]) -> str:
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":")) + "\n"


def _cells(entry: Entry, count: int) -> list[str]:
    content = entry.content or {}
    shown = [_harmless(str(content.get(name, "") if content.get(name) is not None else "")) for name in _SHOWN]
    text = "" if entry.content is None else canonical_json(entry.content).decode()
    return [entry.run_id, str(entry.seq), str(count), *shown, text, entry.salt or "", entry.leaf, entry.hash]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _taken(out: io.StringIO) -> str:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text


def _read_lines(text: str) -> Iterator[tuple[Entry, int]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            wire = json.loads(line)
            if wire["type"] == "entry":
                yield entry_in(wire), int(wire["of"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UnreadableFile(f"Line {number} is no entry of an audit; export the file anew.") from None


def _read_csv(text: str) -> Iterator[tuple[Entry, int]]:
    csv.field_size_limit(_MAX_CELL)
    rows = csv.DictReader(io.StringIO(text, newline=""))
    for row in rows:
        try:
            content = json.loads(row["content"]) if row["content"] else None
            wire = {**row, "seq": int(row["seq"]), "content": content, "salt": row["salt"] or None}
            yield entry_in(wire), int(row["of"])
        except (ValueError, KeyError, TypeError, RecursionError, csv.Error):
            raise UnreadableFile(f"Line {rows.line_num} is no entry of an audit; export the file anew.") from None
