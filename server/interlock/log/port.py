"""The log of a run, as everybody above the adapters sees it.

Laws:
- One head per run decides. Every append passes it, atomically; what the head refuses did not happen.
- The owner's append carries its generation. Anybody else's carries its condition instead: "these requirements
  are still pending", "the run has not ended"; it lands at the tail at once, also while an owner writes.
- Appends are idempotent: the same append id again returns the first result (`owned` as it is now) and writes
  nothing, whatever happened since. This holds for the last append of owners and for the last `REMEMBERED_APPENDS`
  of others. An older one of the owner's, which the network held up, is refused by its `known_next`.
- A refused append names its reason; the first reason that applies, in the order of `Reason`, is the one given.
- Within an epoch (1, 2, …) indexes count 0, 1, 2, … and an entry, once read, never changes.
- An append that was begun is finished and told, also when the caller is cancelled meanwhile.

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


class Entry(NamedTuple):
    """One event of a run as it is stored. (A tuple: a page of them is made in half the time of a dataclass's.)

    Args:
        body: the public part: the event as UTF-8 JSON, without `event_index` and `epoch`, which its place gives.
        private: what is folded into the state but never sent, as JSON.
    """

    body: bytes
    private: bytes | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that were appended together, and where they stand. `entries[i]` has index `first_index + i`."""

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
    """What decides over appends. `owner` is None when nobody works on the run (or a lease ran out).

    What stands before `first_index` is gone: in this epoch the log begins there.
    """

    run_id: str
    epoch: int
    next_index: int
    status: RunStatus
    pending: frozenset[str]
    owner: str | None
    generation: int
    first_index: int = 0


@dataclass(frozen=True, slots=True)
class Append:
    """A batch to write, the condition under which it may be, and what it changes in the head.

    Args:
        append_id: the same for every retry of the same append.
        entries: what to write; at least one.
        generation: the owner's, from its claim; None for everybody else.
        expect_next: refuse unless the log's next index is this one.
        known_next: the owner's: up to where (not including) it knows the log. Refused as `TAIL_MOVED` when an owner's
            append stands beyond: then this one comes late a second time.
        resolves: requirement ids that must all be pending, and are no longer after it.
        withdraws: requirement ids that are no longer pending after it, whether they were or not.
        opens: requirement ids that are pending after it.
        status: the head's status after it; None leaves it. A final one clears `pending`.
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


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the batch stands, and whether somebody owns the run, who will see it and go on."""

    epoch: int
    first_index: int
    next_index: int
    owned: bool


def first_generation(epoch: int) -> int:
    """What generations of an epoch come after: an owner of an earlier epoch never has one of a later."""
    return (epoch - 1) << 32


class Reason(StrEnum):
    """Why the head refused, in the order in which the conditions are tried."""

    NO_RUN = "no_run"
    NOT_OWNER = "not_owner"
    ENDED = "ended"
    NOT_PENDING = "not_pending"
    TAIL_MOVED = "tail_moved"
    OWNED = "owned"


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was written. `head` is what the condition was held against (None: there is no such run)."""

    reason: Reason
    head: Head | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """The caller owns the run: `generation` goes into each of its appends.

    Args:
        abandoned: the owner before didn't let go of it.
    """

    generation: int
    head: Head
    abandoned: bool = False


Listener = Callable[[str, Batch], None]
"""Called with (run id, batch) after each append that this process made, in the order of the run's log.

It runs on the event loop and must not block; it is called before `append` returns to its caller. A batch that begins
beyond what it was told before means that the log grew otherwise meanwhile (another process, or an append whose reply
was lost): what is missing is in the log already, to be read.
"""


Hint = Callable[[int, int], None]
"""Called with (epoch, next index) when a run's log may have grown up to there; it runs as a `Listener` does.

What is there, is to be read. A hint may come late, twice, or for what is known already.
"""


class Log(Protocol):
    """The port. Both adapters pass `tests/contract/test_log.py`."""

    def listen(self, listener: Listener) -> None:
        """Call `listener` for each batch appended from here on."""

    def watch(self, run_id: str, hint: Hint) -> Callable[[], None]:
        """Call `hint` when other processes append to this run, until the function that is returned is called.

        Once it has been called for the first time, nothing appended since `watch` remains without a hint.
        """

    @property
    def is_away(self) -> bool:
        """Whether the log's store didn't answer whoever asked last. Asking this costs nothing."""

    def on_ready(self, call: Callable[[], None]) -> None:
        """Call `call`, on the loop, when another process says that a run needs an owner: see `ownerless`."""

    async def claim(self, run_id: str, owner: str, *, create_epoch: int | None = None) -> Claimed | Refused:
        """Become the owner of a run that nobody owns, that `owner` itself owns, or whose owner's lease ran out.

        Args:
            owner: the name of this process, unique among processes, new at each start.
            create_epoch: make the head (status PENDING, index 0, this epoch, at least 1) when there is none.

        Returns:
            Claimed with a generation higher than any before, or Refused: `NO_RUN`, `OWNED`, or `ENDED`.
        """

    async def begin(
        self, run_id: str, *, epoch: int, first_index: int, status: RunStatus, pending: Sequence[str]
    ) -> bool:
        """Begin an epoch of a run whose log is lost, or a part of it: a head that nobody owns, and no entries.

        What is left of the log is dropped, and whoever owned the run owns it no longer. False, and nothing is changed,
        when the head is of this epoch or a later one already.

        Args:
            first_index: where the log begins.
            pending: the requirement ids that are pending.
        """

    async def renew(self, owner: str) -> None:
        """Prolong the leases of everything `owner` owns; call it several times within a lease.

        While the event loop is blocked, leases are prolonged all the same, up to a bound. Nothing to do where leases
        don't end.
        """

    async def release(self, run_id: str, generation: int, *, expect_next: int) -> Refused | None:
        """Give the run up, unless the log has grown since: None, or Refused `NO_RUN`, `NOT_OWNER` or `TAIL_MOVED`.

        Releasing an ended run is fine, and so is releasing again what nobody claimed since.
        """

    async def append(self, append: Append) -> Appended | Refused:
        """Write a batch, all of it or nothing, as `Append` and this module's laws say."""

    async def head(self, run_id: str) -> Head | None:
        """The head as it is now; also of an ended, archived run."""

    async def read(self, run_id: str, first_index: int, *, max_bytes: int = PAGE_BYTES) -> list[Batch]:
        """What stands from `first_index` on, in order and without a hole, up to about `max_bytes` (at least one batch).

        The first batch begins at exactly `first_index`. Empty at the tail, beyond it, or when there is no such run.
        """

    async def ownerless(self, limit: int = 1000) -> list[str]:
        """Runs that need an owner, the longest waiting first.

        They are PENDING or RUNNING and nobody owns them; or their owner's lease ran out; or they have ended and their
        log isn't archived yet, where there is an archive.
        """

    async def offer(self, run_id: str, *, create_epoch: int) -> None:
        """Have some process that has room own this run, which begins: see `ownerless`. Again is fine."""

    async def archive(self, run_id: str) -> bool:
        """Move the log of a run that has ended, or waits, to where it is kept for good.

        False when it does neither, is owned, or there is no such place. Reading it stays as it was, and a run that goes
        on does so where the archive ends. Again is fine.
        """

    async def trim(self, run_id: str, before: int) -> int:
        """Drop what stands before an index, by whole batches; where the log begins now (0: there is no such run).

        What is read from before there is nothing. Nobody may need it any more: there has to be a snapshot.
        """

    async def long_paused(self, for_ms: int, limit: int = 1000) -> list[str]:
        """Runs that have been waiting for so long, and whose log isn't archived though there is an archive."""

    async def start(self) -> None:
        """Connect and check that the store of the log is fit for use. Raises `LogUnfit` with a sentence."""

    async def close(self) -> None:
        """Let go of connections. Runs that are owned stay owned until their lease ends or their owner's next start."""


class LogUnavailable(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The log's store can't be reached; whether the last append happened is unknown: send it again by its id."""


class LogUnfit(Exception):  # noqa: N818 - a state of the world, not a programming error
    """The log's store must not be used as it is configured."""


@dataclass(slots=True)
class Listeners:
    """The listeners of an adapter."""

    listeners: list[Listener] = field(default_factory=list)

    def __call__(self, run_id: str, batch: Batch) -> None:
        for listener in self.listeners:
            listener(run_id, batch)
