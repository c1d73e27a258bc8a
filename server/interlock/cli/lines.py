"""Reads lines that a person types, or a program pipes in, without blocking the event loop.

Laws:
- Waiting for a line can be cancelled at any time, and no input is lost or left half-read by a thread: the thread waits
  in `select`, and is woken.
- While a hidden line is read, the terminal's echo is off; it is on again when the line ends or the wait is cancelled.
- On a terminal, an answer is what was typed after its question was shown. Earlier input is discarded, so that an extra
  Enter never answers the next question. From a pipe, each question takes the next line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
from collections.abc import Iterator


class Lines:
    """The lines of a file descriptor, standard input by default."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = _stdin() if fd is None else fd
        self._buffer = b""
        self._ended = self._fd is None

    @property
    def is_terminal(self) -> bool:
        return self._fd is not None and os.isatty(self._fd)

    async def next(self) -> str | None:
        """Return the next line, without its line end; None at the end of the input."""
        woken, wake = os.pipe()
        reading = asyncio.get_running_loop().run_in_executor(None, self._read, woken)
        try:
            line = await asyncio.shield(reading)
        except asyncio.CancelledError:
            os.write(wake, b"!")
            await reading
            raise
        finally:
            os.close(wake)
            os.close(woken)
        return None if line is None else line.decode(errors="replace").rstrip("\r\n")

    def _read(self, woken: int) -> bytes | None:
        """Return the next line; None at the end of the input, or when `woken` becomes readable. Runs in a thread."""
        while b"\n" not in self._buffer and not self._ended:
            assert self._fd is not None
            readable, _, _ = select.select([self._fd, woken], [], [])
            if woken in readable:
                return None
            chunk = os.read(self._fd, 4096)
            self._ended = not chunk
            self._buffer += chunk
        if not self._buffer:
            # On a terminal, the end of input (Ctrl-D) applies only once.
            self._ended = not self.is_terminal
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Turn the terminal's echo off, except for line ends; enter this before the question is shown.

        A pipe has no echo.
        """
        if not self.is_terminal:
            yield
            return
        assert self._fd is not None
        import termios

        before = termios.tcgetattr(self._fd)
        quiet = [*before]
        quiet[3] = (quiet[3] & ~termios.ECHO) | termios.ECHONL
        termios.tcsetattr(self._fd, termios.TCSANOW, quiet)
        try:
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSANOW, before)

    def discard_typed(self) -> None:
        """Discard what was typed so far; call this before a question is shown. Nothing is discarded from a pipe."""
        if not self.is_terminal:
            return
        assert self._fd is not None
        import termios

        self._buffer = b""
        termios.tcflush(self._fd, termios.TCIFLUSH)


def _stdin() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None
