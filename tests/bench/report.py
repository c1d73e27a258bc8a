"""What the figures mean: the rows, their targets, and the table, in the terminal and as a document.

- A ratio is taken within one pass, between figures measured seconds apart; shown is the median of the passes.
- A ratio says how many times better, whether more or less is better: the larger is always the better one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Literal, TypeAlias

from rich.console import Group
from rich.table import Table
from rich.text import Text
from tests.bench.sizes import Figures, Sizes

Pass: TypeAlias = dict[str, Figures]
"""One pass: the figures of each system."""


@dataclass(frozen=True, slots=True)
class Target:
    """To be at least `times` as good as the peer or the floor, or an absolute figure: `at_least` or `at_most`."""

    peer: float | None = None
    floor: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        parts = []
        if self.peer is not None:
            parts.append(f"{self.peer:g}x the peer")
        if self.floor is not None:
            parts.append(f"{self.floor:.0%} of the floor")
        if self.at_least is not None:
            parts.append(f"at least {self.at_least:g}")
        if self.at_most is not None:
            parts.append(f"at most {self.at_most:g}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    work: str
    unit: str
    better: Literal["more", "less"]
    targets: dict[str, Target] = field(default_factory=dict)


def _both(target: Target) -> dict[str, Target]:
    return {"sqlite": target, "redis": target}


_TOLD = Target(at_most=1.15)

ROWS = (
    Row("B1", "stream {deltas:,} deltas to one client", "events/s", "more", _both(Target(peer=8, floor=0.4))),
    Row(
        "B2",
        "{runs} runs with one confirmation, {at_a_time} at a time",
        "runs/s",
        "more",
        {"sqlite": Target(peer=8), "redis": Target(peer=4)},
    ),
    Row(
        "B2' pause",
        "one at a time: start to pause",
        "ms",
        "less",
        {"sqlite": Target(peer=3), "redis": Target(peer=2)},
    ),
    Row(
        "B2' complete",
        "one at a time: decision to completion",
        "ms",
        "less",
        {"sqlite": Target(peer=2), "redis": Target(peer=1.5)},
    ),
    Row("B3", "read a finished run of {large:,} deltas again", "events/s", "more", _both(Target(floor=0.5))),
    Row("B4", "{broadcasts:,} deltas to {followers:,} followers", "deliveries/s", "more", _both(Target(floor=0.5))),
    Row("B5", "{sockets:,} sockets, each at a paused run of its own", "KB a socket", "less", _both(Target(at_most=34))),
    Row("B6", "cost of an event at {large:,} in one run", "x at 1,000", "less", _both(Target(at_most=1.1))),
    Row("B6'", "20 chained confirmations with 1 KB each", "MB", "less", _both(Target(at_most=0.15))),
    Row("B7", "a run's node is killed: until its next event", "s", "less", {"redis": Target(at_most=5)}),
    Row("B8 memory", "{paused:,} paused runs: memory over an idle server", "MB", "less", _both(Target(at_most=5))),
    Row("B8 start", "{paused:,} paused runs: time to start", "s", "less", _both(Target(at_most=2))),
    Row("B8 Redis", "{paused:,} paused runs: Redis's own memory", "MB", "less"),
    Row("I1 few", "one's own inbox among 1,000 waiting requirements", "ms", "less", _both(Target(at_most=5))),
    Row("I1 many", "one's own inbox among {waiting:,} of 1,000 users", "ms", "less", _both(Target(at_most=5))),
    Row("I2", "an answer by address: until a follower has it", "ms", "less", {"sqlite": Target(at_most=10)}),
    Row("I3", "a new question in {members} of {inboxes:,} inboxes", "ms", "less", _both(Target(at_most=250))),
    Row(
        "M1 rate",
        "{instances} new instances to their form after a script, {at_a_time} at a time",
        "instances/s",
        "more",
        _both(Target(at_least=150)),
    ),
    Row("M1 one", "one at a time: a new instance to its form", "ms", "less", _both(Target(at_most=12))),
    Row(
        "M2 rate",
        "{instances} forms answered to completion, {at_a_time} at a time",
        "instances/s",
        "more",
        _both(Target(at_least=150)),
    ),
    Row("M2 one", "one at a time: an answer to completion", "ms", "less", _both(Target(at_most=12))),
    Row("M3", "a script in a warm worker, over an empty Python function", "ms", "less", _both(Target(at_most=2))),
    Row("M4", "first page of a history of {events:,} events", "ms", "less", _both(Target(at_most=20))),
    Row("M5", "halted instances of a namespace among {listed:,}", "ms", "less", _both(Target(at_most=10))),
    Row("W1", "an event in the outbox to its receiver", "ms", "less", _both(Target(at_most=50))),
    Row(
        "W2 rate",
        "{deliveries:,} webhooks to one receiver, while another hangs",
        "webhooks/s",
        "more",
        _both(Target(at_least=2_000)),
    ),
    Row("W2 memory", "what the server grows by meanwhile", "MB", "less", _both(Target(at_most=20))),
    Row("W3 start", "a subscription is told: a new instance to its form", "x without", "less", _both(_TOLD)),
    Row("W3 resume", "a subscription is told: an answer to completion", "x without", "less", _both(_TOLD)),
)

TITLES = {"peer": "peer", "floor": "floor", "sqlite": "Interlock, SQLite", "redis": "Interlock, Redis"}


@dataclass(frozen=True, slots=True)
class Line:
    """What the table says of one system at one row."""

    row: Row
    system: str
    value: float
    spread: tuple[float, float]
    over_peer: float | None
    over_floor: float | None

    @property
    def target(self) -> Target | None:
        return self.row.targets.get(self.system)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or nothing to compare with."""
        if self.target is None:
            return None
        verdicts = [
            None if ratio is None else ratio >= wanted
            for wanted, ratio in ((self.target.peer, self.over_peer), (self.target.floor, self.over_floor))
            if wanted is not None
        ]
        if self.target.at_least is not None:
            verdicts.append(self.value >= self.target.at_least)
        if self.target.at_most is not None:
            verdicts.append(self.value <= self.target.at_most)
        return False if False in verdicts else None if None in verdicts else True

    def cells(self) -> tuple[str, ...]:
        """System, median, least and most, ratio to the peer, ratio to the floor, target, met."""
        verdict = {True: "yes", False: "no", None: ""}[self.met]
        least, most = (_number(value) for value in self.spread)
        target = str(self.target) if self.target else ""
        ratios = (f"{ratio:.2f}" if ratio is not None else "" for ratio in (self.over_peer, self.over_floor))
        return (TITLES[self.system], _number(self.value), f"{least} to {most}", *ratios, target, verdict)


