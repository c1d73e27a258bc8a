"""What a file is, by its content, and what a form's `accept` takes."""

from __future__ import annotations

import io
import zipfile

import pytest

from interlock.files.kinds import BINARY, HEAD_BYTES, TEXT, is_accepted, type_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def document() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("word/document.xml", "<x/>")
    return made.getvalue()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PNG, "image/png"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"{\\rtf1 hello}", "application/rtf"),
        (b"<!doctype html><script>alert(1)</script>", TEXT),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", TEXT),
        (b"BM is how this text begins", TEXT),
        (b"ID3 is a text, too", TEXT),
        (("ä" * HEAD_BYTES).encode()[: HEAD_BYTES - 1], TEXT),
        (b"", TEXT),
        (b"a\0b", BINARY),
        (b"\xff\xfe\x00", BINARY),
        (b"MZ" + bytes(100), "application/x-msdownload"),
        (b"PK\3\4" + bytes(40), "application/zip"),
        (document(), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
)
def test_content_says_what_a_file_is(head: bytes, kind: str) -> None:
    assert type_of(head) == kind


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("accept", "content_type", "name", "taken"),
    [
        ("", BINARY, "x", True),
        (" , ", BINARY, "x", True),
        ("*/*", BINARY, "x", True),
        ("image/*", "image/png", "x.txt", True),
        ("image/png, image/jpeg", "image/jpeg", "x", True),
        ("IMAGE/PNG", "image/png", "x", True),
        ("image/*", TEXT, "x.png", False),
        ("image/*", TEXT, "x.svg", False),
        ("image/*", "application/pdf", "x.png", False),
        (".pdf", "application/pdf", "x.PDF", True),
        (".pdf", "application/pdf", "x.txt", False),
        (".pdf", TEXT, "x.pdf", False),
        (".pdf", "application/x-msdownload", "x.pdf", False),
        (".csv", TEXT, "x.csv", True),
        ("text/csv", TEXT, "x.csv", True),
        ("text/csv", TEXT, "x.txt", False),
        ("text/csv", BINARY, "x.csv", False),
        ("application/json", TEXT, "x.json", True),
        ("text/*", TEXT, "x", True),
        (".docx", DOCX, "x.docx", True),
        (".docx", "application/zip", "x.docx", True),
        (".docx", "application/zip", "x.zip", False),
        (".docx", TEXT, "x.docx", False),
        ("audio/wav", "audio/x-wav", "x", True),
        (".qqq", BINARY, "x.qqq", True),
        ("nonsense", TEXT, "x", False),
    ],
)
def test_accept_is_judged_by_content_and_the_name_tells_apart_only_what_looks_the_same(
    accept: str, content_type: str, name: str, taken: bool
) -> None:
    assert is_accepted(accept, content_type, name) is taken
