"""From a question that somebody asks from outside to the checked message of its run.

Law: everything that is wrong is told before anything is asked; what only the run can know (who is in a group) is told
with the creation, too.

Source: `docs/interactions.md`, "Standalone interactions".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from interlock.interactions.workflow import TAKEN_BACK
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.interactions import (
    INCOMPATIBLE,
    MAX_CONTEXT_BYTES,
    MAX_MESSAGE,
    MAX_TITLE,
    asked_by,
    faults_in,
    incompatible,
)
from interlock.workflow.declare.policies import GROUP, MAX_VOTERS
from interlock.workflow.declare.reviews import reviews_of
from interlock_protocol.limits import KIB
from interlock_protocol.messages import Name, Topic
from interlock_protocol.types import AnyJson, BoundedObject, InteractionType, JsonObject, PolicyType, Priority

Count = Annotated[int, Field(ge=1, le=MAX_VOTERS, strict=True)]


class TargetActor(BaseModel):
    """Whom an interaction is for: a member or an agent by their user id, or a group by its name."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["member", "agent", "group"]
    id: Name


class InteractionPolicy(BaseModel):
    """How several decide together: see `docs/approvals.md`."""

    model_config = ConfigDict(extra="forbid")

    type: PolicyType
    n: Count | None = None
    veto: bool | None = None
    of: list[Name] | None = None
    order: list[Name] | None = None


class Question(BaseModel):
    """A question, whom it is for, and which run waits for the outcome, if one does."""

    model_config = ConfigDict(extra="forbid")

    type: InteractionType
    spec: BoundedObject
    target_actor: TargetActor
    message: Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE)]
    title: Annotated[str, Field(min_length=1, max_length=MAX_TITLE)] | None = None
    context: AnyJson = None
    run_id: Name | None = Field(None, description="the run that waits for the outcome; with `topic`")
    topic: Topic | None = Field(None, description="of the signal that brings it the outcome")
    routing: Literal["first_responder", "all_members"] | None = Field(None, description="of a group")
    policy: InteractionPolicy | None = Field(None, description="instead of `routing`")
    distinct_from: list[Name] | None = None
    exclude_starter: bool = Field(False, description="whoever creates it may not respond")
    priority: Priority | None = None


class WrongQuestion(Exception):  # noqa: N818 - says what it is about
    """What is wrong with a question, each as the `field` and the `error`.

    Attributes:
        code: `incompatible_mode`, or None.
    """

    def __init__(self, faults: list[dict[str, str]], code: str | None = None) -> None:
        super().__init__("; ".join(f"{each['field']} {each['error']}" for each in faults))
        self.faults = faults
        self.code = code


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: the message of its run."""

    message: JsonObject

    @property
    def link(self) -> tuple[str, str] | None:
        """The run and the topic that its outcome is told to."""
        run_id, topic = self.message.get("run_id"), self.message.get("topic")
        return None if run_id is None or topic is None else (str(run_id), str(topic))


def asked_in(said: Question, expires_at: int | None, due_at: int | None, now: int) -> Asked:
    """Check a question.

    Args:
        expires_at, due_at: in milliseconds since 1970, as `now`.

    Raises:
        WrongQuestion: it can't be asked.
    """
    _check_spec(said)
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
        raise WrongQuestion(faults)
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


def _check_spec(said: Question) -> None:
    unfit = incompatible(said.type, said.spec.get("mode"))
    if unfit is not None:
        sentence = f"{unfit[0].upper()}{unfit[1:]}."
        raise WrongQuestion([{"field": "spec.mode", "error": sentence}], INCOMPATIBLE)
    faults = [{"field": fault.path, "error": fault.message} for fault in faults_in(said.spec)]
    if faults:
        raise WrongQuestion(faults)


def _faults_of_link(said: Question) -> list[dict[str, str]]:
    if (said.run_id is None) == (said.topic is None):
        return []
    missing = "topic" if said.topic is None else "run_id"
    return [{"field": missing, "error": "is missing: run_id and topic come together, or not at all"}]


def _faults_of_target(said: Question) -> list[dict[str, str]]:
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
        reviews_of("Step", asked_by(message, now, TAKEN_BACK), place="The interaction")
    except (DeclarationError, KeyError, TypeError) as error:
        said = str(error).removeprefix("The interaction: ")
        missing = "the policy lacks what it needs" if isinstance(error, KeyError | TypeError) else said.rstrip(".")
        raise WrongQuestion([{"field": "policy", "error": f": {missing}"}]) from None
