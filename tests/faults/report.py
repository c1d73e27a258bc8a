"""What came of a chaos run: the final table, and what has to be known to understand what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table
from tests.faults.people import Tally
from tests.faults.schedule import Hurter
from tests.faults.verdict import FINAL, Finding, Kind, Story
from tests.faults.webhooks import Listeners

if TYPE_CHECKING:
    from tests.faults.chaos import Options

_SHOWN = 25


@dataclass
class Outcome:
    """What happened, and what was found."""

    options: Options
    seconds: float
    found: list[Finding]
    stories: list[Story]
    hurter: Hurter
    tally: Tally
    listeners: Listeners
    folder: Path = Path()
    tracebacks: int = 0

    def keep(self, folder: Path) -> None:
        """Write what was found, and what was done when, beside the logs of the nodes."""
        self.folder = folder
        self.tracebacks = sum(log.read_text(errors="replace").count("Traceback") for log in folder.glob("node-*.log"))
        folder.joinpath("findings.txt").write_text("\n".join(map(str, self.found)) + "\n")
        folder.joinpath("faults.txt").write_text("\n".join(self.hurter.history) + "\n")
        takeovers = sorted(_takeovers(self.stories), reverse=True)
        folder.joinpath("takeovers.txt").write_text("\n".join(map(str, takeovers)) + "\n")
        wrong = {finding.run_id for finding in self.found}
        for story in self.stories:
            if story.run_id in wrong:
                folder.joinpath(f"{story.run_id}.txt").write_text("\n".join(_told(story)) + "\n")

    @property
    def by_kind(self) -> Counter[Kind]:
        return Counter(finding.kind for finding in self.found)


def _told(story: Story) -> Iterator[str]:
    """All that is known of a run, to be read."""
    yield f"{story.run_id} {story.workflow_id} {story.message} {story.status} runs of its plan: {story.run_ids}"
    for node, log in story.logs.items():
        yield f"log as {node} tells it:"
        yield from (f"  {event}" for event in log)
    for view in story.views:
        yield f"{view.who}: ended {view.has_ended}, gaps {view.gaps}, {view.refusals}"
        yield f"  {[sight.number for sight in view.seen]}"
    yield from map(str, story.answers)
    yield from map(str, story.audit)


def show(console: Console, outcome: Outcome) -> None:
    """Print the table, and what was found."""
    table = Table(title=f"Chaos, seed {outcome.options.seed}", show_header=False)
    for name, value in _rows(outcome):
        table.add_row(name, value, end_section=name in _ENDS)
    console.print(table)
    for finding in outcome.found[:_SHOWN]:
        console.print(f"  {finding}", soft_wrap=True)
    if len(outcome.found) > _SHOWN:
        console.print(f"  and {len(outcome.found) - _SHOWN} more")
    if outcome.found:
        console.print(f"Logs, faults and findings are in {outcome.folder}")


_ENDS = ("events", "sends that were told to come again", "longest stall of this process itself")


def _rows(outcome: Outcome) -> Iterator[tuple[str, str]]:
    stories, tally = outcome.stories, outcome.tally
    ends = Counter(FINAL[story.end["event"]] if story.end else "none" for story in stories)
    yield "seconds, nodes, Redis", f"{outcome.seconds:.0f}, {outcome.options.nodes}, {outcome.options.redis}"
    yield "runs", f"{len(stories)} ({', '.join(f'{name} {times}' for name, times in ends.most_common())})"
    yield "workflows", str(len({story.workflow_id for story in stories}))
    yield "events", str(sum(len(story.log) for story in stories))
    yield "events seen by clients", str(sum(len(view.seen) for story in stories for view in story.views))
    yield "connections", f"{tally.connections} (cut {tally.cut}, left {tally.left})"
    answers = Counter(answer.outcome or "none" for story in stories for answer in story.answers)
    yield "sends that were answered", ", ".join(f"{name} {times}" for name, times in answers.most_common())
    again = ", ".join(f"{name} {times}" for name, times in tally.momentary.most_common())
    yield "sends that were told to come again", again or "none"
    yield from ((what, str(times)) for what, times in sorted(outcome.hurter.done.items()))
    yield "floods", f"{tally.floods.total()} (of {len(tally.floods)} kinds)"
    silences = [takeover.seconds for takeover in _takeovers(stories)]
    came = ", ".join(
        f"{each.manner} {each.acknowledged[True]} (and not {each.acknowledged[False]})"
        for each in outcome.listeners.all
    )
    yield "webhooks that were acknowledged", came
    yield "takeovers and recoveries", str(len(silences))
    shown = f"{max(silences):.1f} s (median {median(silences):.1f} s)" if silences else "none"
    yield "longest silence before a takeover", shown
    yield "longest stall of this process itself", f"{tally.lag:.2f} s"
    yield "tracebacks in the nodes' logs", str(outcome.tracebacks)
    for kind in Kind:
        yield kind.value, str(outcome.by_kind[kind])


class Takeover(NamedTuple):
    """How long a run that was cut off stood still, as its log tells it."""

    seconds: float
    run_id: str
    at: int
    last: int
    again: int

    def __str__(self) -> str:
        last, again = (datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S.%f")[:-4] for at in self[3:])
        return f"{self.seconds:6.2f} s {self.run_id} #{self.at}: from {last} to {again}"


def _takeovers(stories: list[Story]) -> Iterator[Takeover]:
    for story in stories:
        for before, event in pairwise(story.log):
            if event["event"] == "WorkflowRecovered":
                last, again = before["created_at"], event["created_at"]
                yield Takeover((again - last) / 1000, story.run_id, event["event_index"], last, again)
