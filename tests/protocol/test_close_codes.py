"""Close codes: a client decides from the number alone."""

import pytest

from interlock_protocol import CloseCode, may_reconnect


@pytest.mark.parametrize("code", CloseCode)
def test_reason_fits_a_close_frame(code: CloseCode) -> None:
    assert 0 < len(code.reason.encode()) <= 123


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1000, True), (1006, True), (3999, True), (4000, False), (4400, False), (4499, False), (4500, True), (4999, True)],
)
def test_only_the_final_band_is_final(code: int, expected: bool) -> None:
    assert may_reconnect(code) is expected
