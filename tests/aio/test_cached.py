"""An answer that costs something: asked for once, and no more often than it has to be."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.live import eventually

from interlock.aio.cached import Cached


class Question:
    """Counts how often it is asked, and answers when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.asked += 1
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return self.asked


async def test_all_who_come_meanwhile_get_the_one_answer() -> None:
    question = Question()
    remembered = Cached(question, keep=60, patience=60)
    waiting = [asyncio.create_task(remembered.get()) for _ in range(5)]
    await eventually(lambda: question.asked)
    question.may_answer.set()
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await remembered.get() == 1


async def test_answer_that_is_too_old_is_asked_for_again() -> None:
    question = Question()
    question.may_answer.set()
    remembered = Cached(question, keep=0, patience=60)
    assert [await remembered.get() for _ in range(3)] == [1, 2, 3]


async def test_question_that_hangs_is_not_asked_again_and_holds_nobody() -> None:
    question = Question()
    remembered = Cached(question, keep=0, patience=0.001)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await remembered.get()
    assert question.asked == 1
    question.may_answer.set()
    assert await eventually(lambda: _answer_of(remembered)) >= 1


async def _answer_of(remembered: Cached[int]) -> int:
    try:
        return await remembered.get()
    except TimeoutError:
        return 0


async def test_failure_is_remembered_like_an_answer() -> None:
    question = Question()
    question.may_answer.set()
    question.error = OSError("away")
    remembered = Cached(question, keep=60, patience=60)
    for _ in range(3):
        with pytest.raises(OSError, match="away"):
            await remembered.get()
    assert question.asked == 1