def lines(row: Row, passes: list[Pass]) -> Iterator[Line]:
    for system in TITLES:
        values = [value for each in passes for value in each.get(system, {}).get(row.key, ())]
        if values:
            peer, floor = (_ratio(row, passes, system, other) for other in ("peer", "floor"))
            yield Line(row, system, median(values), (min(values), max(values)), peer, floor)


def table(passes: list[Pass], sizes: Sizes) -> Group:
    shown = Table("#", "system", "median", "", "least, most", "x peer", "x floor", "target", "met")
    for row in ROWS:
        for number, line in enumerate(lines(row, passes)):
            system, value, *others = line.cells()
            shown.add_row("" if number else row.key, system, value, row.unit, *others)
        shown.add_section()
    legend = "\n".join(f"{row.key}: {_work(row, sizes)}" for row in ROWS)
    return Group(shown, Text(legend))


def document(passes: list[Pass], sizes: Sizes, facts: list[str], systems: dict[str, str]) -> str:
    """`docs/benchmarks.md`."""
    about = "\n".join(f"- {fact}" for fact in facts)
    measured = "\n".join(f"- *{TITLES[name]}*: {text}" for name, text in systems.items())
    body = "\n".join(
        f"| {row.key if number == 0 else ''} | {f'{_work(row, sizes)}, {row.unit}' if number == 0 else ''} | "
        + " | ".join(line.cells())
        + " |"
        for row in ROWS
        for number, line in enumerate(lines(row, passes))
    )
    today = datetime.now(UTC).date().isoformat()
    return _DOCUMENT.format(today=today, passes=len(passes), about=about, measured=measured, body=body, **_sizes(sizes))


def _ratio(row: Row, passes: list[Pass], system: str, other: str) -> float | None:
    """How many times better `system` is than `other`; None where they can't be compared."""
    if system == other:
        return None
    pairs = [
        (median(each[system][row.key]), median(each[other][row.key]))
        for each in passes
        if row.key in each.get(system, {}) and row.key in each.get(other, {})
    ]
    ratios = [mine / theirs if row.better == "more" else theirs / mine for mine, theirs in pairs]
    return median(ratios) if ratios else None


def _work(row: Row, sizes: Sizes) -> str:
    return row.work.format(**_sizes(sizes))


def _sizes(sizes: Sizes) -> dict[str, int]:
    return {name: getattr(sizes, name) for name in Sizes.__slots__}


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


