"""Why a server can't start: each reason is told with the setting that it comes from."""

from __future__ import annotations

from interlock.process.startup_errors import REASONS, why_not
from interlock.ratelimit.shared import SharedCountsUnavailable
from interlock.settings import Settings


def test_redis_that_cannot_be_asked_for_shared_limits_is_told_with_its_setting() -> None:
    assert SharedCountsUnavailable in REASONS
    sentence = why_not(SharedCountsUnavailable("Redis can't be reached: refused"), Settings())
    assert sentence.startswith("Redis can't be reached: refused. Check INTERLOCK_REDIS_URL (")
