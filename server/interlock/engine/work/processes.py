"""Processes that answer questions, and can be killed at any moment.

Laws:
- What could block the event loop, crash, or grow without end runs in a process of its own, never in the server's.
- A process answers one question at a time. It is killed if it takes too long, or if nobody waits for the answer any
  more; a later question never meets a process that was lost.
- A question that ended its process isn't asked again. If the process had ended before it began, something else ended
  it, and another process is asked, once.
- Processes are started on demand and reused. They have nothing of the server's but two pipes: no package but those that
  their program imports, and of the environment only where Python's own libraries are. Their time zone is UTC.
- Turns are fair: all who ask take turns, and nobody has more than `most_of_one` processes at a time.

The programs are in `process_main.py`, which says what crosses the pipes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from interlock.aio.tasks import end
from interlock.engine.work import process_main

START_SECONDS = 30.0
"""How long a process may take to start."""


_LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class NotStarted(Exception):  # noqa: N818 - describes what happened
    """No process could be started."""


class Crowded(Exception):  # noqa: N818 - describes what happened
    """Too many questions wait already."""


class Lost(Exception):  # noqa: N818 - describes what happened
    """The process ended before it answered.

    Attributes:
        code: its exit code; that of a signal is negative.
        is_late: whether it was killed because it took too long.
    """

    def __init__(self, code: int | None, *, is_late: bool = False) -> None:
        super().__init__(f"the process ended with {code}")
        self.code = code
        self.is_late = is_late


class _NotBegun(Lost):
    """It ended before it had read the question."""


@dataclass
class Turns:
    """Whose turn it is to have one of a number of places.

    Args:
        most: how many places there are.
        most_of_one: how many one account may have at a time.
        most_waiting: how many of one account may wait; None means any number.
    """

    most: int
    most_of_one: int
    most_waiting: int | None = None
    _held: Counter[str] = field(default_factory=Counter)
    _waiting: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def turn(self, account: str) -> AsyncIterator[None]:
        """Hold a place; wait for it first.

        Raises:
            Crowded: too many of the account wait already.
        """
        await self._take(account)
        try:
            yield
        finally:
            self._give_back(account)

    async def _take(self, account: str) -> None:
        if self.most_waiting is not None and len(self._waiting.get(account, ())) >= self.most_waiting:
            raise Crowded
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append(place)
        self._give()
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._leave(account, place)
            else:  # it was given the place just then
                self._give_back(account)
            raise

    def _leave(self, account: str, place: asyncio.Future[None]) -> None:
        queue = self._waiting.get(account, deque())
        with contextlib.suppress(ValueError):
            queue.remove(place)
        if not queue:
            self._waiting.pop(account, None)

    def _give_back(self, account: str) -> None:
        self._held[account] -= 1
        if not self._held[account]:
            del self._held[account]
        self._give()

    def _give(self) -> None:
        """Give the free places to those who wait, one account after the other."""
        while self._held.total() < self.most:
            account = next((each for each in self._waiting if self._held[each] < self.most_of_one), None)
            if account is None:
                return
            queue = self._waiting.pop(account)
            place = queue.popleft()
            if queue:
                self._waiting[account] = queue  # behind all others
            if not place.cancelled():
                self._held[account] += 1
                place.set_result(None)


@dataclass
class Processes:
    """Processes of one program. They belong to one event loop; call `aclose` at the end.

    Args:
        program: the file with the program, one of those that `process_main` runs.
        memory_bytes: how much memory a process may have.
        answer_bytes: the longest answer.
        least: while there are fewer, another is started in the place of one that was lost, so that no question has to
            wait for that.
    """

    program: str
    turns: Turns
    memory_bytes: int
    answer_bytes: int = 64 * 1024
    least: int = 0
    _idle: list[asyncio.subprocess.Process] = field(default_factory=list)
    _alive: set[asyncio.subprocess.Process] = field(default_factory=set)
    _starting: set[asyncio.Task[None]] = field(default_factory=set)
    _is_closed: bool = False

    async def answer(self, question: bytes, *, seconds: float) -> bytes:
        """Return the answer to a question; whoever asks holds one of the `turns`.

        Args:
            question: a line of JSON, without its end: a list that begins with the seconds of CPU time that it may take.
            seconds: how long it may take in all.

        Raises:
            Lost: the process ended first.
            NotStarted: there is none.
        """
        with contextlib.suppress(_NotBegun):
            return await self._asked(self._kept() or await self._started(), question, seconds)
        return await self._asked(await self._started(), question, seconds)

    async def aclose(self) -> None:
        """End all processes; what is being asked is lost."""
        self._is_closed = True
        await end(self._starting)
        self._idle.clear()
        for process in tuple(self._alive):
            await self._end(process)

    def _kept(self) -> asyncio.subprocess.Process | None:
        """Return an idle process that is alive, or None."""
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
            self._alive.discard(process)
        return None

    async def _asked(self, process: asyncio.subprocess.Process, question: bytes, seconds: float) -> bytes:
        has_begun = is_late = False
        line = b""
        try:
            async with asyncio.timeout(seconds):
                has_begun = bool(await _said(process, question))
                line = await _next_line(process) if has_begun else b""
        except TimeoutError:
            is_late = True
        finally:
            if line and not self._is_closed:
                self._idle.append(process)
            else:
                await self._end(process)
                self._restock()
        if line:
            return line
        raise (Lost if has_begun or is_late else _NotBegun)(process.returncode, is_late=is_late)

    def _restock(self) -> None:
        if not self._is_closed and len(self._alive) + len(self._starting) < self.least:
            task = asyncio.create_task(self._add())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _add(self) -> None:
        with contextlib.suppress(NotStarted):
            self._idle.append(await self._started())

    async def _started(self) -> asyncio.subprocess.Process:
        if self._is_closed:
            raise NotStarted
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", process_main.__file__),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={"TZ": "UTC"} | {name: os.environ[name] for name in _LIBRARIES if name in os.environ},
                limit=self.answer_bytes,
            )
        except OSError as error:
            raise NotStarted from error
        self._alive.add(process)
        settings = {"path": sys.path, "program": self.program, "memory_bytes": self.memory_bytes}
        is_ready = b""
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    is_ready = await _said(process, json.dumps(settings).encode())
        finally:
            if not is_ready:
                await self._end(process)
        if not is_ready:
            raise NotStarted
        return process

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Kill the process if it is alive, and wait for its end; it has no state to save."""
        self._alive.discard(process)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)  # `process.kill()` may lose the exit code
        await process.wait()


async def _said(process: asyncio.subprocess.Process, line: bytes) -> bytes:
    """Write a line to the process, and return the line that it writes next; empty if it has ended."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.write(line + b"\n")
        await process.stdin.drain()
    return await _next_line(process)


async def _next_line(process: asyncio.subprocess.Process) -> bytes:
    """Return the process's next line; empty if it has ended, or the line is too long."""
    assert process.stdout is not None
    try:
        return await process.stdout.readline()
    except ValueError:
        return b""
