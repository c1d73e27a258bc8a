"""How a batch is packed into one blob, the same in every adapter: MessagePack `[version, bodies, {offset: private}]`.

Laws:
- The place of a batch (run, epoch, first index) is not in its blob: the store knows it.
- Few entries have a private part, so it costs nothing where there is none.
- A version that this code doesn't know is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat

import msgpack

from interlock.log.port import Batch, Entry

_VERSION = 1


# Without a Python call per entry: this is paid for each entry that is replayed.
_entry: Callable[[tuple[bytes, bytes | None]], Entry] = partial(tuple.__new__, Entry)


def pack(entries: Sequence[Entry]) -> bytes:
    """The blob of these entries."""
    bodies, privates = zip(*entries, strict=True)
    kept = {}
    if privates.count(None) < len(privates):
        kept = {offset: private for offset, private in enumerate(privates) if private is not None}
    blob: bytes = msgpack.packb((_VERSION, bodies, kept))
    return blob


def unpack(blob: bytes) -> tuple[Entry, ...]:
    """The entries of a blob.

    Raises:
        ValueError: a blob of a version that isn't known.
    """
    version, bodies, privates = msgpack.unpackb(blob, strict_map_key=False)
    if version != _VERSION:
        raise ValueError(f"A batch of the log has version {version}; this server reads version {_VERSION}.")
    parts = map(privates.get, range(len(bodies))) if privates else repeat(None)
    return tuple(map(_entry, zip(bodies, parts, strict=False)))


def page(epoch: int, rows: Iterable[tuple[int, bytes]], first_index: int) -> list[Batch]:
    """The batches of (first index, blob), in order; of the first one only what stands from `first_index` on."""
    batches = [Batch(epoch, begins, unpack(blob)) for begins, blob in rows]
    if batches:
        batches[0] = batches[0].since(first_index)
    return batches
