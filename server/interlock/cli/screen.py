"""Shows a run in a terminal: step names, streamed tokens, durations; and one open question at a time.

Laws:
- A token is written as it arrives, on its step's line. If another step streams, it gets its own line, prefixed with its
  name.
- While a question is open, whole lines are written above it, and it is shown again; tokens wait until their line ends.
- On a terminal, the time left for an answer counts down in a line above its question.
- While an editor has the terminal, output is held back.
- A workflow's text is never interpreted as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from interlock.cli.words import (
    deadline,
    decided,
    depth,
    duration,
    harmless,
    in_full,
    in_short,
    question,
    remaining,
    title,
)
from interlock_client import Pause, ToolCall
from interlock_client.tools import waiting
from interlock_protocol.messages import (
    ConditionExecutionStarted,
    CustomEvent,
    Gap,
    GraphExecutionCompleted,
    GraphExecutionStarted,
    LoopIterationStarted,
    MapExecutionCompleted,
    MapExecutionStarted,
    ParallelExecutionCompleted,
    ParallelExecutionStarted,
    PortsExecutionStarted,
    RaceExecutionCompleted,
    RaceExecutionStarted,
    RouterExecutionStarted,
    RunResponseContentEvent,
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
    StepStarted,
    ToolCallCompleted,
    ToolCallError,
    ToolCallStarted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowError,
    WorkflowRecovered,
    WorkflowStarted,
)
from interlock_protocol.types import JsonValue

_Key = tuple[str, int]


class Screen:
    """Writes a run to a console."""

    def __init__(self, console: Console, me: str | None = None) -> None:
        self.me = me
        self._console = console
        self._open: _Key | None = None  # the step whose tokens are on the current, unfinished line
        self._last: _Key | None = None  # the step that the last line is about
        self._tokens: dict[_Key, list[str]] = {}  # the text that each running step has streamed
        self._reviewed: dict[_Key, JsonValue] = {}  # the outputs that were shown for a review
        self._tools: dict[str, str] = {}  # the names of pending tools, by id
        self._held: dict[_Key, str] = {}
        self._parallels: dict[tuple[Any, ...], None] = {}
        self._question: str | None = None
        self._until: datetime | None = None
        self._countdown: str | None = None  # the text shown above the question
        self._aside: list[tuple[str, str]] | None = None  # output held back while an editor is open
        self._last_content: JsonValue = None
        self._last_error: str | None = None

    # ── Lines ───────────────────────────────────────────────────────────────────────────────────────────

    def line(self, text: str, style: str = "", *, indent: int = 0) -> None:
        """Write a separate line."""
        self._end_line()
        self._lift_question()
        for part in harmless(text).split("\n"):
            self._write("  " * indent + part + "\n", style)
        self._show_question()

    def note(self, text: str) -> None:
        """Write a dim line about the connection rather than the run."""
        self.line(text, "dim")
        self._last = None

    def ask(self, prompt: str, until: datetime | None = None) -> None:
        """Show a question and leave the cursor behind it.

        Args:
            until: the deadline for an answer.
        """
        self._end_line()
        self._question = harmless(prompt)
        self._until = until if self._console.is_terminal else None
        self._show_question()

    def tick(self) -> None:
        """Update the countdown."""
        left = self._time_left()
        if left is not None and left != self._countdown:
            self._countdown = left
            self._console.file.write("\x1b7\x1b[A\r\x1b[K")
            self._write(left, "dim")
            self._console.file.write("\x1b8")
            self._console.file.flush()

    def _time_left(self) -> str | None:
        if self._question is None or self._until is None:
            return None
        return f"{remaining((self._until - datetime.now(UTC)).total_seconds())} left"

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Hold all output back while an editor has the terminal."""
        self._aside = []
        try:
            yield
        finally:
            kept, self._aside = self._aside, None
            for text, style in kept:
                self._write(text, style)
            self._console.file.flush()

    def answered(self, *, typed: bool) -> None:
        """Close the question. `typed` on a terminal means that the person has ended its line."""
        if self._question is not None and not (typed and self._console.is_terminal):
            self._write("\n")
        self._question = self._until = self._countdown = None
        for key, text in list(self._held.items()):
            del self._held[key]
            self._stream(key, "", 0, text)

    def _write(self, text: str, style: str = "") -> None:
        if self._aside is not None:
            self._aside.append((text, style))
            return
        self._console.print(Text(text, style), end="", soft_wrap=True)

    def _end_line(self) -> None:
        if self._open is not None:
            self._write("\n")
            self._open = None

    def _lift_question(self) -> None:
        if self._question is not None:
            self._console.file.write("\r\x1b[K" if self._console.is_terminal else "\n")
        if self._countdown is not None:
            self._console.file.write("\x1b[A\x1b[K")
            self._countdown = None

    def _show_question(self) -> None:
        if self._question is not None:
            self._countdown = self._time_left()
            if self._countdown is not None:
                self._write(f"{self._countdown}\n", "dim")
            self._write(self._question, "bold")
            self._console.file.flush()

    # ── Events ──────────────────────────────────────────────────────────────────────────────────────────

    def show(self, event: ServerMessage) -> None:
        """Write what an event means to a person; some events are not shown."""
        if isinstance(event, RunResponseContentEvent):
            self._content(event)
        elif isinstance(event, StepEvent):
            self._step(event)
        elif (words := _RUN_WORDS.get(type(event))) is not None:
            text, style = words(event)
            self.line(text, style)
            if isinstance(event, WorkflowCompleted) and event.content not in (None, "", self._last_content):
                self.line(in_full(event.content))

    def _step(self, event: StepEvent) -> None:
        key = (event.step_id, event.visit)
        self._release(key, event)
        if isinstance(event, StepCompleted):
            self._completed(event, key)
        elif isinstance(event, StepOutputReview):
            self._to_review(event, key)
        elif (words := _STEP_WORDS.get(type(event))) is not None:
            text, style = words(event)
            self._step_line(event, text, style)
        elif isinstance(event, StepContinued | StepExecutorContinued):
            self._step_line(event, f"→ {title(event)}: {decided(event, self.me, self._tools)}", "cyan")
        if isinstance(event, StepStarted):
            self._tokens.pop(key, None)
            self._reviewed.pop(key, None)
        elif isinstance(event, StepError):
            self._last_error = event.error
        elif isinstance(event, StepExecutorPaused):
            self._tools.update((tool.id, tool.name) for tool in waiting(event.executor_requirements))
        if isinstance(event, _AT_ONCE):
            self._parallels[tuple(event.step_path)] = None
        elif isinstance(event, _NO_MORE):
            self._parallels.pop(tuple(event.step_path), None)

    def _completed(self, event: StepCompleted, key: _Key) -> None:
        self._output(event, key, event.content)
        self._reviewed.pop(key, None)
        self._step_line(event, f"✓ {title(event)}  {duration(event.duration_ms)}", "green")

    def _to_review(self, event: StepOutputReview, key: _Key) -> None:
        # A container's output was just written as the output of its last step.
        if event.step_output != self._last_content:
            self._output(event, key, event.step_output)
        self._reviewed[key] = self._last_content = event.step_output
        if event.success is False:
            self._step_line(event, f"! {event.error or 'the step calls this a failure'}", "red")

    def _output(self, event: StepEvent, key: _Key, content: JsonValue) -> None:
        """Write a step's output, unless it was already written."""
        streamed = "".join(self._tokens.pop(key, ()))
        if content not in (None, "", streamed, self._reviewed.get(key)):
            for part in in_full(content).split("\n"):
                self._step_line(event, f"  {part}", "")
        self._last_content = content

    def _step_line(self, event: StepEvent, text: str, style: str) -> None:
        self.line(self._branch(event) + text, style, indent=depth(event.step_path))
        self._last = (event.step_id, event.visit)

    def _branch(self, event: StepEvent) -> str:
        """Return the name of the parallel branch that the step is in, if the step isn't the branch itself."""
        path = tuple(event.step_path)
        for parallel in self._parallels:
            if path[: len(parallel)] == parallel and len(path) > len(parallel) + 1:
                return f"[{path[len(parallel)]}] "
        return ""

    # ── Tokens ──────────────────────────────────────────────────────────────────────────────────────────

    def _content(self, event: RunResponseContentEvent) -> None:
        key = (event.step_id, event.visit)
        self._tokens.setdefault(key, []).append(event.content)
        indent = depth(event.step_path) + 1
        label = f"{self._branch(event)}{title(event)} │ "
        if self._question is None:
            self._stream(key, label, indent, event.content)
            return
        whole, newline, rest = (self._held.pop(key, "") + event.content).rpartition("\n")
        if newline:
            self.line(label + whole, indent=indent)
        self._held[key] = rest

    def _stream(self, key: _Key, label: str, indent: int, text: str) -> None:
        if not text:
            return
        margin = "  " * indent
        for part in harmless(text).splitlines(keepends=True):
            if self._open != key:
                self._end_line()
                self._write(margin if self._last == key else margin + label)
            self._write(part)
            self._last = key
            self._open = None if part.endswith("\n") else key
        self._console.file.flush()

    def _release(self, key: _Key, event: StepEvent) -> None:
        """Write a held line of tokens, because no more tokens will come for it."""
        if (text := self._held.pop(key, "")) and self._question is not None:
            self.line(f"{title(event)} │ {text}", indent=depth(event.step_path) + 1)

    def pause(self, pause: Pause) -> None:
        """Write what a pause is about, above its question."""
        indent = depth(pause.step_path) + 1
        if pause.error and pause.error != self._last_error:
            self.line(pause.error, "red", indent=indent)
        if pause.output not in (None, "") and pause.output != self._last_content:
            self.line(in_full(pause.output), indent=indent)
        if pause.retry_count and pause.max_retries is not None:
            self.line(f"sent back {pause.retry_count} of at most {pause.max_retries} times", "dim", indent=indent)
        if (when := deadline(pause, datetime.now(UTC))) is not None:
            self.line(when, "dim", indent=indent)
        self.line(question(pause), "bold")

    def tool(self, tool: ToolCall) -> None:
        """Write a pending tool call with all its arguments."""
        self.line(f"⚒ {tool.name}", "bold", indent=1)
        for name, value in tool.args.items():
            first, *rest = in_full(value).split("\n")
            self.line("\n".join([f"{name}: {first}", *(f"  {each}" for each in rest)]), indent=2)


