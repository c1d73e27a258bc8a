"""Whose turn it is to have a process, and what becomes of processes that are lost."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from interlock.engine.work import script_process
from interlock.engine.work.processes import Crowded, Lost, NotStarted, Processes, Turns

LOOP = b'[60, "for (;;);", "{\\"longest\\":0}", 60]'
NOTHING = b'[60, "", null, 60]'


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_accounts_take_turns_however_much_one_of_them_asks() -> None:
    turns, order = Turns(1, 1), list[str]()

    async def ask(account: str) -> None:
        async with turns.turn(account):
            order.append(account)
            await asyncio.sleep(0)

    async with turns.turn("first"):
        asking = [
            asyncio.create_task(ask(account)) for account in ("many", "many", "many", "many", "one", "two", "two")
        ]
        await settled()
        assert order == []
    await asyncio.gather(*asking)
    assert order == ["many", "one", "two", "many", "two", "many", "many"]
    assert turns == Turns(1, 1), "nothing is left"


async def test_one_account_has_not_all_places() -> None:
    turns = Turns(3, 2)
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(turns.turn("many"))
        third = asyncio.create_task(held.enter_async_context(turns.turn("many")))
        await settled()
        assert not third.done()
        async with turns.turn("one"):
            assert not third.done()
        third.cancel()
        await asyncio.gather(third, return_exceptions=True)
    assert turns == Turns(3, 2)


async def test_who_leaves_the_queue_leaves_its_place() -> None:
    turns = Turns(1, 1, most_waiting=2)
    async with turns.turn("a"):
        for _ in range(5):
            waiting = [asyncio.create_task(turns._take("b")) for _ in range(2)]
            await settled()
            with pytest.raises(Crowded):
                await turns._take("b")
            other = asyncio.create_task(turns._take("c"))
            await settled()
            assert not other.done(), "others have a queue of their own"
            waiting.append(other)
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
    assert turns == Turns(1, 1, most_waiting=2)


async def test_place_that_is_given_to_who_is_just_cancelled_goes_to_the_next() -> None:
    turns = Turns(1, 1)
    async with AsyncExitStack() as held:
        await held.enter_async_context(turns.turn("a"))
        cancelled, other = (asyncio.create_task(turns._take("b")) for _ in range(2))
        await settled()
        turns._give_back("a")
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        await asyncio.wait_for(other, 10)
        turns._held["a"] += 1
        turns._give_back("b")


async def test_process_that_is_lost_is_replaced_before_anybody_asks() -> None:
    processes = Processes(script_process.__file__, Turns(2, 2), 256 << 20, least=1)
    try:
        assert await processes.answer(NOTHING, seconds=60)
        (first,) = processes._alive
        with pytest.raises(Lost) as lost:
            await processes.answer(LOOP, seconds=0.2)
        assert lost.value.is_late
        async with asyncio.timeout(60):
            while not processes._idle:  # noqa: ASYNC110 - until it is there
                await asyncio.sleep(0.01)
        assert processes._idle != [first]
    finally:
        await processes.aclose()
    assert not processes._alive


async def test_answer_that_is_longer_than_agreed_costs_its_process() -> None:
    processes = Processes(script_process.__file__, Turns(2, 2), 256 << 20, answer_bytes=1024)
    code = "return { a: 'x'.repeat(9000) };"
    try:
        with pytest.raises(Lost):
            await processes.answer(f'[60, "{code}", "{{\\"longest\\":0}}", 60]'.encode(), seconds=60)
        assert await processes.answer(NOTHING, seconds=60)
    finally:
        await processes.aclose()


async def test_program_that_does_not_start_is_said_so() -> None:
    processes = Processes(__file__ + ".missing", Turns(2, 2), 256 << 20)
    with pytest.raises(NotStarted):
        await processes.answer(NOTHING, seconds=60)
    await processes.aclose()
    with pytest.raises(NotStarted):
        await processes.answer(NOTHING, seconds=60)
