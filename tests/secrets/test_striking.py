"""What strikes secrets out: the same, however many there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from interlock.errors import SettingsError
from interlock.http.v1.secret_shapes import PutSecret
from interlock.process.redaction import Redactor
from interlock.secrets.encodings import encodings_of
from interlock.secrets.environment import EnvironmentSecrets
from interlock.secrets.known import Known
from interlock.secrets.port import STRUCK, Striker, struck

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


@pytest.mark.parametrize(
    ("secret", "echo"),
    [
        ("  a-pasted-value\n", "X-Key: a-pasted-value"),
        ("a-pasted-value\r\n", '"a-pasted-value"'),
        ("\ta/pasted+value ", "a%2Fpasted%2Bvalue"),
        ("in/php/json", r"in\/php\/json"),
        ("a<b>&'c+d=", r"a\u003cb\u003e\u0026'c+d="),
        ("a<b>&'c+d=", r"a\u003cb\u003e\u0026\u0027c+d\u003d"),
        ("a<b>&'c+d=", r"a\u003Cb\u003E\u0026\u0027c\u002Bd="),
        ("a<b>&'c\"d", "a&lt;b&gt;&amp;&#39;c&quot;d"),
        ("a<b>&'c\"d", "a&lt;b&gt;&amp;&#39;c&#34;d"),
        ("a<b>&'c\"d", "a&lt;b&gt;&amp;'c\"d"),
    ],
)
def test_secret_is_found_as_others_write_it(secret: str, echo: str) -> None:
    assert struck(echo, encodings_of(secret)) == echo.replace(_inner(echo), STRUCK)


def _inner(echo: str) -> str:
    """What of an echo is the secret."""
    return echo.removeprefix("X-Key: ").strip('"') if "pasted-value" in echo else echo


@pytest.mark.parametrize("number", [1234567890, -1234567890, 9123456789012345, 1234567890.5])
def test_secret_of_digits_is_found_in_numbers(number: float) -> None:
    secrets = encodings_of("1234567890" if "1234567890" in str(number) else "123456789")
    assert Striker(secrets).value({"a": [number, 12, True]}) == {"a": [STRUCK, 12, True]}


@pytest.mark.parametrize("value", ["        ", "1234567 ", "\n1234567\n"])
def test_white_space_does_not_make_a_secret_longer(value: str) -> None:
    with pytest.raises(ValidationError):
        PutSecret(value=value)
    with pytest.raises(SettingsError):
        EnvironmentSecrets({"INTERLOCK_SECRET_A": value})
