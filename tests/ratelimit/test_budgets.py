"""The budgets of users of /api/v1: what each request is told of what is left."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from tests.ratelimit.test_limiter import ALICE

from interlock.ratelimit import counter
from interlock.ratelimit.limiter import Budget, RateLimits, Spent
from interlock.ratelimit.shared import shared_windows
from interlock_protocol.errors import ErrorCode

LIMITS = {Budget.READS: "3/minute", Budget.WRITES: "2/minute", Budget.CREATIONS: "off"}


async def spent(limits: RateLimits, budget: Budget, user: str = "alice") -> Spent:
    found = await limits.spend(budget, ("default", user))
    assert found is not None
    return found


async def test_each_budget_is_spent_by_itself_and_each_users_own() -> None:
    limits = RateLimits("off", "off", budgets=LIMITS)
    assert [(await spent(limits, Budget.READS)).remaining for _ in range(3)] == [2, 1, 0]
    assert (await spent(limits, Budget.WRITES)).remaining == 1
    assert (await spent(limits, Budget.READS, "bob")).remaining == 2
    refused = await spent(limits, Budget.READS)
    assert (refused.limit, refused.remaining) == (3, 0)
    assert refused.refusal is not None
    assert refused.refusal.code is ErrorCode.RATE_LIMITED
    now = time.time()
    assert now <= refused.reset_at <= now + 61


async def test_budget_that_is_off_or_not_given_has_no_end() -> None:
    assert await RateLimits("off", "off", budgets=LIMITS).spend(Budget.CREATIONS, ALICE) is None
    assert await RateLimits("off", "off").spend(Budget.READS, ALICE) is None


async def test_budgets_hold_on_all_nodes_together(redis_url: str) -> None:
    async with shared_windows(redis_url) as one, shared_windows(redis_url) as other:
        nodes = [RateLimits("off", "off", each, LIMITS) for each in (one, other)]
        left = [(await spent(nodes[n % 2], Budget.READS, "shared")).remaining for n in range(3)]
        assert left == [2, 1, 0]
        assert all([(await spent(node, Budget.READS, "shared")).refusal is not None for node in nodes])


async def test_what_is_left_of_a_large_budget_is_asked_once_in_a_while(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, asked = {Budget.READS: "100000/minute"}, list[float]()
    look = counter._left

    async def looking(*given: Any) -> tuple[int, float]:
        asked.append(time.monotonic())
        return await look(*given)

    monkeypatch.setattr(counter, "_left", looking)
    async with shared_windows(redis_url) as one:
        node = RateLimits("off", "off", one, large)
        left = [(await spent(node, Budget.READS, "busy")).remaining for _ in range(150)]
    assert left == sorted(left, reverse=True)
    assert left[-1] <= 100_000 - 150
    assert all(later - earlier >= counter.KNOWN_SECONDS for earlier, later in pairwise(asked))
