"""The declaration of a state machine: its states, and the ways between them.

Law: a declaration is data; it is checked when the machine is made.

Source: `docs/machines.md`, "Definitions".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from interlock.workflow.declare.deciding import Asking
from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.logic import Logic, Retry, TextLogic
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Declared
from interlock.workflow.declare.places import is_of_later_pass
from interlock.workflow.declare.widgets import Widget
from interlock_protocol.namespaces import is_topic
from interlock_protocol.types import Join, JsonObject

MAX_THREADS: Final = 10
"""How many threads may run at once beside the main one."""
MAX_DATA_BYTES: Final = 256 * 1024
"""The largest data of a machine, as JSON."""

ENTER: Final = ":enter"
INSTRUCT: Final = ":instruct"
"""What the names of the steps before a state's own have after the state's."""


def state_of_step(name: str) -> str:
    """The state that a step of a machine belongs to."""
    return name.removesuffix(ENTER).removesuffix(INSTRUCT)


@dataclass(frozen=True, slots=True)
class Transition:
    """A way out of a state.

    Args:
        target: the next state.
        condition: a predicate of the data (`docs/machines.md`, "Conditions"); without one, it always holds.
        key: the choice that selects it, where a person chooses.
        description: what the choice is about, for that person.
        label: what it is called in pictures.
        port: the port of a widget's events that leads here.
    """

    target: str
    condition: JsonObject | None = None
    key: str | None = None
    description: str | None = None
    label: str | None = None
    port: str | None = None


@dataclass(frozen=True, slots=True)
class Handler:
    """Where a state goes on if its logic has failed.

    Args:
        codes: the errors that it is for; None means all.
    """

    target: str
    codes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Halting(Asking):
    """What a state asks of a person.

    Args:
        presentation: a form, a choice or a message: see `docs/machines.md`, "Halting".
        instruction: what the person is told instead: `{title?, message}`.
        text: has a model write that message; `instruction` is what is told without one.
        selects: whether the person selects a transition by its key.
        accepts: the JSON Schema of the input, if there is no form.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: the state that follows then; without it, the run is cancelled.
        signal: the topic of the signals that are such input, too. Without a presentation, an instruction and a
            selection, only they are.
        widget: what a person does something in, instead of all that; its props may have templates.
        reminders, escalate, due: what happens while nobody decides: see `docs/approvals.md`.
    """

    presentation: JsonObject | None = None
    instruction: JsonObject | None = None
    text: TextLogic | None = None
    selects: bool = False
    accepts: JsonObject | None = None
    on_timeout: str | None = None
    signal: str | None = None
    widget: Widget | None = None

    def __post_init__(self) -> None:
        others = (self.presentation, self.instruction, self.text, self.accepts, self.selects or None)
        if self.widget is not None and any(each is not None for each in others):
            raise DeclarationError("Halting: a widget is all that is asked; leave the form and the instruction out.")
        if self.signal is not None and not (isinstance(self.signal, str) and is_topic(self.signal)):
            raise DeclarationError("Halting: a signal's topic has 1 to 128 letters and digits of ASCII, _ . : and -.")
        if self.signal is not None and self.policy is not None:
            raise DeclarationError("Halting: a signal would decide what a policy leaves to several; leave one out.")
        if self.signal is not None and (self.distinct_from or self.exclude_starter):
            sentence = "Halting: whoever may not decide could send the signal; leave it, or who may not, out."
            raise DeclarationError(sentence)
        if self.signal is not None and self.bind:
            raise DeclarationError("Halting: a signal sees nothing that it could be bound to; leave one of them out.")
        if not self.asks_people and (self.reminders or self.escalate or self.due is not None):
            raise DeclarationError("Halting: nobody is asked, for only a signal leads on; leave reminders and due out.")

    @property
    def asks_people(self) -> bool:
        """Return True if a person may resume it."""
        is_told = any(each is not None for each in (self.presentation, self.instruction, self.widget))
        return self.signal is None or is_told or self.selects


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a state waits: for some time, or until some time.

    Args:
        seconds: a number of seconds, or one template that gives it.
        until: a date or a time in ISO 8601, or a template that gives it; without an offset it is in UTC.

    Raises:
        DeclarationError: neither or both are given.
    """

    seconds: float | str | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.until is None):
            raise DeclarationError("Wait: give either seconds or until.")


Work: TypeAlias = Declared | Logic


