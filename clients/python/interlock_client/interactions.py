"""Interactions: questions to people that a program asks from outside, and the inbox of whoever answers.

Laws:
- An interaction is asked and answered once for its idempotency key, which is made where none is given.
- Whatever a run asks has an address, and is found and answered by it here, too.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from interlock_client.machines import Answer, listed
from interlock_client.rest import Call, Rest, path
from interlock_protocol.types import InteractionType, JsonValue, Priority

PREFIX = "/v1"


class Interaction(Answer):
    """An interaction, or anything else that a run asks. Times are in ISO 8601.

    Attributes:
        status: `pending`, `completed`, `expired` or `cancelled`.
        outcome: `approved`, `rejected`, `completed`, `unreachable`, `expired` or `cancelled`; None while it is pending.
        response: what it was answered; where several answer, each of the `responses`.
        signal: whether its outcome was `sent` to the run that waits for it, or that was finished (`run_finished`).
        own_run_id: the run that it is itself.
    """

    id: str
    type: str | None = None
    status: Literal["pending", "completed", "expired", "cancelled"] | str
    outcome: str | None = None
    spec: dict[str, Any] | None = None
    message: str | None = None
    title: str | None = None
    context: Any = None
    priority: str | None = None
    assignees: tuple[str, ...] = ()
    run_id: str | None = None
    topic: str | None = None
    signal: str | None = None
    response: dict[str, Any] | None = None
    responses: tuple[dict[str, Any], ...] = ()
    needed: int | None = None
    responded_by: str | None = None
    responded_at: str | None = None
    created_by: str | None = None
    created_at: str | None = None
    due_at: str | None = None
    expires_at: str | None = None
    own_run_id: str


class InboxItem(Answer):
    """Something that waits for this user."""

    interaction_id: str
    run_id: str
    requirement_id: str
    workflow_id: str
    namespace: str
    step_name: str
    kind: str
    type: str | None = None
    mode: str | None = None
    title: str | None = None
    priority: str | None = None
    message: str | None = None
    assignees: tuple[str, ...] = ()
    due_at: str | None = None
    timeout_at: str | None = None


class Interactions:
    """The interactions that this user may see. `Client.interactions`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def create(
        self,
        project: str,
        type: InteractionType,  # noqa: A002 - the API's own word
        message: str,
        to: str,
        *,
        spec: Mapping[str, JsonValue] | None = None,
        title: str | None = None,
        context: JsonValue = None,
        run_id: str | None = None,
        topic: str | None = None,
        expires_at: datetime | str | None = None,
        due_at: datetime | str | None = None,
        routing: Literal["first_responder", "all_members"] | None = None,
        policy: Mapping[str, JsonValue] | None = None,
        priority: Priority | None = None,
        idempotency_key: str | None = None,
    ) -> Interaction:
        """Asks somebody. Returns once they are asked.

        Args:
            project: the namespace that it lives in.
            to: a user id, or `group:NAME`.
            spec: how it is answered; by default yes or no, or a text.
            run_id, topic: the run that waits for the outcome, and the topic of the signal that brings it.
            due_at: until when an answer is wanted; then it is asked for again.
            routing: how a group decides; by default whoever is first.

        Raises:
            ActionRefused: `incompatible_mode`, `empty_group`, `invalid_request`, …; `forbidden`.
            Conflict: `topic_bound`, `run_finished`, `idempotency_key_reused`.
        """
        is_group = to.startswith("group:")
        target = {"type": "group" if is_group else "member", "id": to.removeprefix("group:")}
        mode = {"approval": "confirm", "input": "input"}.get(type)
        fields: dict[str, Any] = {
            "type": type,
            "message": message,
            "target_actor": target,
            "spec": dict(spec) if spec is not None else {"mode": mode},
            "title": title,
            "context": context,
            "run_id": run_id,
            "topic": topic,
            "expires_at": expires_at.isoformat() if isinstance(expires_at, datetime) else expires_at,
            "due_at": due_at.isoformat() if isinstance(due_at, datetime) else due_at,
            "routing": routing or ("first_responder" if is_group and policy is None else None),
            "policy": None if policy is None else dict(policy),
            "priority": priority,
        }
        body = {name: value for name, value in fields.items() if value is not None}
        call = Call(
            method="POST", path=_home(project), body=body, key=idempotency_key or uuid.uuid4().hex, prefix=PREFIX
        )
        return Interaction.model_validate(await self._rest.send(call))

    async def get(self, project: str, interaction_id: str) -> Interaction:
        """An interaction. Raises `NotFound`: `interaction_not_found`."""
        call = Call(method="GET", path=_home(project, interaction_id), prefix=PREFIX)
        return Interaction.model_validate(await self._rest.send(call))

    async def respond(
        self,
        project: str,
        interaction_id: str,
        *,
        confirmed: bool | None = None,
        selected: JsonValue = None,
        value: JsonValue = None,
        comment: str | None = None,
        idempotency_key: str | None = None,
    ) -> Interaction:
        """Answers an interaction: with `confirmed`, `selected` or `value`, as its mode says.

        Raises:
            ActionRefused: `invalid_response`, `forbidden`.
            Conflict: `already_resolved`, with what won.
        """
        said = {"confirmed": confirmed, "selected": selected, "value": value, "comment": comment}
        return await self.decide(
            project,
            interaction_id,
            {"response": {name: each for name, each in said.items() if each is not None}},
            idempotency_key=idempotency_key,
        )

    async def decide(
        self,
        project: str,
        interaction_id: str,
        decision: Mapping[str, JsonValue],
        *,
        idempotency_key: str | None = None,
    ) -> Interaction:
        """Decides anything that a run asks, by the decision's own fields; raises as `respond`."""
        call = Call(
            method="POST",
            path=_home(project, interaction_id, "respond"),
            body=dict(decision),
            key=idempotency_key or uuid.uuid4().hex,
            prefix=PREFIX,
        )
        return Interaction.model_validate(await self._rest.send(call))

    async def cancel(self, project: str, interaction_id: str) -> Interaction:
        """Takes an interaction back. Raises `Conflict`: `already_resolved`."""
        call = Call(method="POST", path=_home(project, interaction_id, "cancel"), repeatable=True, prefix=PREFIX)
        return Interaction.model_validate(await self._rest.send(call))

    async def list(
        self,
        project: str,
        *,
        status: str | None = None,
        type: InteractionType | None = None,  # noqa: A002 - the API's own word
        target: str | None = None,
        mine: bool = False,
        run_id: str | None = None,
    ) -> AsyncIterator[Interaction]:
        """Those that were created by themselves in a project, the newest first.

        Args:
            target: a user id, or `group:NAME`.
            mine: only those for this user.
            run_id: only those that this run waits for.
        """
        query = {"status": status, "type": type, "target": target, "run_id": run_id, "mine": "true" if mine else None}
        async for each in self._pages(
            Call(method="GET", path=_home(project), query=query, prefix=PREFIX), "interactions"
        ):
            yield Interaction.model_validate(each)

    async def inbox(self, project: str | None = None) -> AsyncIterator[InboxItem]:
        """What waits for this user, whatever asked for it: in a project, or in all of them."""
        where = path("inbox") if project is None else path("projects", project, "inbox")
        async for each in self._pages(Call(method="GET", path=where, prefix=PREFIX), "items"):
            yield InboxItem.model_validate(each)

    async def _pages(self, call: Call, key: str) -> AsyncIterator[Any]:
        while True:
            page = await self._rest.send(call)
            for each in listed(page, key):
                yield each
            if page.get("next_cursor") is None:
                return
            call = replace(call, query={**call.query, "cursor": page["next_cursor"]})


def _home(project: str, *parts: str) -> str:
    return path("projects", project, "interactions", *parts)
