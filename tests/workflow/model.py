"""A small model of the rules, which doesn't know the core: what a workflow comes to, given what people decided.

It reads declarations and decisions, and goes through the workflow once from the start, as far as the decisions lead.

Source: `docs/workflows.md`, "Containers", "Asking people" and "Errors".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.workflow.random_runs import Does, IfWeak, Once, Says, said
from tests.workflow.simulation import Agent, Event, Simulation

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    Graph,
    Interaction,
    Link,
    Loop,
    Map,
    Parallel,
    Race,
    Review,
    Router,
    Step,
    Steps,
    Widget,
    Workflow,
)
from interlock_protocol.requirements import FLAGS, RESPONSE, WIDGET

NOTHING: Any = object()
Path = tuple[Any, ...]
Sent = tuple[str | None, Any]
"""What was said of an output that was sent back, and that output."""

NEVER: Sent = (None, None)


class Halted(Exception):  # noqa: N818 - no error
    """Nothing that comes after may go on: a person is waited for, or the run ends here."""


class Failed(Halted):
    """It ends here with an error, unless something around it takes that."""


class Skipped(Exception):  # noqa: N818 - no error
    """A node without a result."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Model:
    """What the rules say.

    `completed` and `skipped` are the steps that may have come to that, and how often; `tries` is how often each was
    begun, crashes aside; `ends` are the events that may end the run; `waiting` is what is asked once nothing else can
    go on. When the run goes through, all of it must have happened.
    """

    decided: dict[tuple[Path, str], list[Event]]
    interrupted: dict[tuple[Path, int], Event | None]
    """The decisions on steps that ask after a crash, by the number of the try over the whole run; None: undecided."""

    completed: Counter[Path] = field(default_factory=Counter)
    skipped: Counter[tuple[Path, str]] = field(default_factory=Counter)
    tries: Counter[Path] = field(default_factory=Counter)
    ends: set[str] = field(default_factory=set)
    waiting: set[tuple[Path, str]] = field(default_factory=set)
    calls: Counter[int] = field(default_factory=Counter)
    met: Counter[tuple[Path, str]] = field(default_factory=Counter)
    winners: dict[Path, list[str | None]] = field(default_factory=dict)
    """The branches that came first in the races at a place, one after the other: the rules don't say who is quick."""

    gone: set[tuple[Path, str]] = field(default_factory=set)
    """What of `waiting` is withdrawn by then."""

    races: set[Path] = field(default_factory=set)
    """Where there are races: of what is in them, only how much it may be at most is known."""

    is_content_plain: bool = True
    """Whether no loop had an iteration without content: what its content is then is no business of this model."""

    # --- what people said ---

    def decision(self, path: Path, kind: str) -> Event:
        """The next decision on a pause of this kind at this place."""
        decisions = self.decided.get((path, kind), [])
        if self.met[path, kind] == len(decisions):
            self.waiting.add((path, kind))
            raise Halted
        self.met[path, kind] += 1
        return decisions[self.met[path, kind] - 1]

    def refuse(self, event: Event, way: str, reason: str = "rejected") -> None:
        """What `skip` and `cancel` do, wherever they are said."""
        if way == "cancel":
            self.end("WorkflowCancelled")
        if way == "skip":
            raise Skipped("timeout" if event["resolved_by"] == "timeout" else reason)

    def end(self, event: str) -> None:
        if event == "WorkflowError":
            raise Failed
        self.ends.add(event)
        raise Halted

    # --- nodes ---

    def sequence(self, listed: Any, prefix: Path, sent: Sent) -> Any:
        content = NOTHING
        for node in listed:
            its_content = self.node(node, (*prefix, node.name), sent)
            if its_content is not NOTHING:
                content = its_content
        return content

    def node(self, node: Any, path: Path, sent: Sent) -> Any:
        """Its content."""
        try:
            goes_else = self.gates(node, path)
            return self.inside(node, path, sent, goes_else=goes_else)
        except Skipped as skipped:
            self.skipped[path, skipped.reason] += 1
            return NOTHING

    def gates(self, node: Any, path: Path) -> bool:
        """What is asked once, before anything else."""
        kinds = (
            (Confirm, "requires_confirmation"),
            (Ask, "requires_user_input"),
            (Interaction, RESPONSE),
            (Widget, WIDGET),
        )
        for review, kind in kinds:
            if node.asks(review) is None:
                continue
            event = self.decision(path, kind)
            if event["decision"].get("confirmed") is False:
                self.refuse(event, event["decision"]["on_reject"])
                return True
        return False

    def inside(self, node: Any, path: Path, sent: Sent, *, goes_else: bool) -> Any:  # noqa: C901
        match node:
            case Step(workflow=None):
                return self.step(node, path, sent)
            case Step(workflow=Workflow(steps=steps)):
                self.tries[path] += 1
                content = self.sequence(steps, path, sent)
                self.completed[path] += 1
                return content
            case Steps():
                return self.sequence(node.steps, path, sent)
            case Parallel():
                return self.parallel(node, path, sent)
            case Race():
                return self.race(node, path, sent)
            case Map():
                return self.map(node, path, sent)
            case Graph():
                return self.graph(node, path, sent)
            case Condition(evaluator=Says(value=holds)):
                listed = node.steps if holds and not goes_else else node.else_steps
                if not listed:
                    raise Skipped("condition")
                return self.sequence(listed, path, sent)
            case Router():
                return self.router(node, path, sent)
        return self.loop(node, path, sent)

    def parallel(self, node: Parallel, path: Path, sent: Sent) -> Any:
        contents: dict[str, Any] = {}
        halted: list[Halted] = []
        for child in node.steps:
            try:
                content = self.node(child, (*path, child.name), sent)
            except Halted as halt:
                halted.append(halt)
                continue
            if content is not NOTHING:
                contents[child.name] = content
        if halted:
            raise next((halt for halt in halted if isinstance(halt, Failed)), halted[0])
        return contents

    def race(self, node: Race, path: Path, sent: Sent) -> Any:
        self.races.add(path)
        before, contents, failed, skipped = set(self.waiting), {}, 0, 0
        for child in node.steps:
            inside, skips = (*path, child.name), self.skipped.copy()
            others = set(self.waiting)
            try:
                contents[child.name] = self.node(child, inside, sent)
            except Failed:
                failed += 1
                self.gone |= self.waiting - others
            except Halted:
                continue
            if any(place == inside for place, _ in self.skipped - skips):
                skipped += 1
                del contents[child.name]
        if self.winners.get(path):
            winner = self.winners[path].pop(0)
            self.gone |= self.waiting - before
            assert winner in contents or (winner is None and skipped == len(node.steps))
            return NOTHING if winner is None else contents[winner]
        raise Failed if failed and failed + skipped == len(node.steps) else Halted

    def map(self, node: Map, path: Path, sent: Sent) -> Any:
        before, contents = set(self.waiting), []
        halted: list[Halted] = []
        live = 0
        for number in range(1, len(node.items) + 1):  # type: ignore[arg-type]
            if live == node.at_once:
                break
            try:
                content = self.sequence(node.item.steps, (*path, "item" if number == 1 else f"item_{number}"), sent)
            except Halted as halt:
                live += not isinstance(halt, Failed)
                halted.append(halt)
                continue
            contents.append(None if content is NOTHING else content)
        failed = next((halt for halt in halted if isinstance(halt, Failed)), None)
        if failed is not None:
            self.races.add(path)
            self.gone |= self.waiting - before
            raise failed
        if halted:
            raise halted[0]
        return contents

    def graph(self, graph: Graph, path: Path, sent: Sent) -> Any:
        """The tasks stand in an order in which no link leads back; what `always` leads to has no other links."""
        ended: dict[str, str] = {}
        contents: dict[str, Any] = {}
        asked: dict[str, set[tuple[Path, str]]] = {}
        links = graph.links.links
        for child in graph.tasks:
            ways = [_way(link, ended.get(link.source)) for link in links if link.target == child.name]
            is_any = graph.links.joins.get(child.name) == "any"
            if "open" in ways and not (is_any and "taken" in ways):
                continue
            if ways and ("taken" not in ways or ("blocked" in ways and not is_any)):
                self.skipped[(*path, child.name), "unreachable"] += 1
                ended[child.name] = "blocked" if "blocked" in ways else "skipped"
                continue
            asked[child.name] = self.task(child, path, sent, ended, contents)
        handled = {link.source for link in links if link.on == "failed"}
        if any(how == "failed" and name not in handled for name, how in ended.items()):
            self.broken(graph, path, sent, ended, asked)
        if len(ended) < len(graph.tasks):
            raise Halted
        return {name: each for name, each in contents.items() if not contents.keys() & _after(name, links)}

    def task(
        self, child: Any, path: Path, sent: Sent, ended: dict[str, str], contents: dict[str, Any]
    ) -> set[tuple[Path, str]]:
        """A task of a graph: how it ended, if it did, and what it has to tell. Returns what it waits for."""
        inside, others, skips = (*path, child.name), set(self.waiting), self.skipped.copy()
        try:
            content = self.node(child, inside, sent)
        except Failed:
            ended[child.name] = "failed"
            self.gone |= self.waiting - others
            self.races |= set() if isinstance(child, Step) and child.workflow is None else {inside}
        except Halted:
            return self.waiting - others
        else:
            was_skipped = any(place == inside for place, _ in self.skipped - skips)
            ended[child.name] = "skipped" if was_skipped else "completed"
            if content is not NOTHING:
                contents[child.name] = content
        return set()

    def broken(
        self, graph: Graph, path: Path, sent: Sent, ended: dict[str, str], asked: dict[str, set[tuple[Path, str]]]
    ) -> None:
        """A graph in which something failed that nothing handles: how far the others had come by then isn't said by
        the rules. What `always` leads to still comes, and the others are asked no more."""
        self.races.add(path)
        for child in graph.tasks:
            links = [link for link in graph.links.links if link.target == child.name]
            if not any(link.on == "always" for link in links):
                self.skipped[(*path, child.name), "unreachable"] += 1
                self.gone |= asked.get(child.name, set())
                ended.setdefault(child.name, "skipped")
                continue
            sources = [link.source in ended for link in links]
            is_any = graph.links.joins.get(child.name) == "any"
            if child.name not in ended and child.name not in asked and (any(sources) if is_any else all(sources)):
                self.task(child, path, sent, ended, {})
        raise Failed if len(ended) == len(graph.tasks) else Halted

    # --- what is reviewed ---

    def step(self, step: Step, path: Path, sent: Sent) -> Any:
        for round_ in range(1_000):
            content = self.output(step, path, sent)
            is_weak = isinstance(step.executor, Does) and step.executor.weak
            content, sent, done = self.reviewed(step, path, content, sent, round_, is_weak=is_weak)
            if done:
                break
        self.completed[path] += 1
        if isinstance(step.executor, Does) and step.executor.stops:
            self.end("WorkflowCompleted")
        return content

    def router(self, router: Router, path: Path, sent: Sent) -> Any:
        for round_ in range(1_000):
            if router.asks(Choose) is None:
                selected = router.selector.value  # type: ignore[union-attr]
            else:
                event = self.decision(path, "requires_route_selection")
                self.refuse(event, event["decision"].get("on_reject", ""))
                selected = event["decision"]["selected_choices"]
            content = self.sequence([child for child in router.choices if child.name in selected], path, sent)
            content, sent, done = self.reviewed(router, path, content, sent, round_)
            if done:
                break
        return content

    def reviewed(
        self, node: Any, path: Path, content: Any, sent: Sent, round_: int, *, is_weak: bool = False
    ) -> tuple[Any, Sent, bool]:
        """The output after its review, or what it is sent back with."""
        review = node.asks(Review)
        if review is None or not self.holds(review, is_weak=is_weak):
            return content, sent, True
        event = self.decision(path, "requires_output_review")
        decision = event["decision"]
        if decision["confirmed"]:
            return decision.get("edited_output", content), sent, True
        self.refuse(event, decision["on_reject"])
        if round_ == review.max_retries:
            self.end("WorkflowCancelled")
        return NOTHING, self.sent_back(decision, content, sent), False

    def holds(self, review: Review, *, is_weak: bool = False) -> bool:
        self.calls[id(review)] += 1
        match review.when:
            case IfWeak():
                return is_weak
            case Once():
                return self.calls[id(review)] == 1
        return True

    def sent_back(self, decision: Any, content: Any, sent: Sent) -> Sent:
        given = (decision.get("rejection_feedback"), None if content is NOTHING else content)
        return sent if given == NEVER else given

    def loop(self, loop: Loop, path: Path, sent: Sent) -> Any:
        around, review, content = sent, loop.asks(Review), NOTHING
        for iteration in range(1, loop.max_iterations + 1):
            content = self.sequence(loop.steps, (*path, iteration), sent)
            self.is_content_plain &= content is not NOTHING
            sent = around
            if review is not None and self.holds(review):
                event = self.decision(path, "requires_iteration_review")
                decision = event["decision"]
                if decision["confirmed"]:
                    return decision.get("edited_output", content)
                self.refuse(event, decision["on_reject"])
                assert iteration < loop.max_iterations, "there is no retry after the last iteration"
                sent = self.sent_back(decision, content, around)
            elif loop.end_condition is not None and loop.end_condition.iteration == iteration:  # type: ignore[attr-defined]
                break
        return content

    # --- what is run ---

    def output(self, step: Step, path: Path, sent: Sent) -> Any:
        tries = 0
        while True:
            self.tries[path] += 1
            crashed = self.interrupted.get((path, self.tries[path]), NOTHING)
            if crashed is not NOTHING:
                self.after_error(step, path, crashed)
                tries = 0
                continue
            if isinstance(step.agent, Agent):
                return self.agent(step.agent, path)
            assert isinstance(step.executor, Does)
            self.calls[id(step)] += 1
            if self.calls[id(step)] > step.executor.fails:
                return said(*sent)
            tries += 1
            if tries <= step.retries:
                continue
            if step.on_error == "fail":
                self.end("WorkflowError")
            if step.on_error == "skip":
                raise Skipped("error")
            self.after_error(step, path, self.decision(path, "requires_error_decision"))
            tries = 0

    def after_error(self, step: Step, path: Path, event: Event | None) -> None:
        if event is None:
            self.waiting.add((path, "requires_error_decision"))
            raise Halted
        self.refuse(event, event["decision"]["decision"], "error")

    def agent(self, agent: Agent, path: Path) -> Any:
        told = []
        for turn in agent.turns:
            event = self.decision(path, "requires_executor_input")
            self.refuse(event, event["decision"].get("on_reject", ""))
            decided = sorted(event["decision"]["executor_requirements"], key=lambda each: each["id"])
            told.append([_told(request.tool.args, each) for request, each in zip(turn, decided, strict=True)])
        return told


