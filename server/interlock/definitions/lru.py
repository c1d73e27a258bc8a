"""A cache that is bounded in number and in size, and drops what was used least recently."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Keeps values by their keys.

    Args:
        most: how many values are kept.
        most_bytes: the most that their sizes add up to.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value, and drop the ones used least recently as far as the bounds demand it.

        A value that is larger than the bound is not kept.
        """
        self.drop(key)
        self._kept[key] = value, size
        self._bytes += size
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= dropped

    def drop(self, key: K) -> None:
        """Drop the value of a key, if there is one."""
        _, size = self._kept.pop(key, (None, 0))
        self._bytes -= size

    def clear(self) -> None:
        """Drop all."""
        self._kept.clear()
        self._bytes = 0

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def __iter__(self) -> Iterator[K]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)
