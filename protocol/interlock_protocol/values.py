"""Checks that a value is JSON that the wire can carry, finds the part that isn't, and encodes it.

Laws:
- A value is null, a boolean, an integer of 64 bits (signed or not), a finite float, a string of Unicode scalar values,
  a list, or an object with string keys, nested no deeper than the caller allows. Anything else is `NotWire`.
- A fault's sentence quotes nothing of the value; its path does, and is for the value's author.
- Checking a value takes no longer than creating it, however often one list or object occurs in it.
- A plain value is checked once, which costs about as much as writing it. Lone surrogates are left to the writer, which
  finds them anyway. A path is only computed if there is a fault.

Source: `docs/protocol.md`, "Frames".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final, TypeAlias

from pydantic_core import PydanticSerializationError, to_json

from interlock_protocol.limits import MAX_DEPTH, MAX_EVENT_BYTES, MAX_QUOTED, MIB
from interlock_protocol.types import PathPart

MIN_INT: Final = -(2**63)
END_INT: Final = 2**64

NO_NUMBER: Final = "NaN and infinity aren't JSON"
TOO_DEEP: Final = "the values are nested too deep"
TOO_LONG: Final = "an integer doesn't fit into 64 bits; send it as a string"
SURROGATE: Final = "a string has a lone surrogate (half of a UTF-16 pair), which UTF-8 can't carry"

REPEATED: Final = "something in it stands in too many places, and JSON repeats it in each; put it in one"

_LOOKED: Final = 100_000
"""How many values are checked before repeated occurrences of the same object are counted."""

_WEIGHED_DEPTH: Final = 2 * MAX_DEPTH
_SEPARATED: Final = 2
"""The minimum size of a value in a list, in bytes: one, and the separator."""

_LONG: Final = 256
"""The length from which on a text's repeated occurrences are counted."""

_LIGHT: Final = frozenset({int, float, bool, type(None)})

_Container: TypeAlias = dict[str, object] | list[object] | tuple[object, ...]
Parts: TypeAlias = Callable[[object], Collection[object] | None]


class NotWire(ValueError):  # noqa: N818 - describes the value
    """A value that the wire can't carry.

    Args:
        sentence: what is wrong, without any part of the value.
        path: the keys and indexes that lead to the fault, from the outside in.
    """

    def __init__(self, sentence: str, path: Iterable[PathPart] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.path: list[PathPart] = list(path)

    @property
    def where(self) -> str:
        """The path as text, such as `lines[2].price`; empty if the whole value is meant.

        A long path is cut between two keys, never within one, because half a secret couldn't be recognized as a secret.
        """
        path = ""
        for part in self.path:
            shown = f"[{part}]" if isinstance(part, int) else f".{part}"
            if len(path) + len(shown) > MAX_QUOTED:
                path += "…"
                break
            path += shown
        return path.removeprefix(".").encode(errors="replace").decode()

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}" if self.path else self.sentence


def check(value: object, depth: int = MAX_DEPTH) -> None:
    """Check that the wire can carry a value, except for lone surrogates, which the writers find.

    Raises:
        NotWire: it can't.
    """
    try:
        _check(value, depth, [_LOOKED])
    except _Many:
        if repeated(value) > MAX_EVENT_BYTES:
            raise NotWire(REPEATED) from None
        _check(value, depth, [END_INT])


def _check(value: object, depth: int, left: list[int]) -> None:
    """Like `check`; `left` holds how many values may still be checked.

    Raises:
        NotWire: the wire can't carry the value.
        _Many: there are more values than that.
    """
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise NotWire(f"a key of an object is a string, not of the type {type(key).__name__}")
        _check_all(value, value.values(), depth, left)
    elif isinstance(value, (list, tuple)):
        _check_all(value, value, depth, left)
    elif isinstance(value, float):
        if value - value != 0:
            raise NotWire(NO_NUMBER)
    elif isinstance(value, int):
        if not MIN_INT <= value < END_INT:
            raise NotWire(TOO_LONG)
    elif not isinstance(value, str) and value is not None:
        raise NotWire(f"a value of the type {type(value).__name__} isn't JSON; convert it first")


