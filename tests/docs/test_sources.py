"""What a module's header names as the source of its rules: a document of this repository, and a heading in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("server", "protocol", "clients/python", "tests")
NAMED = re.compile(r"`(docs/[\w./-]+\.md)`|\"([^\"]+)\"")


def headers() -> Iterator[tuple[str, str]]:
    """The `Source:` paragraph of each module that has one."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text("utf-8")
            header = (ast.get_docstring(ast.parse(text)) or "") if "\nSource: " in text else ""
            if "\nSource: " in header:
                source = header.partition("\nSource: ")[2].partition("\n\n")[0]
                yield str(path.relative_to(ROOT)), " ".join(source.split())


SOURCES = dict(headers())


def headings(document: str) -> set[str]:
    text = (ROOT / document).read_text("utf-8")
    return {line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")}


@pytest.mark.parametrize("module", SOURCES)
def test_source_is_a_document_of_the_repository_and_its_headings_are_there(module: str) -> None:
    document = None
    for found in NAMED.finditer(SOURCES[module]):
        if found[1]:
            document = found[1]
            assert (ROOT / document).is_file(), f"{module} names {document}"
        elif document is not None:
            assert found[2] in headings(document), f"{module} names {found[2]!r} of {document}"
    assert "spec," not in SOURCES[module]
