"""An expense report is reviewed item by item, in a widget, and paid, refused, or sent back."""

from __future__ import annotations

from typing import Any

from interlock import Example, Ports, Step, StepInput, Widget, Workflow

REPORT: dict[str, Any] = {
    "title": "Conference in Lisbon",
    "employee": "Ada",
    "currency": "EUR",
    "items": [
        {"id": "item-1", "description": "Hotel, 3 nights", "amount": 450.00, "date": "2026-05-20"},
        {"id": "item-2", "description": "Train to the airport", "amount": 29.90, "date": "2026-05-19"},
        {"id": "item-3", "description": "Minibar", "amount": 18.50, "date": "2026-05-21", "flag": "Without a receipt"},
    ],
}
"""What is reviewed where a run begins without a report of its own."""

MONEY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approvedItems": {"type": "array", "items": {"type": "object", "required": ["id", "amount"]}},
        "totalApproved": {"type": "number", "minimum": 0},
        "notes": {"type": "string", "maxLength": 2000},
    },
    "required": ["approvedItems", "totalApproved"],
}


def collect(step_input: StepInput) -> dict[str, Any]:
    """The report that a run began with."""
    given = step_input.input
    return given if isinstance(given, dict) and given.get("items") else REPORT


def report(step_input: StepInput) -> Any:
    """What the widget is shown with."""
    return step_input.previous_step_content


def pay(step_input: StepInput) -> str:
    """What is paid is added up here: what comes from a page is no bill."""
    review: Any = step_input.get_step_content("review")
    amounts = {each["id"]: each["amount"] for each in step_input.get_step_content("collect")["items"]}
    total = sum(amounts.get(each["id"], 0) for each in review["approvedItems"])
    return f"Paid {total:.2f}, approved by {review['_interactedBy']}."


def refuse(_: StepInput) -> str:
    return "Nothing is paid."


def send_back(step_input: StepInput) -> str:
    review: Any = step_input.get_step_content("review")
    return f"Sent back: {review['notes']}"


workflow = Workflow(
    "expense-review",
    description="Reviews an expense report item by item, in a widget.",
    examples=[Example("A trip to the coast", "")],
    steps=[
        Step("collect", collect),
        Step(
            "review",
            widget=Widget(
                "expense-review",
                props=report,
                ports={"approve": "approved", "reject": "rejected", "requestAmendment": "amendment"},
                schema={"approve": MONEY},
                message="Check the items of this report.",
            ),
        ),
        Ports(
            "settle",
            {
                "approved": [Step("pay", pay)],
                "rejected": [Step("refuse", refuse)],
                "amendment": [Step("send_back", send_back)],
            },
        ),
    ],
)
