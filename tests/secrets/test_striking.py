"""What strikes secrets out: the same, however many there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interlock.process.redaction import Redactor
from interlock.secrets.known import Known
from interlock.secrets.port import STRUCK, Striker

SECRETS = st.lists(st.text("ab/%", min_size=4, max_size=8), min_size=1, max_size=6)
MANY = [f"{n:04}-other-secret" for n in range(500)]


@given(SECRETS, st.text("ab/%", max_size=40))
def test_many_secrets_are_struck_as_few_are(secrets: list[str], text: str) -> None:
    assert Striker([*secrets, *MANY]).text(text) == Striker(secrets).text(text)


def test_one_of_many_is_found_wherever_it_stands() -> None:
    striker = Striker(MANY)
    assert striker.value({"0007-other-secret": ["x0499-other-secretx", 1, None]}) == {STRUCK: [f"x{STRUCK}x", 1, None]}


def test_no_log_line_shows_a_secret_that_was_opened_however_it_is_written() -> None:
    known = Known()
    redact = Redactor((), known)
    assert redact("it is a/secret+value") == "it is a/secret+value"
    known.learn(["a/secret+value"])
    for text in ("it is a/secret+value", "it is a%2Fsecret%2Bvalue"):
        assert redact(text) == f"it is {STRUCK}"
