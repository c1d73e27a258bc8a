"""State machines.

Source: `docs/machines.md`.
"""

from interlock.workflow.containers.machine.declaration import ENTER, Halting, Handler, State, Transition
from interlock.workflow.containers.machine.halt import Answer, Halt
from interlock.workflow.containers.machine.machine import MAIN, Machine, Progress, changes_of
from interlock.workflow.containers.machine.thread import Position, Thread

__all__ = [
    "ENTER",
    "MAIN",
    "Answer",
    "Halt",
    "Halting",
    "Handler",
    "Machine",
    "Position",
    "Progress",
    "State",
    "Thread",
    "Transition",
    "changes_of",
]
