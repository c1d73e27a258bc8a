"""Names of files, kept and told."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from interlock.files.names import MAX_NAME_BYTES, attachment, safe_name


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("a.png", "a.png"),
        ("/etc/passwd", "passwd"),
        ("C:\\users\\ada\\a.png", "a.png"),
        ("../..", "file"),
        ("", "file"),
        (" . ", "file"),
        (".bashrc", "bashrc"),
        ("a\r\nSet-Cookie: b\0.png", "aSet-Cookie: b.png"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("a\u0308.txt", "ä.txt"),
        ("x" * 500 + ".pdf", "x" * (MAX_NAME_BYTES - 4) + ".pdf"),
        ("ä" * 500, "ä" * (MAX_NAME_BYTES // 2)),
    ],
)
def test_name_is_kept_without_a_folder_and_without_what_misleads(given_name: str, kept: str) -> None:
    assert safe_name(given_name) == kept


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.png", 'attachment; filename="a b.png"'),
        ('a"b;\\.png', "attachment; filename=\"a_b__.png\"; filename*=UTF-8''a%22b%3B%5C.png"),
        ("Büro.pdf", "attachment; filename=\"Buro.pdf\"; filename*=UTF-8''B%C3%BCro.pdf"),
        ("日本", "attachment; filename=\"file\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
    ],
)
def test_header_has_the_name_in_both_forms(name: str, header: str) -> None:
    assert attachment(name) == header


@given(st.text(max_size=300))
def test_any_name_is_one_short_line_without_a_path_and_makes_one_header(name: str) -> None:
    kept = safe_name(name)
    assert kept
    assert safe_name(kept) == kept
    assert len(kept.encode()) <= MAX_NAME_BYTES
    assert not {"/", "\\", "\r", "\n", "\0"} & set(kept)
    header = attachment(kept)
    assert set(header) <= set(string.ascii_letters + string.digits + string.punctuation + " ")
    assert header.count('"') == 2
    assert Headers({"Content-Disposition": header})["content-disposition"] == header
