"""Checkpoints: signed statements of how far chains had come, against which what is there later is checked.

Laws:
- A chain only grows: an entry that a checkpoint names has to stand at its place, with its hash, for good.
- A statement counts only if one of the keys that came with it signed it, as a checkpoint. Who keeps the file where the
  server can't write decides by that whose keys they are.

Source: `docs/audit.md`, "Checkpoints".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import jwt
from jwt.algorithms import ECAlgorithm

from interlock.audit.chain import Broken, Entry

STATEMENT: Final = "audit-checkpoint+jwt"
"""The type of these statements: none of them is a token."""

_ALGORITHM: Final = "ES256"

Heads = Mapping[str, Sequence[tuple[int, str]]]
"""By run: places, each with the hash that stands there."""


class UnreadableCheckpoint(ValueError):  # noqa: N818 - says what it is
    """This is no checkpoint, or nobody signed it; the message says which line."""


def checkpoint_line(statement: str, keys: Sequence[Any]) -> str:
    """A line of a file of checkpoints, with its end."""
    return json.dumps({"type": "checkpoint", "statement": statement, "keys": keys}, separators=(",", ":")) + "\n"


def read_checkpoints(text: str) -> dict[str, list[tuple[int, str]]]:
    """What a file of checkpoints states.

    Raises:
        UnreadableCheckpoint: a line of it isn't one, or its signature is wrong.
    """
    heads: dict[str, list[tuple[int, str]]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        for run_id, seq, hash_ in _chains(line, number) if line.strip() else ():
            heads.setdefault(run_id, []).append((seq, hash_))
    return heads


def outdated(run_id: str, entries: Sequence[Entry], heads: Heads) -> Broken | None:
    """The first entry that a checkpoint names and that isn't there any more as it was; None if all are."""
    for seq, hash_ in sorted(heads.get(run_id, ())):
        if len(entries) < seq:
            return Broken(run_id, seq, "a checkpoint names it, and it is missing")
        if entries[seq - 1].hash != hash_:
            return Broken(run_id, seq, "a checkpoint names another hash: it, or one before it, was made anew")
    return None


def _chains(line: str, number: int) -> Iterator[tuple[str, int, str]]:
    try:
        wire = json.loads(line)
        stated = _verified(wire["statement"], wire["keys"])
        for run_id, seq, hash_ in stated["chains"]:
            if not (isinstance(run_id, str) and type(seq) is int and seq > 0 and isinstance(hash_, str)):
                raise TypeError(seq)
            yield run_id, seq, hash_
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, StopIteration, RecursionError):
        raise UnreadableCheckpoint(f"Line {number} is no checkpoint that a key signed which came with it.") from None


def _verified(statement: str, keys: Sequence[Any]) -> dict[str, Any]:
    """What a statement says, if one of the keys signed it."""
    header = jwt.get_unverified_header(statement)
    if header.get("typ") != STATEMENT:
        raise ValueError(header)
    key: Any = next(each for each in keys if each.get("kid") == header["kid"])
    public = ECAlgorithm(ECAlgorithm.SHA256).from_jwk(key)
    # It has no audience, and doesn't expire; when it was made is judged by nobody's clock.
    options: Any = {"verify_aud": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(statement, public, algorithms=[_ALGORITHM], options=options)  # type: ignore[arg-type]
    return claims
