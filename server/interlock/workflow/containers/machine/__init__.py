"""State machines.

Source: `docs/machines.md`.
"""

from interlock.workflow.containers.machine.declaration import (
    ENTER,
    INSTRUCT,
    Halting,
    Handler,
    State,
    Transition,
    Wait,
    state_of_step,
)
from interlock.workflow.containers.machine.halt import Answer, Halt
from interlock.workflow.containers.machine.machine import MAIN, Machine, Progress, changes_of
from interlock.workflow.containers.machine.thread import Position, Thread
from interlock.workflow.containers.machine.wait import Waiting

__all__ = [
    "ENTER",
    "INSTRUCT",
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
    "Wait",
    "Waiting",
    "changes_of",
    "state_of_step",
]
