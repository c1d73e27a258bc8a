"""The port of the log: the interface that everything above the adapters uses.

Laws:
- One head per run decides. Every append is checked against it, atomically; an append that it refuses did not happen.
- The owner's append carries the owner's generation. Any other writer's append carries a condition instead: "these
  requirements are still pending", "the run has not ended". It lands at the tail at once, even while an owner writes.
- Appends are idempotent: repeating an append id returns the first result (with the current `owned`) and writes nothing,
  whatever happened since. This holds for the owner's last append and for the last `REMEMBERED_APPENDS` of others. An
  older append of the owner, delayed by the network, is refused by its `known_next`.
- A refused append names its reason: the first one that applies, in the order of `Reason`.
- A head carries the least version of the reducer that may drive its run. It rises with an append that an older version
  couldn't fold, and never falls. Claims and appends by processes of a lower version are refused.
- Within an epoch (1, 2, …) indexes count 0, 1, 2, … and an entry, once read, never changes.
- An append that has begun is finished and reported to listeners, even if its caller is cancelled meanwhile.

Source: `docs/architecture.md`, "Laws" 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from interlock_protocol.types import RunStatus

REMEMBERED_APPENDS = 16
PAGE_BYTES = 256 * 1024

ANY_REDUCER = 2**31 - 1
"""The version of a reducer that may drive whatever there is."""


class Entry(NamedTuple):
    """One stored event of a run. (It's a tuple because creating a page of tuples takes half the time of dataclasses.)

    Args:
        body: the public part: the event as UTF-8 JSON, without `event_index` and `epoch`, which its position gives.
        private: the part that is folded into the state but never sent, as JSON.
    """

    body: bytes
    private: bytes | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that were appended together, and their position. `entries[i]` has index `first_index + i`."""

    epoch: int
    first_index: int
    entries: tuple[Entry, ...]

    @property
    def next_index(self) -> int:
        return self.first_index + len(self.entries)

    def since(self, index: int) -> Batch:
        """The part of this batch from `index` on."""
        if index <= self.first_index:
            return self
        return Batch(self.epoch, index, self.entries[index - self.first_index :])


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a run, which decides over appends. `owner` is None if nobody owns the run, or its lease has expired.

    Entries before `first_index` are gone: in this epoch the log begins there. `reducer` is the least version of the
    reducer that may drive the run (0: any).
    """

    run_id: str
    epoch: int
    next_index: int
    status: RunStatus
    pending: frozenset[str]
    owner: str | None
    generation: int
    first_index: int = 0
    reducer: int = 0


@dataclass(frozen=True, slots=True)
class Append:
    """A batch to write, its condition, and its changes to the head.

    Args:
        append_id: the same for every retry of the same append.
        entries: the entries to write; at least one.
        generation: the owner's, from its claim; None for any other writer.
        expect_next: refuse unless the log's next index is this one.
        known_next: for an owner: the index after the last entry that it knows. If an append by an owner lies beyond it,
            this append is a delayed duplicate, and refused as `TAIL_MOVED`.
        resolves: requirement ids that must all be pending before the append, and aren't pending after it.
        withdraws: requirement ids that aren't pending after the append, whether or not they were before.
        opens: requirement ids that are pending after the append.
        status: the head's status after the append; None leaves it. A final status clears `pending`.
        reducer: the least version of the reducer that can fold the entries (0: any).
        workflow: the run's account and workflow, for who counts; no log looks at it.
    """

    run_id: str
    append_id: str
    entries: Sequence[Entry]
    generation: int | None = None
    expect_next: int | None = None
    known_next: int | None = None
    resolves: Sequence[str] = ()
    withdraws: Sequence[str] = ()
    opens: Sequence[str] = ()
    status: RunStatus | None = None
    reducer: int = 0
    workflow: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Appended:
    """The batch's position, and whether the run has an owner, which will see the batch and go on."""

    epoch: int
    first_index: int
    next_index: int
    owned: bool


def first_generation(epoch: int) -> int:
    """The number that an epoch's generations start after, so that owners of different epochs never share one."""
    return (epoch - 1) << 32


class Reason(StrEnum):
    """Why the head refused, in the order in which the conditions are checked."""

    NO_RUN = "no_run"
    TOO_NEW = "too_new"
    """A newer version of the reducer is needed than this process has."""
    NOT_OWNER = "not_owner"
    ENDED = "ended"
    NOT_PENDING = "not_pending"
    TAIL_MOVED = "tail_moved"
    OWNED = "owned"


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was written. `head` is the one that the condition was checked against (None: there is no such run)."""

    reason: Reason
    head: Head | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """The caller owns the run: `generation` goes into each of its appends.

    Args:
        abandoned: the previous owner didn't release the run.
    """

    generation: int
    head: Head
    abandoned: bool = False


Listener = Callable[[str, Batch], None]
"""Called with (run id, batch) after each append by this process, in the order of the run's log.

It runs on the event loop and must not block; it is called before `append` returns to its caller. A gap before a batch
means that the log has also grown otherwise (through another process, or an append whose reply was lost); the missing
entries are already in the log, and the listener has to read them.
"""


Hint = Callable[[int, int], None]
"""Called with (epoch, next index) when a run's log may have grown up to there; it runs as a `Listener` does.

The receiver has to read the log. A hint may come late, twice, or for entries that are already known.
"""


class Log(Protocol):
    """The port. Both adapters pass `tests/contract/log/`."""

    def listen(self, listener: Listener) -> None:
        """Call `listener` for each batch that this process appends from now on."""

    def watch(self, run_id: str, hint: Hint) -> Callable[[], None]:
        """Call `hint` when other processes append to this run, until the returned function is called.

        From its first call on, every append made since `watch` gets a hint.
        """

    @property
    def is_away(self) -> bool:
        """True if the last call didn't get an answer from the log's store. Reading this property does no I/O."""

    def on_ready(self, call: Callable[[], None]) -> None:
        """Call `call`, on the event loop, when another process announces that a run needs an owner: see `ownerless`."""

    async def claim(self, run_id: str, owner: str, *, create_epoch: int | None = None) -> Claimed | Refused:
        """Become the owner of a run that has no owner, that `owner` already owns, or whose owner's lease has expired.

        Args:
            owner: the name of this process, unique among processes; a new one at each start.
            create_epoch: if there is no head, create it (status PENDING, index 0, this epoch, at least 1).

        Returns:
            Claimed with a generation higher than any before, or Refused: `NO_RUN`, `TOO_NEW`, `OWNED`, or `ENDED`.
        """

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
        """Begin an epoch of a run whose log is lost, wholly or in part: create a head without owner, and no entries.

        The rest of the old log is dropped, and the run's owner loses it. If the head is already of this epoch or a
        later one, nothing changes, and the result is False.

        Args:
            first_index: the index at which the log begins.
            pending: the requirement ids that are pending.
            reducer: the least version of the reducer that can read the snapshot after which the log begins.
        """

    async def renew(self, owner: str) -> None:
        """Renew the leases of everything that `owner` owns; call it several times within a lease.

        While the event loop is blocked, leases are renewed nevertheless, up to a bound. An adapter whose leases don't
        expire does nothing.
        """

    async def release(self, run_id: str, generation: int, *, expect_next: int) -> Refused | None:
        """Release the run, unless its log has grown past `expect_next`.

        Releasing an ended run is allowed, and so is a repeated release, as long as nobody has claimed the run since.

        Returns:
            None, or Refused: `NO_RUN`, `NOT_OWNER` or `TAIL_MOVED`.
        """

    async def append(self, append: Append) -> Appended | Refused:
        """Write a batch, whole or not at all, as `Append` and this module's laws say."""

    async def head(self, run_id: str) -> Head | None:
        """Return the current head, also of an ended and archived run."""

    async def read(self, run_id: str, first_index: int, *, max_bytes: int = PAGE_BYTES) -> list[Batch]:
        """Return the entries from `first_index` on, in order and gapless, up to about `max_bytes` (at least one batch).

        The first batch begins exactly at `first_index`. The result is empty at the tail, beyond it, or if there is no
        such run.
        """

    async def ownerless(self, limit: int = 1000) -> list[str]:
        """Return the runs that need an owner, the longest waiting first.

        A run needs one if it is PENDING or RUNNING and has none; if its owner's lease has expired; or if it has ended
        and the adapter has an archive to which its log hasn't been moved yet.
        """

    async def offer(self, run_id: str, *, create_epoch: int) -> None:
        """Announce a run that hasn't begun, so that a process with room claims it: see `ownerless`. Idempotent."""

    async def archive(self, run_id: str) -> bool:
        """Move the log of a run that has ended, or waits, to the archive.

        The result is False if the run has not ended and doesn't wait, is owned, or there is no archive. Reads work as
        before, and a run that goes on continues at the index where the archive ends. Idempotent.
        """

    async def trim(self, run_id: str, before: int) -> int:
        """Drop the entries before an index, in whole batches, and return where the log begins now (0: no such run).

        A read before that index returns nothing. The caller must have made a snapshot that covers the dropped entries.
        """

    async def long_paused(self, for_ms: int, limit: int = 1000) -> list[str]:
        """Return runs that have waited for `for_ms`, and whose log isn't archived yet; empty without an archive."""

    async def start(self) -> None:
        """Connect and check that the log's store is fit for use. Raises `LogUnfit`, which says what to change."""

    async def close(self) -> None:
        """Close the connections. Owned runs stay owned until their lease expires, or until the process's next start."""


class LogUnavailable(Exception):  # noqa: N818 - a condition, not a programming error
    """The log's store can't be reached. Whether the last append happened is unknown: send it again with its id."""


class LogUnfit(Exception):  # noqa: N818 - a condition, not a programming error
    """The configuration of the log's store makes it unsafe to use."""


@dataclass(slots=True)
class Listeners:
    """The listeners of an adapter."""

    listeners: list[Listener] = field(default_factory=list)

    def __call__(self, run_id: str, batch: Batch) -> None:
        for listener in self.listeners:
            listener(run_id, batch)
