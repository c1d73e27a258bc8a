"""The check of who decides on a halt: its policy, and who of those who are asked may not.

Law: what is impossible in Python is impossible here, and for the same reasons: `declare.policies` says so for both.

Source: `docs/machines.md`, "Halting"; `docs/approvals.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.definitions.checks.fields import (
    Check,
    Context,
    Field,
    Table,
    Typed,
    boolean,
    either,
    number,
    of_list,
    one_of,
    text,
)
from interlock.workflow.declare.checks import Fault, inside, quoted, type_in_words
from interlock.workflow.declare.policies import MAX_VOTERS, STARTER, Policy, faults_of, policy_in
from interlock_protocol.faults import shortened
from interlock_protocol.limits import MAX_LIST, MAX_NAME


def assignee(value: object, at: str, context: Context) -> Iterator[Fault]:
    """The id of a user, or `group:NAME`."""
    yield from text(most=MAX_NAME)(value, at, context)
    if isinstance(value, str) and "${" in value:
        yield Fault(at, "Templates aren't filled in here; write the id of a user, or group:NAME.")
    elif isinstance(value, str) and not value.isprintable():
        yield Fault(at, "An assignee has no control characters; write the id of a user, or group:NAME.")


def _step(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(at, f"This is the name of a state, not {type_in_words(value)}.")
    elif value != STARTER and value not in context.states:
        yield Fault(at, f"There is no state '{shortened(value)}'; name one, or {quoted(STARTER)}.")


_NAMES: Final = of_list(assignee, what="The people", most=MAX_LIST, least=1)
_BY_NAME: Final = ("first_responder", "all_members", "majority", "unanimous")
_TABLES: Final[Mapping[str, Table]] = {
    **{name: {} for name in ("first_responder", "all_members", "majority")},
    "quorum": {"n": Field(number(least=1, most=MAX_VOTERS, whole=True), is_required=True), "of": Field(_NAMES)},
    "unanimous": {"veto": Field(boolean)},
    "chain": {"order": Field(_NAMES, is_required=True)},
}
_POLICY: Final[Check] = either(str, one_of(_BY_NAME, "A policy"), Typed("a policy", _TABLES))

FIELDS: Final[Table] = {
    "assignees": Field(of_list(assignee, what="The assignees", most=MAX_LIST, least=1)),
    "policy": Field(_POLICY),
    "distinct_from": Field(of_list(_step, what="The states", most=MAX_LIST, least=1)),
    "exclude_starter": Field(boolean),
    "bind": Field(boolean),
}
"""The fields of a halt that say who decides on it, and whether on what they saw."""


@dataclass(frozen=True, slots=True)
class _Halt:
    """A halt, as the rules of reviews see it."""

    policy: Policy | None
    assignees: Sequence[str] | None
    distinct_from: Sequence[str]
    exclude_starter: bool
    timeout: float | None


def governing(state: Mapping[str, Any], at: str, context: Context) -> Iterator[Fault]:
    """Yield what is wrong with who decides, once each field by itself is right."""
    if any(True for name, each in FIELDS.items() for _ in _faults(each, state.get(name), name, context)):
        return
    policy = policy_in(state.get("policy"))
    assignees, distinct = state.get("assignees"), state.get("distinct_from") or ()
    halt = _Halt(policy, assignees, distinct, bool(state.get("exclude_starter")), state.get("timeout"))
    for name, sentence in faults_of(policy, halt, takes_votes=True, is_form=True, approves=False):
        yield Fault(inside(at, name), sentence[0].upper() + sentence[1:])


def _faults(field: Field, value: object, at: str, context: Context) -> Iterator[Fault]:
    if value is not None:
        yield from field.check(value, at, context)
