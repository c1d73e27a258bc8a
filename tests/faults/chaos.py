"""Runs of all kinds, and clients that come and go, while nodes, connections and servers die. `make chaos MINUTES=10`.

Laws:
- Nothing may be lost, repeated, or decided twice, whatever happens: what is found otherwise fails the chaos.
- When the faults end, everything is healed, and what is under way then has `SETTLE_SECONDS` to come to its end.
- What happens is drawn from a seed, which is printed; when exactly, the world decides.
- Bounded in time, in runs and in sockets; on loopback only.
- Logs, and all that was found, are kept in a folder when something was found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import uvloop
from rich.console import Console
from tests.faults.cluster import Cluster, cluster
from tests.faults.evidence import Records, logs_of, records
from tests.faults.floods import FLOODS, flood
from tests.faults.people import Library, Person, Raw, Tally
from tests.faults.plans import Plan, plan
from tests.faults.report import Outcome, show
from tests.faults.schedule import Hurter, schedule
from tests.faults.verdict import FINAL, Answer, Finding, Kind, Story, View, judge, judge_session
from tests.faults.webhooks import Listeners, listening, settings

from interlock.secrets.vault import new_key

SETTLE_SECONDS = 60.0
FLOOD_SECONDS = 0.7
FLOOD_PAUSE = 3.0
"""How long one flood lasts, and how long nobody floods before the next, on average."""
WATCHERS = 4
USERS = ("ada", "bob", "eve")
MAX_RUNS = 20_000


@dataclass(frozen=True)
class Options:
    """How much chaos.

    Attributes:
        minutes: how long faults happen.
        at_once: how many runs are under way.
        pause: seconds between two faults, on average.
    """

    seed: int
    minutes: float = 10.0
    nodes: int = 3
    redis: Literal["single", "cluster"] = "single"
    at_once: int = 24
    pause: float = 1.5


@dataclass(eq=False)
class Trial:
    """One planned run, and who has to do with it."""

    plan: Plan
    starter: Raw
    run_id: str = ""
    clients: list[Raw | Library] = field(default_factory=list)


class Chaos:
    """One chaos run on a cluster."""

    def __init__(self, made: Cluster, options: Options, listeners: Listeners) -> None:
        self._cluster = made
        self._listeners = listeners
        self._options = options
        self._tally = Tally()
        self._trials: list[Trial] = []
        self._is_over = False
        self._alive: dict[Raw | Library, asyncio.Task[None]] = {}
        self._watchers = [self._watcher(number) for number in range(WATCHERS)]

    async def run(self) -> Outcome:
        """Start, hurt, heal, settle, judge."""
        began = time.monotonic()
        hurter = Hurter(self._cluster)
        faults = schedule(Random(self._options.seed), self._options.nodes, self._options.pause)
        workers = [asyncio.create_task(self._work(number)) for number in range(self._options.at_once)]
        lagging = asyncio.create_task(self._measure_lag())
        flooding = asyncio.create_task(self._flood(Random(f"{self._options.seed} floods")))
        try:
            await hurter.hurt(faults, self._options.minutes * 60)
            self._is_over = True
            await self._cluster.heal()
            hurter.note("all is healed")
            await asyncio.wait(workers, timeout=SETTLE_SECONDS)
            hurter.note("clients are done")
            await self._settle()
            hurter.note("the store is settled")
            await self._listeners.settle()
            hurter.note("webhooks are delivered")
            hurter.history += self._unsettled()
            found, stories = await self._judged()
        finally:
            await _ended(lagging, flooding, *workers, *self._alive.values())
        return Outcome(self._options, time.monotonic() - began, found, stories, hurter, self._tally, self._listeners)

    async def _measure_lag(self) -> None:
        """How long this process kept its own clients and proxies waiting: beyond a second, it is a fault of its own."""
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await asyncio.sleep(0.05)
            self._tally.lag = max(self._tally.lag, clock() - before - 0.05)

    async def _flood(self, chance: Random) -> None:
        """Strangers who send small things without end, to one node at a time; it may be one that is down."""
        while not self._is_over:
            await asyncio.sleep(chance.uniform(0, 2 * FLOOD_PAUSE))
            name, node = chance.choice(list(FLOODS)), chance.choice(self._cluster.nodes)
            self._tally.floods[name] += 1
            await asyncio.to_thread(flood, name, node.port, FLOOD_SECONDS)

    # ── Runs ────────────────────────────────────────────────────────────────────────────────────────────

    async def _work(self, worker: int) -> None:
        """One run after the other."""
        for number in range(worker, MAX_RUNS, self._options.at_once):
            if self._is_over:
                return
            await self._try(plan(number, Random(f"{self._options.seed} {number}")))

    async def _try(self, wanted: Plan) -> None:
        chance = Random(f"{self._options.seed} people of {wanted.number}")
        starter = self._person(f"starter of {wanted.number}", wanted, chance)
        trial = Trial(wanted, starter, clients=[starter])
        self._trials.append(trial)
        trial.run_id = await starter.start(wanted.workflow_id, wanted.message, wanted.session_id)
        self._join(trial, chance)
        if wanted.cancelled_after is not None:
            await asyncio.sleep(wanted.cancelled_after)
            await starter.cancel(trial.run_id, wanted.workflow_id)
        while not all(client.is_done for client in trial.clients):  # noqa: ASYNC110 - many conditions
            await asyncio.sleep(0.05)
        for client in trial.clients:
            if isinstance(client, Person):
                await client.rest()
        await _ended(*(self._alive.pop(client) for client in trial.clients))

    def _join(self, trial: Trial, chance: Random) -> None:
        """Others come to see, and to decide."""
        number, run_id = trial.plan.number, trial.run_id
        for watcher in chance.sample(self._watchers, 2):
            watcher.follow(run_id)
        if chance.random() < 0.6:
            rival = self._person(f"rival of {number}", trial.plan, chance)
            rival.follow(run_id)
            trial.clients.append(rival)
        if chance.random() < 0.4:
            who, token = f"library of {number}", self._token(chance)
            own = Random(chance.random())
            follower = Library(who, run_id, lambda: self._door(own), token, own, self._tally)
            trial.clients.append(self._let_live(follower))

    # ── Clients ─────────────────────────────────────────────────────────────────────────────────────────

    def _person(self, who: str, wanted: Plan, chance: Random) -> Person:
        own = Random(chance.random())
        person = Person(who, lambda: self._door(own), self._token(chance), own, self._tally, think=wanted.thinks)
        self._let_live(person)
        return person

    def _watcher(self, number: int) -> Raw:
        """Somebody who follows many runs on one connection."""
        who, chance = f"watcher {number}", Random(f"{self._options.seed} watcher {number}")
        watcher = Raw(who, lambda: self._door(chance), self._token(chance), chance, self._tally, patience=8.0)
        self._let_live(watcher)
        return watcher

    def _let_live(self, client: Raw | Library) -> Raw | Library:
        self._alive[client] = asyncio.create_task(client.live())
        return client

    def _door(self, chance: Random) -> str:
        """Any node, or the balancer."""
        return chance.choice([self._cluster.url, *(node.url for node in self._cluster.nodes)])

    def _token(self, chance: Random) -> str:
        return token_of(chance.choice(USERS))

    # ── The end ─────────────────────────────────────────────────────────────────────────────────────────

    async def _settle(self) -> None:
        """Wait until the store says of every run that it has ended, and everybody has seen all; or for too long."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            rows = await records(self._cluster.database_url)
            is_quiet = all(row.status in FINAL.values() for row in rows.runs.values())
            if is_quiet and all(watcher.is_done for watcher in self._watchers):
                return
            await asyncio.sleep(0.5)

    def _unsettled(self) -> Iterator[str]:
        """Who isn't done yet, to be written down."""
        for trial in self._trials:
            for client in trial.clients:
                if client in self._alive:
                    yield f"{client.who} ({trial.run_id}) still lives, and is {'' if client.is_done else 'not '}done"

    async def _judged(self) -> tuple[list[Finding], list[Story]]:
        rows = await records(self._cluster.database_url)
        logs = await logs_of([node for node in self._cluster.nodes if node.is_up], list(rows.runs), token_of(USERS[0]))
        stories = [self._story(trial, rows, logs) for trial in self._trials if trial.run_id]
        found = [finding for story in stories for finding in judge(story)]
        found += self._listeners.judged(stories, rows.runs)
        found += [*self._beside_runs(), *_unanswered(self._trials), *_sessions(rows, stories)]
        if not any(story.end for story in stories):
            found.append(Finding(Kind.NOTHING, "-", "no run has come to an end"))
        return found, stories

    def _beside_runs(self) -> Iterator[Finding]:
        """What is wrong with nodes."""
        for what in self._cluster.surprises:
            yield Finding(Kind.NODE_ENDED, "-", what)
        for what, times in Counter(what for _, what in self._tally.internal).items():
            yield Finding(Kind.INTERNAL, "-", f"{times} times in answer to {what}")

    def _story(self, trial: Trial, rows: Records, logs: dict[str, dict[str, list[dict[str, Any]]]]) -> Story:
        run_id = trial.run_id
        row = rows.runs.get(run_id)
        clients = [*trial.clients, *self._watchers]
        views: list[View] = [client.views[run_id] for client in clients if run_id in client.views]
        answers: list[Answer] = [
            answer
            for client in trial.clients
            if not isinstance(client, Library)
            for of, answer in client.answers
            if of == run_id
        ]
        return Story(
            run_id,
            trial.plan.workflow_id,
            trial.plan.message,
            rows.plans.get(trial.plan.number, []),
            row.status if row else "not there",
            {node: found.get(run_id, []) for node, found in logs.items()},
            views,
            answers,
            rows.audit.get(run_id, []),
        )


