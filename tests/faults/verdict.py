"""What has to be true of a run, whatever happened around it; told from what its clients, its log and the store have.

Laws:
- Pure: evidence in, findings out. Who gathers the evidence judges nothing.
- Each law of `LAWS` finds what it is there for; `test_verdict.py` breaks each and sees it found.
- The log is read through every node; if two differ, that is a finding, and the first is taken for the log.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

Event: TypeAlias = dict[str, Any]

FINAL = {"WorkflowCompleted": "COMPLETED", "WorkflowCancelled": "CANCELLED", "WorkflowError": "ERROR"}
RESOLVING = ("StepContinued", "StepExecutorContinued")
ENDING = ("StepCompleted", "StepSkipped")
CRASHES = 2
"""After so many recoveries without a completed step, one more crash may end a run as an error."""

DEFAULTS = {"on_reject"}
"""What the server adds to a decision that leaves it open."""

ANYTHING = object()
"""A content that isn't compared."""


class Kind(StrEnum):
    """What may be wrong."""

    LOST = "lost"
    INVENTED = "invented"
    REPEATED = "repeated"
    DISORDERED = "out of order"
    DIFFERENT = "told differently"
    GAP = "gap without a loss"
    REFUSED = "refused"
    DECIDED_TWICE = "decided twice"
    NOT_AUDITED = "not audited once"
    SIGNAL = "signal lost, repeated or out of turn"
    MISTOLD = "answered otherwise than logged"
    STEP_TWICE = "step ended twice"
    WRONG_CONTENT = "wrong content"
    STUCK = "stuck"
    WRONG_END = "wrong end"
    STARTED_TWICE = "started twice"
    UNANSWERED = "unanswered"
    INTERNAL = "internal error"
    NODE_ENDED = "node ended by itself"
    NOTHING = "nothing happened"


class Finding(NamedTuple):
    """Something that must not be."""

    kind: Kind
    run_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.run_id}: {self.what}"


class Sight(NamedTuple):
    """One run event as one client saw it. `digest` stands for its content; None where that wasn't kept."""

    epoch: int
    number: int
    digest: str | None = None


@dataclass
class View:
    """What one client saw of one run, in the order in which it came, over all of its connections.

    Attributes:
        first: the index that it was to begin with.
        is_whole: it meant to follow the run to its end.
        gaps: how often it was told that something is gone.
        refusals: what it was refused for good.
    """

    who: str
    run_id: str
    first: int = 0
    seen: list[Sight] = field(default_factory=list)
    is_whole: bool = True
    has_ended: bool = False
    gaps: int = 0
    refusals: list[str] = field(default_factory=list)


@dataclass
class Answer:
    """What a client sent, and what it was told in the end.

    Attributes:
        action: `start-workflow`, `continue-workflow`, `signal` or `cancel-workflow`.
        sent: the decision, or the signal.
        outcome: `ack`, or the code of the error; None when nobody waited for it.
        details: what the error says beside its code: an object, or, of wrong fields, a list.
    """

    who: str
    action: str
    requirement_id: str | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    outcome: str | None = None
    details: Any = field(default_factory=dict)


class Row(NamedTuple):
    """A row of the audit."""

    requirement_id: str
    decision: Mapping[str, Any]
    resolved_by: str
    event_index: int


@dataclass
class Story:
    """All that is known of one run that was planned.

    Attributes:
        message: what it was started with.
        run_ids: the runs that the store has of this plan.
        status: what the store says of the run.
        logs: its events, read from the beginning through each node.
    """

    run_id: str
    workflow_id: str
    message: Mapping[str, Any]
    run_ids: Sequence[str]
    status: str
    logs: Mapping[str, Sequence[Event]]
    views: Sequence[View] = ()
    answers: Sequence[Answer] = ()
    audit: Sequence[Row] = ()

    @property
    def log(self) -> Sequence[Event]:
        return next(iter(self.logs.values()), ())

    @property
    def resolutions(self) -> list[Event]:
        return [event for event in self.log if event["event"] in RESOLVING]

    @property
    def end(self) -> Event | None:
        return next((event for event in self.log if event["event"] in FINAL), None)