@dataclass(frozen=True, slots=True)
class State:
    """A state of a machine: one with `work`, one that halts, waits or starts threads, or one that ends its thread.

    Args:
        work: a step, a function, a script or a request. The object it returns is merged into the machine's data.
        transitions: the ways out, in order: the first that holds is taken.
        on_enter: a function, a script or a request that runs before the rest of the state.
        on_enter_retry: how often that is tried, if it is a script or a request.
        on_error: where it goes on if its logic fails: the first that fits.
        retry: how often `work` is tried, if it is a script or a request.
        halt: what is asked of a person.
        threads: the threads that start here, each with its first state.
        join: what the state waits for: that `all` threads end, the first of `any`, or `none`.
        is_terminal: whether its thread ends here.
        description: what the state is for.
        wait: how long it waits before it goes on.
    """

    work: Work | None = None
    transitions: Sequence[Transition] = ()
    on_enter: Work | None = None
    on_enter_retry: Retry | None = None
    on_error: Sequence[Handler] = ()
    retry: Retry | None = None
    halt: Halting | None = None
    threads: Mapping[str, str] | None = None
    join: Join = "all"
    is_terminal: bool = False
    description: str | None = None
    wait: Wait | None = None

    def targets(self) -> Iterator[str]:
        """Yield every state that may follow in the same thread."""
        yield from (each.target for each in self.transitions)
        yield from (each.target for each in self.on_error)
        if self.halt is not None and self.halt.on_timeout is not None:
            yield self.halt.on_timeout


def begun_by(states: Mapping[str, State], name: str) -> list[str]:
    """The threads that begin when a state is entered: its own, and those of the states that these begin in."""
    found: list[str] = []
    for thread, first in (states[name].threads or {}).items():
        found += [f"thread_{thread}", *begun_by(states, first)]
    return found


def check(states: Mapping[str, State], initial: str, *, place: str) -> None:
    if initial not in states:
        raise DeclarationError(f"{place}: there is no state {initial!r} to begin in.")
    for name, state in states.items():
        _check_state(name, state, place=f"{place}, state {name!r}")
        for target in (*state.targets(), *(state.threads or {}).values()):
            if target not in states:
                raise DeclarationError(f"{place}, state {name!r}: there is no state {target!r} to go to.")
    _check_threads(states, place=place)


def _check_threads(states: Mapping[str, State], *, place: str) -> None:
    started = [thread for state in states.values() for thread in state.threads or ()]
    for name, state in states.items():
        for thread in state.threads or ():
            if started.count(thread) > 1 or thread == "main":
                raise DeclarationError(f"{place}, state {name!r}: the thread {thread!r} needs a name of its own.")
            if is_of_later_pass(thread, started):
                raise DeclarationError(
                    f"{place}, state {name!r}: another thread is called {thread!r} when it begins again; rename one."
                )
        twice = _begun_twice(states, name)
        if twice is not None:
            raise DeclarationError(f"{place}, state {name!r}: its threads begin in {twice!r} twice.")
        count = len(begun_by(states, name))
        if count > MAX_THREADS:
            raise DeclarationError(
                f"{place}, state {name!r}: {count} threads begin at once, and {MAX_THREADS} may run."
            )


def _begun_twice(states: Mapping[str, State], name: str) -> str | None:
    """The state with threads that would be entered twice at once when this one is; None if there is none."""
    seen: set[str] = set()
    left = [name]
    while left:
        each = left.pop()
        if states[each].threads:
            if each in seen:
                return each
            seen.add(each)
            left += [first for first in (states[each].threads or {}).values() if first in states]
    return None


def _check_state(name: str, state: State, *, place: str) -> None:
    if not name or name.endswith((ENTER, INSTRUCT)):
        raise DeclarationError(f"{place}: a state needs a name that doesn't end with {ENTER!r} or {INSTRUCT!r}.")
    kinds = (state.work, state.halt, state.threads, state.wait)
    if sum(each is not None for each in kinds) + state.is_terminal > 1:
        raise DeclarationError(f"{place} is one of these: it works, halts, waits, starts threads, or is terminal.")
    if isinstance(state.work, Node) and state.work.name != name:
        raise DeclarationError(f"{place}: its step is called {state.work.name!r}; give it the state's name.")
    if isinstance(state.on_enter, Node):
        raise DeclarationError(f"{place}: on_enter is a function, a script or a request.")
    if state.is_terminal == bool(state.transitions):
        raise DeclarationError(f"{place}: a state has transitions, or is terminal.")
    if state.threads is not None and not 1 <= len(state.threads) <= MAX_THREADS:
        raise DeclarationError(f"{place}: it may start 1 to {MAX_THREADS} threads, not {len(state.threads)}.")
    has_widget = state.halt is not None and state.halt.widget is not None
    if not has_widget and any(each.port is not None for each in state.transitions):
        raise DeclarationError(f"{place}: a transition's port is for a state that halts with a widget.")
    if state.join not in ("all", "any", "none"):
        raise DeclarationError(f"{place}: join is all, any or none, not {state.join!r}.")