def _unanswered(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Who still waits for an answer."""
    for trial in trials:
        for client in trial.clients:
            for what in client.unanswered if isinstance(client, Raw) else ():
                yield Finding(
                    Kind.STUCK, trial.run_id or f"plan {trial.plan.number}", f"{client.who}: {what}: no answer"
                )


def _sessions(rows: Records, stories: Sequence[Story]) -> list[Finding]:
    """What is wrong with the sessions' states."""
    found: list[Finding] = []
    for (user, session), plans in rows.sessions.items():
        its = [story for story in stories if rows.runs[story.run_id][:2] == (user, session)]
        found += judge_session(f"{user}'s {session}", plans, its)
    return found


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


def token_of(user: str) -> str:
    """The token of one of `USERS`."""
    return f"token-of-{user}"


def tokens() -> str:
    """The setting: all of `USERS` may do everything."""
    return json.dumps([{"token": token_of(user), "user_id": user, "scopes": ["admin"]} for user in USERS])


async def chaos(folder: Path, options: Options) -> Outcome:
    """A chaos run on a cluster of its own, with its logs in `folder`."""
    key = new_key()
    hooks = settings(key)
    async with cluster(folder, nodes=options.nodes, redis=options.redis, tokens=tokens(), **hooks) as made:
        async with listening(made.database_url, key, Random(f"{options.seed} webhooks")) as listeners:
            outcome = await Chaos(made, options, listeners).run()
        outcome.keep(folder)
        return outcome


def main() -> int:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix=f"interlock-chaos-{options.seed}-"))
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(f"Chaos for {options.minutes:g} minutes, seed {options.seed}: logs in {folder}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(_until_told(folder, options))
    if outcome is None:
        console.print(f"Broken off; the logs are in {folder}")
        return 130
    show(console, outcome)
    if not outcome.found:
        shutil.rmtree(folder)
    return 1 if outcome.found else 0


async def _until_told(folder: Path, options: Options) -> Outcome | None:
    """The outcome; None when Ctrl-C or SIGTERM came first, after which everything is ended in order."""
    task = asyncio.create_task(chaos(folder, options))
    for which in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(which, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults happen")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="what is drawn; the time by default")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--redis", choices=["single", "cluster"], default="single")
    parser.add_argument("--at-once", type=int, default=24, help="how many runs are under way")
    parser.add_argument("--pause", type=float, default=1.5, help="seconds between two faults, on average")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