Says: TypeAlias = Iterator[tuple[Kind, str]]


def judge(story: Story) -> list[Finding]:
    """All that is wrong with a run; nothing if all is well."""
    return [Finding(kind, story.run_id, what) for law in LAWS for kind, what in law(story)]


# ── The log ─────────────────────────────────────────────────────────────────────────────────────────────


def every_plan_is_one_run(story: Story) -> Says:
    if len(story.run_ids) > 1:
        yield Kind.STARTED_TWICE, f"one start made {', '.join(story.run_ids)}"
    if story.run_id not in story.run_ids:
        yield Kind.LOST, "it was acknowledged, and the store doesn't have it"


def every_node_tells_the_same_log(story: Story) -> Says:
    for node, log in story.logs.items():
        numbers = [event["event_index"] for event in log]
        yield from in_sequence(f"the log as {node} tells it", numbers, len(log))
        if log != story.log:
            place = next((n for n, (a, b) in enumerate(zip(log, story.log, strict=False)) if a != b), "its length")
            yield Kind.DIFFERENT, f"{node} tells another log than {next(iter(story.logs))}, from {place} on"


def every_run_ends_once(story: Story) -> Says:
    finals = [event for event in story.log if event["event"] in FINAL]
    if not finals or story.status not in FINAL.values():
        last = story.log[-1]["event"] if story.log else "nothing"
        yield Kind.STUCK, f"{story.status}; its log ends with {last} (#{len(story.log) - 1})"
        return
    if len(finals) > 1 or story.log[-1] is not finals[0]:
        yield Kind.WRONG_END, f"{len(finals)} final events, and {story.log[-1]['event']} comes last"
    if story.status != FINAL[finals[0]["event"]]:
        yield Kind.WRONG_END, f"the store says {story.status}, the log {finals[0]['event']}"


def every_step_ends_once(story: Story) -> Says:
    ends = Counter(_place(event) for event in story.log if event["event"] in ENDING)
    for place, times in ends.items():
        if times > 1:
            yield Kind.STEP_TWICE, f"{place} ended {times} times"


def every_output_is_what_was_streamed(story: Story) -> Says:
    """Text that a step streamed since it last began is its output, unless a person edited that."""
    if any("edited_output" in event["decision"] for event in story.resolutions):
        return
    pieces: dict[str, list[str]] = {}
    for event in story.log:
        if event["event"] == "StepStarted":
            pieces[_place(event)] = []
        elif event["event"] == "RunResponseContentEvent":
            pieces.setdefault(_place(event), []).append(event["content"])
        elif event["event"] == "StepCompleted" and isinstance(event.get("content"), str):
            streamed = "".join(pieces.get(_place(event), []))
            if streamed and streamed != event["content"]:
                yield Kind.WRONG_CONTENT, f"{_place(event)} streamed {streamed!r} and came to {event['content']!r}"


def every_run_ends_as_decided(story: Story) -> Says:
    end = story.end
    if end is None or _gave_up(story.log):
        return
    status, content = expected_end(story)
    if FINAL[end["event"]] != status:
        yield Kind.WRONG_END, f"{end['event']} ({end.get('error', end.get('reason'))}) instead of {status}"
    elif content is not ANYTHING and end.get("content") != content:
        yield Kind.WRONG_CONTENT, f"it came to {end.get('content')!r} instead of {content!r}"


# ── Decisions ───────────────────────────────────────────────────────────────────────────────────────────


def every_requirement_is_resolved_once(story: Story) -> Says:
    asked = {event["requirement_id"] for event in story.log if event["event"] == "StepPaused"}
    for id_, times in Counter(event["requirement_id"] for event in story.resolutions).items():
        if times > 1:
            yield Kind.DECIDED_TWICE, f"{id_} was resolved {times} times"
        if id_ not in asked:
            yield Kind.DECIDED_TWICE, f"{id_} was resolved, and never asked"


