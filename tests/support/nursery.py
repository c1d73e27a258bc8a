"""Processes of Interlock that are born grown up: forked from one that has imported all of it already.

Most of what a process of Interlock costs at its start is its imports, and the suite starts hundreds. Each is a process
of its own all the same: its own memory, session, signals, environment, folder and files.

Laws:
- Whoever starts one is its parent: `Popen` waits for it, and knows how it ended.
- The nursery has one thread and no event loop, as only such a process may fork. It ends with the process that asks it.
- What it can't do (other commands, other options, a system that isn't Linux) is done as always. So are the nodes of
  `make cluster` and `make chaos`, which show that a start from nothing works.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import inspect
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MODULES = ("interlock.cli", "tests.support.live")
"""What it starts, as `python -m` does."""

_PRELOADED = (
    "asyncpg",
    "interlock.agents.instructions",
    "interlock.app",
    "interlock.cli.commands",
    "interlock.process.serving",
    "interlock.store.migrate",
    "msgpack",
    "redis.asyncio",
    "uvicorn",
    "uvloop",
    "websockets.asyncio.client",
)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LONGEST = 1 << 20
_ARGUMENTS = tuple(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]  # type: ignore[attr-defined]


class Popen(subprocess.Popen[Any]):
    """Like `subprocess.Popen`, from the nursery where that can be.

    Args:
        on_death: the signal that it gets when this process dies.
    """

    def __init__(self, command: Sequence[str], *, on_death: signal.Signals = signal.SIGTERM, **options: Any) -> None:
        self._on_death = on_death
        super().__init__(command, **options)

    def _execute_child(self, *given: Any) -> None:
        named = dict(zip(_ARGUMENTS, given, strict=True))
        environment = os.environ if named["env"] is None else named["env"]
        words = _words(named["args"])
        if words is None or _python(environment) != _BORN_WITH:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        files = [named["p2cread"], named["c2pwrite"], named["errwrite"]]
        request = {
            **words,
            "cwd": str(named["cwd"] or Path.cwd()),
            "env": dict(environment),
            "on_death": int(self._on_death),
        }
        try:
            self.pid = _nursery().born(request, [own if own != -1 else std for std, own in enumerate(files)])
            self._child_created = True
        finally:
            ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            self._close_pipe_fds(*(named[each] for each in ends))  # type: ignore[attr-defined]


def run(command: Sequence[str], *, input: str = "", timeout: float, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: A002
    """Like `subprocess.run`, with what it prints captured as text."""
    pipe = subprocess.PIPE
    with Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options) as process:
        try:
            said, complained = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, said, complained)


def _words(command: Any) -> dict[str, Any] | None:
    """What a command is: its module, arguments and whether warnings are errors; None if it isn't one of ours."""
    if sys.platform != "linux" or isinstance(command, str) or command[0] != sys.executable:
        return None
    is_strict = tuple(command[1:3]) == ("-W", "error")
    rest = list(command[3 if is_strict else 1 :])
    if rest[:1] != ["-m"] or rest[1] not in MODULES:
        return None
    return {"strict": is_strict, "module": rest[1], "arguments": rest[2:]}


def _python(environment: Any) -> dict[str, str]:
    """What is for the interpreter's start, but for what `_open_files` sees to."""
    without = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in environment.items() if name.startswith("PYTHON") and name not in without}


_BORN_WITH = _python(os.environ)


# ── This process's side ─────────────────────────────────────────────────────────────────────────────────


class _Nursery:
    """The process that is asked. It has the environment that this one had when it was imported."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._one_at_a_time = threading.Lock()
        with theirs:
            command = [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())]
            files: dict[str, Any] = dict.fromkeys(("stdin", "stdout"), subprocess.DEVNULL)
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}, **_BORN_WITH},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                **files,
            )

    def born(self, request: dict[str, Any], files: Sequence[int]) -> int:
        """Has a process born, of which this one is the parent; returns its id."""
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        whole = json.dumps({**request, "parent": os.getpid()}).encode()
        with self._one_at_a_time:
            prctl(_PR_SET_CHILD_SUBREAPER, 1)  # an orphan among our descendants becomes ours
            try:
                socket.send_fds(self._socket, [len(whole).to_bytes(4, "big")], list(files))
                self._socket.sendall(whole)
                answer = self._socket.recv(4, socket.MSG_WAITALL)
            finally:
                prctl(_PR_SET_CHILD_SUBREAPER, 0)
        if len(answer) < 4:
            raise OSError("the nursery has ended")
        return int.from_bytes(answer, "big")

    def end(self) -> None:
        self._socket.close()
        self._process.wait()


_made: list[_Nursery] = []
_making = threading.Lock()


def _nursery() -> _Nursery:
    with _making:
        if not _made:
            _made.append(_Nursery())
            atexit.register(_made[0].end)
    return _made[0]


# ── The nursery's own ───────────────────────────────────────────────────────────────────────────────────


def _serve(asked: socket.socket) -> None:
    for name in _PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    while True:
        size, files, _, _ = socket.recv_fds(asked, 4, 3)
        if len(size) < 4:
            return
        request = json.loads(_all_of(asked, int.from_bytes(size, "big")))
        asked.sendall(_born(request, files, asked).to_bytes(4, "big"))
        for each in files:
            os.close(each)


def _all_of(asked: socket.socket, size: int) -> bytes:
    return asked.recv(size, socket.MSG_WAITALL)


def _born(request: dict[str, Any], files: list[int], asked: socket.socket) -> int:
    """Returns the id of a process whose parent has ended, and which so has become the child of who asked."""
    reads, writes = os.pipe()
    between = os.fork()
    if between == 0:
        child = os.fork()
        if child == 0:
            for each in (reads, writes, asked.detach()):
                os.close(each)
            _live(request, files)
        os.write(writes, child.to_bytes(4, "big"))
        os._exit(0)
    os.waitpid(between, 0)
    child = int.from_bytes(os.read(reads, 4), "big")
    os.close(reads)
    os.close(writes)
    return child


def _live(request: dict[str, Any], files: list[int]) -> None:
    """What a process does from its birth to its end."""
    while os.getppid() != request["parent"]:
        time.sleep(0.001)
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, request["on_death"])
    for wanted, each in enumerate(files):
        os.dup2(each, wanted)
    for each in files:
        if each > 2:
            os.close(each)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    for name in [each for each in sys.modules if each.split(".")[0] == "tests"]:
        del sys.modules[name]  # as only a process that is at home here finds them
    sys.path[0] = request["cwd"]
    sys.argv = ["-", *request["arguments"]]
    _open_files()
    if request["strict"]:
        sys.warnoptions = ["error"]
        warnings.simplefilter("error")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os._exit(_status_of(request["module"]))


def _open_files() -> None:
    """As the interpreter does at its start."""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), "utf-8")
    for name, errors in (("stdout", "strict"), ("stderr", "backslashreplace")):
        raw = io.FileIO(1 if name == "stdout" else 2, "w", closefd=False)
        by_line = name == "stderr" or raw.isatty()
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw), "utf-8", errors, line_buffering=by_line, write_through=unbuffered
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _status_of(module: str) -> int:
    """Runs a module to its end; returns the exit status, as the interpreter has it."""
    status: Any = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    return _at_the_end(status)


def _at_the_end(status: Any) -> int:
    if isinstance(status, str):
        sys.stderr.write(f"{status}\n")
        status = 1
    with contextlib.suppress(RuntimeError):
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for each in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            each.flush()
    return 0 if status is None else int(status) & 0xFF


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _asked:
        _serve(_asked)
