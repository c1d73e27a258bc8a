"""`make cluster`: what it prints is true, and nothing is left of it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
from tests.faults.cluster import ROOT
from tests.support.live import PATIENCE
from tests.support.services import is_alive


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_make_cluster_says_what_to_type_and_ends_everything(how: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.faults.showcase"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout
    try:
        said = _until("Ctrl-C here", process)
        pids = [int(pid) for pid in re.findall(r"pid (\d+)", said)]
        assert len(pids) == 3
        assert all(map(is_alive, pids))
        assert "interlock follow RUN" in said
        assert f"kill -9 {pids[0]}" in said
        process.send_signal(how)
        assert process.wait(PATIENCE) == 0
        assert not any(map(is_alive, pids))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _until(words: str, process: subprocess.Popen[str]) -> str:
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            break
    return said
