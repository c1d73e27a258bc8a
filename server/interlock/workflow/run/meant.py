"""Reviews as they are asked: what a declaration leaves to the run is filled in.

Laws:
- What is asked follows from the declaration and the state alone: it is the same whenever it is worked out again.
- Filling in never fails: a text that comes to nothing, or to too much, is still one that can be asked.

Source: `docs/graphs.md`, "People"; `docs/interactions.md`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from pydantic_core import to_json

from interlock.workflow.containers.port import Scope, roots_of
from interlock.workflow.declare import templates
from interlock.workflow.declare.interactions import (
    MAX_CONTEXT_BYTES,
    MAX_MESSAGE,
    MAX_TITLE,
    Interaction,
    asked_by,
)
from interlock.workflow.declare.io import cut
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.declare.reviews import AnyReview
from interlock.workflow.declare.widgets import MAX_PROPS_BYTES, Widget
from interlock.workflow.run.events import Path
from interlock.workflow.run.scope import scope_at
from interlock.workflow.run.state import RunState
from interlock_protocol.types import JsonValue

NOTHING_SAID: Final = "…"
"""A message of which nothing is left."""


def meant(workflow: Workflow, state: RunState, path: Path, review: AnyReview, now: int) -> AnyReview:
    """A review as it is asked at `path`: the run's message may say it, and texts may have templates."""
    if isinstance(review, Interaction) and review.by_message:
        said: Any = scope_at(workflow, state, path).input
        return asked_by(said, now, review.taken_back_by)
    if isinstance(review, Interaction | Widget) and review.has_templates:
        scope = scope_at(workflow, state, path)
        return _interaction(review, scope) if isinstance(review, Interaction) else _widget(review, scope)
    return review


def _interaction(review: Interaction, scope: Scope) -> Interaction:
    roots = roots_of(scope)

    def text(given: str | None, most: int) -> str | None:
        return None if given is None else templates.written(templates.expand(given, roots))[:most]

    return replace(
        review,
        message=text(review.message, MAX_MESSAGE) or NOTHING_SAID,
        title=text(review.title, MAX_TITLE),
        context=_bounded(templates.expand(review.context, roots), MAX_CONTEXT_BYTES),
    )


def _widget(review: Widget, scope: Scope) -> Widget:
    roots = roots_of(scope)
    props: Any = _bounded(templates.expand(dict(review.props), roots), MAX_PROPS_BYTES)  # type: ignore[arg-type]
    message = None if review.message is None else templates.written(templates.expand(review.message, roots))
    return replace(review, props=props if isinstance(props, dict) else {}, message=message)


def _bounded(value: JsonValue, most: int) -> JsonValue:
    """A value that is shown: as much of its text as is allowed, if it is too large."""
    return cut(value, most) if len(to_json(value)) > most else value
