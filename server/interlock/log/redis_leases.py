"""Leases while the event loop is blocked: a thread that renews them in its place.

Laws:
- A coroutine that computes for some seconds doesn't cost the leases of everything else that its process owns.
- A loop that is stuck past a bound does: its runs go on elsewhere.
- Each master of a Cluster stands for itself, and leases there go by its own clock.

Source: `docs/architecture.md`, "On many nodes".
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import structlog
from redis import Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import RedisClusterException, RedisError
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
        while not self._stopped.is_set():
            try:
                # Not only when it is needed: a Cluster has to say who has what before a master is away.
                client = client or kind.from_url(self._url, socket_timeout=self._every, retry=Retry(NoBackoff(), 0))
                silent = time.monotonic() - self._beat_at
                if self.owner and 2 * self._every < silent < STUCK_SECONDS:
                    self._renew(client)
                    logger.warning("loop_blocked", seconds=round(silent, 1))
            except (RedisError, RedisClusterException, OSError):
                pass  # again at the next look
            except Exception:
                logger.exception("leases_failed")
            self._stopped.wait(self._every)
        if client is not None:
            client.close()

    def _renew(self, client: Redis | RedisCluster) -> None:
        if isinstance(client, Redis):
            self._renew_at(client, self._keys)
            return
        masters: dict[ClusterNode, list[str]] = {}
        for key in self._keys:
            node = client.get_node_from_key(key)  # type: ignore[no-untyped-call]
            masters.setdefault(node, []).append(key)
        done = [self._renew_at(client.get_redis_connection(node), keys) for node, keys in masters.items()]
        if not all(done):  # another may have its keys by now
            client.nodes_manager.initialize()

    def _renew_at(self, server: Redis, keys: Sequence[str]) -> bool:
        """Whether all of them are there, and were renewed if they needed it."""
        try:
            seconds, microseconds = server.time()
            until = seconds * 1000 + microseconds // 1000 + self._lease_ms
            with server.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.zadd(key, {self.owner: until}, xx=True, gt=True)
                pipeline.execute()
        except (RedisError, OSError):
            return False
        return True
