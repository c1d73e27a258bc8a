"""The built-in workflow whose runs are interactions: it is listed, somebody is asked, and whoever waits is told.

Laws:
- Its message is a checked body: see `interlock.workflow.declare.interactions.asked_by` for what it has.
- The outcome is told to the linked run as a signal, once, whatever it is; the key of that signal is the interaction's
  id.
- To take an interaction back is to answer it first: the answer, or a signal of the topic `TAKEN_BACK`.

Source: `docs/interactions.md`, "Standalone interactions".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from interlock.store.ports.interactions import InteractionStatus, StoredInteraction
from interlock.workflow.declare.interactions import ByMessage
from interlock.workflow.declare.io import StepInput, StepOutput
from interlock.workflow.declare.nodes import Step, Workflow
from interlock.workflow.run.requirements import requirement_id
from interlock_protocol.interactions import interaction_id
from interlock_protocol.requirements import RESPONSE
from interlock_protocol.types import JsonObject

WORKFLOW_ID: Final = "system:interactions"
TAKEN_BACK: Final = "interaction.taken-back"

_PLACE: Final = ("ask",)
_RETRIES: Final = 100  # up to half a minute apart: an outage of the database loses no answer


class Host(Protocol):
    """What the workflow's steps work with."""

    async def keep(self, interaction: StoredInteraction) -> str | None:
        """Keep it; None, or the run of the one that is pending for its topic."""

    async def end(self, run_id: str, status: InteractionStatus, result: JsonObject) -> None:
        """Note what it came to."""

    async def tell(self, run_id: str, topic: str, payload: JsonObject, key: str) -> bool:
        """Send a signal, once for this key; False if the run has ended."""

    def now_ms(self) -> int:
        """The time by the store's clock, in milliseconds since 1970."""


def requirement_of(run_id: str) -> str:
    """The id of what an interaction's run asks."""
    return requirement_id(run_id, _PLACE, 1, RESPONSE, (0,))


def address_of(run_id: str) -> str:
    """The id of the interaction of a run."""
    return interaction_id(requirement_of(run_id), run_id)


def interactions_workflow(host: Callable[[], Host]) -> Workflow:
    """Make the workflow, on what a started server has."""

    async def keep(given: StepInput) -> StepOutput:
        asked: dict[str, Any] = given.input
        other = await host().keep(stored(given, asked, host().now_ms()))
        refused = None if other is None else {"refused": "topic_bound", "by": address_of(other)}
        return StepOutput(refused, stop=refused is not None)

    async def tell(given: StepInput) -> JsonObject:
        asked: dict[str, Any] = given.input
        result: JsonObject = given.previous_step_content
        told: JsonObject = {"interaction_id": address_of(given.run_id), "type": asked["type"], **result}
        if asked.get("run_id") is not None:
            key = address_of(given.run_id)
            is_told = await host().tell(asked["run_id"], asked["topic"], told, key)
            told["signal"] = "sent" if is_told else "run_finished"
        await host().end(given.run_id, status_of(told), told)
        return told

    return Workflow(
        WORKFLOW_ID,
        name="Interactions",
        steps=[
            Step("list", keep, retries=_RETRIES),
            Step("ask", answer, human_review=ByMessage(taken_back_by=TAKEN_BACK)),
            Step("tell", tell, retries=_RETRIES),
        ],
    )


def answer(given: StepInput) -> JsonObject:
    """What was answered, as it is told; or that it was taken back."""
    if given.interaction is not None:
        return dict(given.interaction)
    said: Any = given.signal
    return {"outcome": "cancelled", "responded_by": said["by"], "responded_at": said["at"]}


def stored(given: StepInput, asked: dict[str, Any], now: int) -> StoredInteraction:
    """An interaction as lists have it."""
    return StoredInteraction(
        run_id=given.run_id,
        requirement_id=requirement_of(given.run_id),
        namespace=given.namespace,
        type=asked["type"],
        assignee=asked["assignees"][0],
        asked=asked,
        created_by=given.user_id,
        created_at=asked.get("created_at", now),
        account=given.account,
        linked_run_id=asked.get("run_id"),
        topic=asked.get("topic"),
    )


def status_of(result: JsonObject) -> InteractionStatus:
    """The status of an interaction that came to this."""
    ends: dict[object, InteractionStatus] = {"expired": "expired", "cancelled": "cancelled"}
    return ends.get(result["outcome"], "completed")
