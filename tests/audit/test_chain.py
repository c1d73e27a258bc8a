"""The chain: whatever is changed, taken out, put in or moved is found, at the first entry that doesn't fit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from interlock.audit.chain import Entry, broken, chained
from interlock_protocol.canonical import canonical_json, sha256_of

CONTENTS = st.lists(
    st.dictionaries(st.text(max_size=3), st.none() | st.integers(-9, 9) | st.text(max_size=3), max_size=3), min_size=1
)
HASH = "ab" * 32


def chain(contents: list[dict[str, object]], run_id: str = "run") -> list[Entry]:
    return list(chained(run_id, None, contents))  # type: ignore[arg-type]


@given(CONTENTS, st.data())
def test_a_chain_is_whole_however_it_came_and_whatever_was_erased(
    contents: list[dict[str, object]], data: st.DataObject
) -> None:
    entries = chain(contents)
    cut = data.draw(st.integers(0, len(entries)))
    tail = (entries[cut - 1].seq, entries[cut - 1].hash) if cut else None
    grown = [*entries[:cut], *chained("run", tail, contents[cut:])]  # type: ignore[arg-type]
    erased = [replace(each, content=None, salt=None) if data.draw(st.booleans()) else each for each in grown]
    assert broken("run", grown) is None
    assert broken("run", erased) is None


def found_at(entries: list[Entry], run_id: str = "run") -> int | None:
    """The place of the first entry that doesn't fit."""
    fault = broken(run_id, entries)
    return None if fault is None else fault.seq


@given(CONTENTS, st.data())
def test_any_change_is_found_where_it_is(contents: list[dict[str, object]], data: st.DataObject) -> None:
    entries = chain(contents)
    at = data.draw(st.integers(0, len(entries) - 1))
    entry = entries[at]
    changes = [
        replace(entry, content={**(entry.content or {}), "more": 1}),
        replace(entry, salt="cd" * 16),
        replace(entry, salt=None),
        replace(entry, salt="no hexadecimal text"),
        replace(entry, leaf=HASH),
        replace(entry, leaf=HASH, content=None, salt=None),
        replace(entry, hash=HASH),
        replace(entry, seq=entry.seq + 1),
        replace(entry, run_id="other"),
    ]
    assert [found_at([*entries[:at], each, *entries[at + 1 :]]) for each in changes] == [at + 1] * len(changes)


@given(CONTENTS, st.data())
def test_an_entry_that_was_made_anew_is_found_at_the_next_one(
    contents: list[dict[str, object]], data: st.DataObject
) -> None:
    entries = chain([*contents, {"last": 1}])
    at = data.draw(st.integers(0, len(entries) - 2))
    tail = (entries[at - 1].seq, entries[at - 1].hash) if at else None
    anew = next(chained("run", tail, [{"another": 1}]))
    assert found_at([*entries[:at], anew, *entries[at + 1 :]]) == at + 2


@given(CONTENTS, st.data())
def test_any_removal_insertion_or_swap_is_found_where_it_is(
    contents: list[dict[str, object]], data: st.DataObject
) -> None:
    entries = chain([*contents, {"last": 1}])  # what is cut off at the end is found by checkpoints
    at = data.draw(st.integers(0, len(entries) - 2))
    entry, after = entries[at], entries[at + 1]
    assert found_at([*entries[:at], *entries[at + 1 :]]) == at + 1
    assert found_at([*entries[:at], after, entry, *entries[at + 2 :]]) == at + 1
    assert found_at([*entries[: at + 1], entry, *entries[at + 1 :]]) == at + 2


def test_a_chain_is_of_its_run_alone() -> None:
    entries = chain([{"a": 1}])
    assert found_at(entries, "other") == 1
    assert found_at([replace(each, run_id="other") for each in entries], "other") == 1


def test_equal_contents_have_leaves_that_tell_nobody_so() -> None:
    one, other = chain([{"a": 1}, {"a": 1}])
    assert one.leaf != other.leaf


def test_canonical_json_is_one_text_for_equal_values() -> None:
    assert canonical_json({"b": "ä", "a": [1, None]}) == b'{"a":[1,null],"b":"\\u00e4"}'
    assert sha256_of({"a": 1, "b": 2}) == sha256_of({"b": 2, "a": 1})
