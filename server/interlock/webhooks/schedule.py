"""What an attempt means: for its delivery, and for the receiver.

Laws:
- Everything here is pure: the time and the chance are given.
- Any 2xx is success, and nothing else is. A delivery has as many attempts as the schedule has times; then it is dead.
- A receiver that failed `RESTS_FROM` times in a row rests. Then one delivery at a time probes it, the more seldom the
  longer it has failed, and a probe that fails costs none of the delivery's attempts: an outage kills nothing that came
  during it.
- A receiver that is gone (410), or rests and has failed for `FAILING_MS` without a success, is disabled: of one that is
  seldom told anything, a few failures say little. What wasn't delivered stays pending, for the case that it is enabled
  again.

Source: `docs/webhooks.md`, "Retries".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from interlock.store.ports.webhooks import Attempt, Because, DeliveryStatus, Due, Subscription, Tried

RESTS_FROM: Final = 10
FAILING_MS: Final = 3 * 24 * 60 * 60 * 1000
FIRST_PROBE_MS: Final = 30_000
LAST_PROBE_MS: Final = 15 * 60_000
"""The shortest and the longest time between two probes."""

JITTER: Final = 0.1
"""How much later, as a part of the time, a retry may be: what failed together shouldn't come back together."""

GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Health:
    """How a receiver has answered: the failures in a row, and the time of the first of them."""

    failures: int = 0
    since: int | None = None

    @staticmethod
    def of(subscription: Subscription) -> Health:
        """What is known of a subscription's receiver."""
        return Health(subscription.failures, subscription.failing_since)

    @property
    def is_resting(self) -> bool:
        """Whether it is only probed."""
        return self.failures >= RESTS_FROM

    def after(self, attempt: Attempt) -> Health:
        """How it is after an attempt."""
        if is_success(attempt):
            return Health()
        return Health(self.failures + 1, attempt.at if self.since is None else self.since)


def is_success(attempt: Attempt) -> bool:
    """Whether an attempt was acknowledged."""
    return attempt.code is not None and 200 <= attempt.code < 300


@dataclass(frozen=True, slots=True)
class Schedule:
    """When deliveries are attempted.

    Args:
        retries: how long after the attempt before, in milliseconds, each attempt comes; the first is due at once.
    """

    retries: Sequence[int]

    def tried(self, due: Due, attempt: Attempt, before: Health, chance: float) -> Tried:
        """Return what an attempt came to.

        Args:
            before: how the receiver was before it.
            chance: a random number from 0 to 1.
        """
        if is_success(attempt):
            return Tried(delivery_id=due.id, status=DeliveryStatus.DELIVERED, attempt=attempt, succeeded=True)
        after = before.after(attempt)
        ended = attempt.at + attempt.duration_ms
        disable = _disabled(attempt, after, ended)
        rests_until = ended + _later(_probe_ms(after, ended), chance) if after.is_resting else None
        is_spent = not before.is_resting and disable is None
        tries = due.tries + is_spent
        if is_spent and tries >= len(self.retries):
            error = f"Webhook {due.subscription_id} wasn't told of {due.event} ({due.id}) in {tries} attempts; the last"
            said = "had no answer" if attempt.code is None else f"was answered with {attempt.code}"
            status, at = DeliveryStatus.DEAD, None
        else:
            error, said, status = "", "", DeliveryStatus.PENDING
            at = ended + _later(self.retries[tries], chance) if is_spent else rests_until or ended
        return Tried(
            delivery_id=due.id,
            status=status,
            attempt=attempt,
            next_attempt_at=at,
            spends=is_spent,
            succeeded=False,
            rests_until=rests_until,
            disable=disable,
            error=f"{error} {said}." if error else "",
        )


def _disabled(attempt: Attempt, after: Health, now: int) -> Because | None:
    if attempt.code == GONE:
        return "gone"
    assert after.since is not None, "it has just failed"
    return "failing" if after.is_resting and now - after.since >= FAILING_MS else None


def _probe_ms(health: Health, now: int) -> int:
    """How long it is to the next probe: half as long as it has failed by now, within bounds."""
    failed_for = now - (now if health.since is None else health.since)
    return min(max(failed_for // 2, FIRST_PROBE_MS), LAST_PROBE_MS)


def _later(ms: int, chance: float) -> int:
    return ms + int(ms * JITTER * chance)
