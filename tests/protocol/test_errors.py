"""Errors: who is at fault, and under which code."""

from tests.protocol.vectors import ROOT

from interlock_protocol import ErrorCode, InterlockError, ProtocolMisuse, ProtocolViolation, Refusal
from interlock_protocol.errors import RETRYABLE


def test_docstring_is_the_default_message() -> None:
    for kind in (InterlockError, ProtocolMisuse, ProtocolViolation):
        assert str(kind()) == kind.__doc__
        assert str(kind("said otherwise")) == "said otherwise"


def test_faults_of_three_parties_are_three_types() -> None:
    kinds = (Refusal, ProtocolViolation, ProtocolMisuse)
    assert all(issubclass(kind, InterlockError) for kind in kinds)
    assert not any(issubclass(one, other) for one in kinds for other in kinds if one is not other)


def test_refusal_knows_whether_to_try_again() -> None:
    assert {code for code in ErrorCode if Refusal(code, "no").retryable} == RETRYABLE


def test_every_code_is_documented() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    assert [code for code in ErrorCode if f"\n| `{code}` | " not in text] == []
