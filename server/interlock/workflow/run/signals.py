"""Signals: what each of them is for, among everything in a run that waits for one of its topic.

Laws:
- Signals of a topic are taken in the order in which they came, by what waits for them in the order in which it asked;
  each by one. What was given up takes none.
- What waits for the outcome of an interaction takes no other signal, and no other is kept for it.
- A signal is taken by an event of the run's owner, which is in the log only if nothing came between.

Source: `docs/signals.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from interlock.workflow.run.state import Requirement, RunState, Signal

BY_INTERACTIONS: Final = "system:interactions"
"""Who sends the outcomes of interactions: what is kept of them has no bound."""


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
    found: dict[str, Signal] = {}
    for topic, signals in state.signals.items():
        left = list(signals)
        for requirement in waiting_for(state, topic):
            signal = next((each for each in left if takes_from(requirement, each.by)), None)
            if signal is not None:
                left.remove(signal)
                found[requirement.id] = signal
    return found


def next_taker(state: RunState, topic: str, sent_by: str) -> Requirement | None:
    """What would take the next signal of this topic and sender at once; None if it would have to wait."""
    served = matches(state)
    waiting = (each for each in waiting_for(state, topic) if each.id not in served)
    return next((each for each in waiting if takes_from(each, sent_by)), None)


def takes_from(requirement: Requirement, sent_by: str) -> bool:
    """Return True if a requirement takes signals of this sender."""
    return requirement.facts.get("source") is None or sent_by == BY_INTERACTIONS
