"""From a declared review to the requirement that a person sees.

Laws:
- A requirement's id is a pure function of the run, the visit, the review and its round: building it again yields the
  same id, and no other requirement of the run has it.
- The whole requirement is stored with the pause; later, input is validated against what was shown.

Source: `docs/protocol.md`, "Requirements".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from interlock.workflow.containers.port import Scope
from interlock.workflow.containers.registry import container_of
from interlock.workflow.declare import presentations
from interlock.workflow.declare.business import OFFICE, Office
from interlock.workflow.declare.interactions import ByMessage, Interaction
from interlock.workflow.declare.io import cut
from interlock.workflow.declare.ladder import Rungs, rungs_of
from interlock.workflow.declare.places import Place
from interlock.workflow.declare.policies import asked_of, governed_by
from interlock.workflow.declare.reviews import (
    AnyReview,
    Ask,
    Choose,
    Confirm,
    ErrorReview,
    Resume,
    Review,
    Signal,
    ToolReview,
    allowed_on_reject,
    kind_of,
)
from interlock.workflow.declare.widgets import Widget
from interlock.workflow.node import NodeState, Tries, Verdict
from interlock.workflow.run.digests import digest_of
from interlock.workflow.run.events import Path, step_facts
from interlock_protocol.limits import MAX_STEP_INPUT_BYTES
from interlock_protocol.requirements import FLAGS
from interlock_protocol.types import JsonObject, OnReject

_SHOWN = (
    "topic",
    "source",
    "interaction",
    "widget",
    "confirmation_message",
    "user_input_message",
    "output_review_message",
    "user_input_schema",
    "presentation",
    "halted_options",
    "accepts",
    "state",
    "thread_id",
    "halt_id",
    "policy",
    "voters",
    "needed",
    "distinct_from",
    "exclude_starter",
    "bind",
    "digest",
    "available_choices",
    "choices",
    "allow_multiple_selections",
    "due_at",
    "reminders",
    "escalations",
    "timeout_at",
    "on_timeout",
    "on_reject",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A requirement that is about to be asked: `facts` is the whole of it, `due` the time of its timeout (ms), `kept`
    what a container keeps of it, `steps` what happens while nobody decides it."""

    kind: str
    facts: dict[str, Any]
    due: int | None
    kept: JsonObject = field(default_factory=dict)
    steps: list[JsonObject] = field(default_factory=list)

    @property
    def id(self) -> str:
        requirement_id: str = self.facts["id"]
        return requirement_id

    @property
    def private(self) -> JsonObject:
        """The part that is folded, but not sent with `StepPaused`."""
        due: JsonObject = {} if self.due is None else {"due": self.due}
        if self.steps:
            due["steps"] = [*self.steps]
        return {"requirement": self.facts, **due, **self.kept}

    @property
    def shown(self) -> dict[str, Any]:
        """The part that is in its `StepPaused`."""
        shown: dict[str, Any] = {"requirement_id": self.id}
        shown.update((flag, flag == self.kind) for flag in FLAGS)
        if self.kind not in FLAGS:
            shown[self.kind] = True
        shown.update((key, self.facts[key]) for key in _SHOWN if key in self.facts)
        return shown


def asked(
    run_id: str,
    place: Place,
    path: Path,
    node: NodeState,
    review: AnyReview,
    scope: Scope,
    now: int,
    *,
    office: Office = OFFICE,
    beside: Mapping[str, Any] | None = None,
    **own: Any,
) -> Asked:
    """Build the requirement of a review of the node at `path`.

    now: the time by the store's clock, in milliseconds since 1970; a timeout counts from it.
    office: when people work, for business time.
    beside: what is shown with it, and is in an event of its own: an output, or an agent's tools.
    own: fields of the review's kind.
    """
    kind = kind_of(review, place.node)
    due = None if review.timeout is None else now + round(review.timeout * 1000)
    facts: dict[str, Any] = {"id": requirement_id(run_id, path, node.visit, kind, round_of(place, node, review))}
    named = step_facts(place, path, node.visit)
    named.pop("parent_step_id", None)
    named.pop("nested_depth", None)
    facts.update(named)
    if isinstance(review, ErrorReview):
        facts.update(error_message=node.failure.error, error_type=node.failure.error_type)
        facts["retry_count"] = max(node.tries.attempt - 1, 0)
        facts["user_input_schema"] = _filled_form(place, node)
    else:
        facts["step_type"] = place.node.kind
        facts.update((flag, flag == kind) for flag in FLAGS)
        if kind not in FLAGS:
            facts[kind] = True
        facts.update(_own_facts(place, node, review))
        if isinstance(review, Resume):
            facts.update(_facts_of_halt(place, path, facts["id"], scope))
        facts["step_input"] = {
            "input": cut(scope.input, MAX_STEP_INPUT_BYTES),
            "previous_step_content": cut(scope.previous, MAX_STEP_INPUT_BYTES),
        }
    if due is not None:
        facts["timeout_at"] = iso_time(due)
        facts["on_timeout"] = review.on_timeout
    rungs = rungs_of(review, now, due, office)
    facts.update(_facts_of_ladder(rungs))
    names = asked_of(review)
    if names is not None:
        facts["assignees"] = list(names)
    facts.update(governed_by(review))
    if review.bind:
        facts["bind"] = True
    shown = facts.get("widget", {})
    facts.update(own)
    if "widget" in own:
        facts["widget"] = {**shown, **own["widget"]}
    container = container_of(place.node)
    kept = {} if container is None else container.kept(facts, scope)
    facts["digest"] = digest_of({**facts, **(beside or {})})
    return Asked(kind, {key: value for key, value in facts.items() if value is not None}, due, kept, rungs.steps)


