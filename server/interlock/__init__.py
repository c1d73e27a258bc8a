"""Interlock: workflows that wait for a person.

Declaring a workflow needs only this package's base dependencies; `create_app` needs the extra `[server]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interlock.tasks.context import TaskContext
from interlock.tasks.own import task
from interlock.workflow.containers.condition import Condition
from interlock.workflow.containers.graph import Graph
from interlock.workflow.containers.loop import Loop
from interlock.workflow.containers.machine import Halting, Handler, Machine, State, Transition, Wait
from interlock.workflow.containers.map import Map
from interlock.workflow.containers.parallel import Parallel
from interlock.workflow.containers.ports import Ports
from interlock.workflow.containers.race import Race
from interlock.workflow.containers.router import Router
from interlock.workflow.containers.sequence import Steps
from interlock.workflow.declare.business import BusinessTime
from interlock.workflow.declare.errors import DeclarationError, OutputError, TaskFailed
from interlock.workflow.declare.forms import UserInputField
from interlock.workflow.declare.interactions import Interaction
from interlock.workflow.declare.io import CustomEvent, StepInput, StepOutput
from interlock.workflow.declare.links import Link
from interlock.workflow.declare.logic import HttpLogic, Retry, ScriptLogic
from interlock.workflow.declare.nodes import Example, Step, Workflow
from interlock.workflow.declare.policies import All, Chain, Majority, Quorum, Unanimous, all_members, first_responder
from interlock.workflow.declare.reviews import (
    Ask,
    Choose,
    Confirm,
    ErrorReview,
    HumanReview,
    Review,
    Signal,
    ToolReview,
)
from interlock.workflow.declare.widgets import Widget

if TYPE_CHECKING:
    from interlock.app import create_app
    from interlock.engine.upkeep.outbox import PauseNotice

__version__ = "0.1.0"

__all__ = [
    "All",
    "Ask",
    "BusinessTime",
    "Chain",
    "Choose",
    "Condition",
    "Confirm",
    "CustomEvent",
    "DeclarationError",
    "ErrorReview",
    "Example",
    "Graph",
    "Halting",
    "Handler",
    "HttpLogic",
    "HumanReview",
    "Interaction",
    "Link",
    "Loop",
    "Machine",
    "Majority",
    "Map",
    "OutputError",
    "Parallel",
    "PauseNotice",
    "Ports",
    "Quorum",
    "Race",
    "Retry",
    "Review",
    "Router",
    "ScriptLogic",
    "Signal",
    "State",
    "Step",
    "StepInput",
    "StepOutput",
    "Steps",
    "TaskContext",
    "TaskFailed",
    "ToolReview",
    "Transition",
    "Unanimous",
    "UserInputField",
    "Wait",
    "Widget",
    "Workflow",
    "__version__",
    "all_members",
    "create_app",
    "first_responder",
    "task",
]


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from interlock.app import create_app

        return create_app
    if name == "PauseNotice":
        from interlock.engine.upkeep.outbox import PauseNotice

        return PauseNotice
    raise AttributeError(f"module 'interlock' has no attribute {name!r}")
