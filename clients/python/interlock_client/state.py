"""What a follower knows about a run: a fold of the events it has taken.

Laws:
- Pure, and as of the last event that was taken: never ahead of what the program has seen.
- `StepPaused` adds a pause; a `WorkflowRunOutput` replaces them all by whole ones; what resolves a pause, or ends its
  step or the run, removes it. What resolves some tools of a pause removes these.
- A pause, or a tool of one, that was answered here, or refused here because it is answered, is not shown again,
  although events that still show it may be waiting to be read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from interlock_client.cursor import event_epoch, event_index
from interlock_client.pauses import Pause, Send, failed, paused, required, responded, with_detail
from interlock_client.tools import tools_in
from interlock_protocol.messages import (
    Gap,
    InteractionResponded,
    Replay,
    ServerMessage,
    SignalReceived,
    StepCompleted,
    StepContinued,
    StepError,
    StepEvent,
    StepExecutorContinued,
    StepExecutorPaused,
    StepOutputReview,
    StepPaused,
    StepSkipped,
    StepsWithdrawn,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowError,
    WorkflowRunOutput,
    WorkflowStarted,
)
from interlock_protocol.types import JsonValue, RunStatus

Detail = StepExecutorPaused | StepOutputReview | StepError


class RunState:
    """The state of one run.

    Attributes:
        result: the content of the completed run.
        error: why the run failed, or the reason of its cancellation.
        last_event_index, epoch: of the last event in this state.
    """

    def __init__(self, send: Send, *, last_event_index: int | None = None, epoch: int | None = None) -> None:
        self.status = RunStatus.PENDING
        self.result: JsonValue = None
        self.error: str | None = None
        self.last_event_index = last_event_index
        self.epoch = epoch
        self._send = send
        self._pending: dict[str, Pause] = {}
        self._answered: set[str] = set()
        self._detail: Detail | None = None

    @property
    def pending(self) -> tuple[Pause, ...]:
        return tuple(
            pause
            for each in self._pending.values()
            if each.id not in self._answered and (pause := _without(each, self._answered)) is not None
        )

    def answered(self, ids: Collection[str]) -> None:
        """Hides pauses, or tools of them, that need no answer any more."""
        self._answered.update(ids)

    def apply(self, message: ServerMessage) -> None:
        """Folds one message that the cursor handed on."""
        self._move(message)
        if isinstance(message, WorkflowRunOutput):
            self._replace(message)
        elif isinstance(message, StepEvent):
            self._apply_step(message)
        elif isinstance(message, WorkflowStarted) or (isinstance(message, SignalReceived) and message.resumes):
            self.status = RunStatus.RUNNING
        elif isinstance(message, WorkflowCompleted):
            self._end(RunStatus.COMPLETED)
            self.result = message.content
        elif isinstance(message, WorkflowCancelled):
            self._end(RunStatus.CANCELLED)
            self.error = message.reason
        elif isinstance(message, WorkflowError):
            self._end(RunStatus.ERROR)
            self.error = message.error
        elif isinstance(message, Replay):
            self._end(message.status)
        self._detail = message if isinstance(message, Detail) else None

    def _move(self, message: ServerMessage) -> None:
        if isinstance(message, Gap):
            before = message.next_event_index - 1
            self.epoch, self.last_event_index = message.epoch, before if before >= 0 else None
        elif (index := event_index(message)) is not None:
            self.epoch, self.last_event_index = event_epoch(message), index
        elif isinstance(message, WorkflowRunOutput) and self.last_event_index is None:
            self.epoch, self.last_event_index = message.epoch, message.as_of

    def _apply_step(self, event: StepEvent) -> None:
        if self.status is RunStatus.PENDING:
            self.status = RunStatus.RUNNING
        if isinstance(event, StepPaused):
            pause = paused(event, self._send)
            if self._detail is not None and self._detail.step_id == event.step_id:
                pause = with_detail(pause, self._detail)
            self._pending[pause.id] = pause
        elif isinstance(event, StepContinued | StepExecutorContinued):
            self.status = RunStatus.RUNNING
            self._resolve(event)
        elif isinstance(event, InteractionResponded):
            asked = self._pending.get(event.requirement_id)
            if asked is not None and not event.late:
                self._pending[asked.id] = responded(asked, event)
        elif isinstance(event, StepsWithdrawn):
            for id_ in event.requirement_ids:
                self._pending.pop(id_, None)
        elif isinstance(event, StepCompleted | StepSkipped):
            self._remove_of(event)

    def _replace(self, output: WorkflowRunOutput) -> None:
        whole = [required(requirement, self._send) for requirement in output.step_requirements or ()]
        whole += [failed(requirement, self._send) for requirement in output.error_requirements or ()]
        self.status = output.status
        self._pending = {pause.id: pause for pause in whole}
        self._answered &= self._pending.keys() | {tool.id for pause in whole for tool in pause.tools}
        if output.status.is_final:
            self._end(output.status)
            self.result = output.content

    def _end(self, status: RunStatus) -> None:
        self.status = status
        self._pending.clear()
        self._answered.clear()

    def _resolve(self, event: StepContinued | StepExecutorContinued) -> None:
        pause = self._pending.get(event.requirement_id)
        tools = tools_in(event.decision)
        left = _without(pause, tools) if pause is not None and tools else None
        if left is None:
            self._remove(event.requirement_id)
        else:
            self._pending[left.id] = left
        self._answered -= tools

    def _remove(self, pause_id: str) -> None:
        self._pending.pop(pause_id, None)
        self._answered.discard(pause_id)

    def _remove_of(self, event: StepEvent) -> None:
        """A step that has ended waits for nobody: the branch that it was in may have been ended for it."""
        place = (tuple(event.step_path), event.visit, event.step_id)
        for pause in list(self._pending.values()):
            if (pause.step_path, pause.visit, pause.step_id) == place:
                self._remove(pause.id)


def _without(pause: Pause, tools: Collection[str]) -> Pause | None:
    """The pause without these of its tools; None when it waits for no other."""
    left = tuple(tool for tool in pause.tools if tool.id not in tools)
    if len(left) == len(pause.tools):
        return pause
    return replace(pause, tools=left) if left else None
