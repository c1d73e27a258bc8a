"""A workflow as lists show it, wherever its definition is from."""

from __future__ import annotations

from interlock.definitions.port import Served, ServedStep
from interlock.workflow.declare.inputs import message_schema
from interlock.workflow.declare.nodes import Workflow


def served_of(workflow: Workflow) -> Served:
    """How lists show a workflow."""
    return Served(
        workflow.id,
        workflow.name,
        workflow.description,
        workflow.version,
        message_schema(workflow),
        tuple(ServedStep(node.name, node.kind) for node in workflow.steps),
        workflow.ai_guidance,
        tuple((each.title, each.message) for each in workflow.examples),
    )