def every_resolution_has_one_row_of_audit(story: Story) -> Says:
    rows: dict[int, list[Row]] = {}
    for row in story.audit:
        rows.setdefault(row.event_index, []).append(row)
    for event in story.resolutions:
        if "signal_id" in event["decision"]:
            continue  # nobody has decided it
        found = rows.pop(event["event_index"], [])
        id_ = event["requirement_id"]
        if len(found) != 1:
            yield Kind.NOT_AUDITED, f"{id_} (#{event['event_index']}) has {len(found)} rows of audit"
        elif not _is_row_of(found[0], event):
            yield Kind.NOT_AUDITED, f"the audit says {found[0]} of {id_}, the log {event['decision']}"
    for index, left in rows.items():
        yield Kind.NOT_AUDITED, f"the audit has {left[0].requirement_id} at #{index}, where nothing was resolved"


def _is_row_of(row: Row, event: Event) -> bool:
    decision = event["decision"]
    tools = decision.get("executor_requirements")
    same = row.decision in tools if tools else dict(row.decision) == decision
    is_named = row.requirement_id.split(".")[0] == event["requirement_id"]
    return same and is_named and row.resolved_by == event["resolved_by"]


def every_answer_agrees_with_the_log(story: Story) -> Says:
    resolved = {event["requirement_id"]: event for event in story.resolutions}
    for answer in story.answers:
        if answer.outcome is None:
            continue
        if answer.action == "cancel-workflow":
            wrong = _cancel_mistold(answer, story.end)
        elif answer.action == "signal":
            wrong = _signal_mistold(answer, story)
        elif answer.action == "continue-workflow":
            wrong = _decision_mistold(answer, resolved.get(answer.requirement_id or ""), story.end)
        else:
            wrong = None if answer.outcome == "ack" else "a start that nothing is wrong with"
        if wrong:
            told = f"{answer.outcome} {answer.details or ''}".strip()
            yield Kind.MISTOLD, f"{answer.who} sent {dict(answer.sent) or answer.action} and was told {told}: {wrong}"


def _signal_mistold(answer: Answer, story: Story) -> str | None:
    received = [event for event in story.log if event["event"] == "SignalReceived"]
    times = sum(_as_sent(event, answer.sent) for event in received)
    if answer.outcome == "ack":
        return None if times == 1 else f"the log has it {times} times"
    if answer.outcome == "run_finished":
        return None if times == 0 and story.end is not None else "it hasn't ended, or has it"
    return None if answer.outcome == "signals_full" and times == 0 else "that isn't an answer to a signal"


def _as_sent(event: Event, sent: Mapping[str, Any]) -> bool:
    return bool(event["topic"] == sent["topic"] and event.get("payload") == sent["payload"])


def every_signal_is_taken_once_and_in_turn(story: Story) -> Says:
    queues: dict[str, list[Event]] = {}
    payloads: dict[str, Any] = {}
    sent = [answer.sent for answer in story.answers if answer.action == "signal"]
    for event in story.log:
        match event:
            case {"event": "SignalReceived"}:
                queues.setdefault(event["topic"], []).append(event)
                if not any(_as_sent(event, each) for each in sent):
                    yield Kind.SIGNAL, f"nobody sent {event['signal_id']}"
            case {"event": "StepContinued", "decision": {"signal_id": id_, "topic": topic}}:
                first = queues[topic].pop(0) if queues.get(topic) else None
                if first is None or first["signal_id"] != id_:
                    yield Kind.SIGNAL, f"{id_} was taken out of turn"
                else:
                    payloads[_place(event)] = first.get("payload")
            case {"event": "StepCompleted"} if payloads:
                given = payloads.get(_place(event), event.get("content"))
                if event.get("content") != given:
                    yield Kind.SIGNAL, f"{event['step_name']} was given another signal than the one it took"


