"""Everything that is refused when a workflow is declared: tried, and written down.

Laws:
- What a row says was said by the code, to the expression in its first column.
- Every kind of node is tried with every review, with each `on_reject` and `on_timeout`; of those that are refused for
  the same reason, the one with the fewest arguments is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

import interlock
from interlock.docs.diagrams import WRITTEN
from interlock.workflow.declare.errors import DeclarationError
from interlock_protocol.types import OnReject, OnTimeout

Row: TypeAlias = tuple[str, str]
"""An expression, and the sentence that refuses it."""

_NODES = {
    "Step": 'Step("node", work, human_review={})',
    "Step with an agent": 'Step("node", agent=agent, human_review={})',
    "Step with error pauses": 'Step("node", work, on_error="pause", human_review={})',
    "Step with a workflow": 'Step("node", workflow=inner, human_review={})',
    "Steps": 'Steps("node", [work], human_review={})',
    "Parallel": 'Parallel("node", [work], human_review={})',
    "Race": 'Race("node", [work], human_review={})',
    "Ports": 'Ports("node", {{"a": [work]}}, human_review={})',
    "Graph": 'Graph("node", [work], human_review={})',
    "Map": 'Map("node", [work], human_review={})',
    "Machine": 'Machine("node", states, initial_state="end", human_review={})',
    "Condition": 'Condition("node", holds, steps=[work], human_review={})',
    "Router": 'Router("node", [work], human_review={})',
    "Router with a selector": 'Router("node", [work], selector=select, human_review={})',
    "Loop": 'Loop("node", [work], max_iterations=3, human_review={})',
    "Loop with an end condition": 'Loop("node", [work], max_iterations=3, end_condition=ends, human_review={})',
}
"""Every kind of node, with what makes a difference to its reviews. More special ones come after their kind."""

_REVIEWS = {
    "Confirm": 'Confirm("?"{})',
    "Ask": 'Ask(Form, "?"{})',
    "Ask, a field without default": 'Ask(Demanding, "?"{})',
    "Widget": 'Widget("w", default="p"{})',
    "Interaction": 'Interaction("approval", "?"{})',
    "Choose": 'Choose("?"{})',
    "Review": 'Review("?"{})',
    "ToolReview": "ToolReview({})",
    "ErrorReview": "ErrorReview({})",
}

_ON_REJECT: tuple[OnReject, ...] = ("skip", "cancel", "else", "retry")
_ON_TIMEOUT: tuple[OnTimeout, ...] = ("cancel", "skip", "approve")

_OTHERS = (
    'Step("node", work, human_review=Confirm(timeout=0))',
    'Step("node", work, human_review=Confirm(timeout=-1))',
    'Step("node", work, human_review=Confirm(timeout=True))',
    'Step("node", work, human_review=Confirm(timeout=1e12))',
    'Step("node", work, human_review=Confirm(on_timeout="retry"))',
    'Step("node", work, human_review=Confirm(assignees=[]))',
    'Step("node", work, human_review=Confirm(assignees="bob"))',
    'Step("node", work, human_review=Confirm(allowed_on_reject=["cancel"]))',
    'Step("node", work, human_review=[Confirm(), Confirm()])',
    'Step("node", work, human_review="Confirm")',
    'Step("node", work, human_review=Ask([]))',
    'Step("node", work, human_review=Review(max_retries=-1))',
    'Step("node", work, human_review=Review(when="always"))',
    'Step("node", work, human_review=HumanReview())',
    'Step("node", work, human_review=HumanReview(requires_user_input=True))',
    'Step("node")',
    'Step("node", work, agent=agent)',
    'Step("node", agent="agent")',
    'Step("node", "work")',
    'Step("node", work, on_error="explode")',
    'Step("node", work, retries=-1)',
    'Step("node", work, time_limit=0)',
    'Step("node", work, restart="never")',
    'Step("node", workflow=inner, retries=1)',
    'Step("", work)',
    'Steps("node", [])',
    'Steps("node", [work, work])',
    'Condition("node", "inptu == 1", steps=[work])',
    'Condition("node", holds, steps=[work], else_steps=[work])',
    'Router("node", [])',
    'Loop("node", [work], max_iterations=0)',
    'Workflow("ws", steps=[work])',
    'Workflow("a/b", steps=[work])',
    'Workflow("node", steps=[])',
    'Workflow("node", steps=[work], input_schema=dict)',
)
"""What else can be got wrong, and no table covers."""


class _Form(BaseModel):
    name: str = "Ada"


class _Demanding(BaseModel):
    name: str


class _Agent:
    id = name = "agent"
    type: Literal["agent"] = "agent"

    async def run(self, step_input: Any, stream: Any) -> Any: ...

    async def resume(self, state: Any, decisions: Any, step_input: Any, stream: Any) -> Any: ...


def work(step_input: Any) -> str:
    return "done"


_NAMES: dict[str, Any] = {
    **{name: getattr(interlock, name) for name in interlock.__all__ if name[0].isupper()},
    "Form": _Form,
    "Demanding": _Demanding,
    "agent": _Agent(),
    "inner": interlock.Workflow("inner", steps=[work]),
    "states": {"end": interlock.State(is_terminal=True)},
    "work": work,
    **dict.fromkeys(("holds", "select", "ends"), work),
}


def refusals() -> str:
    """The page."""
    return f"""# What is refused

