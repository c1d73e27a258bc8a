"""The state of a session: how a step's changes are expressed, and how the changes of several runs are merged.

A change is a list: `["set", path, value]`, `["delete", path]` or `["extend", path, items]`. A path is a list of keys,
into objects within objects.

Laws:
- `patched(before, difference(before, after))` equals `after`, including types: True is not 1, and 1 is not 1.0.
- A change covers as little as it can: a concurrent change of another key, or at the end of the same list, survives in
  either order. So a new object is expressed key by key, and a new list as an extension of a missing one.
- No returned value shares an object or a list with a given one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from interlock_protocol.types import JsonObject, JsonValue


def difference(before: JsonObject, after: JsonObject) -> list[JsonValue]:
    """The changes that turn `before` into `after`: none if they are equal."""
    return list(_changes(before, after, []))


def patched(state: JsonObject, changes: Sequence[JsonValue]) -> JsonObject:
    """The state after the changes, applied in order.

    Raises:
        ValueError: one of them is not a valid change.
    """
    result = {key: _copied(value) for key, value in state.items()}
    for change in changes:
        _apply(change, result)
    return result


# --- the difference ---


def _changes(before: JsonObject, after: JsonObject, path: list[JsonValue]) -> Iterator[JsonValue]:
    for key in before:
        if key not in after:
            yield ["delete", [*path, key]]
    for key, new in after.items():
        here = [*path, key]
        is_new, old = key not in before, before.get(key)
        if isinstance(new, dict) and (isinstance(old, dict) or (is_new and new)):
            yield from _changes(old if isinstance(old, dict) else {}, new, here)
        elif isinstance(new, list) and (is_new or (isinstance(old, list) and _grew(old, new))):
            yield ["extend", here, _copied(new[len(old) :] if isinstance(old, list) else new)]
        elif is_new or not _same(old, new):
            yield ["set", here, _copied(new)]


def _grew(old: list[JsonValue], new: list[JsonValue]) -> bool:
    return len(new) > len(old) and _same(old, new[: len(old)])


def _same(one: JsonValue, two: JsonValue) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_same(value, two[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_same, one, two))
    return type(one) is type(two) and one == two


def _copied(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) for each in value]
    return value


# --- applying it ---


def _apply(change: JsonValue, state: JsonObject) -> None:
    match change:
        case ["set", [*path, str(key)], value]:
            _object_at(path, state)[key] = _copied(value)
        case ["extend", [*path, str(key)], [*items]]:
            parent = _object_at(path, state)
            there = parent.get(key)
            parent[key] = [*(there if isinstance(there, list) else ()), *map(_copied, items)]
        case ["delete", [*path, str(key)]]:
            holder: JsonValue = state
            for name in path:
                holder = holder.get(_key(name)) if isinstance(holder, dict) else None
            if isinstance(holder, dict):
                holder.pop(key, None)
        case _:
            raise ValueError("a change of a session's state is a `set`, a `delete` or an `extend`, with a path of keys")


def _object_at(path: Sequence[JsonValue], state: JsonObject) -> JsonObject:
    """The object at `path`: created, with those on the way, if there is none."""
    for name in path:
        key = _key(name)
        below = state.get(key)
        if not isinstance(below, dict):
            below = state[key] = {}
        state = below
    return state


def _key(name: JsonValue) -> str:
    if not isinstance(name, str):
        raise ValueError("the path of a change is made of keys")
    return name
