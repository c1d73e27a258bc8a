"""Checkpoints: what they find that a chain alone doesn't, and whose word they are."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from interlock.audit.chain import broken, chained
from interlock.audit.checkpoints import STATEMENT, UnreadableCheckpoint, checkpoint_line, outdated, read_checkpoints

KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
PUBLIC = {**json.loads(ECAlgorithm.to_jwk(KEY.public_key())), "kid": "one"}


def stated(chains: Any, *, key: Any = KEY, kid: str = "one", typ: str = STATEMENT) -> str:
    claims = {"account": "default", "iss": "us", "iat": 1, "chains": chains}
    return checkpoint_line(jwt.encode(claims, key, "ES256", headers={"kid": kid, "typ": typ}), [PUBLIC])


@given(st.integers(1, 6), st.data())
def test_chain_that_was_cut_off_or_made_anew_is_found_at_what_a_checkpoint_names(
    length: int, data: st.DataObject
) -> None:
    entries = list(chained("run", None, [{"n": n} for n in range(length)]))
    seq = data.draw(st.integers(1, length))
    heads = read_checkpoints(stated([["run", seq, entries[seq - 1].hash], ["other", 9, "x"]]))
    assert outdated("run", entries, heads) is None
    cut = data.draw(st.integers(0, seq - 1))
    assert broken("run", entries[:cut]) is None, "the chain alone doesn't tell"
    for later in (entries[:cut], list(chained("run", None, [{"n": n, "forged": True} for n in range(length)]))):
        fault = outdated("run", later, heads)
        assert fault is not None
        assert fault.seq == seq


def test_file_may_have_several_checkpoints_of_one_chain() -> None:
    text = stated([["run", 1, "a"]]) + "\n" + stated([["run", 2, "b"]])
    assert read_checkpoints(text) == {"run": [(1, "a"), (2, "b")]}
    assert read_checkpoints("") == {}


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "{}",
        "[" * 100_000,
        stated([["run", 1, "a"]], key=OTHER),
        stated([["run", 1, "a"]], kid="two"),
        stated([["run", 1, "a"]], typ="at+jwt"),
        stated([["run", "1", "a"]]),
        stated([["run"]]),
        stated(5),
        '{"statement": 5, "keys": []}',
        '{"statement": "a.b.c", "keys": 5}',
    ],
)
def test_what_nobody_signed_as_a_checkpoint_is_none(line: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match="Line 2"):
        read_checkpoints("\n" + line)
