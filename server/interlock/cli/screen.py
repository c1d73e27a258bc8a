"""A run on a terminal: step names, tokens as they come, how long things took; and one open question at a time.

Laws:
- A token is written as it comes, on the line of its step. When another step speaks, it gets a line of its own, with
  its name in front.
- While a question is open, whole lines are written above it and it is shown again; tokens wait for their line's end.
- Nothing that a workflow says is taken as markup.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from interlock.cli.words import decided, depth, duration, harmless, in_full, in_short, question, title
from interlock_client import Pause
from interlock_protocol.messages import (
    ConditionExecutionStarted,
    CustomEvent,
    Gap,
    LoopIterationStarted,
    ParallelExecutionCompleted,
    ParallelExecutionStarted,
    RouterExecutionStarted,
    RunResponseContentEvent,
    ServerMessage,
    StepCompleted,
    StepContinued,
    StepError,
    StepEvent,
    StepExecutorContinued,
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
        self._streamed: set[_Key] = set()
        self._held: dict[_Key, str] = {}
        self._parallels: dict[tuple[Any, ...], None] = {}
        self._question: str | None = None
        self._last_content: JsonValue = None

    # ── Lines ───────────────────────────────────────────────────────────────────────────────────────────

    def line(self, text: str, style: str = "", *, indent: int = 0) -> None:
        """A line of its own."""
        self._end_line()
        self._lift_question()
        for part in harmless(text).split("\n"):
            self._write("  " * indent + part + "\n", style)
        self._show_question()

    def note(self, text: str) -> None:
        """A dim line about the connection rather than the run."""
        self.line(text, "dim")
        self._last = None

    def ask(self, prompt: str) -> None:
        """Shows a question and leaves the cursor behind it."""
        self._end_line()
        self._question = harmless(prompt)
        self._show_question()

    def answered(self, *, typed: bool) -> None:
        """The question is closed. `typed` on a terminal means that its line has been ended by the person."""
        if self._question is not None and not (typed and self._console.is_terminal):
            self._write("\n")
        self._question = None
        for key, text in list(self._held.items()):
            del self._held[key]
            self._stream(key, "", 0, text)

    def _write(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), end="", soft_wrap=True)

    def _end_line(self) -> None:
        if self._open is not None:
            self._write("\n")
            self._open = None

    def _lift_question(self) -> None:
        if self._question is not None:
            self._console.file.write("\r\x1b[K" if self._console.is_terminal else "\n")

    def _show_question(self) -> None:
        if self._question is not None:
            self._write(self._question, "bold")
            self._console.file.flush()

    # ── Events ──────────────────────────────────────────────────────────────────────────────────────────

    def show(self, event: ServerMessage) -> None:
        """Writes what an event means to a person; some mean nothing."""
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
        elif (words := _STEP_WORDS.get(type(event))) is not None:
            text, style = words(event)
            self._step_line(event, text, style)
        elif isinstance(event, StepContinued | StepExecutorContinued):
            self._step_line(event, f"→ {title(event)}: {decided(event, self.me)}", "cyan")
        if isinstance(event, ParallelExecutionStarted):
            self._parallels[tuple(event.step_path)] = None
        elif isinstance(event, ParallelExecutionCompleted):
            self._parallels.pop(tuple(event.step_path), None)

    def _completed(self, event: StepCompleted, key: _Key) -> None:
        self._last_content = event.content
        if key not in self._streamed and event.content not in (None, ""):
            for part in in_full(event.content).split("\n"):
                self._step_line(event, f"  {part}", "")
        self._streamed.discard(key)
        self._step_line(event, f"✓ {title(event)}  {duration(event.duration_ms)}", "green")

    def _step_line(self, event: StepEvent, text: str, style: str) -> None:
        self.line(self._branch(event) + text, style, indent=depth(event.step_path))
        self._last = (event.step_id, event.visit)

    def _branch(self, event: StepEvent) -> str:
        """The name of the parallel branch that the step is in, if it isn't the step's own."""
        path = tuple(event.step_path)
        for parallel in self._parallels:
            if path[: len(parallel)] == parallel and len(path) > len(parallel) + 1:
                return f"[{path[len(parallel)]}] "
        return ""

    # ── Tokens ──────────────────────────────────────────────────────────────────────────────────────────

    def _content(self, event: RunResponseContentEvent) -> None:
        key = (event.step_id, event.visit)
        self._streamed.add(key)
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
        """What waited for its line's end while a question was open: nothing more will come to this line."""
        if (text := self._held.pop(key, "")) and self._question is not None:
            self.line(f"{title(event)} │ {text}", indent=depth(event.step_path) + 1)

    def pause(self, pause: Pause) -> None:
        """What a pause is about, above its question."""
        if pause.error:
            self.line(f"  {pause.error}", "red", indent=depth(pause.step_path))
        if pause.output not in (None, "") and pause.output != self._last_content:
            self.line(in_full(_content_of(pause.output)), indent=depth(pause.step_path) + 1)
        if pause.timeout_at:
            self.line(f"  to be answered before {pause.timeout_at}", "dim", indent=depth(pause.step_path))
        self.line(question(pause), "bold")


def _content_of(output: JsonValue) -> JsonValue:
    """The content of a step's output, which travels with what is known about it."""
    return output.get("content", output) if isinstance(output, dict) else output


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


_RUN_WORDS: dict[type[ServerMessage], _Words] = {
    WorkflowStarted: lambda event: (f"{event.workflow_name or event.workflow_id}  run {event.run_id}", "bold"),
    WorkflowCompleted: _completed,
    WorkflowCancelled: lambda event: (f"Cancelled{f': {event.reason}' if event.reason else ''}.", "bold yellow"),
    WorkflowError: lambda event: (f"Failed: {event.error} ({event.error_type})", "bold red"),
    WorkflowRecovered: lambda event: ("taken over by another process; interrupted steps begin again", "dim"),
    Gap: lambda event: (
        f"events {event.requested_event_index} to {event.next_event_index - 1} are gone; this is where it stands",
        "dim",
    ),
}

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
    ConditionExecutionStarted: lambda event: (
        f"◇ {event.step_name}  {str(event.condition_result).lower()}",
        "bold",
    ),
    RouterExecutionStarted: lambda event: (f"⇢ {event.step_name}  {', '.join(event.selected_steps)}", "bold"),
    ToolCallStarted: _tool,
    ToolCallCompleted: lambda event: (f"  ⚒ {event.tool.tool_name}: {in_short(event.tool.result)}", "dim"),
    ToolCallError: lambda event: (f"  ⚒ {event.tool.tool_name} failed: {in_short(event.tool.result)}", "red"),
    CustomEvent: lambda event: (f"  {event.name}: {in_short(event.data)}", "dim"),
}