def _cancel_mistold(answer: Answer, end: Event | None) -> str | None:
    is_cancelled = end is not None and end["event"] == "WorkflowCancelled"
    if answer.outcome == "ack":
        return None if is_cancelled else f"it ended with {end['event'] if end else 'nothing'}"
    if answer.outcome == "run_finished":
        return None if end is not None else "it hasn't ended"
    return "that isn't an answer to a cancellation"


def _decision_mistold(answer: Answer, resolved: Event | None, end: Event | None) -> str | None:
    if resolved is None:
        is_withdrawn = answer.outcome == "run_finished" and end is not None
        return None if is_withdrawn else "the log has no such resolution"
    same, logged = _says(resolved["decision"], answer.sent), resolved["decision"]
    match answer.outcome:
        case "ack":
            return None if same else f"the log has {logged}"
        case "conflict":
            winner = answer.details.get("decision"), answer.details.get("resolved_by")
            agrees = winner == (logged, resolved["resolved_by"]) and not same
            return None if agrees else f"the log has {logged} by {resolved['resolved_by']}"
        case "requirement_expired":
            return None if resolved["resolved_by"] == "timeout" else f"{resolved['resolved_by']} resolved it"
        case _:
            return f"the log has {logged}"


def _says(logged: Any, sent: Any) -> bool:
    """Whether what was logged is what was sent, with defaults added perhaps."""
    if isinstance(logged, Mapping) and isinstance(sent, Mapping):
        added = set(logged) - set(sent)
        return added <= DEFAULTS and all(key in logged and _says(logged[key], value) for key, value in sent.items())
    if isinstance(logged, list) and isinstance(sent, list):
        return len(logged) == len(sent) and all(map(_says, logged, sent))
    return bool(logged == sent)


# ── Clients ─────────────────────────────────────────────────────────────────────────────────────────────


def every_client_saw_each_event_once_in_order(story: Story) -> Says:
    for view in story.views:
        numbers = [sight.number for sight in view.seen]
        to_the_end = view.is_whole and story.end is not None
        beyond = len(story.log) if to_the_end else max(numbers, default=view.first - 1) + 1
        yield from in_sequence(view.who, numbers, beyond, view.first)
        yield from _as_logged(view, story.log)


def _as_logged(view: View, log: Sequence[Event]) -> Says:
    for sight in view.seen:
        logged = log[sight.number] if sight.number < len(log) else None
        if logged is None:
            yield Kind.DIFFERENT, f"{view.who} saw #{sight.number}, which the log doesn't have"
        elif sight.epoch != logged["epoch"] or sight.digest not in (None, digest(logged)):
            yield Kind.DIFFERENT, f"{view.who} saw another #{sight.number} than the log has: {logged['event']}"


def no_client_was_told_of_a_loss(story: Story) -> Says:
    for view in story.views:
        if view.gaps:
            yield Kind.GAP, f"{view.who} was told {view.gaps} times that events are gone"
        for refusal in view.refusals:
            yield Kind.REFUSED, f"{view.who}: {refusal}"


def in_sequence(who: str, numbers: Sequence[int], beyond: int, first: int = 0) -> Says:
    """What is wrong with indexes that should be those from `first` up to (not with) `beyond`, in order."""
    lost = sorted(set(range(first, beyond)) - set(numbers))
    if lost:
        yield Kind.LOST, f"{who} lacks {spans(lost)} of {beyond}"
    repeated = sorted(number for number, times in Counter(numbers).items() if times > 1)
    if repeated:
        yield Kind.REPEATED, f"{who} has {spans(repeated)} more than once"
    once = list(dict.fromkeys(numbers))
    early = [later for before, later in pairwise(once) if later < before]
    if early:
        yield Kind.DISORDERED, f"{who} has {spans(sorted(early))} too late"


def spans(numbers: Iterable[int]) -> str:
    """Numbers as people write them: #1-3, #7."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(f"#{a}" if a == b else f"#{a}-{b}" for a, b in found)


def digest(event: Event) -> str:
    """What stands for an event's content when two are compared."""
    return f"{event['event']} {hash(json.dumps(event, sort_keys=True))}"


