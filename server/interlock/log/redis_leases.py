"""Renewing leases while the event loop is blocked, through a helper process.

Laws:
- Code that computes for some seconds doesn't cost its process the leases of its other runs, even if it holds the GIL:
  the helper needs neither the event loop nor the GIL.
- An event loop that is blocked past a bound loses its leases, and its runs go on elsewhere. A process that is stopped
  or dead loses them after the length of a lease.
- Nothing depends on the helper. While no helper is ready, a thread renews the leases; it also starts a new helper.

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
"""How long an event loop may be blocked before its process counts as dead."""

_AGAIN_SECONDS = (1.0, 5.0, 30.0)
"""The delays before an ended helper is replaced: the first time, the second time, and each further time."""

_LASTING_SECONDS = 60.0
"""A helper that ran longer than this resets the delays: the cause of its end probably won't end the next one, too."""


class LeaseKeeper:
    """Renews leases when the event loop hasn't done so for a while.

    Args:
        keys: the sorted sets that hold the leases.
        stuck_seconds: how long the event loop may be blocked.
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
        """Start to watch `loop`, which must be the running one."""
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
        """Set the owner whose leases are renewed from now on; initially there is none."""
        if owner != self._owner:
            self._owner = owner
            self._tell()

    def stop(self) -> None:
        """End the thread and the helper."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def helper_pid(self) -> int | None:
        """The helper's process id; None while there is no helper."""
        helper = self._helper
        return None if helper is None else helper.pid

    @property
    def is_helped(self) -> bool:
        """True if there is a helper, and it has reached Redis."""
        helper = self._helper
        return helper is not None and helper.is_ready

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that the event loop is alive."""
        self._beat_at = time.monotonic()
        self._tell()
        if not self._stopped.is_set():
            loop.call_later(self._every, self._beat, loop)

    def _tell(self) -> None:
        helper = self._helper
        if helper is not None:
            helper.tell(self._owner, self._beat_at)

    def _run(self, settings: dict[str, Any]) -> None:
        """Keep a helper running, and renew the leases while none is ready."""
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
    """The helper process.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._is_ready = False
        # `-I -S`: only the standard library, for a fast start. Secrets go over stdin, not into the arguments.
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with a file of this package
            [sys.executable or "", "-I", "-S", redis_renewer.__file__],  # an embedded Python has none: OSError
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
        """The exit code; None while it runs."""
        return self._process.poll()

    @property
    def seconds(self) -> float:
        """The seconds since its start."""
        return time.monotonic() - self._since

    @property
    def is_ready(self) -> bool:
        """True if the helper has written its ready line."""
        with self._lock:
            if not self._is_ready and not self._word.closed:
                self._is_ready = bool(self._word.read())
        return self._is_ready

    def tell(self, owner: str, beat_at: float) -> None:
        """Tell the helper that the event loop was alive at `beat_at`.

        A failed write is ignored: the helper has ended, or its pipe is full.
        """
        with self._lock, contextlib.suppress(OSError):
            if not self._pipe.closed:
                os.write(self._pipe.fileno(), json.dumps((owner, beat_at)).encode() + b"\n")

    def end(self) -> None:
        """Kill the helper; it has no state to save."""
        self._process.kill()
        with self._lock:  # no beat may go to another file that reuses the descriptor
            self._pipe.close()
            self._word.close()
        self._process.wait()


def access_of(url: str) -> dict[str, Any]:
    """Extract from a Redis URL what a `Renewer` needs."""
    found = parse_url(url)  # type: ignore[no-untyped-call]
    connection = found.pop("connection_class", None)
    kept = ("host", "port", "path", "username", "password", "db")
    access = {name: found[name] for name in found if name in kept or name.startswith("ssl_")}
    return {"host": "localhost", "port": 6379, **access, "tls": connection is SSLConnection}