_Words = Callable[[Any], tuple[str, str]]


def _completed(event: WorkflowCompleted) -> tuple[str, str]:
    took = event.metrics.get("duration_ms")
    return ("Completed." if took is None else f"Completed in {duration(took)}."), "bold green"


def _error(event: StepError) -> tuple[str, str]:
    again = "; trying again" if event.will_retry else ""
    return f"✗ {title(event)}: {event.error} ({event.error_type}){again}", "yellow" if event.will_retry else "red"


def _tool(event: ToolCallStarted) -> tuple[str, str]:
    arguments = ", ".join(f"{name}={in_short(value, 60)}" for name, value in (event.tool.tool_args or {}).items())
    return f"  ⚒ {event.tool.tool_name}({arguments})", "dim"


def _why(event: ToolCallError) -> str:
    return in_short((event.tool.model_extra or {}).get("error", event.tool.result))


_RUN_WORDS: dict[type[ServerMessage], _Words] = {
    WorkflowStarted: lambda event: (f"{event.workflow_name or event.workflow_id}  run {event.run_id}", "bold"),
    WorkflowCompleted: _completed,
    WorkflowCancelled: lambda event: (f"Cancelled{f': {event.reason}' if event.reason else ''}.", "bold yellow"),
    WorkflowError: lambda event: (f"Failed: {event.error} ({event.error_type})", "bold red"),
    SignalReceived: lambda event: (f"⚡ signal {event.topic} from {event.sent_by}", "cyan"),
    WorkflowRecovered: lambda event: ("taken over by another process; interrupted steps begin again", "dim"),
    Gap: lambda event: (
        f"events {event.requested_event_index} to {event.next_event_index - 1} are gone; this is where it stands",
        "dim",
    ),
}

