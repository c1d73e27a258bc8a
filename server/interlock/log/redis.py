"""The log on Redis Streams, for many processes.

Laws:
- What the port calls atomic is one atomic script. All keys of a shard share a hash tag, so it is atomic on a Cluster,
  too. All processes must use the same number of shards: it is stored in Redis, and checked at start.
- A stream entry is a batch; its id is `<epoch>-<first index>`. (Redis has no id 0-0: epochs begin at 1.)
- An owner has one lease per shard, which expires by Redis's clock. The generation in the head does the fencing; a lease
  only says when another process may claim. A process treats a lease as expired only after a whole lease of contact with
  the shard without a gap of half a lease: while the shard is away nobody can renew, and no owner may lose its runs.
- Shards are independent: if a master of a Cluster is away, the shards of the other masters work as before.
- A claim that arrives so late that its sender may have given up claims nothing, so an owner always knows what it owns.
- The log of an ended run moves to the archive; its small head stays, and refuses appends.

Keys of shard N, each beginning with `<prefix>:{sN}:`:

    head:<run id>   hash: epoch, first (index), next, status, owner, generation, pending, last (append of the owner),
                    recent (appends of others), reducer (the least that may drive the run; absent: any),
                    asleep (the generation under which it was released to wait for a time)
    log:<run id>    stream: the batches
    ready           sorted set: runs that need an owner and have none, by the time since when; ended runs until archived
    owned           hash: owned runs, and their owners
    leases          sorted set: owners, by the time when their lease expires
    paused          sorted set: runs that wait, have no owner and aren't archived, by the time since when
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import msgpack

from interlock.aio.tasks import end
from interlock.log.batches import pack, page
from interlock.log.port import (
    ANY_REDUCER,
    PAGE_BYTES,
    REMEMBERED_APPENDS,
    Append,
    Appended,
    Batch,
    Claimed,
    Head,
    Hint,
    Listener,
    LogUnavailable,
    LogUnfit,
    Reason,
    Refused,
    first_generation,
)
from interlock.log.redis_leases import LeaseKeeper
from interlock.log.redis_link import REPLY_SECONDS, RedisLink
from interlock.log.redis_pubsub import Hints
from interlock.log.redis_topics import RedisTopics
from interlock.log.turns import Turns, Written
from interlock_protocol.types import RunStatus

_OLDEST = (6, 2)
_COPY_BYTES = 1024 * 1024
_LATE_MS = round(REPLY_SECONDS * 1000)
_CLAIMS = 3
"""How often a claim is sent that arrives late, compared to the last time of Redis's clock that this process knows."""

_INDEXES = ("ready", "owned", "leases", "paused")


class Archive(Protocol):
    """The permanent store for logs of runs that have ended or wait long."""

    async def write(self, run_id: str, head: Head, batches: Sequence[Batch]) -> None:
        """Store a head and batches; batches that are already stored stay as they are, and so does a later head."""

    async def head(self, run_id: str) -> Head | None:
        """Return the head as it was last written."""

    async def trim(self, run_id: str, before: int) -> int:
        """Like `Log.trim`, for the archived part of the log."""

    async def end(self, run_id: str, epoch: int) -> int:
        """Return the index after the last archived entry of this epoch."""

    async def read(self, run_id: str, first_index: int, max_bytes: int) -> list[Batch]:
        """Like `Log.read`."""