def _check_all(container: _Container, values: Iterable[object], depth: int, left: list[int]) -> None:
    if depth == 0:
        raise NotWire(TOO_DEEP)
    left[0] -= len(container)
    if left[0] < 0:
        raise _Many
    value: object = None
    try:
        for value in values:
            kind = type(value)
            if kind is str or value is None or kind is bool:
                continue  # most values are; a call for each would double the cost
            if kind is int and MIN_INT <= value < END_INT:  # type: ignore[operator]
                continue
            if kind is float and value - value == 0:  # type: ignore[operator]
                continue
            _check(value, depth - 1, left)
    except NotWire as fault:
        fault.path.insert(0, _place(container, value))
        raise


class _Many(Exception):  # noqa: N818 - describes the values
    """There are more values than are checked without counting repeated occurrences."""


def repeated(value: object, parts: Parts | None = None) -> int:
    """Return a lower bound of the bytes in a value's JSON that are due to repeated occurrences of the same object.

    Each container is visited once, however often it occurs. Lists that contain each other twice double the JSON at each
    level, but take no longer to count than to create.

    Args:
        parts: returns the values inside an object that is neither a list nor a dict, or None if it has none.
    """
    return _Weighing(parts).repeated(value)


class _Weighing:
    def __init__(self, parts: Parts | None) -> None:
        self._parts = parts
        self._known: dict[int, int] = {}
        self._once = 0

    def repeated(self, value: object) -> int:
        return self._weight(value, _WEIGHED_DEPTH) - self._once

    def _weight(self, value: object, depth: int) -> int:
        """Return a lower bound of a value's bytes if it is written at each occurrence."""
        inside = self._inside(value)
        if inside is None or depth == 0:
            return 0
        known = self._known.get(id(value))
        if known is not None:
            return known
        self._known[id(value)] = 0  # a value inside itself can't be written at all
        weight = _SEPARATED * len(inside)
        self._once += weight
        for each in inside:
            kind = type(each)
            if kind is str:
                if len(each) >= _LONG:  # type: ignore[arg-type]
                    weight += self._of_text(each)  # type: ignore[arg-type]
            elif kind not in _LIGHT:
                weight += self._weight(each, depth - 1)
        self._known[id(value)] = weight
        return weight

    def _of_text(self, text: str) -> int:
        if id(text) not in self._known:
            self._known[id(text)] = len(text)
            self._once += len(text)
        return len(text)

    def _inside(self, value: object) -> Collection[object] | None:
        if isinstance(value, dict):
            return value.values()
        if isinstance(value, (list, tuple)):
            return value
        return None if self._parts is None else self._parts(value)


def _place(container: _Container, value: object) -> PathPart:
    """Return a value's key or index in its container."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    return next((key for key, each in items if each is value), "?")


def encoded(value: object, *, depth: int = MAX_DEPTH) -> bytes:
    """Encode a value as compact JSON in UTF-8.

    Raises:
        NotWire: the wire can't carry it.
    """
    check(value, depth)
    return written(value)


def written(value: object) -> bytes:
    """Like `encoded`, for a value that was already checked, except for lone surrogates.

    Raises:
        NotWire: a string has a lone surrogate.
    """
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError):
        raise NotWire(SURROGATE, _surrogate(value) or ()) from None


def _surrogate(value: object) -> list[PathPart] | None:
    """Return the path to the first string that UTF-8 can't carry, or to the object that has it as a key, or None."""
    if isinstance(value, str):
        return None if is_text(value) else []
    items: Iterable[tuple[PathPart, object]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    for key, each in items:
        if isinstance(key, str) and not is_text(key):
            return []
        found = _surrogate(each)
        if found is not None:
            return [key, *found]
    return None


def is_text(text: str) -> bool:
    """Return True if UTF-8 can carry the text, because it has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def too_large(size: int, limit: int, what: str) -> NotWire:
    """Return the fault of something that is over its limit."""
    return NotWire(f"{what} is at most {limit / MIB:g} MiB as JSON, this has {size / MIB:.1f}")
