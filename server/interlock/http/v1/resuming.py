"""Which halt a resume is for, and what the engine's refusals of a decision are called here.

Laws:
- A resume is for the halt that it names, by id or by state and thread; otherwise for the one that is open when it
  arrives. It is never for a halt that begins later. What it names by several of these has to be one.
- If none is open while the instance runs, it is for the one that was answered last: the same input again gets the same
  result, another is a conflict. After the end, that needs a name.
- Whether it fits, and who may, the engine says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from interlock.engine.engine import Engine
from interlock.http.v1.errors import ApiError, Code, not_there, refused
from interlock.http.v1.instance_shapes import ResumeInstance
from interlock.http.v1.views import events_from
from interlock.log.port import Head
from interlock.workflow.run.machine_view import View, halts_in
from interlock.workflow.run.state import RunState
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import JsonObject

Look: TypeAlias = Callable[[], Awaitable[View]]


async def halt_for(engine: Engine, state: RunState, look: Look, asked: ResumeInstance, thread: str | None) -> str:
    """The id of the halt that a resume is for.

    Args:
        look: the instance as its log has it, for what a refusal says.

    Raises:
        ApiError: `instance_not_halted`, `thread_required`, `thread_not_found` or `concurrent_modification`.
    """
    if thread is not None and thread not in View.of(state).threads and thread not in (await look()).threads:
        raise not_there(Code.THREAD_NOT_FOUND, f"Thread {thread!r}")
    if asked.halt_id is not None:
        await _check_is_that(engine, state, look, asked, thread)
        return asked.halt_id
    open_now = [each for each in halts_in(state) if thread in (None, each["thread_id"])]
    named = [each for each in open_now if asked.expected_state in (None, each["state"])]
    if len(named) == 1:
        return str(named[0]["halt_id"])
    if named:
        raise _ambiguous(named)
    if asked.expected_state is None and (open_now or state.status.is_final):
        raise not_halted(await look())
    found = await _answered_last(engine, state, asked.expected_state, thread)
    if found is not None:
        return found
    if asked.expected_state is not None:
        raise conflict(await look(), asked.expected_state)
    raise not_halted(await look())


async def _check_is_that(
    engine: Engine, state: RunState, look: Look, asked: ResumeInstance, thread: str | None
) -> None:
    """Check that a halt is in the state and the thread that are named beside it, if there is such a halt at all."""
    halt_id, expected = asked.halt_id, asked.expected_state
    if halt_id is None or (expected is None and thread is None):
        return
    facts = await _facts_of(engine, state, halt_id)
    if facts is not None and thread not in (None, facts["thread_id"]):
        raise _no_halt(await look(), halt_id)
    if facts is not None and expected not in (None, facts["state"]):
        raise conflict(await look(), expected)


async def _facts_of(engine: Engine, state: RunState, halt_id: str) -> Mapping[str, Any] | None:
    """What is known of a halt; of an ended run, which keeps none, as its log has it."""
    answered = (each.requirement.facts for each in state.resolved.values())
    known = next((each for each in (*halts_in(state), *answered) if each.get("halt_id") == halt_id), None)
    if known is not None or not state.status.is_final:
        return known
    async for event in _halts_logged(engine, await engine.runs.head(state.run_id)):
        if event["halt_id"] == halt_id:
            known = event
    return known


async def _answered_last(engine: Engine, state: RunState, expected: str | None, thread: str | None) -> str | None:
    """The id of the halt that was answered last: in this state, if one is named, and of this thread."""
    resolved = [each for each in state.resolved.values() if "halt_id" in each.requirement.facts]
    for each in sorted(resolved, key=lambda one: one.index, reverse=True):
        facts = each.requirement.facts
        if expected in (None, facts["state"]) and thread in (None, facts["thread_id"]):
            return str(facts["halt_id"])
    if not (expected is not None and state.status.is_final):
        return None
    # An ended run keeps no resolutions; its log has them.
    head, last = await engine.runs.head(state.run_id), None
    async for event in _halts_logged(engine, head):
        if event["state"] == expected and thread in (None, event["thread_id"]):
            last = str(event["halt_id"])
    return last


async def _halts_logged(engine: Engine, head: Head) -> Any:
    async for event in events_from(engine, head, head.first_index):
        if event["event"] == "StepPaused" and event.get("halt_id") is not None:
            yield event


def told(refusal: Refusal, view: View, asked: ResumeInstance) -> ApiError:
    """What the engine's refusal of a decision is called here.

    Args:
        view: the instance as it is after the refusal.
    """
    match refusal.code:
        case ErrorCode.INVALID_DECISION:
            return ApiError(Code.INVALID_INPUT, refusal.message, _fields(refusal.details))
        case ErrorCode.MESSAGE_TOO_LARGE:
            return ApiError(Code.DATA_TOO_LARGE, refusal.message)
        case ErrorCode.INVALID_TRANSITION:
            return ApiError(Code.INVALID_TRANSITION, refusal.message)
        case ErrorCode.CONFLICT:
            return conflict(view, asked.expected_state)
        case ErrorCode.RUN_FINISHED | ErrorCode.RUN_NOT_PAUSED | ErrorCode.REQUIREMENT_EXPIRED:
            return not_halted(view)
        case ErrorCode.REQUIREMENT_NOT_FOUND:
            return not_halted(view) if asked.halt_id is None else _no_halt(view, asked.halt_id)
        case _:
            return refused(refusal)


def _fields(details: Any) -> list[JsonObject]:
    """An entry for each wrong field, without the requirement's id."""
    if not isinstance(details, list):
        return []
    return [{key: value for key, value in each.items() if key in ("field", "error")} for each in details]


def conflict(view: View, expected: str | None) -> ApiError:
    """The answer to a resume whose halt was answered otherwise."""
    details = {"current_state": view.current_state, "expected_state": expected}
    return ApiError(Code.CONCURRENT_MODIFICATION, "Instance was modified by another request", details)


def not_halted(view: View) -> ApiError:
    """The answer to a resume of an instance that waits for nobody."""
    sentence = f"The instance is {view.status}, and waits for nobody; look at its status before resuming it."
    if view.status == "halted":
        sentence = "Nothing of the instance that this names waits for anybody; look at its threads."
    return ApiError(Code.INSTANCE_NOT_HALTED, sentence, {"status": view.status, "current_state": view.current_state})


def _no_halt(view: View, halt_id: str) -> ApiError:
    sentence = f"The instance has no halt {halt_id!r} that waits; take `halt_id` from the instance."
    return ApiError(Code.INSTANCE_NOT_HALTED, sentence, {"current_state": view.current_state})


def _ambiguous(halts: Sequence[JsonObject]) -> ApiError:
    threads = [str(each["thread_id"]) for each in halts]
    sentence = f"Several threads wait: {', '.join(threads)}; name one by `thread_id`, or resume it by its own path."
    return ApiError(Code.THREAD_REQUIRED, sentence, {"threads": threads})
