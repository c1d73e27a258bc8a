"""The files of the audit: what is written is read back, and says of itself whether it is whole."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.audit.chain import Entry, broken, chained
from interlock.audit.files import Chain, UnreadableFile, csv_lines, json_lines, read_file

TEXT = st.text(max_size=6, alphabet=st.characters(exclude_categories=["Cs"]))
VALUES: Any = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
CONTENTS = st.lists(st.dictionaries(TEXT, VALUES | st.lists(VALUES, max_size=2), max_size=3), min_size=1, max_size=4)


def chain(contents: Any, run_id: str = "run-1") -> list[Entry]:
    return list(chained(run_id, None, contents))


@given(CONTENTS, st.data())
def test_both_kinds_of_files_give_back_the_entries(contents: Any, data: st.DataObject) -> None:
    entries = [replace(each, content=None, salt=None) if data.draw(st.booleans()) else each for each in chain(contents)]
    for lines in (json_lines(entries, len(entries), [{"user_id": "ana"}]), csv_lines(entries, len(entries))):
        (read,) = read_file("".join(lines))
        assert read == Chain("run-1", len(entries), entries)
        assert broken(read.run_id, read.entries) is None


def test_files_of_several_runs_are_several_chains() -> None:
    one, other = chain([{"a": 1}, {"b": 2}], "one"), chain([{"c": 3}], "other")
    text = "".join([*json_lines(one, 2), *json_lines(other, 1)])
    assert read_file(text) == [Chain("one", 2, one), Chain("other", 1, other)]


def test_no_cell_that_is_shown_begins_a_formula() -> None:
    text = "".join(csv_lines(chain([{"kind": "decided", "by": "=cmd()", "requirement_id": "@a"}]), 1))
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["by"], row["requirement_id"], row["kind"]) == ("'=cmd()", "'@a", "decided")
    assert read_file(text)[0].entries[0].content == {"kind": "decided", "by": "=cmd()", "requirement_id": "@a"}


HEADER = ",".join(["run_id", "seq", "of", "kind", "requirement_id", "by", "at", "content", "salt", "leaf", "hash"])


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "[]",
        '{"type": "entry"}',
        '{"type": "entry", "of": 1, "run_id": "r", "seq": "1", "content": {}, "salt": "", "leaf": "", "hash": ""}',
        '{"type": "entry", "of": 1, "run_id": "r", "seq": 1, "content": 5, "salt": "", "leaf": "", "hash": ""}',
        f"{HEADER}\nrun,one,1,,,,,{{}},,,",
        f"{HEADER}\nrun,1,1,,,,,{{,,,",
        f"{HEADER}\nrun",
        "[" * 100_000,
    ],
)
def test_what_is_no_audit_says_where(text: str) -> None:
    with pytest.raises(UnreadableFile, match="Line"):
        read_file(text)


def test_a_file_without_entries_has_no_chains() -> None:
    assert read_file("") == read_file(HEADER) == read_file('{"type": "person"}\n\n') == []
