"""A requirement with what was decided about it, before it becomes an event."""

from __future__ import annotations

from dataclasses import dataclass, field

from interlock.workflow.decide.votes import Vote
from interlock.workflow.run.state import Requirement, response_id
from interlock_protocol.errors import Refusal
from interlock_protocol.types import JsonObject, PolicyOutcome


@dataclass(frozen=True, slots=True)
class Decided:
    """One requirement and the decision on it, after defaults; `private` is logged with it, and never sent.

    Attributes:
        vote: it is one of several responses, which doesn't resolve it by itself.
        outcome: how it is resolved, under a policy.
        told: what its event says besides.
        refusal: what is answered when it is recorded: a response that came too late.
    """

    requirement: Requirement
    decision: JsonObject
    private: JsonObject = field(default_factory=dict)
    vote: Vote | None = None
    outcome: PolicyOutcome | None = None
    told: JsonObject = field(default_factory=dict)
    refusal: Refusal | None = None

    @property
    def by_id(self) -> dict[str, JsonObject]:
        """The decision by the id it resolves: the requirement's, or that of each tool of it that is decided. One of
        several responses has the id that it leaves in the head."""
        if self.vote is not None:
            return {response_id(self.requirement.id, self.vote.number): self.decision}
        tools = self.decision.get("executor_requirements")
        if not isinstance(tools, list):
            return {self.requirement.id: self.decision}
        return {each["id"]: each for each in tools}  # type: ignore[call-overload, index, misc]
