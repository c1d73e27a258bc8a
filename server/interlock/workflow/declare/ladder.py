"""What is declared for a question that nobody answers: when it is due, when whoever is asked is reminded, and when
others are asked as well.

Laws:
- All times count from when the question comes up, and are worked out then.
- Who counts votes asks nobody else later: there an escalation is refused when it is declared.
- None of this decides anything; only the timeout does. What would come at that time or later never comes.

Source: `docs/approvals.md`, "When nobody answers".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from interlock.workflow.declare.business import OFFICE, Office, Span, fault_of_span, time_after
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.values import check_name
from interlock_protocol.types import JsonObject

MAX_SECONDS: Final = 100 * 366 * 24 * 3600.0
MOST_REMINDERS: Final = 20
MOST_LEVELS: Final = 10


class Laddered(Protocol):
    """What a review says of that, and of whom it asks."""

    @property
    def reminders(self) -> Sequence[Span]: ...
    @property
    def escalate(self) -> Sequence[tuple[Span, str]]: ...
    @property
    def due(self) -> Span | None: ...
    @property
    def assignees(self) -> Sequence[str] | None: ...
    @property
    def timeout(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Rungs:
    """The times of one question, in milliseconds since 1970.

    Attributes:
        steps: what happens when, in that order: `{at, reminder}`, which counts from 1, or `{at, to, level}`.
    """

    due_at: int | None
    reminders: Sequence[int]
    escalations: Sequence[tuple[int, str]]
    steps: list[JsonObject]


def rungs_of(review: Laddered, now: int, until: int | None, office: Office = OFFICE) -> Rungs:
    """The times of a question that comes up now.

    Args:
        until: when its timeout decides, if it has one.
    """
    due_at = None if review.due is None else time_after(review.due, now, office)
    reminders = sorted({time_after(each, now, office) for each in review.reminders})
    escalations = sorted((time_after(after, now, office), to) for after, to in review.escalate)
    told = sorted({*reminders, *(() if due_at is None else (due_at,))})
    steps: list[JsonObject] = [{"at": at, "reminder": number} for number, at in enumerate(told, 1)]
    steps += [{"at": at, "to": to, "level": level} for level, (at, to) in enumerate(escalations, 1)]
    steps.sort(key=_time_of)
    return Rungs(due_at, reminders, escalations, [each for each in steps if until is None or _time_of(each) < until])


def _time_of(step: JsonObject) -> int:
    at: Any = step["at"]
    return int(at)


def check_ladder(review: Laddered, *, place: str, counts: bool) -> None:
    """Check what a review says of reminders, escalations and its due date.

    Args:
        counts: whether votes are counted.

    Raises:
        DeclarationError: it can't be, or isn't written as it should be.
    """
    for _, sentence in faults_of_ladder(review, counts=counts):
        raise DeclarationError(f"{place}: {sentence}")
    for _, to in review.escalate:
        check_name(to, f"{place}: a name")


def faults_of_ladder(review: Laddered, *, counts: bool) -> Iterator[tuple[str, str]]:
    """Yield what is wrong: the path to it, and a sentence. A machine's definition is checked by the same."""
    for name, most in (("reminders", MOST_REMINDERS), ("escalate", MOST_LEVELS)):
        given: Any = getattr(review, name)
        if isinstance(given, str | bytes) or not isinstance(given, Sequence):
            yield name, f"{name} is a list."
            return
        if len(given) > most:
            yield name, f"{name} has {len(given)} entries; at most {most} are possible."
            return
    for number, each in enumerate(review.reminders):
        yield from _faults_of_time(each, f"reminders[{number}]", review.timeout)
    for number, step in enumerate(review.escalate):
        yield from _faults_of_step(step, f"escalate[{number}]", review.timeout)
    if review.due is not None:
        yield from _faults_of_time(review.due, "due", review.timeout)
    if review.escalate and counts:
        yield "escalate", "where votes are counted nobody else is asked later; leave escalate, or the policy, out."
    if review.escalate and not review.assignees:
        yield "escalate", "escalate needs assignees: say who is asked first."


def _faults_of_step(step: object, at: str, timeout: float | None) -> Iterator[tuple[str, str]]:
    if not isinstance(step, tuple | list) or len(step) != 2:
        yield at, "an escalation is a time, and who is asked then: (3600, 'group:leads')."
        return
    yield from _faults_of_time(step[0], f"{at}.after", timeout)
    if not isinstance(step[1], str) or not step[1]:
        yield f"{at}.to", f"an escalation names a user id, or group:NAME, not {step[1]!r}."


def _faults_of_time(span: object, at: str, timeout: float | None) -> Iterator[tuple[str, str]]:
    fault = fault_of_span(span, MAX_SECONDS)
    if fault is not None:
        yield at, fault
    elif timeout is not None and isinstance(span, int | float) and not span < timeout:
        yield at, f"{span:g} s is never reached: the timeout, after {timeout:g} s, decides before."
