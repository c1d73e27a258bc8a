"""The JSON that the wire carries: what goes in, and where the rest is.

Laws:
- A value is null, a boolean, an integer of 64 bits (signed or not), a finite float, a string of Unicode scalar values,
  a list, or an object with string keys, nested no deeper than whoever asks allows. What isn't is `NotWire`.
- A fault's sentence quotes nothing of the value; its path does, and is for whoever made the value.
- However often one list or object stands in a value, looking at it takes no longer than making it did.
- A plain value is looked at once, which costs about what writing it does; lone surrogates are left to the writer, which
  finds them anyhow. A path is looked for only when there is a fault.

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
"""How many values are looked at before it is counted which of them are the same."""

_WEIGHED_DEPTH: Final = 2 * MAX_DEPTH
_SEPARATED: Final = 2
"""How many bytes a value in a list has at least: one, and what separates it from the next."""

_LONG: Final = 256
"""A text from which on it matters how often it stands there."""

_LIGHT: Final = frozenset({int, float, bool, type(None)})

_Container: TypeAlias = dict[str, object] | list[object] | tuple[object, ...]
Parts: TypeAlias = Callable[[object], Collection[object] | None]


class NotWire(ValueError):  # noqa: N818 - what the value isn't
    """A value that the wire can't carry.

    Args:
        sentence: what is wrong, without anything of the value.
        path: the keys and indexes that lead to it, from the outside in.
    """

    def __init__(self, sentence: str, path: Iterable[PathPart] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.path: list[PathPart] = list(path)

    @property
    def where(self) -> str:
        """The path as text, such as `lines[2].price`; empty where the value as a whole is meant.

        A long one is cut between two keys, never within one: of half a secret nobody could say that it is one.
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
    """Look for what the wire can't carry, except for lone surrogates, which the writers find.

    Raises:
        NotWire: there is something.
    """
    try:
        _check(value, depth, [_LOOKED])
    except _Many:
        if repeated(value) > MAX_EVENT_BYTES:
            raise NotWire(REPEATED) from None
        _check(value, depth, [END_INT])


def _check(value: object, depth: int, left: list[int]) -> None:
    """The same; `left` is how many values may still be looked at.

    Raises:
        NotWire: there is something.
        _Many: there are more.
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


class _Many(Exception):  # noqa: N818 - what the values are
    """More values than are looked at without knowing how often each stands there."""


def repeated(value: object, parts: Parts | None = None) -> int:
    """How many bytes of a value's JSON there are, at least, only because something in it stands in several places.

    Each container is looked at once, wherever it stands: lists that hold each other twice double at each level,
    and are as quickly counted as made.

    Args:
        parts: what else than lists and objects has values in it, and which; None of what has none.
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
        """How many bytes a value has, at least, if it is written wherever it stands."""
        inside = self._inside(value)
        if inside is None or depth == 0:
            return 0
        known = self._known.get(id(value))
        if known is not None:
            return known
        self._known[id(value)] = 0  # within itself it can't be written at all
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
    """Where a value stands in what holds it."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    return next((key for key, each in items if each is value), "?")


def encoded(value: object, *, depth: int = MAX_DEPTH) -> bytes:
    """A value as compact JSON in UTF-8.

    Raises:
        NotWire: the wire can't carry it.
    """
    check(value, depth)
    return written(value)


def written(value: object) -> bytes:
    """The same, of a value that was checked, but for its strings.

    Raises:
        NotWire: one of them has a lone surrogate.
    """
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError):
        raise NotWire(SURROGATE, _surrogate(value) or ()) from None


def _surrogate(value: object) -> list[PathPart] | None:
    """The path to the first string that UTF-8 can't carry, or to what has it as a key; None when there is none."""
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
    """Whether UTF-8 can carry it: it has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def too_large(size: int, limit: int, what: str) -> NotWire:
    """What is said of something that is over its limit."""
    return NotWire(f"{what} is at most {limit / MIB:g} MiB as JSON, this has {size / MIB:.1f}")
