"""Damage is marked on a photo, in a widget that is made with React."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from interlock import Ports, Step, StepInput, Widget, Workflow

PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 340">
<rect width="600" height="340" fill="#9ec5e8"/><rect y="250" width="600" height="90" fill="#3b6a8f"/>
<path d="M180 280 L420 280 L470 320 L130 320 Z" fill="#6b6f76"/>
<path d="M260 280 L275 90 L325 90 L340 280 Z" fill="#f4f0e6"/>
<path d="M267 190 L333 190 L336 235 L264 235 Z" fill="#c8402f"/>
<rect x="268" y="55" width="64" height="38" rx="4" fill="#33383f"/><circle cx="300" cy="74" r="12" fill="#ffd75e"/>
<path d="M262 55 L300 28 L338 55 Z" fill="#c8402f"/>
<path d="M318 120 l8 18 l-6 14 l9 20" stroke="#7a4a24" stroke-width="3" fill="none"/></svg>"""
"""A lighthouse, with a crack below its lamp."""

BOX = {"type": "number", "minimum": 0, "maximum": 1}
ANNOTATIONS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "annotations": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "properties": {
                    "label": {"enum": ["crack", "rust", "paint"]},
                    "x": BOX,
                    "y": BOX,
                    "width": BOX,
                    "height": BOX,
                },
                "required": ["label", "x", "y", "width", "height"],
            },
        }
    },
    "required": ["annotations"],
}


def order_repairs(step_input: StepInput) -> str:
    """What was marked, counted by its label."""
    marked: Any = step_input.get_step_content("annotate")
    labels = [each["label"] for each in marked["annotations"]]
    counts = [f"{labels.count(label)} x {label}" for label in dict.fromkeys(labels)]
    return f"To be repaired: {', '.join(counts)}." if counts else "There is nothing to repair."


workflow = Workflow(
    "photo-annotation",
    description="Has damage marked on a photo, in a widget made with React.",
    steps=[
        Step(
            "annotate",
            widget=Widget(
                "image-annotator",
                props={
                    "title": "Mark what is damaged",
                    "image": f"data:image/svg+xml,{quote(PICTURE)}",
                    "alt": "A lighthouse on a rock",
                    "labels": ["crack", "rust", "paint"],
                },
                ports={"submit": "marked", "unusable": "unusable"},
                schema={"submit": ANNOTATIONS},
                message="Mark the damage.",
            ),
        ),
        Ports(
            "after",
            {
                "marked": [Step("order_repairs", order_repairs)],
                "unusable": [Step("ask_for_another", lambda _: "Another photo is needed.")],
            },
        ),
    ],
)
