"""Signals: what each of them is for, among everything in a run that waits for one of its topic.

Laws:
- Signals of a topic are taken in the order in which they came, by what waits for them in the order in which it asked;
  each by one. What was given up takes none.
- A signal is taken by an event of the run's owner, which is in the log only if nothing came between.

Source: `docs/signals.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

from interlock.workflow.run.state import Requirement, RunState, Signal


def topic_of(requirement: Requirement) -> str | None:
    """The topic of the signals that resolve a requirement; None if none do."""
    topic: str | None = requirement.facts.get("topic")
    return topic


def waiting_for(state: RunState, topic: str) -> list[Requirement]:
    """What waits for a signal of this topic, in the order in which it is served."""
    waiting = [each for each in state.requirements.values() if topic_of(each) == topic]
    return sorted(waiting, key=lambda each: each.paused_index)


def matches(state: RunState) -> Mapping[str, Signal]:
    """The signals that can be taken now, by the id of the requirement that each is for."""
    return {
        requirement.id: signal
        for topic, signals in state.signals.items()
        for requirement, signal in zip(waiting_for(state, topic), signals, strict=False)
    }


def next_taker(state: RunState, topic: str) -> Requirement | None:
    """What would take the next signal of this topic at once; None if it would have to wait."""
    before = len(state.signals.get(topic, ()))
    return next(iter(waiting_for(state, topic)[before:]), None)