class RedisLog:
    """The log on a Redis (6.2 or later), single or Cluster.

    Args:
        shards: the number of hash tags over which the keys are spread; it can't be changed later.
        lease_ms: the length of a lease. Call `renew` and `ownerless` several times within it.
        allow_volatile: accept a Redis that may lose acknowledged writes.
        reducer: the version of this process's reducer.

    Attributes:
        topics: what the processes that share this Redis say to each other.
    """

    def __init__(
        self,
        url: str,
        archive: Archive,
        *,
        shards: int = 64,
        lease_ms: int = 3000,
        allow_volatile: bool = False,
        prefix: str = "interlock",
        reducer: int = ANY_REDUCER,
    ) -> None:
        self._link = RedisLink(url)
        self._archive = archive
        self._shards = shards
        self._lease_ms = lease_ms
        self._allow_volatile = allow_volatile
        self._prefix = prefix
        self._reducer = reducer
        self._turns = Turns(self._write)
        self._contacts = [_Contact(lease_ms) for _ in range(shards)]
        self._leases = LeaseKeeper(url, [self._key(shard, "leases") for shard in range(shards)], lease_ms)
        self._hints = Hints(self._link.subscription, self._places, prefix)
        self.topics = RedisTopics(self._hints, partial(self._link.command, "PUBLISH"))
        self._hearing: tuple[asyncio.Task[None], ...] = ()
        self._first_shard = 0

    def listen(self, listener: Listener) -> None:
        self._turns.listen(listener)

    def watch(self, run_id: str, hint: Hint) -> Callable[[], None]:
        # This process's own appends cause hints, too. They are delayed until listeners have got the batch itself.
        return self._hints.watch(
            run_id, lambda epoch, next_index: self._turns.after(run_id, partial(hint, epoch, next_index))
        )

    @property
    def is_away(self) -> bool:
        return self._link.is_away

    def on_ready(self, call: Callable[[], None]) -> None:
        self._hints.on_ready(call)

    async def start(self) -> None:
        await self._link.find_cluster()
        for node in await self._link.info():
            refuse_unfit(node, allow_volatile=self._allow_volatile)
        key = f"{self._prefix}:{{s0}}:shards"
        await self._link.command("SET", key, self._shards, "NX")
        if (known := int(await self._link.command("GET", key))) != self._shards:
            raise LogUnfit(f"This Redis's log has {known} shards, not {self._shards}: use {known}.")
        self._leases.start(asyncio.get_running_loop(), is_cluster=self._link.is_cluster)
        parts = (self._hints.run(), self.topics.run())
        self._hearing = tuple(asyncio.create_task(part, name="hints and topics") for part in parts)

    async def close(self) -> None:
        await self._turns.idle()
        await asyncio.to_thread(self._leases.stop)
        await end(self._hearing)
        await self._link.close()

    async def append(self, append: Append) -> Appended | Refused:
        return await self._turns.append(append)

    async def _write(self, append: Append) -> Written:
        run_id = append.run_id
        reply = await self._link.run(
            "append",
            self._keys(run_id, f"head:{run_id}", f"log:{run_id}", *_INDEXES),
            (
                run_id,
                append.append_id,
                len(append.entries),
                append.generation,
                append.expect_next,
                append.known_next,
                append.status,
                append.resolves,
                append.withdraws,
                append.opens,
                REMEMBERED_APPENDS,
                self._hints.grown,
                self._reducer,
                append.reducer,
            ),
            pack(append.entries),
        )
        outcome, *rest = reply
        if outcome not in (b"appended", b"repeated"):
            return Written(_refused(run_id, reply))
        epoch, first_index, next_index, owned, tail = rest
        appended = Appended(epoch, first_index, next_index, owned=bool(owned))
        return Written(appended, repeated=outcome == b"repeated", next_index=tail)

    async def claim(self, run_id: str, owner: str, *, create_epoch: int | None = None) -> Claimed | Refused:
        if create_epoch is not None and create_epoch < 1:
            raise ValueError("Epochs begin at 1.")
        keys = self._keys(run_id, f"head:{run_id}", *_INDEXES)
        contact = self._contacts[self._shard(run_id)]
        for _ in range(_CLAIMS):
            args = (run_id, owner, create_epoch, self._lease_ms, _LATE_MS, *contact.times, self._reducer)
            now, *reply = await self._link.run("claim", keys, args)
            contact.seen(now)
            if reply[0] != b"late":
                break
        else:
            raise LogUnavailable("Redis takes too long.")
        if reply[0] != b"claimed":
            return _refused(run_id, reply)
        head = _head(run_id, reply[1])
        return Claimed(head.generation, head, bool(reply[2]))

    async def begin(
        self,
        run_id: str,
        *,
        epoch: int,
        first_index: int,
        status: RunStatus,
        pending: Sequence[str],
        reducer: int = 0,
    ) -> bool:
        keys = self._keys(run_id, f"head:{run_id}", f"log:{run_id}", *_INDEXES)
        generation, grown = first_generation(epoch), self._hints.grown
        args = (run_id, epoch, first_index, status, generation, sorted(pending), grown, reducer)
        return bool(await self._link.run("begin", keys, args))

    async def renew(self, owner: str) -> None:
        self._leases.keep_for(owner)
        calls = {shard: ((self._key(shard, "leases"),), (owner, self._lease_ms)) for shard in range(self._shards)}
        for shard, now in (await self._link.run_all("renew", calls)).items():
            self._contacts[shard].seen(now)

    async def release(self, run_id: str, generation: int, *, expect_next: int, asleep: bool = False) -> Refused | None:
        keys = self._keys(run_id, f"head:{run_id}", *_INDEXES)
        reply = await self._link.run("release", keys, (run_id, generation, expect_next, asleep))
        return None if reply[0] == b"released" else _refused(run_id, reply)

    async def head(self, run_id: str) -> Head | None:
        fields = await self._link.run("head", self._keys(run_id, f"head:{run_id}", "leases"))
        return _head(run_id, fields) if fields else await self._tombstone(run_id)

    async def _tombstone(self, run_id: str) -> Head | None:
        """Return the head of an ended run that Redis no longer has."""
        head = await self._archive.head(run_id)
        return head if head is not None and head.status.is_final else None

    async def read(self, run_id: str, first_index: int, *, max_bytes: int = PAGE_BYTES) -> list[Batch]:
        head, batches = await self._read_stream(run_id, first_index, max_bytes)
        if batches:
            return batches
        if head is None:
            is_kept = await self._tombstone(run_id) is not None
        else:
            is_kept = head.first_index <= first_index < head.next_index
        return await self._archive.read(run_id, first_index, max_bytes) if is_kept else []

    async def _read_stream(
        self, run_id: str, first_index: int | None, max_bytes: int
    ) -> tuple[Head | None, list[Batch]]:
        """Return the head, and a page from an index, or from the log's beginning.

        The page is empty if the stream doesn't have that index.
        """
        keys = self._keys(run_id, f"head:{run_id}", f"log:{run_id}", "leases")
        fields, *rows = await self._link.run("read", keys, (first_index, max_bytes))
        if not fields:
            return None, []
        head, ids, blobs = _head(run_id, fields), rows[::2], rows[1::2]
        places = (int(entry_id.partition(b"-")[2]) for entry_id in ids)
        first_index = head.first_index if first_index is None else first_index
        return head, page(head.epoch, zip(places, blobs, strict=True), first_index)

    async def _places(self, run_ids: Sequence[str]) -> dict[str, tuple[int, int] | None]:
        """Return (epoch, next index) of each run that can be reached, or None for a run without a head."""
        calls = {run_id: (self._keys(run_id, f"head:{run_id}", "leases"), ()) for run_id in run_ids}
        heads = await self._link.run_all("head", calls)
        return {run_id: (head[0], head[1]) if head else None for run_id, head in heads.items()}

    async def offer(self, run_id: str, *, create_epoch: int) -> None:
        keys = self._keys(run_id, f"head:{run_id}", *_INDEXES)
        await self._link.run("offer", keys, (run_id, create_epoch, self._hints.every))

    async def ownerless(self, limit: int = 1000) -> list[str]:
        # Start at a different shard each time, so that runs this process can't take don't hide those of later shards.
        self._first_shard = (self._first_shard + 1) % self._shards
        shards = [(self._first_shard + number) % self._shards for number in range(self._shards)]
        calls = {
            shard: (
                [self._key(shard, name) for name in ("ready", "owned", "leases")],
                (limit, self._lease_ms, *self._contacts[shard].times),
            )
            for shard in shards
        }
        found: list[str] = []
        for shard, (now, *runs) in (await self._link.run_all("ownerless", calls)).items():
            self._contacts[shard].seen(now)
            found += [run_id.decode() for run_id in runs]
        return found[:limit]

    async def archive(self, run_id: str) -> bool:
        head, batches = await self._read_stream(run_id, None, _COPY_BYTES)
        if head is None or not (head.status.is_final or head.waits):
            return False
        index = head.first_index
        while index < head.next_index:
            if batches:
                index = batches[-1].next_index
                await self._archive.write(run_id, replace(head, next_index=index), batches)
            elif (kept := await self._archive.end(run_id, head.epoch)) > index:
                index = kept
            else:
                return False  # a new epoch has begun meanwhile
            if index < head.next_index:
                _, batches = await self._read_stream(run_id, index, _COPY_BYTES)
        keys = self._keys(run_id, f"head:{run_id}", f"log:{run_id}", "ready", "owned", "paused")
        return bool(await self._link.run("archive", keys, (run_id, head.epoch, head.next_index, head.status)))

    async def trim(self, run_id: str, before: int) -> int:
        fields = await self._link.run("head", self._keys(run_id, f"head:{run_id}", "leases"))
        if not fields:
            return await self._archive.trim(run_id, before)
        head = _head(run_id, fields)
        # The archive is trimmed first, by whole batches; the stream only if `before` lies beyond the archive.
        archived = await self._archive.end(run_id, head.epoch)
        begins = await self._archive.trim(run_id, before) if archived > head.first_index else head.first_index
        if archived > before:
            return await self._begin_at(run_id, head.epoch, begins)
        keys = self._keys(run_id, f"head:{run_id}", f"log:{run_id}")
        return int(await self._link.run("trim", keys, (head.epoch, before)))

    async def _begin_at(self, run_id: str, epoch: int, first_index: int) -> int:
        keys = self._keys(run_id, f"head:{run_id}", f"log:{run_id}")
        return int(await self._link.run("trim", keys, (epoch, first_index, True)))

    async def long_paused(self, for_ms: int, limit: int = 1000) -> list[str]:
        calls = {shard: ((self._key(shard, "paused"),), (for_ms, limit)) for shard in range(self._shards)}
        replies = await self._link.run_all("long_paused", calls)
        return [run_id.decode() for runs in replies.values() for run_id in runs][:limit]

    def _shard(self, run_id: str) -> int:
        return zlib.crc32(run_id.encode()) % self._shards

    def _keys(self, run_id: str, *names: str) -> list[str]:
        shard = self._shard(run_id)
        return [self._key(shard, name) for name in names]

    def _key(self, shard: int, name: str) -> str:
        return f"{self._prefix}:{{s{shard}}}:{name}"


