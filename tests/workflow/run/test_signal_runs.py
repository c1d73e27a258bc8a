"""Random runs with signals, against a model that knows only what was sent and what waits.

Early and late signals, repetitions, timeouts, races that give gates up, loops, people beside; a crash, or a snapshot,
at any place. The model is a queue and a list of who waits, for each topic, kept from the log's public events.
"""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest
from tests.workflow.simulation import Simulation

from interlock import Confirm, Loop, Parallel, Race, Signal, Step, StepInput, Steps, Workflow
from interlock_protocol.errors import Refusal

TOPICS = ("x", "y")


def got(step_input: StepInput) -> Any:
    return {"got": step_input.signal}


class Made:
    """A random workflow."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.count = 0

    def node(self, depth: int) -> Any:
        self.count += 1
        name = f"n{self.count}"
        kinds = ["gate"] * 3 + ["plain", "asks"] + ["all", "race", "steps", "loop"] * (depth > 0)
        match self.chance.choice(kinds):
            case "gate":
                return Step(name, got, human_review=self.gate())
            case "plain":
                return Step(name, got)
            case "asks":
                return Step(name, got, human_review=[Confirm("?"), self.gate()])
            case "all":
                return Parallel(name, self.nodes(depth))
            case "race":
                return Race(name, self.nodes(depth))
            case "steps":
                return Steps(name, self.nodes(depth), human_review=self.chance.choice([None, self.gate()]))
            case _:
                return Loop(name, self.nodes(depth), max_iterations=2)

    def nodes(self, depth: int) -> list[Any]:
        return [self.node(depth - 1) for _ in range(self.chance.randint(1, 3))]

    def gate(self) -> Signal:
        timeout = self.chance.choice([None, None, 5])
        return Signal(self.chance.choice(TOPICS), timeout=timeout, on_timeout=self.chance.choice(["skip", "approve"]))


class Model:
    """What has to have become of each signal, told by the log alone."""

    def __init__(self) -> None:
        self.queues: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        self.waiting: dict[str, list[str]] = defaultdict(list)
        self.seen: set[str] = set()
        self.due: dict[tuple[Any, ...], Any] = {}

    def take_in(self, event: dict[str, Any]) -> None:
        match event:
            case {"event": "SignalReceived", "signal_id": id_, "topic": topic}:
                assert id_ not in self.seen, "a key is one signal"
                self.seen.add(id_)
                self.queues[topic].append((id_, event.get("payload")))
            case {"event": "StepPaused", "topic": topic, "requirement_id": id_}:
                self.waiting[topic].append(id_)
            case {"event": "StepsWithdrawn", "requirement_ids": ids}:
                self.waiting = defaultdict(list, {t: [i for i in w if i not in ids] for t, w in self.waiting.items()})
            case {"event": "StepContinued", "decision": {"signal_id": id_, "topic": topic}}:
                assert self.waiting[topic].pop(0) == event["requirement_id"], "who began to wait first is served first"
                taken, payload = self.queues[topic].pop(0)
                assert taken == id_, "what came first is taken first, and once"
                self.due[(*event["step_path"], event["visit"])] = payload
            case {"event": "StepContinued", "requirement_id": id_}:
                self.waiting = defaultdict(list, {t: [i for i in w if i != id_] for t, w in self.waiting.items()})
            case {"event": "StepCompleted"}:
                place = (*event["step_path"], event["visit"])
                if place in self.due:
                    assert event["content"] == {"got": self.due[place]}

    @property
    def is_served(self) -> bool:
        """Whether nothing waits for what is here."""
        return not any(self.waiting[topic] and self.queues[topic] for topic in TOPICS)


@pytest.mark.parametrize("block", range(4))
def test_every_signal_is_taken_once_and_in_order_whatever_happens(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        play(random.Random(seed))


def play(chance: random.Random) -> None:
    run = Simulation(Workflow("w", steps=Made(chance).nodes(2)), most=chance.choice([None, 1, 3]))
    keys: dict[str, tuple[str, int]] = {}
    for number in range(40):
        act(run, chance, number, keys)
        if chance.random() < 0.3:
            run.crash()
        elif chance.random() < 0.2:
            run.reload()
        run.settle()
        assert run.refolded() == run.state, "what lives is what the log says"
        assert run.waits_for == run.pending_by_head() or run.state.status.is_final
        if run.state.status.is_final:
            break
    model = Model()
    for event in run.events:
        model.take_in(event)
    assert run.state.status.is_final or model.is_served
    if not run.state.status.is_final:
        kept = {topic: [each.id for each in signals] for topic, signals in run.state.signals.items()}
        assert kept == {topic: [id_ for id_, _ in queue] for topic, queue in model.queues.items() if queue}


def act(run: Simulation, chance: random.Random, number: int, keys: dict[str, tuple[str, int]]) -> None:
    match chance.choice(["signal", "signal", "again", "work", "work", "time", "person", "look"]):
        case "signal":
            topic, key = chance.choice(TOPICS), f"k{number}"
            keys[key] = topic, number
            run.signal(topic, number, id_=key, print_=f"{topic}{number}")
            if chance.random() < 0.5:  # another one before anybody has looked
                act(run, chance, number + 1000, keys)
        case "again" if keys:
            key = chance.choice(list(keys))
            topic, payload = keys[key]
            assert run.signal(topic, payload, id_=key, print_=f"{topic}{payload}").drafts == ()
            with pytest.raises(Refusal):
                run.signal(topic, payload, id_=key, print_="another")
        case "work" if run.running:
            run.finish(chance.choice(list(run.running.values())))
        case "time":
            run.expire(6_000)
        case "person":
            asked = [each for each in run.state.requirements.values() if each.asks_people]
            if asked:
                run.decide({"id": chance.choice(asked).id, "confirmed": chance.random() < 0.8})
        case _:
            run.settle()
