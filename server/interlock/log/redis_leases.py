"""Leases while the event loop is blocked: a thread that renews them in its place.

Laws:
- A coroutine that computes for some seconds doesn't cost the leases of everything else that its process owns.
- A loop that is stuck past a bound does: its runs go on elsewhere.

Source: `docs/architecture.md`, "On many nodes".
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence

import structlog
from redis import Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = structlog.get_logger(__name__)

STUCK_SECONDS = 15.0
"""How long an event loop may be blocked before its process is taken for dead."""


class LeaseKeeper:
    """A thread that renews leases when the loop hasn't for a while, and sleeps otherwise.

    Args:
        keys: the sorted sets that hold the leases.

    Attributes:
        owner: whose leases they are; "" while there is none.
    """

    def __init__(self, url: str, keys: Sequence[str], lease_ms: int) -> None:
        self._url = url
        self._keys = keys
        self._lease_ms = lease_ms
        self._every = lease_ms / 4000
        self.owner = ""
        self._beat_at = 0.0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, loop: asyncio.AbstractEventLoop, *, is_cluster: bool) -> None:
        """Watch over the loop, the one that runs, from here on."""
        self._beat(loop)
        self._thread = threading.Thread(target=self._run, args=(is_cluster,), name="leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop is alive."""
        self._beat_at = time.monotonic()
        if not self._stopped.is_set():
            loop.call_later(self._every, self._beat, loop)

    def _run(self, is_cluster: bool) -> None:
        kind: type[Redis] | type[RedisCluster] = RedisCluster if is_cluster else Redis
        client: Redis | RedisCluster | None = None
        while not self._stopped.wait(self._every):
            silent = time.monotonic() - self._beat_at
            if not self.owner or not 2 * self._every < silent < STUCK_SECONDS:
                continue
            with contextlib.suppress(RedisError, OSError):
                client = client or kind.from_url(self._url, socket_timeout=self._every, retry=Retry(NoBackoff(), 0))
                self._renew(client)
                logger.warning("loop_blocked", seconds=round(silent, 1))
        if client is not None:
            client.close()

    def _renew(self, client: Redis | RedisCluster) -> None:
        seconds, microseconds = client.time()
        until = seconds * 1000 + microseconds // 1000 + self._lease_ms
        with client.pipeline(transaction=False) as pipeline:
            for key in self._keys:
                pipeline.zadd(key, {self.owner: until}, xx=True, gt=True)
            pipeline.execute(raise_on_error=False)
