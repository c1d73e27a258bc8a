"""What a step asks of people by itself, while it runs: an interaction with a run of its own.

Law: the same question of a step, under the same key, is asked once, however often the step is tried.

Source: `docs/interactions.md`, "From inside a step".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

from interlock.workflow.declare.policies import Declared
from interlock_protocol.types import InteractionType, JsonObject, Priority

Target: TypeAlias = str | Mapping[str, str]
"""A user id, `group:NAME`, or `{"type": "agent", "id": …}`."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a step asks: see `Asking.request`."""

    type: InteractionType
    message: str
    target: Target
    _: KW_ONLY
    spec: JsonObject | None = None
    title: str | None = None
    context: Any = None
    priority: Priority | None = None
    routing: Literal["first_responder", "all_members"] | None = None
    policy: Declared = None
    distinct_from: Sequence[str] = ()
    exclude_starter: bool = False
    timeout: float | None = None
    topic: str | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Requested:
    """An interaction that a step has asked for.

    Attributes:
        id: its address: it is found and answered by it.
        run_id: the run that it is itself.
    """

    id: str
    run_id: str


Ask: TypeAlias = Callable[[Question], Awaitable[Requested]]


async def nobody(question: Question) -> Requested:
    """What asks where there is no server."""
    raise RuntimeError("only a step that a server runs can ask; it isn't run by one here")


class Asking:
    """`step_input.interactions`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def request(
        self,
        type: InteractionType,  # noqa: A002 - the API's own word
        message: str,
        target: Target,
        *,
        spec: JsonObject | None = None,
        title: str | None = None,
        context: Any = None,
        priority: Priority | None = None,
        routing: Literal["first_responder", "all_members"] | None = None,
        policy: Declared = None,
        distinct_from: Sequence[str] = (),
        exclude_starter: bool = False,
        timeout: float | None = None,
        topic: str | None = None,
        key: str = "",
    ) -> Requested:
        """Ask somebody, durably, and go on: the step doesn't wait for the answer.

        Whoever waits for it is the run's next gate: `Signal(topic, source="interaction")`.

        Args:
            target: a user id, `group:NAME`, or `{"type": "agent", "id": …}`.
            spec: how it is answered; by default yes or no, or a text.
            routing: how a group decides; by default whoever is first.
            policy: instead: `Quorum(2)` and the like.
            timeout: after how many seconds it expires; None means never.
            topic: of the signal that tells this run the outcome; None tells nobody.
            key: tells apart what one step asks; the same key is the same interaction, in every try of this visit.

        Raises:
            DeclarationError: nobody could answer it.
            LogicError: `topic_bound`, if another interaction is asked for this topic; `empty_group` or
                `quorum_out_of_range`, if nobody can be asked.
        """
        return await self._ask(
            Question(
                type,
                message,
                target,
                spec=spec,
                title=title,
                context=context,
                priority=priority,
                routing=routing,
                policy=policy,
                distinct_from=distinct_from,
                exclude_starter=exclude_starter,
                timeout=timeout,
                topic=topic,
                key=key,
            )
        )
