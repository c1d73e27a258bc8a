"""A cache with two bounds, against a list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interlock.definitions.lru import Lru

MOST, MOST_BYTES = 3, 10

Call = tuple[str, int, int]
CALLS = st.lists(st.tuples(st.sampled_from(["put", "get", "drop"]), st.integers(0, 5), st.integers(0, 12)))


@given(CALLS)
def test_what_was_used_last_is_kept_as_far_as_both_bounds_allow(calls: list[Call]) -> None:
    lru: Lru[int, object] = Lru(MOST, MOST_BYTES)
    model: list[tuple[int, object, int]] = []  # the one used last at the end
    for what, key, size in calls:
        known = next((each for each in model if each[0] == key), None)
        if what == "get":
            assert lru.get(key) is (None if known is None else known[1])
            model.sort(key=lambda each, known=known: each is known)  # type: ignore[misc]
            continue
        model = [each for each in model if each is not known]
        if what == "drop":
            lru.drop(key)
            continue
        value = object()
        lru.put(key, value, size)
        model.append((key, value, size))
        while len(model) > MOST or sum(each[2] for each in model) > MOST_BYTES:
            model.pop(0)
    assert len(lru) == len(model)
    assert all(key in lru for key, _, _ in model)
    lru.clear()
    assert len(lru) == 0
