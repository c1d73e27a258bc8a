"""What steps ask by themselves: interactions in the namespace of their run, in the name of whoever started that.

Laws:
- Its run has an id that is made of the step's visit and the question's key. So a step that is tried again, on whatever
  node and whenever, finds what it has asked.
- While the store is away, this waits: that must not fail the run.

Source: `docs/interactions.md`, "From inside a step".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from pydantic import ValidationError

from interlock.auth import Principal
from interlock.auth.principal import ASK, EXECUTE
from interlock.ids import derived
from interlock.interactions import asking
from interlock.interactions.host import EngineHost
from interlock.interactions.workflow import TAKEN_BACK, WORKFLOW_ID, address_of
from interlock.store.port import IdempotencyKey, StoreUnavailable
from interlock.workflow.activities import LogicError, RollCall, StepInput
from interlock.workflow.declare.asking import Question, Requested
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.interactions import asked_by
from interlock.workflow.declare.policies import GROUP, asked_of, policy_of
from interlock.workflow.run.rolls import asked_under, is_called
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import StartWorkflow
from interlock_protocol.types import JsonObject

RETRY_SECONDS: Final = 0.5

_BY_STEPS: Final = "system:steps"
"""Whose idempotency keys these are: nobody else can use them."""

_MODES: Final = {"approval": "confirm", "input": "input"}


class Inside:
    """Asks for the steps of a server, which has started by then."""

    def __init__(self, host: Callable[[], EngineHost]) -> None:
        self._host = host

    async def request(self, given: StepInput, question: Question) -> Requested:
        """Ask what a step asks; see `Asking.request`."""
        id_ = derived("\x1f".join((given.run_id, given.idempotency_key, question.key)))
        message = checked(given, question, self._host().engine.clock.now_ms())
        while True:
            try:
                return await self._requested(given, id_, message)
            except StoreUnavailable:
                pass
            except Refusal as refusal:
                if refusal.code is not ErrorCode.UNAVAILABLE:
                    raise LogicError(refusal.code, refusal.message) from None
            await asyncio.sleep(RETRY_SECONDS)

    async def _requested(self, given: StepInput, id_: str, message: JsonObject) -> Requested:
        requested = Requested(address_of(id_), id_)
        if await self._is_there(id_):
            return requested
        await self._check_topic(given.run_id, message)
        await self._check_people(given, message)
        principal = Principal(
            given.user_id, frozenset({ASK, EXECUTE}), account=given.account, namespaces=frozenset({given.namespace})
        )
        start = StartWorkflow(
            action="start-workflow", workflow_id=WORKFLOW_ID, namespace=given.namespace, message=message
        )
        await self._host().engine.ask(principal, start, key=_key_of(given, id_), run_id=id_)
        return requested

    async def _is_there(self, run_id: str) -> bool:
        try:
            await self._host().engine.runs.facts(run_id)
        except Refusal as refusal:
            if refusal.code is ErrorCode.RUN_NOT_FOUND:
                return False
            raise
        return True

    async def _check_topic(self, run_id: str, message: JsonObject) -> None:
        topic = message.get("topic")
        other = None if topic is None else await self._host().store.interaction_on(run_id, str(topic))
        if other is not None:
            sentence = f"another interaction is asked for the topic {topic!r} of this run: {address_of(other)}"
            raise LogicError(ErrorCode.TOPIC_BOUND, sentence)

    async def _check_people(self, given: StepInput, message: JsonObject) -> None:
        """Check that there is somebody to ask, as the interaction's own run will."""
        review = asked_by(message, 0, TAKEN_BACK)
        if not is_called(review):
            return
        starter = given.user_id if review.distinct_from or review.exclude_starter else None
        call = RollCall(given.account, tuple(asked_of(review) or ()), starter)
        roll = await self._host().engine.people.roll(call)
        asked_under(review, roll, set(roll.starters))


def checked(given: StepInput, question: Question, now: int) -> JsonObject:
    """The message of the run of what a step asks.

    Raises:
        DeclarationError: nobody could answer it.
    """
    target = question.target
    is_group = isinstance(target, str) and target.startswith(GROUP)
    fields: dict[str, Any] = {
        "type": question.type,
        "message": question.message,
        "spec": question.spec if question.spec is not None else {"mode": _MODES.get(question.type)},
        "target_actor": _target_of(target) if isinstance(target, str) else dict(target),
        "title": question.title,
        "context": question.context,
        "priority": question.priority,
        "routing": question.routing or ("first_responder" if is_group and question.policy is None else None),
        "policy": _policy_in(question),
        "distinct_from": [*question.distinct_from] or None,
        "exclude_starter": question.exclude_starter,
        "run_id": None if question.topic is None else given.run_id,
        "topic": question.topic,
    }
    expires_at = None if question.timeout is None else now + max(1, round(1000 * question.timeout))
    try:
        said = asking.Question.model_validate(fields)
        return asking.asked_in(said, expires_at, None, now).message
    except ValidationError as wrong:
        first = wrong.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise DeclarationError(f"An interaction that a step asks: {at}: {first['msg']}.") from None
    except asking.WrongQuestion as wrong:
        raise DeclarationError(f"An interaction that a step asks: {wrong}.") from None


def _target_of(named: str) -> JsonObject:
    is_group = named.startswith(GROUP)
    return {"type": "group" if is_group else "member", "id": named.removeprefix(GROUP)}


def _policy_in(question: Question) -> JsonObject | None:
    policy = policy_of(question.policy, place="An interaction that a step asks")
    if policy is None:
        return None
    names = "order" if policy.rule.type == "chain" else "of"
    return {**policy.rule.to_wire(), names: None if policy.named is None else [*policy.named]}


def _key_of(given: StepInput, id_: str) -> IdempotencyKey:
    """The key that two nodes which run the step at the same moment meet at."""
    return IdempotencyKey(_BY_STEPS, id_, id_, given.account, id_)
