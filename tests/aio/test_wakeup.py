"""Wakeup and inbox: what `asyncio.Event` and `asyncio.Queue` do for one task that waits."""

from __future__ import annotations

import asyncio

import pytest

from interlock.aio.wakeup import Mailbox, Wakeup


async def test_bell_wakes_who_waits() -> None:
    bell = Wakeup()
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    bell.set()
    bell.set()
    await waiting


async def test_bell_that_rang_lets_pass_until_it_is_still() -> None:
    bell = Wakeup()
    bell.set()
    await bell.wait()
    await bell.wait()
    bell.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await bell.wait()


async def test_bell_can_be_waited_for_again_after_a_cancellation() -> None:
    bell = Wakeup()
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    bell.set()
    await bell.wait()


async def test_inbox_hands_out_in_order_what_came_before_and_after() -> None:
    inbox: Mailbox[int] = Mailbox()
    inbox.put_nowait(1)
    inbox.put_nowait(2)
    assert [await inbox.get(), await inbox.get()] == [1, 2]
    assert inbox.empty()
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait(3)
    assert await waiting == 3


async def test_cancelled_taker_loses_nothing() -> None:
    inbox: Mailbox[int] = Mailbox()
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await inbox.get() == 1
