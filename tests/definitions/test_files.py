"""Definitions in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from interlock.definitions import files
from interlock.definitions.files import UnreadableFile, definition_in, files_in, json_in, yaml_in

NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)


def values(characters: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Anything that JSON can say, in these characters."""
    texts = st.text(characters, max_size=8)
    return st.recursive(
        st.none() | st.booleans() | NUMBERS | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    )


@given(values(st.characters(exclude_categories=["Cs"])))
def test_json_is_read_as_it_is(value: Any) -> None:
    text = to_json(value).decode()
    assert repr(json_in(text)) == repr(json_in(to_json(json_in(text)).decode()))
    assert json_in(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("on: no\nyes: off", {"on": "no", "yes": "off"}),
        ("[true, false, null, ~, ]", [True, False, None, None]),
        ("[1, -2, 1.5, 1e3, 0]", [1, -2, 1.5, 1000.0, 0]),
        ("[010, 0x10, 1_000, 12:30, .5, +1]", ["010", "0x10", "1_000", "12:30", ".5", "+1"]),
        ("['1', \"2\"]", ["1", "2"]),
        ("a: |\n  return 1\n  // two", {"a": "return 1\n// two"}),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  d: *x", {"a": {"b": 1}, "c": {"b": 1, "d": {"b": 1}}}),
        ('{"name": "a", "states": {}}', {"name": "a", "states": {}}),
    ],
)
def test_yaml_is_read_as_json_has_it(text: str, value: Any) -> None:
    assert repr(yaml_in(text)) == repr(value)


@given(values(st.characters(max_codepoint=0x2FF, exclude_categories=["Cc"])))
def test_json_is_yaml(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert repr(yaml_in(text)) == repr(json_in(text))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "line 1, column 2"),
        ("a.json", '{\n"a": 1,\n"a": 2}', "'a' twice"),
        ("a.json", '{"a": NaN}', "NaN"),
        ("a.json", '{"a": 1e999}', "too large"),
        ("a.json", '{"a": ' + "9" * 5000 + "}", "too many digits"),
        ("a.json", "[" * 100_000, "flatter"),
        ("a.json", "[]", "object at its top"),
        ("a.json", "", "line 1, column 1"),
        ("a.yaml", "", "object at its top"),
        ("a.yaml", "a: [", "line 1, column 5"),
        ("a.yaml", "a: 1\nb: 2\na: 3", "'a' is there twice, in line 3, column 1"),
        ("a.yaml", "1: a", "1 isn't a text; put it in quotes"),
        ("a.yaml", "a: !!timestamp 2026-01-01", "datetime.date.* put it in quotes"),
        ("a.yaml", "a: !!binary aGk=", "put it in quotes"),
        ("a.yaml", "a: !!python/object/apply:os.getcwd []", "tag"),
        ("a.yaml", "a: 1e999", "inf"),
        ("a.yaml", "a: &a [*a]", "in itself"),
        ("a.yaml", "a: " + "[" * 5000, "flatter"),
        ("a.yml", "a: \x00", "special characters"),
        (
            "a.yml",
            "\n".join(["a0: &a0 [x, x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]),
            "many",
        ),
    ],
    ids=lambda value: value[:20],
)
def test_what_can_not_be_read_says_what_to_do(tmp_path: Path, name: str, text: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UnreadableFile, match=says) as refused:
        definition_in(path)
    assert len(str(refused.value)) < 300


def test_what_is_no_text_or_too_large_or_not_there_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 100)
    for name, data, says in (
        ("a.json", b"{\xff}", "UTF-8, from byte 1"),
        ("b.json", b" " * 101, "more than 100 bytes"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnreadableFile, match=says):
            definition_in(tmp_path / name)
    with pytest.raises(UnreadableFile, match="No such file"):
        definition_in(tmp_path / "nothing.json")
    (tmp_path / "c.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')  # as some editors store it
    assert definition_in(tmp_path / "c.json") == {"a": 1}


def test_the_files_of_a_folder_are_found_in_order_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for name in ("b.json", "a.yaml", "sub/c.yml", ".git/d.json", ".e.json", "notes.txt", "sub/f.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert [str(path.relative_to(tmp_path)) for path in files_in(tmp_path)] == ["a.yaml", "b.json", "sub/c.yml"]