class _Contact:
    """The start of this process's uninterrupted contact with a shard, and the last contact, by Redis's clock."""

    def __init__(self, lease_ms: int) -> None:
        self._longest_gap = lease_ms / 2
        self._since = 0
        self._last = 0

    @property
    def times(self) -> tuple[int, int]:
        return self._since, self._last

    def seen(self, now_ms: int) -> None:
        if now_ms - self._last > self._longest_gap:
            self._since = now_ms
        self._last = now_ms


def refuse_unfit(info: Mapping[str, str], *, allow_volatile: bool = False) -> None:
    """Check a Redis's INFO, and refuse it if it is too old or may lose acknowledged writes.

    Raises:
        LogUnfit: says what to change.
    """
    version = info["redis_version"]
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise LogUnfit(f"Redis {version} is too old: 6.2 or later is needed.")
    if allow_volatile:
        return
    if info["aof_enabled"] != "1":
        raise LogUnfit("This Redis forgets what it acknowledged: set `appendonly yes` (or allow a volatile one).")
    policy = info["maxmemory_policy"]
    if info["maxmemory"] != "0" and policy != "noeviction":
        raise LogUnfit(
            f"This Redis drops logs when its memory is full: set `maxmemory-policy noeviction`, not {policy} "
            "(or allow a volatile one)."
        )


def _head(run_id: str, fields: Sequence[Any]) -> Head:
    epoch, next_index, status, owner, generation, pending, first_index, reducer, asleep = fields
    return Head(
        run_id=run_id,
        epoch=epoch,
        next_index=next_index,
        status=RunStatus(status.decode()),
        pending=frozenset(msgpack.unpackb(pending)) if pending else frozenset(),
        owner=owner.decode() or None,
        generation=generation,
        first_index=first_index,
        reducer=reducer,
        asleep=bool(asleep),
    )


def _refused(run_id: str, reply: Sequence[Any]) -> Refused:
    """Convert a reply of (reason) or (reason, head)."""
    head = _head(run_id, reply[1]) if len(reply) > 1 else None
    return Refused(Reason(reply[0].decode()), head)
