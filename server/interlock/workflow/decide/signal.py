"""A signal, decided by a pure function: the events to append, a repetition, or a refusal.

Laws:
- An id stands for one signal: the same one again changes nothing, and another one is refused.
- A signal that is kept is taken; only one that could be taken at once, and doesn't fit, is refused for it.

Source: `docs/signals.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.workflow.containers.port import Unfit
from interlock.workflow.containers.registry import container_of
from interlock.workflow.decide.decide import finished
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.run.advance import started
from interlock.workflow.run.events import Draft, run_event
from interlock.workflow.run.scope import place_at
from interlock.workflow.run.signals import BY_INTERACTIONS, next_taker, waiting_for
from interlock.workflow.run.state import Requirement, RunState, node_at
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import (
    KIB,
    MAX_CLIENT_DEPTH,
    MAX_KEPT_SIGNALS_BYTES,
    MAX_SIGNAL_BYTES,
    MAX_SIGNALS,
    MAX_SIGNALS_IN_ALL,
)
from interlock_protocol.types import JsonValue, RunStatus
from interlock_protocol.values import NotWire, encoded


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that somebody sends.

    Attributes:
        id: unique in its run, and the same whenever it is sent again with its idempotency key.
        fingerprint: a hash of what was sent with that key; None without one.
    """

    id: str
    topic: str
    payload: JsonValue
    sent_by: str
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The effect of a signal: none if it was here before.

    Args:
        expect_next: the only index at which it may be appended; None allows any.
    """

    drafts: tuple[Draft, ...] = ()
    expect_next: int | None = None


def send(workflow: Workflow, state: RunState, signal: Signal, *, fits: bool) -> Sent:
    """What becomes of a signal.

    Args:
        fits: whether the run can go on under this definition.

    Raises:
        Refusal: `conflict`, `run_finished`, `topic_bound`, `signals_full`, `message_too_large`, `invalid_json`; or
            `invalid_decision` or `invalid_transition`, if what would take it at once can't go on with it.
    """
    known = state.signal_ids.get(signal.id)
    if known is not None:
        if known != signal.fingerprint:
            sentence = "This idempotency_key was used with another signal; use a new key for a new one."
            raise Refusal(ErrorCode.CONFLICT, sentence, run_id=state.run_id)
        return Sent()
    if state.status.is_final:
        raise finished(state)
    size = _checked_size(state, signal)
    taker = next_taker(state, signal.topic, signal.sent_by)
    if taker is None and signal.sent_by != BY_INTERACTIONS and waiting_for(state, signal.topic):
        _check_source(state, signal.topic)
    if taker is None and signal.sent_by != BY_INTERACTIONS:
        _check_room(state, signal.topic, size)
    if fits and taker is not None:
        _check_fit(workflow, state, taker, signal)
    resumes = taker is not None or state.status is not RunStatus.PAUSED
    event = run_event(
        state,
        workflow.name,
        "SignalReceived",
        signal_id=signal.id,
        topic=signal.topic,
        payload=signal.payload,
        sent_by=signal.sent_by,
        resumes=resumes or None,
    )
    keyed = {} if signal.fingerprint is None else {"fingerprint": signal.fingerprint}
    draft = Draft(event, {"size": size, **keyed})
    if state.status is RunStatus.PENDING:
        return Sent((started(workflow, state), draft), expect_next=0)
    # What it doesn't wake is to be asleep: what began to wait since would never look.
    return Sent((draft,), expect_next=None if resumes else state.next_index)


def _checked_size(state: RunState, signal: Signal) -> int:
    try:
        size = len(encoded(signal.payload, depth=MAX_CLIENT_DEPTH))
    except NotWire as fault:  # made in this process, it came through no codec
        details: list[JsonValue] = [{"field": fault.where, "error": fault.sentence}]
        raise Refusal(ErrorCode.INVALID_JSON, fault.sentence, details=details, run_id=state.run_id) from None
    if size > MAX_SIGNAL_BYTES:
        sentence = f"A signal's payload has at most {MAX_SIGNAL_BYTES // KIB} KiB as JSON; send less."
        raise Refusal(ErrorCode.MESSAGE_TOO_LARGE, sentence, run_id=state.run_id)
    return size


def _check_source(state: RunState, topic: str) -> None:
    """Refuse what isn't for what waits for this topic, as far as that is known."""
    if all(each.facts.get("source") is not None for each in waiting_for(state, topic)):
        sentence = f"The run waits for the outcome of an interaction under {topic!r}; respond to that interaction."
        raise Refusal(ErrorCode.TOPIC_BOUND, sentence, run_id=state.run_id)


def _check_room(state: RunState, topic: str, size: int) -> None:
    """Refuse what would have to be kept, where too much is; what is taken at once always passes."""
    kept_sizes = [each.size for signals in state.signals.values() for each in signals]
    of_topic, in_all, in_bytes = len(state.signals.get(topic, ())), len(kept_sizes), sum(kept_sizes)
    if of_topic >= MAX_SIGNALS or in_all >= MAX_SIGNALS_IN_ALL or in_bytes + size > MAX_KEPT_SIGNALS_BYTES:
        kept = f"{of_topic} signals {topic!r}" if of_topic >= MAX_SIGNALS else f"{in_all} signals of all topics"
        kept += f", of {in_bytes // KIB} KiB," if in_all < MAX_SIGNALS_IN_ALL and of_topic < MAX_SIGNALS else ""
        sentence = f"The run has {kept} that it hasn't taken yet; send it again later."
        raise Refusal(ErrorCode.SIGNALS_FULL, sentence, run_id=state.run_id)


def _check_fit(workflow: Workflow, state: RunState, taker: Requirement, signal: Signal) -> None:
    """Refuse what the container that waits for it can't go on with: nothing has changed yet."""
    container, node = container_of(place_at(workflow, tuple(taker.path)).node), node_at(state, taker.path)
    if container is None or node is None:
        return
    try:
        container.signalled(container.own_of(node), signal.payload)
    except Unfit as unfit:
        code = ErrorCode.INVALID_TRANSITION if unfit.code == "invalid_transition" else ErrorCode.INVALID_DECISION
        raise Refusal(code, str(unfit), details=[*unfit.faults] or None, run_id=state.run_id) from None
