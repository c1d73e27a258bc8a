"""The check of what happens at a halt while nobody answers: reminders, escalations and the due date.

Law: what is impossible in Python is impossible here, and for the same reasons: `declare.ladder` says so for both.

Source: `docs/machines.md`, "Halting"; `docs/approvals.md`, "When nobody answers".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.definitions.checks.fields import Context, Field, Shape, Table, either, number, of_list, text
from interlock.definitions.checks.policies import assignee
from interlock.workflow.declare.business import MOST_DAYS, Span, span_in
from interlock.workflow.declare.checks import Fault
from interlock.workflow.declare.ladder import MAX_SECONDS, MOST_LEVELS, MOST_REMINDERS, faults_of_ladder
from interlock.workflow.declare.policies import policy_in
from interlock_protocol.limits import MAX_NAME

_BUSINESS: Final = Shape(
    "A business time",
    {
        "days": Field(number(least=0, most=MOST_DAYS)),
        "hours": Field(number(least=0, most=24 * MOST_DAYS)),
        "calendar": Field(text(most=MAX_NAME)),
        "timezone": Field(text(most=MAX_NAME)),
    },
)
_SPAN: Final = either(dict, _BUSINESS, number(least=0, most=MAX_SECONDS, above=True, unit=" of seconds"))
_ESCALATION: Final = Shape(
    "An escalation", {"after": Field(_SPAN, is_required=True), "to": Field(assignee, is_required=True)}
)

FIELDS: Final[Table] = {
    "reminders": Field(of_list(_SPAN, what="The reminders", most=MOST_REMINDERS)),
    "escalate": Field(of_list(_ESCALATION, what="The escalations", most=MOST_LEVELS)),
    "due": Field(_SPAN),
}
"""The fields of a halt that say what happens while nobody answers."""


@dataclass(frozen=True, slots=True)
class _Halt:
    """A halt, as the rules of reviews see it."""

    reminders: Sequence[Span]
    escalate: Sequence[tuple[Span, str]]
    due: Span | None
    assignees: Sequence[str] | None
    timeout: float | None


def of_halt(state: Mapping[str, Any], at: str, context: Context, *, is_asked: bool) -> Iterator[Fault]:
    """Yield what is wrong with it, once each field by itself is right.

    Args:
        is_asked: whether people are asked at all.
    """
    given = [name for name in FIELDS if state.get(name)]
    if given and not is_asked:
        sentence = "Nobody is asked here, for only a signal leads on; leave this out, or add a presentation."
        yield Fault(f"{at}.{given[0]}", sentence)
    if not given or any(True for name in given for _ in FIELDS[name].check(state[name], name, context)):
        return
    policy, names, timeout = state.get("policy"), state.get("assignees"), state.get("timeout")
    try:
        counts = policy is not None and (found := policy_in(policy)) is not None and found.rule.counts
    except (KeyError, TypeError, ValueError, AssertionError):
        counts = False  # what is wrong with the policy is told with that
    halt = _Halt(
        [*map(span_in, state.get("reminders") or ())],
        escalations_in(state.get("escalate")),
        None if state.get("due") is None else span_in(state["due"]),
        names if isinstance(names, list) else ["somebody"] if isinstance(policy, dict) else None,
        timeout if isinstance(timeout, int | float) and not isinstance(timeout, bool) else None,
    )
    for path, sentence in faults_of_ladder(halt, counts=counts):
        yield Fault(f"{at}.{path}", sentence[0].upper() + sentence[1:])


def escalations_in(wire: Any) -> list[tuple[Span, str]]:
    """The escalations of a definition in JSON, which was checked before."""
    return [(span_in(each["after"]), each["to"]) for each in wire or ()]