{WRITTEN}

A workflow that can't mean what it says raises `DeclarationError` where it is declared, with one of these sentences. In
the examples `work`, `holds`, `select` and `ends` are functions, `agent` is an agent, `inner` a workflow, and `Form` and
`Demanding` are models: every field of `Form` has a default, and one of `Demanding` has none.

## Reviews

Every kind of node was tried with every review, each `on_reject` and each `on_timeout`. Where several are refused for
the same reason, the shortest stands for them; what has no such reason is allowed.

{_table(review_rows())}

## Everything else

{_table(other_rows())}
"""


def review_rows() -> Iterator[Row]:
    """The combinations of node, review, `on_reject` and `on_timeout` that are refused."""
    said: dict[str, set[str]] = {}
    for name, node in _NODES.items():
        known = said.setdefault(name.split(" with ")[0], set())
        for review in _REVIEWS.values():
            for arguments in _arguments(review):
                expression = node.format(review.format(arguments).replace("(, ", "("))
                sentence = refusal(expression)
                if sentence is None:
                    continue
                if sentence not in known:
                    yield expression, sentence
                    known.add(sentence)
                if not arguments:
                    break  # the review itself is refused, whatever its arguments


def other_rows() -> Iterator[Row]:
    """The rest. That each is refused is for `test_generated` to see."""
    for expression in _OTHERS:
        yield expression, refusal(expression) or "it is allowed"


def refusal(expression: str) -> str | None:
    """The sentence that refuses a declaration; None when it is allowed, or isn't one."""
    try:
        eval(expression, dict(_NAMES))  # noqa: S307 - our own text
    except DeclarationError as error:
        return str(error)
    except TypeError:
        return None
    return None


def _arguments(review: str) -> Iterator[str]:
    """Nothing, each `on_reject`, each `on_timeout`, and both."""
    on_reject = [f', on_reject="{each}"' for each in _ON_REJECT] if review.startswith(("Confirm", "Review")) else []
    on_timeout = [f', timeout=60, on_timeout="{each}"' for each in _ON_TIMEOUT]
    yield ""
    yield from on_reject
    yield from on_timeout
    for one in on_reject:
        for other in on_timeout:
            yield one + other


def _table(rows: Iterator[Row]) -> str:
    lines = [f"| `{expression}` | {_escaped(sentence)} |" for expression, sentence in rows]
    return "\n".join(["| declaration | what is said |", "| --- | --- |", *lines])


def _escaped(sentence: str) -> str:
    """A sentence as Markdown shows it as it is, in one cell."""
    return sentence.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
