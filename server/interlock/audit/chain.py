"""The chain of a run's audit: each entry carries the hash of the one before, over salted hashes of contents.

Laws:
- An entry's leaf hashes its salt and its content; its hash binds the run, its place, the hash before and the leaf. So
  whatever is changed, taken out, put in or moved is found at the first entry that no longer fits.
- The links need no content: where contents and salts were erased, the chain is checked all the same, and the leaves
  that are left say nothing of what they were made of.
- Nothing here knows where entries are kept: what verifies a server's entries verifies a file.

Source: `docs/audit.md`, "How it is made".
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from interlock_protocol.canonical import canonical_json, sha256_of
from interlock_protocol.types import JsonObject

VERSION: Final = 1
"""Of the rules here; part of each hash."""

BEGINNING: Final = "0" * 64
"""What stands for the hash before the first entry."""

_SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Noted:
    """What is to become an entry: `name` tells it from all others of its run and epoch."""

    name: str
    epoch: int
    content: JsonObject


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a run's chain. One that was erased has neither content nor salt."""

    run_id: str
    seq: int
    content: JsonObject | None
    salt: str | None
    leaf: str
    hash: str

    def to_wire(self) -> JsonObject:
        """This as exports have it."""
        return {
            "run_id": self.run_id,
            "seq": self.seq,
            "content": self.content,
            "salt": self.salt,
            "leaf": self.leaf,
            "hash": self.hash,
        }


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry that doesn't fit, and what is wrong with it."""

    run_id: str
    seq: int
    reason: str


def leaf_of(salt: str, content: JsonObject) -> str:
    """The hash of a content, which tells nobody without the salt what it is."""
    return hashlib.sha256(bytes.fromhex(salt) + canonical_json(content)).hexdigest()


def link_of(run_id: str, seq: int, before: str, leaf: str) -> str:
    """The hash of an entry: of its run and place, of the hash before, and of its leaf."""
    return sha256_of([VERSION, run_id, seq, before, leaf])


def chained(run_id: str, tail: tuple[int, str] | None, contents: Iterable[JsonObject]) -> Iterator[Entry]:
    """The next entries of a run.

    Args:
        tail: place and hash of the last entry, if there is one.
    """
    seq, before = tail or (0, BEGINNING)
    for content in contents:
        seq, salt = seq + 1, secrets.token_hex(_SALT_BYTES)
        leaf = leaf_of(salt, content)
        before = link_of(run_id, seq, before, leaf)
        yield Entry(run_id, seq, content, salt, leaf, before)


def broken(run_id: str, entries: Sequence[Entry]) -> Broken | None:
    """The first entry of a run's whole chain that doesn't fit; None if all do."""
    before = BEGINNING
    for seq, entry in enumerate(entries, 1):
        reason = _fault(run_id, seq, before, entry)
        if reason is not None:
            return Broken(run_id, seq, reason)
        before = entry.hash
    return None


def _fault(run_id: str, seq: int, before: str, entry: Entry) -> str | None:
    if entry.run_id != run_id:
        return f"it is of the run {entry.run_id}"
    if entry.seq != seq:
        return f"the entry {entry.seq} stands here: one is missing, there twice, or moved"
    if (entry.content is None) != (entry.salt is None):
        return "it has a content without a salt, or a salt without a content"
    if entry.content is not None and not _is_made_of(entry):
        return "its content isn't what was hashed"
    if entry.hash != link_of(run_id, seq, before, entry.leaf):
        return "its hash isn't that of the entries up to here"
    return None


def _is_made_of(entry: Entry) -> bool:
    assert entry.content is not None
    assert entry.salt is not None
    try:
        return leaf_of(entry.salt, entry.content) == entry.leaf
    except ValueError:  # a salt that is no hexadecimal text, or a content that no JSON is
        return False
