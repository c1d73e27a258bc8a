"""What a state machine is to do, written a second time: as plainly as `docs/machines.md` says it, with threads as
objects and no log, no walk and no containers. A test plays the same moves on both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock import State

Data = dict[str, Any]


@dataclass
class Line:
    """A thread: where it is, and what is left to do there. The second of a declaration is `thread_…_2`."""

    declared: str
    name: str
    state: str
    parent: Line | None = None
    todo: list[str] = field(default_factory=list)
    status: str = "running"
    failed: tuple[str, str] | None = None
    started: list[Line] | None = None
    input: Data | None = None

    @property
    def is_live(self) -> bool:
        return self.status == "running"


class Model:
    """One machine that runs.

    Attributes:
        status: running, completed or failed; `error` is then the code.
    """

    def __init__(self, states: Mapping[str, State], initial: str, given: Data) -> None:
        self.states = states
        self.given = given
        self.data: Data = {}
        self.status = "running"
        self.error: str | None = None
        self.automatic = 0
        self.begun: Counter[str] = Counter()
        self.main = Line("main", "thread_main", initial)
        self.beside: list[Line] = []
        self._arrive(self.main, initial)
        self._settle()

    # --- what a test sees ---

    def lines(self) -> Iterator[Line]:
        """The threads that are alive."""
        left = [self.main, *self.beside]
        while left:
            line = left.pop(0)
            if line.is_live:
                yield line
                left.extend(line.started or ())

    def work(self) -> set[tuple[str, str]]:
        """The logic that is to run, as (thread, step)."""
        if self.status != "running":
            return set()
        live = (line for line in self.lines() if line.todo and line.failed is None)
        return {(line.name, line.todo[0]) for line in live if not self._asks(line) and not self._waits(line)}

    def halts(self) -> set[tuple[str, str]]:
        """The halts that wait, as (thread, state)."""
        if self.status != "running":
            return set()
        return {(line.name, line.state) for line in self.lines() if line.failed is None and self._asks(line)}

    def waits(self) -> set[tuple[str, str]]:
        """The states that wait for their time, as (thread, state)."""
        if self.status != "running":
            return set()
        return {(line.name, line.state) for line in self.lines() if line.failed is None and self._waits(line)}

    # --- what happens ---

    def returned(self, thread: str, value: Data) -> None:
        line = self._line(thread)
        step = line.todo.pop(0)
        if step.endswith(":enter") or self.states[line.state].threads is not None:
            self.data = {**self.data, **value}
        else:
            self._leave(line, value, "automatic")
        self._settle()

    def raised(self, thread: str, code: str) -> None:
        line = self._line(thread)
        if self.states[line.state].is_terminal:
            line.todo.clear()
        else:
            line.failed = (code, line.state)
        self._settle()

    def takes(self, thread: str, given: Data) -> bool:
        """Whether this input fits a transition of the halt."""
        line = self._line(thread)
        return self._way(line, {**self.data, **given}) is not None

    def resumed(self, thread: str, given: Data) -> None:
        line = self._line(thread)
        line.todo.clear()
        line.input = given
        self._leave(line, given, "resume")
        self._settle()

    def woken(self, thread: str) -> None:
        line = self._line(thread)
        line.todo.clear()
        self._leave(line, {}, "timeout")
        self._settle()

    # --- rules ---

    def _line(self, thread: str) -> Line:
        return next(line for line in self.lines() if line.name == thread)

    def _asks(self, line: Line) -> bool:
        return self.states[line.state].halt is not None and line.todo == [line.state]

    def _waits(self, line: Line) -> bool:
        return self.states[line.state].wait is not None and line.todo == [line.state]

    def _arrive(self, line: Line, state: str) -> None:
        there = self.states[state]
        line.state, line.started, line.failed = state, None, None
        line.todo = [f"{state}:enter"] if there.on_enter is not None else []
        if there.work is not None or there.halt is not None or there.wait is not None:
            line.todo.append(state)

    def _way(self, line: Line, data: Data) -> str | None:
        for way in self.states[line.state].transitions:
            if way.condition is None or data.get(str(way.condition["field"])) == way.condition["equals"]:
                return way.target
        return None

    def _leave(self, line: Line, value: Data, trigger: str, to: str | None = None) -> None:
        data = {**self.data, **value}
        target = to or self._way(line, data)
        if target is None:
            self._fail("invalid_transition")
            return
        if trigger in ("automatic", "error") and self.automatic >= 1000:
            self._fail("transition_limit")
            return
        if not self._running(line).isdisjoint(self._begins(target)):
            self._fail("threads_running")
            return
        begins = self._begins(target)
        if begins and len(self._running(line) - {"main"}) + len(begins) > 10:
            self._fail("thread_limit")
            return
        self.data = data
        self.automatic = 0 if trigger in ("resume", "timeout") else self.automatic + 1
        self._arrive(line, target)

    def _begins(self, state: str) -> set[str]:
        """The threads that begin when a state is entered, and when these begin."""
        threads = self.states[state].threads or {}
        inner = (self._begins(first) for first in threads.values())
        return set(threads).union(*inner)

    def _running(self, leaving: Line) -> set[str]:
        """The threads that are alive, or about to begin where another one is."""
        alive = list(self.lines())
        waiting = (each for each in alive if each is not leaving and each.started is None)
        return {each.declared for each in alive}.union(*(self._begins(each.state) for each in waiting))

    def _fail(self, code: str) -> None:
        self.status, self.error = "failed", code

    def _settle(self) -> None:
        while self.status == "running" and any(self._step(line) for line in list(self.lines())):
            pass

    def _step(self, line: Line) -> bool:
        """One thing that follows by itself; False if nothing does."""
        state = self.states[line.state]
        if line.failed is not None:
            return self._failed(line)
        if line.todo:
            return False
        if state.is_terminal:
            line.status = "completed"
            if not self.main.is_live and not any(each.is_live for each in self.beside):
                self.status = "completed"
            return True
        if state.threads is None:
            self._leave(line, {}, "automatic")
            return True
        return self._joined(line, state)

    def _joined(self, line: Line, state: State) -> bool:
        assert state.threads is not None
        if line.started is None:
            line.started = [self._begun(name, first, line) for name, first in state.threads.items()]
            for each in line.started:
                self._arrive(each, each.state)
            if state.join == "none":
                for each in line.started:
                    each.parent = None
                self.beside += line.started
                self._leave(line, {}, "automatic")
            return True
        ended = [each for each in line.started if each.status == "completed"]
        if state.join == "any" and ended:
            for each in line.started:
                self._withdraw(each)
            self._leave(line, {}, "automatic")
            return True
        if len(ended) == len(line.started):
            self._leave(line, {}, "automatic")
            return True
        return False

    def _begun(self, thread: str, first: str, parent: Line) -> Line:
        self.begun[thread] += 1
        number = self.begun[thread]
        return Line(thread, f"thread_{thread}" + (f"_{number}" if number > 1 else ""), first, parent)

    def _failed(self, line: Line) -> bool:
        assert line.failed is not None
        code = line.failed[0]
        handler = next(
            (each for each in self.states[line.state].on_error if not each.codes or code in each.codes), None
        )
        if handler is not None:
            for each in line.started or ():
                self._withdraw(each)
            error = {"error": {"code": code, "message": f"{code}!", "state": line.state}}
            self._leave(line, error, "error", handler.target)
            return True
        if line.parent is None:
            self._fail(code)
            return True
        siblings = line.parent.started or []
        if self.states[line.parent.state].join == "any" and any(
            each.is_live and each.failed is None for each in siblings
        ):
            return False
        for each in siblings:
            self._withdraw(each)
        first = min((each for each in siblings if each.failed is not None), key=siblings.index)
        line.parent.failed = first.failed
        self._failed(line.parent)  # at once: what handles it counts before another thread's failure
        return True

    def _withdraw(self, line: Line) -> None:
        for each in line.started or ():
            self._withdraw(each)
        if line.is_live:
            line.status = "withdrawn"
