"""Lines, read without blocking, from a pipe, a file and nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from interlock.cli.lines import Lines


async def test_pipe_gives_a_line_per_question_and_then_the_end() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"one\ntwo\r\nth")
    lines = Lines(ours)
    assert [await lines.next(), await lines.next()] == ["one", "two"]
    os.write(theirs, "ree\u00e9".encode())
    os.close(theirs)
    assert [await lines.next(), await lines.next(), await lines.next()] == ["three\u00e9", None, None]
    os.close(ours)


async def test_waiting_is_cancelled_at_once_and_loses_nothing() -> None:
    ours, theirs = os.pipe()
    lines = Lines(ours)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await lines.next()
    os.write(theirs, b"late\n")
    assert await lines.next() == "late"
    os.close(theirs)
    os.close(ours)


async def test_file_is_read_like_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    path.write_text("y\n\nlast")
    with path.open() as file:
        lines = Lines(file.fileno())
        assert [await lines.next() for _ in range(4)] == ["y", "", "last", None]


async def test_no_input_at_all_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    lines = Lines()
    assert not lines.is_terminal
    assert await lines.next() is None
