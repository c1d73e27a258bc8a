"""Leases while the event loop is blocked: a process beside this one renews them in its place.

Laws:
- Code that computes for some seconds doesn't cost the leases of everything else that its process owns, also where it
  holds the interpreter's lock: whoever renews needs neither the loop nor the lock.
- A loop that is stuck past a bound does cost them: its runs go on elsewhere. So does a process that is stopped or dead,
  after a lease.
- Nothing depends on the helper. Where there is none that is ready, a thread renews; it starts another.

Source: `docs/architecture.md`, "On many nodes".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import structlog
from redis.connection import SSLConnection, parse_url

from interlock.log import redis_renewer
from interlock.log.redis_renewer import Renewer

logger = structlog.get_logger(__name__)

STUCK_SECONDS = 15.0
"""How long an event loop may be blocked before its process is taken for dead."""

_AGAIN_SECONDS = (1.0, 5.0, 30.0)
"""How long after it has ended another helper is started: the first time, the second, and each further one."""

_LASTING_SECONDS = 60.0
"""A helper that lasted for so long ended for a reason of its own, not for one that the next would end for, too."""


class LeaseKeeper:
    """Has leases renewed when the loop hasn't for a while.

    Args:
        keys: the sorted sets that hold the leases.
        stuck_seconds: how long the loop may be blocked.
    """

    def __init__(self, url: str, keys: Sequence[str], lease_ms: int, *, stuck_seconds: float = STUCK_SECONDS) -> None:
        self._url = url
        self._keys = keys
        self._lease_ms = lease_ms
        self._every = lease_ms / 4000
        self._stuck = stuck_seconds
        self._owner = ""
        self._beat_at = 0.0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._helper: _Helper | None = None

    def start(self, loop: asyncio.AbstractEventLoop, *, is_cluster: bool) -> None:
        """Watch over the loop, the one that runs, from here on."""
        settings = {
            "access": access_of(self._url),
            "keys": list(self._keys),
            "lease_ms": self._lease_ms,
            "is_cluster": is_cluster,
            "every": self._every,
            "stuck": self._stuck,
        }
        self._beat(loop)
        self._thread = threading.Thread(target=self._run, args=(settings,), name="leases", daemon=True)
        self._thread.start()

    def keep_for(self, owner: str) -> None:
        """Whose leases they are from here on: nobody's at first."""
        if owner != self._owner:
            self._owner = owner
            self._tell()

    def stop(self) -> None:
        """End the thread, and the helper."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def helper_pid(self) -> int | None:
        """The helper's process; None while there is none."""
        helper = self._helper
        return None if helper is None else helper.pid

    @property
    def is_helped(self) -> bool:
        """Whether a helper is there, and has a way to Redis."""
        helper = self._helper
        return helper is not None and helper.is_ready

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop is alive."""
        self._beat_at = time.monotonic()
        self._tell()
        if not self._stopped.is_set():
            loop.call_later(self._every, self._beat, loop)

    def _tell(self) -> None:
        helper = self._helper
        if helper is not None:
            helper.tell(self._owner, self._beat_at)

    def _run(self, settings: dict[str, Any]) -> None:
        """Keep a helper, and stand in for it."""
        start_at, ended = 0.0, 0
        renewer = Renewer(**settings)
        while not self._stopped.is_set():
            try:
                if self._helper is None and time.monotonic() >= start_at:
                    self._helper = _Helper(settings)
                    self._tell()
                if self._helper is not None and (code := self._helper.code) is not None:
                    ended = 0 if self._helper.seconds > _LASTING_SECONDS else ended
                    start_at = time.monotonic() + _AGAIN_SECONDS[min(ended, len(_AGAIN_SECONDS) - 1)]
                    ended += 1
                    logger.warning("lease_helper_ended", code=code)
                    self._end_helper()
                self._look(renewer)
            except OSError as error:
                start_at = time.monotonic() + _AGAIN_SECONDS[-1]
                logger.warning("lease_helper_failed", error=str(error))
            except Exception:
                logger.exception("leases_failed")
            self._stopped.wait(self._every)
        self._end_helper()
        renewer.close()

    def _look(self, renewer: Renewer) -> None:
        silent = time.monotonic() - self._beat_at
        if not self.is_helped:
            renewer.look(self._owner, silent)
        if self._owner and 2 * self._every < silent < self._stuck:
            logger.warning("loop_blocked", seconds=round(silent, 1))

    def _end_helper(self) -> None:
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.end()


class _Helper:
    """The process.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._is_ready = False
        # Isolated: nothing but the standard library, and that at once. What is secret doesn't stand in its arguments.
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, on a file of ours
            [sys.executable or "", "-I", "-S", redis_renewer.__file__],  # none where Python is embedded: an OSError
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipe, self._word = self._process.stdin, self._process.stdout
        try:
            os.write(self._pipe.fileno(), json.dumps({**settings, "parent": os.getpid()}).encode() + b"\n")
            os.set_blocking(self._pipe.fileno(), False)
            os.set_blocking(self._word.fileno(), False)
        except OSError:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.poll()

    @property
    def seconds(self) -> float:
        """Since when it is there."""
        return time.monotonic() - self._since

    @property
    def is_ready(self) -> bool:
        """Whether it has said so."""
        with self._lock:
            if not self._is_ready and not self._word.closed:
                self._is_ready = bool(self._word.read())
        return self._is_ready

    def tell(self, owner: str, beat_at: float) -> None:
        """The loop was alive then. A helper that doesn't read is gone, or has enough to read."""
        with self._lock, contextlib.suppress(OSError):
            if not self._pipe.closed:
                os.write(self._pipe.fileno(), json.dumps((owner, beat_at)).encode() + b"\n")

    def end(self) -> None:
        """Kill it: it has nothing to lose."""
        self._process.kill()
        with self._lock:  # no beat may go to whatever has the same number next
            self._pipe.close()
            self._word.close()
        self._process.wait()


def access_of(url: str) -> dict[str, Any]:
    """What a `Renewer` needs of a Redis's URL."""
    found = parse_url(url)  # type: ignore[no-untyped-call]
    connection = found.pop("connection_class", None)
    kept = ("host", "port", "path", "username", "password", "db")
    access = {name: found[name] for name in found if name in kept or name.startswith("ssl_")}
    return {"host": "localhost", "port": 6379, **access, "tls": connection is SSLConnection}