_AT_ONCE = (ParallelExecutionStarted, RaceExecutionStarted, GraphExecutionStarted, MapExecutionStarted)
_NO_MORE = (ParallelExecutionCompleted, RaceExecutionCompleted, GraphExecutionCompleted, MapExecutionCompleted)
"""The beginnings and ends of containers in which several steps run at once."""

_STEP_WORDS: dict[type[ServerMessage], _Words] = {
    StepStarted: lambda event: (
        f"● {title(event)}" + (f"  (attempt {event.attempt})" if event.attempt > 1 else ""),
        "bold",
    ),
    StepSkipped: lambda event: (f"↷ {title(event)}  skipped ({event.reason})", "dim"),
    StepError: _error,
    StepPaused: lambda event: (f"⏸ {title(event)}", "magenta"),
    LoopIterationStarted: lambda event: (
        f"⟳ {event.step_name}  {event.iteration} of at most {event.max_iterations}",
        "bold",
    ),
    ParallelExecutionStarted: lambda event: (f"∥ {event.step_name}  {event.parallel_step_count} at once", "bold"),
    PortsExecutionStarted: lambda event: (f"◇ {event.step_name}  {event.port or 'no port'}", "bold"),
    MapExecutionStarted: lambda event: (f"◇ {event.step_name}  {event.item_count} items", "bold"),
    MapExecutionCompleted: lambda event: (f"◆ {event.step_name}", "bold"),
    GraphExecutionStarted: lambda event: (f"◇ {event.step_name}  {event.task_count} tasks", "bold"),
    GraphExecutionCompleted: lambda event: (f"◆ {event.step_name}", "bold"),
    RaceExecutionStarted: lambda event: (f"⚑ {event.step_name}  {event.race_step_count} in a race", "bold"),
    RaceExecutionCompleted: lambda event: (f"⚑ {event.step_name}  won by {event.winner or 'nobody'}", "bold"),
    ConditionExecutionStarted: lambda event: (
        f"◇ {event.step_name}  {str(event.condition_result).lower()}",
        "bold",
    ),
    RouterExecutionStarted: lambda event: (f"⇢ {event.step_name}  {', '.join(event.selected_steps)}", "bold"),
    ToolCallStarted: _tool,
    ToolCallCompleted: lambda event: (f"  ⚒ {event.tool.tool_name}: {in_short(event.tool.result)}", "dim"),
    ToolCallError: lambda event: (f"  ⚒ {event.tool.tool_name} failed: {_why(event)}", "red"),
    CustomEvent: lambda event: (f"  {event.name}: {in_short(event.data)}", "dim"),
}
