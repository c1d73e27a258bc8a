"""Processes for tests that are forked with their imports done: to who starts one, it is as if it was started anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import nursery
from tests.support.live import PATIENCE, _wait, served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the nursery needs Linux")

COMMAND = [sys.executable, "-W", "error", "-m", "interlock.cli"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}


@pytest.mark.parametrize("words", [["--help"], ["serve", "--nonsense"], ["runs"], ["serve", "nowhere:workflows"]])
def test_it_says_and_ends_as_one_from_nothing(tmp_path: Path, words: list[str]) -> None:
    how = {"cwd": tmp_path, "env": ENVIRONMENT | {"COLUMNS": "120", "INTERLOCK_TOKEN": "t"}, "timeout": 60}
    born = nursery.run([*COMMAND, *words], **how)  # type: ignore[arg-type]
    anew = subprocess.run([*COMMAND, *words], input="", capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload]
    assert (born.returncode, born.stdout, born.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_it_is_a_child_of_who_started_it_in_a_session_of_its_own(tmp_path: Path) -> None:
    with served("tests.socket.workflows:workflows", tmp_path).start() as process:
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        assert int(stat[1]) == os.getpid()
        assert os.getsid(process.pid) == process.pid
        process.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGCONT)
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
        (tmp_path / "server.log").write_text("")


def test_it_ends_with_who_started_it(tmp_path: Path) -> None:
    starts = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from tests.support.live import served\n"
        "with served('tests.socket.workflows:workflows', Path(sys.argv[1])).start() as process:\n"
        "    print(process.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", starts, str(tmp_path)], cwd=nursery.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    _wait(lambda: not Path(f"/proc/{int(done.stdout)}").exists())
