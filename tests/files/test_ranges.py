"""The part of a file that is asked for, by RFC 9110."""

from __future__ import annotations

import pytest

from interlock.http.v1.ranges import NO_SPAN, Span, span_of


@pytest.mark.parametrize(
    ("said", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("bytes=2-", (2, 10)),
        ("BYTES = 2 - 4", (2, 5)),
        ("bytes=5-999999999999999999", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=10-", NO_SPAN),
        ("bytes=10-20", NO_SPAN),
        ("bytes=-0", NO_SPAN),
        ("bytes=-", None),
        ("bytes=4-2", None),
        ("bytes=0-1,3-4", None),
        ("bytes=a-b", None),
        ("bytes=\u0661-", None),
        ("lines=0-1", None),
        ("", None),
    ],
)
def test_one_range_of_bytes_is_a_part_and_anything_else_the_whole(said: str, span: Span | None) -> None:
    assert span_of({"range": said}, 10, '"tag"') == span


def test_part_of_another_state_of_the_file_is_the_whole() -> None:
    asked = {"range": "bytes=0-1"}
    assert span_of({**asked, "if-range": '"tag"'}, 10, '"tag"') == (0, 2)
    assert span_of({**asked, "if-range": '"other"'}, 10, '"tag"') is None
    assert span_of({**asked, "if-range": 'W/"tag"'}, 10, '"tag"') is None


def test_nothing_has_no_part() -> None:
    assert [span_of({"range": said}, 0, "") for said in ("bytes=0-", "bytes=-1")] == [NO_SPAN, NO_SPAN]