def _way(link: Link, end: str | None) -> str:
    """What has become of a link: `open`, `taken`, `blocked`, or `other`."""
    if end is None:
        return "open"
    if link.on == "always":
        return "taken"
    if link.on == "failed":
        return "taken" if end == "failed" else "other"
    return {"completed": "taken", "skipped": "other"}.get(end, "blocked")


def _after(name: str, links: Collection[Link]) -> set[str]:
    """The tasks of a graph that depend on this one."""
    after = {link.target for link in links if link.source == name}
    return after.union(*(_after(each, links) for each in after))


def _told(args: Any, decision: Any) -> Any:
    """What an agent tells of a decision."""
    fields = decision.get("user_input_schema")
    facts = {
        "note": decision.get("confirmation_note"),
        "input": None if fields is None else {each["name"]: each["value"] for each in fields},
        "feedback": decision.get("user_feedback_schema"),
        "result": decision.get("external_execution_result"),
    }
    approved = decision.get("confirmation", True)
    given = {key: value for key, value in facts.items() if value is not None}
    return {"approved": approved, "args": decision.get("edited_args") or dict(args), **given}


# --- from a log ---


def model_of(run: Simulation) -> tuple[Model, bool, Any]:
    """The model, whether the run goes through, and its content then."""
    decided: dict[tuple[Path, str], list[Event]] = defaultdict(list)
    interrupted: dict[tuple[Path, int], Event | None] = {}
    asked = _asked(run)
    answers = _answers(run)
    for requirement, (path, kind, try_) in asked.items():
        if try_ is not None:
            interrupted[path, try_] = answers.get(requirement)
        elif requirement in answers:
            decided[path, kind].append(answers[requirement])
    model = Model(dict(decided), interrupted)
    for event in run.of("RaceExecutionCompleted"):
        model.winners.setdefault(tuple(event["step_path"]), []).append(event.get("winner"))
    try:
        content = model.sequence(run.workflow.steps, (), NEVER)
    except Halted as halt:
        model.ends |= {"WorkflowError"} if isinstance(halt, Failed) else set()
        return model, False, NOTHING
    return model, True, content


