"""Lines that a person types, or a program pipes in, read without blocking the event loop.

Laws:
- Waiting for a line can be cancelled at any time, and then nothing of the input is lost or left half-read by a thread:
  the thread waits in `select`, and is woken.
- What is hidden is shown by no terminal, and is again when its line has ended, or nobody waits for it any more.
- On a terminal, an answer is what was typed after its question was shown: what was typed before is discarded, so that
  an Enter too many never answers the next question. From a pipe, each question takes the next line.
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
        """The next line, without its end; None at the end of the input."""
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
        """The next line; runs in a thread. None at the end of the input, and when `woken` has something to say."""
        while b"\n" not in self._buffer and not self._ended:
            assert self._fd is not None
            readable, _, _ = select.select([self._fd, woken], [], [])
            if woken in readable:
                return None
            chunk = os.read(self._fd, 4096)
            self._ended = not chunk
            self._buffer += chunk
        if not self._buffer:
            # On a terminal, the end of input (Ctrl-D) is said each time anew.
            self._ended = not self.is_terminal
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Keeps a terminal from showing what is typed, but for the end of the line; to be entered before the question
        is shown. A pipe shows nothing anyway."""
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
        """Forgets what was typed so far; to be called before a question is shown. A pipe forgets nothing."""
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
