"""The examples of a workflow: what they are called, and that they are JSON."""

from __future__ import annotations

import pytest

from interlock import DeclarationError, Example, Step, StepInput, Workflow
from interlock.definitions.served import served_of
from interlock_protocol.types import JsonValue


async def work(_: StepInput) -> str:
    return ""


def test_examples_are_listed_with_their_titles_and_a_text_is_its_own() -> None:
    examples: list[Example | JsonValue] = [Example("An order", {"id": 7}), "hello"]
    served = served_of(Workflow("w", steps=[Step("work", work)], examples=examples))
    assert served.examples == (("An order", {"id": 7}), ("hello", "hello"))


@pytest.mark.parametrize("example", [Example("x", object()), Example("x", float("nan")), Example("x" * 5000, "")])  # type: ignore[arg-type]
def test_example_that_cannot_be_sent_or_called_is_misdeclared(example: Example) -> None:
    with pytest.raises(DeclarationError, match="example"):
        Workflow("w", steps=[Step("work", work)], examples=[example])