def _asked(run: Simulation) -> dict[str, tuple[Path, str, int | None]]:
    """Every requirement in order: its place, its kind, and which try of its step was interrupted, if it asks that.

    Tries that were begun again by themselves aren't counted: they are none to the rules.
    """
    asked: dict[str, tuple[Path, str, int | None]] = {}
    tries: Counter[Path] = Counter()
    failed: dict[Path, str] = {}
    again = begun_again(run)
    for index, event in enumerate(run.events):
        path = tuple(event.get("step_path", ()))
        match event["event"]:
            case "StepStarted":
                tries[path] += (index, path) not in again
            case "StepError":
                failed[path] = event["error_type"]
            case "StepPaused":
                kind = next(flag for flag in (*FLAGS, RESPONSE, WIDGET, "requires_error_decision") if event.get(flag))
                is_crash = kind == "requires_error_decision" and failed[path] == "Interrupted"
                asked[event["requirement_id"]] = (path, kind, tries[path] if is_crash else None)
    return asked


def withdrawn(event: Event, paths: Collection[Path]) -> set[Path]:
    """Which of these are given up with a `StepsWithdrawn`."""
    return {path for path in paths for gone in event["step_paths"] if path[: len(gone)] == tuple(gone)}


def begun_again(run: Simulation) -> set[tuple[int, Path]]:
    """Where a step was started only because a crash had broken it off."""
    again: set[tuple[int, Path]] = set()
    running: set[Path] = set()
    broken: set[Path] = set()
    resumed = resumptions(run)
    for index, event in enumerate(run.events):
        path = tuple(event.get("step_path", ()))
        match event["event"]:
            case "StepStarted":
                if path in broken:
                    again.add((index, path))
                broken.discard(path)
                running.add(path)
            case "WorkflowRecovered":
                hit = {path for path in running if run.place_of(path).step_id in event["interrupted_steps"]}
                broken |= hit
                running -= hit
            case "StepsWithdrawn":
                running -= withdrawn(event, running)
                broken -= withdrawn(event, broken)
            case "StepError":
                broken.discard(path)
                running.discard(path)
            case "StepCompleted" | "StepSkipped" | "StepOutputReview" | "StepExecutorPaused":
                running.discard(path)
            case "StepExecutorContinued" if index in resumed:
                running.add(path)
    return again


def _answers(run: Simulation) -> dict[str, Event]:
    """The event that resolved each requirement; an agent's tools, which may be decided one by one, come together."""
    tools: dict[str, list[Any]] = defaultdict(list)
    resumed = resumptions(run)
    answers: dict[str, Event] = {}
    for index, event in enumerate(run.events):
        if event["event"] not in ("StepContinued", "StepExecutorContinued"):
            continue
        requirement, decision = event["requirement_id"], event["decision"]
        tools[requirement] += decision.get("executor_requirements", [])
        if index in resumed:
            answers[requirement] = {**event, "decision": {"executor_requirements": tools[requirement]}}
        elif "executor_requirements" not in decision:
            answers[requirement] = event
    return answers


def resumptions(run: Simulation) -> set[int]:
    """Where an agent's last tool was decided, so that it goes on."""
    left = {event["requirement_id"]: len(event["executor_requirements"]) for event in run.of("StepExecutorPaused")}
    resumed: set[int] = set()
    for index, event in enumerate(run.events):
        tools = event.get("decision", {}).get("executor_requirements", [])
        if event["event"] == "StepExecutorContinued" and tools:
            left[event["requirement_id"]] -= len(tools)
            resumed.update([] if left[event["requirement_id"]] else [index])
    return resumed
