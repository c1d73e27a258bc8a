"""An agent for tests: it asks for its tools turn by turn, and says what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from interlock.workflow.declare.agents import AgentPause, AgentStream, ToolDecision, ToolRequest
from interlock.workflow.declare.io import StepInput
from interlock_protocol.types import JsonValue


@dataclass
class Clerk:
    """Pauses for the requests of each turn, one turn after the other, and returns what was decided on all.

    Attributes:
        turns: what it asks, turn by turn.
        resumed: how often it has gone on after a pause.
    """

    turns: Sequence[Sequence[ToolRequest]]
    resumed: int = field(default=0, init=False)
    id: str = "clerk"
    name: str = "Clerk"
    type: Literal["agent", "team"] = "agent"

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        stream.content("looking ")
        return AgentPause(self.turns[0], {"turn": 0, "log": []}, run_id="their-run")

    async def resume(
        self, state: JsonValue, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        so_far: Any = state
        self.resumed += 1
        log = [*so_far["log"], *[await self._done(each, stream) for each in decisions]]
        turn = so_far["turn"] + 1
        if turn < len(self.turns):
            return AgentPause(self.turns[turn], {"turn": turn, "log": log})
        return log

    async def _done(self, decision: ToolDecision, stream: AgentStream) -> JsonValue:
        tool = decision.tool
        stream.tool_started(tool)
        if not decision.approved:
            stream.tool_failed(tool, decision.note or "denied")
            return [tool.call_id, "denied", decision.note]
        result: Any = decision.result
        if decision.user_input is not None:
            result = dict(decision.user_input)
        elif decision.user_feedback is not None:
            result = [dict(each) for each in decision.user_feedback]
        elif result is None:
            result = dict(tool.args)
        stream.tool_completed(tool, result)
        return [tool.call_id, "done", result]
