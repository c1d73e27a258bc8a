"""From the body of a creation to the checked message of an interaction's run.

Law: everything that is wrong is told before anything is asked; what only the run can know (who is in a group) is told
with the creation, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from interlock.http.projects.interaction_shapes import CreateInteraction, InteractionPolicy
from interlock.http.v1.bodies import invalid
from interlock.http.v1.errors import ApiError, Code
from interlock.http.v1.times import read
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.interactions import MAX_CONTEXT_BYTES, asked_by, faults_in, incompatible
from interlock.workflow.declare.policies import GROUP
from interlock.workflow.declare.reviews import reviews_of
from interlock_protocol.limits import KIB
from interlock_protocol.types import JsonObject


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: the message of its run."""

    message: JsonObject

    @property
    def link(self) -> tuple[str, str] | None:
        """The run and the topic that its outcome is told to."""
        run_id, topic = self.message.get("run_id"), self.message.get("topic")
        return None if run_id is None or topic is None else (str(run_id), str(topic))


def asked_in(said: CreateInteraction, now: int) -> Asked:
    """Check a body.

    Raises:
        ApiError: `incompatible_mode` or `invalid_request`.
    """
    _check_spec(said)
    expires_at, due_at = read(said.expires_at, "expires_at"), read(said.due_at, "due_at")
    faults = [*_faults_of_link(said), *_faults_of_target(said)]
    if expires_at is not None and expires_at <= now:
        faults.append({"field": "expires_at", "error": "has passed; give a time to come"})
    if due_at is not None and (due_at <= now or (expires_at is not None and due_at >= expires_at)):
        faults.append(
            {"field": "due_at", "error": "lies between now and expires_at; give such a time, or leave it out"}
        )
    if len(to_json(said.context)) > MAX_CONTEXT_BYTES:
        faults.append({"field": "context", "error": f"has more than {MAX_CONTEXT_BYTES // KIB} KiB; send less"})
    if faults:
        raise invalid(faults)
    target = said.target_actor
    # Without a policy, whoever of those who are asked responds first decides.
    policy = said.policy or (InteractionPolicy(type="all_members") if said.routing == "all_members" else None)
    message: dict[str, Any] = {
        **said.model_dump(
            include={"type", "spec", "message", "title", "context", "run_id", "topic", "priority", "routing"}
        ),
        "target_actor": target.model_dump(),
        "assignees": [GROUP + target.id if target.type == "group" else target.id],
        "policy": None if policy is None else policy.model_dump(exclude_none=True),
        "distinct_from": said.distinct_from,
        "exclude_starter": said.exclude_starter or None,
        "expires_at": expires_at,
        "due_at": due_at,
    }
    asked = Asked({name: value for name, value in message.items() if value is not None})
    _check_policy(asked.message, now)
    return asked


def _check_spec(said: CreateInteraction) -> None:
    unfit = incompatible(said.type, said.spec.get("mode"))
    if unfit is not None:
        sentence = f"{unfit[0].upper()}{unfit[1:]}."
        raise ApiError(Code.INCOMPATIBLE_MODE, sentence, [{"field": "spec.mode", "error": sentence}])
    faults = [{"field": fault.path, "error": fault.message} for fault in faults_in(said.spec)]
    if faults:
        raise invalid(faults)


def _faults_of_link(said: CreateInteraction) -> list[dict[str, str]]:
    if (said.run_id is None) == (said.topic is None):
        return []
    missing = "topic" if said.topic is None else "run_id"
    return [{"field": missing, "error": "is missing: run_id and topic come together, or not at all"}]


def _faults_of_target(said: CreateInteraction) -> list[dict[str, str]]:
    how = [name for name in ("routing", "policy") if getattr(said, name) is not None]
    if len(how) == 2:
        return [{"field": "routing", "error": "and `policy` both say how several decide; keep one"}]
    if said.target_actor.type == "group" and not how:
        return [{"field": "routing", "error": "is missing: say how the group decides, here or by a policy"}]
    if said.target_actor.type != "group" and said.routing == "all_members":
        return [{"field": "routing", "error": "is for a group; leave it out"}]
    return []


def _check_policy(message: JsonObject, now: int) -> None:
    """Check what is said of who decides, by the rules of every review."""
    try:
        reviews_of("Step", asked_by(message, now), place="The interaction")
    except (DeclarationError, KeyError, TypeError) as error:
        said = str(error).removeprefix("The interaction: ")
        missing = "the policy lacks what it needs" if isinstance(error, KeyError | TypeError) else said.rstrip(".")
        raise invalid([{"field": "policy", "error": f": {missing}"}]) from None
