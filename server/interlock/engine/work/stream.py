"""The events of a running step: its text, its custom events, and its agent's tool calls.

Law: of a step's streamed events only the content and the time differ; the rest is encoded once.

Source: `docs/architecture.md`, "How an event travels".
"""

from __future__ import annotations

from collections.abc import Set
from typing import Protocol

from interlock.engine.clock import Clock
from interlock.secrets.port import struck
from interlock.workflow.program import OutputError, Program, RunState, Work, legible
from interlock_protocol.codec import event_body, fitting
from interlock_protocol.types import JsonObject, JsonValue
from interlock_protocol.values import NotWire, written


class RunWriter(Protocol):
    """Takes the events of a run, and has the run's current state."""

    clock: Clock
    state: RunState

    def emit_streamed(self, event: str, body: bytes) -> None:
        """Take in an encoded event that changes no state."""

    @property
    def is_full(self) -> bool:
        """True if the caller must wait for `room` before the next event."""

    async def room(self) -> None:
        """Wait until events may be added again."""


class StepStream:
    """Takes the events of one running step, and strikes secrets from them."""

    def __init__(self, writer: RunWriter, program: Program, work: Work, secrets: Set[str]) -> None:
        self._writer = writer
        self._secrets = secrets
        self._base, executor = program.streamed(writer.state, work)
        content = {**self._base, "event": "RunResponseContentEvent", "content_type": "str", **executor}
        self._prefix = event_body(content)[:-1] + b',"content":'
        self._is_closed = False

    def close(self) -> None:
        """Drop what is still to come: the step was given up."""
        self._is_closed = True

    def content(self, text: str) -> None:
        if self._is_closed:
            return
        if self._secrets:
            text = str(struck(text, self._secrets))
        try:
            body = fitting(b'%b%b,"created_at":%d}' % (self._prefix, written(text), self._writer.clock.now_ms()))
        except NotWire as fault:
            raise OutputError(f"a piece of a step's text can't be sent: {fault}") from fault
        self._writer.emit_streamed("RunResponseContentEvent", body)

    def custom(self, name: str, data: JsonValue) -> None:
        self._say("CustomEvent", name=name, data=data)

    def tool(self, event: str, tool: JsonObject) -> None:
        if "error" in tool:
            tool = {**tool, "error": legible(str(struck(tool["error"], self._secrets)))}
        self._say(event, tool=tool)

    def _say(self, event: str, **fields: JsonValue) -> None:
        if self._is_closed:
            return
        shown = {name: struck(value, self._secrets) for name, value in fields.items()}
        body = {**self._base, "event": event, **shown, "created_at": self._writer.clock.now_ms()}
        self._writer.emit_streamed(event, event_body(body))

    @property
    def is_full(self) -> bool:
        return self._writer.is_full

    async def room(self) -> None:
        await self._writer.room()