_DOCUMENT = """\
# Benchmarks

Written by `make bench` on {today}; don't edit. Absolute figures are this machine's; the ratios are what counts.

## Figures

| # | work | system | median | least, most | x peer | x floor | target | met |
|---|---|---|---|---|---|---|---|---|
{body}

"x peer" and "x floor" say how many times *better* than the peer or the floor, for figures of which more is
better as for those of which less is. Each ratio is taken within one pass; the median of {passes} passes is shown,
and B5, B7, B8, I1, I3, M4, M5, W2 and W3 are done once.

What the floor doesn't reach, nothing does: at B1 the floor, which only sends, says how many times the peer is possible
with this client.

## What is compared

{measured}

The peer is the closest public one that does the same job: workflows with human confirmation, streamed over a
WebSocket. It gets the uvicorn settings of the floor and keeps its runs in SQLite, but the events that it streams
in memory only. Interlock's events are durable before they are sent. The floor serves nothing: a bare endpoint
that sends one frame of 250 bytes, encoded beforehand, in a loop. It shows what the WebSocket, the event loop and
the client cost by themselves.

The client is the same for all: the `websockets` library on asyncio, `json.loads` for each frame, nothing more,
without compression. It shares the machine with the server.

## How it is measured

All systems are started, warmed up, and then measured one after the other at each row, {passes} times over, in
changing order, so that what disturbs the machine disturbs all of them.

- **B1**: one run, one client, {deltas:,} deltas; from the arrival of the first to that of the last.
- **B2**: {runs} runs, {at_a_time} at a time. Each opens a connection, authenticates, starts a workflow of three
  steps, approves the second at once, and ends with `WorkflowCompleted`.
- **B2'**: the same workflow, one run at a time on one connection, {latencies} times. From the start being sent to
  the pause, and from the decision being sent to the completion; medians.
- **B3**: a run of {large:,} deltas is finished. A new connection asks for it from the start; from the request to
  the arrival of the last delta. (The peer's buffer doesn't hold as many.)
- **B6**: while that run is live, the time that each thousand deltas takes to arrive: the median over the run's
  last tenth, divided by that over the tenth after its first thousand.
- **B6'**: 20 steps, each to be confirmed, each with 1 KB of output. The text of all frames to the client, from
  the start to the completion.
- **B4**: one run is followed by {followers:,} sockets, told to begin, and then emits {broadcasts:,} deltas as fast
  as it can; from its being told until everybody has the last. The floor sends its frame to one socket after the
  other. The client only counts here: parsing, for {followers:,} at once, would be the slowest part.
- **B5**: a server that was just started, with {sockets:,} paused runs in its storage; then with a socket for each,
  which follows it. Memory that is the process's own (USS), after a collection of garbage, in KB of 1,024 bytes. The
  peer's sockets are authenticated, and the floor's accepted; they follow nothing. Sockets' buffers in the kernel are
  not counted. Once, not in each pass; so are B7, B8, I1, I3, M4, M5, W2 and W3.
- **B7**: two nodes on Redis and PostgreSQL. A run streams a delta each 50 ms on one of them, a client follows it at the
  other; the first is killed (`SIGKILL`); until the next event arrives that the dead node didn't send. {kills} times, in
  turns; least and most are of these.
- **B8**: a server on an empty storage, and one on a storage with {paused:,} paused runs: the difference of their own
  memory, in MB of 2^20 bytes, some seconds after their start; from the start of the process, interpreter and imports
  included, until it listens. One run really ran to its pause, the others are its copies, written through the
  server's own ports. Redis's memory is what it says that it uses, less what it used when it was empty.
- **I1**: the list of the 50 runs that wait for one user, asked of the store itself 200 times, where 1,000 requirements
  wait in all, and where {waiting:,} do, for 1,000 users; medians. *Interlock, Redis* has its rows in PostgreSQL.
- **I2**: a run waits; one connection answers by the question's address (`respond`), and another that follows the run
  gets `StepContinued`: the median of {latencies}.
- **I3**: {inboxes:,} users follow their inboxes, a connection each, on a server of its own. A run asks a group of
  {members} of them: from its start to the last member's `inbox_changed`. Client and server share the machine.
- **M1**: `POST /api/v1/workflows/{{name}}/instances` of a published definition: a script, then a form. From the request
  being sent to the answer, which says `halted`, being read. {instances} instances, {at_a_time} at a time on as many
  connections; then {latencies} one at a time, the median. The client of the M rows is `httpx`; limits are counted and
  never reached.
- **M2**: the same instances, each resumed with what the form asks for, until the answer says `completed`.
- **M3**: a machine of 20 states, each with a script that returns `{{}}`, and one with Python functions that do; the
  difference of their medians over {latencies} instances, one at a time, divided by 20.
- **M4**: an instance that went through its states until its history had {events:,} events; the first page, of 100,
  asked for 50 times; the median.
- **M5**: `GET /api/v1/workflows/instances?namespace=…&status=halted`, the first page, of 50, asked for 100 times; the
  median. Half of {listed:,} instances are in that namespace, the others in 1,000 others; one in a hundred is halted.
  One really ran to its halt, the others are copies of its row. A server that was just started.
- **W1**: {latencies} instances of M1, one at a time, each with two events for one receiver, which is in the client's
  process: from the time in a delivery's row to the request being there; the median.
- **W2**: a server that is started on {deliveries:,} deliveries for a receiver as in W1, and as many for one that takes
  requests and never answers. Each is of a run of its own, with 0.6 KB of data. Rate and growth count from a tenth on.
- **W3**: two servers that were just started, one with a subscription to every event. An instance of M1 and M2 at one,
  then at the other, {pairs} times: the median with the subscription, divided by that without. Nothing is delivered: it
  is what runs do so that it can be.

The machine and the versions:

{about}

To repeat it: `make bench`, or `python -m tests.bench --help` for a smaller or a narrower run. Nothing in the
test suite asserts a time.
"""
