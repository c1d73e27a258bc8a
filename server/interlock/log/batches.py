"""The encoding of a batch as one blob, shared by all adapters: MessagePack `[version, bodies, {offset: private}]`.

Laws:
- A batch's position (run, epoch, first index) is not in its blob; the adapter stores it separately.
- Few entries have a private part, so entries without one take no space for it.
- An unknown version is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat

import msgpack

from interlock.log.port import Batch, Entry

_VERSION = 1


# Avoids a Python call per entry, because it runs for each entry that is replayed.
_entry: Callable[[tuple[bytes, bytes | None]], Entry] = partial(tuple.__new__, Entry)


def pack(entries: Sequence[Entry]) -> bytes:
    """Encode entries as a blob."""
    bodies, privates = zip(*entries, strict=True)
    kept = {}
    if privates.count(None) < len(privates):
        kept = {offset: private for offset, private in enumerate(privates) if private is not None}
    blob: bytes = msgpack.packb((_VERSION, bodies, kept))
    return blob


def unpack(blob: bytes) -> tuple[Entry, ...]:
    """Decode a blob's entries.

    Raises:
        ValueError: the blob has an unknown version.
    """
    version, bodies, privates = msgpack.unpackb(blob, strict_map_key=False)
    if version != _VERSION:
        raise ValueError(f"A batch of the log has version {version}; this server reads version {_VERSION}.")
    parts = map(privates.get, range(len(bodies))) if privates else repeat(None)
    return tuple(map(_entry, zip(bodies, parts, strict=False)))


def page(epoch: int, rows: Iterable[tuple[int, bytes]], first_index: int) -> list[Batch]:
    """Decode rows of (first index, blob) into batches; entries of the first batch before `first_index` are left out."""
    batches = [Batch(epoch, begins, unpack(blob)) for begins, blob in rows]
    if batches:
        batches[0] = batches[0].since(first_index)
    return batches
