"""The peer's published client, unmodified, of each of its lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.bridges.agentos import peers
from tests.bridges.agentos.test_events import EXAMPLES
from tests.support.live import ALICE, Live

from interlock.bridges.agentos.events import translated

PROGRAMS = Path(__file__).parent

# Whoever begins may have to install the peer first.
pytestmark = [pytest.mark.timeout(400), pytest.mark.long]


def test_client_does_all_that_it_can_without_a_token(peer: Path, open_at_root: Live) -> None:
    said = peers.run(peer, PROGRAMS / "client_program.py", open_at_root.http_url)
    assert said.count("ok ") == 13


def test_client_does_all_that_it_can_with_a_token(peer: Path, beside: Live) -> None:
    said = peers.run(peer, PROGRAMS / "client_program.py", f"{beside.http_url}/agentos", ALICE)
    assert said.count("ok ") == 13


def test_peers_own_parser_reads_every_event(peer: Path, tmp_path: Path) -> None:
    written = tmp_path / "events.jsonl"
    written.write_text("".join(json.dumps(translated(dict(each))) + "\n" for each in EXAMPLES.values()))
    read = json.loads(peers.run(peer, PROGRAMS / "parse_program.py", str(written)))
    assert len(read) == len(EXAMPLES)
    for name, (kind, index) in zip(EXAMPLES, read, strict=True):
        assert (kind, index) == (translated(dict(EXAMPLES[name]))["event"], EXAMPLES[name]["event_index"]), name