def _facts_of_ladder(rungs: Rungs) -> JsonObject:
    """What a requirement says of what happens while nobody decides it."""
    return {
        "due_at": None if rungs.due_at is None else iso_time(rungs.due_at),
        "reminders": [*map(iso_time, rungs.reminders)] or None,
        "escalations": [{"at": iso_time(at), "to": to} for at, to in rungs.escalations] or None,
    }


def _facts_of_halt(place: Place, path: Path, halt_id: str, scope: Scope) -> JsonObject:
    """What a halted machine asks, where it halted, and the id of this halt."""
    container = container_of(place.node)
    assert container is not None
    return {**container.question(scope), "state": place.node.name, "thread_id": path[-2], "halt_id": halt_id}


def round_of(place: Place, node: NodeState, review: AnyReview) -> tuple[int, ...]:
    """The round of a review: how often a visit of a node has asked it; each round is a requirement of its own.

    An error is asked about once for each try, and again if the next try fails before it begins, because the thread of
    the previous one is still running.
    """
    match review:
        case Review() | Choose():
            own = _own_round(place, node)
            return (node.verdict.round if own is None else own,)
        case ToolReview():
            return (node.tries.turn,)
        case ErrorReview() if node.tries.asked_errors:
            return (node.tries.attempt, node.tries.asked_errors)
        case ErrorReview():
            return (node.tries.attempt,)
    return (0,)


def _own_round(place: Place, node: NodeState) -> int | None:
    """The round of a container's review, if the container counts rounds itself."""
    container = container_of(place.node)
    return None if container is None else container.round(container.own_of(node))


def node_in_round(place: Place, visit: int, number: int) -> NodeState:
    """The state of a node whose repeatable reviews are in round `number`."""
    node = NodeState(place.step_id, visit, verdict=Verdict(round=number), tries=Tries(attempt=number, turn=number))
    container = container_of(place.node)
    if container is not None:
        node.own = container.in_round(number)
    return node


def requirement_id(run_id: str, path: Path, visit: int, kind: str, round_: tuple[int, ...]) -> str:
    """The id of the requirement for one kind of review of a visit of a node, in one round (`round_of`)."""
    text = "\x1f".join((run_id, *map(str, path), str(visit), kind, ".".join(map(str, round_))))
    return "req-" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def purpose_of(run_id: str, facts: Mapping[str, Any], field_name: str) -> str:
    """The purpose that a secret is sealed for: one field, of one visit of one step."""
    return "\x1f".join((run_id, facts["step_id"], str(facts["visit"]), field_name))


def iso_time(ms: int) -> str:
    """Milliseconds since 1970 in ISO 8601, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rejections(place: Place, node: NodeState, review: Confirm | Review) -> tuple[OnReject, list[OnReject]]:
    """A rejection's default, and its options. After a loop's last iteration it can't lead to a next one."""
    allowed = list(allowed_on_reject(place.node.kind, review))
    container = container_of(place.node)
    if isinstance(review, Review) and container is not None:
        allowed = list(container.rejections(container.own_of(node), allowed))
    return (review.on_reject if review.on_reject in allowed else allowed[-1]), allowed


def _filled_form(place: Place, node: NodeState) -> list[dict[str, Any]] | None:
    """The form that a step had asked for, with the given values; None if it had asked for none."""
    ask, given = place.node.asks(Ask), node.form.user_input
    if ask is None or given is None:
        return None
    shown = [field.to_wire() for field in ask.fields]
    return [field | {"value": None if field.get("secret") else given.get(field["name"])} for field in shown]


def _facts_of_interaction(review: Interaction) -> dict[str, Any]:
    """What an interaction asks; its form also as clients have it that know no specs."""
    facts: dict[str, Any] = {"interaction": review.shown, "user_input_message": review.message}
    facts["topic"] = review.taken_back_by if isinstance(review, ByMessage) else None
    if review.fields is not None:
        facts["user_input_schema"] = presentations.schema_of({"type": "form", "fields": review.spec["fields"]})
    return facts


def _facts_of_choice(place: Place, review: Choose) -> dict[str, Any]:
    """The routes to choose from."""
    names = list(place.children)
    return {
        "user_input_message": review.message,
        "available_choices": names,
        "choices": [{"key": name, "label": name} for name in names],
        "allow_multiple_selections": review.multiple,
    }


def _own_facts(place: Place, node: NodeState, review: AnyReview) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if isinstance(review, Confirm | Review):
        facts["on_reject"], facts["allowed_on_reject"] = rejections(place, node, review)
    match review:
        case Signal(topic) | Resume(signal=topic):
            facts.update(topic=topic, source=getattr(review, "source", None))
        case Confirm():
            facts["confirmation_message"] = review.message
        case Ask():
            facts["user_input_message"] = review.message
            facts["user_input_schema"] = [field.to_wire() for field in review.fields]
        case Interaction():
            facts.update(_facts_of_interaction(review))
        case Widget():
            facts.update(user_input_message=review.message, widget=review.shown)
        case Choose():
            facts.update(_facts_of_choice(place, review))
        case Review():
            facts["output_review_message"] = review.message
            if _own_round(place, node) is None:
                facts["retry_count"], facts["max_retries"] = node.verdict.round, review.max_retries
    return facts