LAWS: Sequence[Callable[[Story], Says]] = (
    every_plan_is_one_run,
    every_node_tells_the_same_log,
    every_run_ends_once,
    every_step_ends_once,
    every_output_is_what_was_streamed,
    every_run_ends_as_decided,
    every_requirement_is_resolved_once,
    every_resolution_has_one_row_of_audit,
    every_answer_agrees_with_the_log,
    every_signal_is_taken_once_and_in_turn,
    every_client_saw_each_event_once_in_order,
    no_client_was_told_of_a_loss,
)


def judge_session(name: str, plans: Sequence[int], stories: Iterable[Story]) -> list[Finding]:
    """What is wrong with a session to whose state each of these runs has added its plan, once."""
    added = [
        story.message["plan"]
        for story in stories
        if any(event["event"] == "StepCompleted" and event["step_name"] == "remember" for event in story.log)
    ]
    lost, more = set(added) - set(plans), Counter(plans) - Counter(added)
    found = [Finding(Kind.LOST, name, f"its state lacks what plans {sorted(lost)} added")] if lost else []
    return found + ([Finding(Kind.REPEATED, name, f"its state has plans {dict(more)} too often")] if more else [])


# ── The end that follows from what was decided ──────────────────────────────────────────────────────────


def expected_end(story: Story) -> tuple[str, object]:
    """The status, and the content, that a run of `flows.py` has to end with after its decisions."""
    decisions = [event["decision"] for event in story.resolutions]
    cancels = [answer for answer in story.answers if answer.action == "cancel-workflow"]
    if any(answer.outcome == "ack" for answer in cancels) or any(map(_cancels, decisions)):
        return "CANCELLED", ANYTHING
    if any(answer.outcome is None for answer in cancels) and story.end and story.end["event"] == "WorkflowCancelled":
        return "CANCELLED", ANYTHING  # asked for, and nobody waited for the answer
    if story.workflow_id == "broken":
        return "ERROR", ANYTHING
    content = _CONTENTS.get(story.workflow_id)
    return "COMPLETED", content(story, decisions) if content else ANYTHING


def _cancels(decision: Mapping[str, Any]) -> bool:
    is_rejected = decision.get("confirmed") is False and decision.get("on_reject") == "cancel"
    return is_rejected or decision.get("decision") == "cancel"


def _gave_up(log: Sequence[Event]) -> bool:
    """Whether a run ended because it was cut off too often, and really was."""
    if not log or log[-1].get("error_type") != "RepeatedCrash":
        return False
    names = [event["event"] for event in log]
    since = len(names) - names[::-1].index("StepCompleted") if "StepCompleted" in names else 0
    return names[since:].count("WorkflowRecovered") >= CRASHES


def _streamed(story: Story, _: Sequence[Mapping[str, Any]]) -> object:
    plan = story.message["plan"]
    return "".join(f"{plan}.{number} " for number in range(story.message.get("pieces", 5)))


def _confirmed(story: Story, decisions: Sequence[Mapping[str, Any]]) -> object:
    return "begin++-" if decisions[0]["confirmed"] else "begin+-"


def _tools(_: Story, decisions: Sequence[Mapping[str, Any]]) -> object:
    return {"said": [tool["confirmation"] for each in decisions for tool in each["executor_requirements"]]}


_CONTENTS: dict[str, Callable[[Story, Sequence[Mapping[str, Any]]], object]] = {
    "stream": _streamed,
    "chain": lambda *_: "begin++++++",
    "confirm": _confirmed,
    "timeout-approve": _confirmed,
    "timeout-skip": _confirmed,
    "ask": lambda _, decisions: decisions[0]["user_input"],
    "parallel": lambda *_: "right",
    "error": lambda *_: "right",
    "flaky": lambda *_: "it works-",
    "agent": _tools,
}


def _place(event: Event) -> str:
    return f"{'/'.join(map(str, event['step_path']))} (visit {event['visit']})"
