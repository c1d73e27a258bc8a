"""A real server, and the real command in a process of its own: on a pipe, or on a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.cli.workflows import workflows
from tests.support import nursery
from tests.support.live import ALICE, PATIENCE, Live, live_server

COMMAND = [sys.executable, "-W", "error", "-m", "interlock.cli"]


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the workflows of `tests.cli.workflows`."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("cli"), webhook_allow="127.0.0.1") as server:
        yield server


Cli: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(live: Live, tmp_path: Path) -> Cli:
    """Runs a command of Alice's to its end, with what is piped into it."""

    def run(*arguments: str, piped: str = "", **variables: str | None) -> subprocess.CompletedProcess[str]:
        environment = environment_of(live.http_url, variables)
        return nursery.run([*COMMAND, *arguments], input=piped, cwd=tmp_path, env=environment, timeout=60)

    return run


def environment_of(url: str, variables: dict[str, str | None]) -> dict[str, str]:
    """The environment of a command: this one's without its own Interlock settings, and these."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    given = {"INTERLOCK_URL": url, "INTERLOCK_TOKEN": ALICE, "TERM": "dumb", "COLUMNS": "120", **variables}
    return {**base, **{name: value for name, value in given.items() if value is not None}}


class Terminal:
    """A command on a terminal, with somebody who reads and types."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process = process
        self.said = ""
        self._fd = fd
        self._read = 0

    def expect(self, text: str) -> str:
        """Reads on until `text` comes, and returns what came before it."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.said[self._read :]:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} didn't come; there was: {self.said}"
            assert self._more(left), f"it ended without {text!r}; there was: {self.said}"
        before, _, _ = self.said[self._read :].partition(text)
        self._read += len(before) + len(text)
        return before

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Reads to the end, and returns the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._more(max(deadline - time.monotonic(), 0)):
            pass
        return self.process.wait(PATIENCE)

    def _more(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return False
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:  # how a terminal says that nobody is on the other side any more
            return False
        self.said += chunk.decode().replace("\r\n", "\n")
        return bool(chunk)


OpenTerminal: TypeAlias = Callable[..., AbstractContextManager[Terminal]]


@pytest.fixture
def terminal(live: Live, tmp_path: Path) -> OpenTerminal:
    """Starts a command of Alice's on a terminal."""

    @contextmanager
    def opened(*arguments: str, url: str = live.http_url, **variables: str | None) -> Iterator[Terminal]:
        ours, theirs = pty.openpty()
        process = nursery.Popen(
            [*COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=tmp_path,
            env=environment_of(url, variables),
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait(PATIENCE)
            os.close(ours)

    return opened
