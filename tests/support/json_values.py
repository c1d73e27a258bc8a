"""Strategies for JSON values that are likely to be equal, to compare and to be found, which random ones rarely are."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from interlock_protocol.types import JsonObject, JsonValue

KEYS = st.sampled_from(["a", "b", "c", "é_1", "x-y", "0", "input", "context", "response", "workflow_data"])
"""Keys of objects, each of which can be a name in a path."""

TEXTS = st.sampled_from(["", "a", "b", "ab", "é", "1", "2026-01-31", "$", "{a}", "${a}", "${secrets.X}", "${", "}"])
NUMBERS = st.sampled_from([0, 1, 1.0, -1, 2**53, 2**53 + 1, float(2**53), 10**30, 1e30, 0.1, 0.3, -0.0])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS

VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
OBJECTS: st.SearchStrategy[JsonObject] = st.dictionaries(KEYS, VALUES, max_size=4)

PATHS: st.SearchStrategy[list[str | int]] = st.tuples(KEYS, st.lists(KEYS | st.integers(0, 3), max_size=3)).map(
    lambda parts: [parts[0], *parts[1]]
)
"""The parts of paths."""


def spelled(parts: list[str | int]) -> str:
    """The path of these parts."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def looked_up(value: Any, parts: list[str | int]) -> list[Any]:
    """What a path leads to, in a list; empty if it leads to nothing."""
    for part in parts:
        try:
            is_right = isinstance(value, dict if isinstance(part, str) else list)
            value = value[part] if is_right else None
        except (KeyError, IndexError):
            return []
        if not is_right:
            return []
    return [value]


def nested(depth: int, inner: JsonValue = 1, key: str = "not") -> JsonValue:
    """A value that many objects are around."""
    value = inner
    for _ in range(depth):
        value = {key: value}
    return value
