"""A sprint is planned on a board: cards are dragged between columns, and the plan is committed or discarded."""

from __future__ import annotations

from typing import Any

from interlock import Example, Ports, Step, StepInput, Widget, Workflow

BOARD: dict[str, Any] = {
    "title": "Sprint 12",
    "columns": [
        {"id": "backlog", "title": "Backlog"},
        {"id": "sprint", "title": "This sprint", "limit": 3},
        {"id": "later", "title": "Later"},
    ],
    "cards": [
        {"id": "lamp", "title": "Repair the lamp", "column": "backlog", "points": 3},
        {"id": "horn", "title": "Test the horn", "column": "backlog", "points": 1},
        {"id": "stairs", "title": "Paint the stairs", "column": "backlog", "points": 5},
        {"id": "log", "title": "Digitize the log", "column": "sprint", "points": 8},
    ],
}


def carry_out(step_input: StepInput) -> str:
    """What was moved, in words."""
    plan: Any = step_input.get_step_content("plan")
    titles = {card["id"]: card["title"] for card in BOARD["cards"]}
    moved = [f"{titles.get(each['card'], each['card'])} to {each['to']}" for each in plan["moves"]]
    return f"Moved {', '.join(moved)}." if moved else "Nothing was moved."


workflow = Workflow(
    "sprint-board",
    description="Plans a sprint on a board whose cards are dragged.",
    examples=[Example("The next sprint", "")],
    steps=[
        Step(
            "plan",
            widget=Widget(
                "kanban-board",
                props=BOARD,
                ports={"commit": "planned", "discard": "left"},
                message="Plan the sprint.",
                confirm=True,
            ),
        ),
        Ports(
            "after",
            {
                "planned": [Step("carry_out", carry_out)],
                "left": [Step("leave", lambda _: "The board stays as it was.")],
            },
        ),
    ],
)
