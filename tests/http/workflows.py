"""What the tests of HTTP run: the workflows of the socket's tests, and one that says what it takes."""

from __future__ import annotations

from pydantic import BaseModel
from tests.socket import workflows as of_the_socket

from interlock import StepInput, Workflow


class Order(BaseModel):
    """What the workflow `order` takes."""

    item: str
    count: int = 1


async def place(step_input: StepInput) -> str:
    order = step_input.input
    assert isinstance(order, Order)
    return f"{order.count} {order.item}"


workflows = [
    *of_the_socket.workflows,
    Workflow("order", steps=[place], input_schema=Order),
]
