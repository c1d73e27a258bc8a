"""When a delivery is attempted, and what becomes of it and of its receiver: against a small model, in whatever order
receivers answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from interlock.store.ports.webhooks import Attempt, DeliveryStatus, Due, Tried
from interlock.webhooks.schedule import FAILING_MS, FIRST_PROBE_MS, LAST_PROBE_MS, RESTS_FROM, Health, Schedule

RETRIES = (0, 30_000, 120_000, 480_000, 1_800_000, 7_200_000)
SCHEDULE = Schedule(RETRIES)
NEW = Due(
    id="del_1",
    subscription_id="whsub_1",
    account="default",
    run_id="run-1",
    namespace="user_ada",
    event="workflow.instance.halted",
    seq=1,
    epoch=1,
    index=4,
    at=0,
    status=DeliveryStatus.PENDING,
    next_attempt_at=0,
    created_at=0,
    data="{}",
    user_id="ada",
    workflow_id="w",
    assignees=(),
)

codes = st.sampled_from([None, 200, 204, 299, 301, 400, 404, 408, 410, 429, 500, 503, 199, 300])
answers = st.lists(st.tuples(codes, st.integers(0, 4 * 24 * 3600 * 1000), st.floats(0, 1)), max_size=60)


@dataclass
class Model:
    """What a receiver went through, said without the code's words."""

    run_of_failures: list[int] = field(default_factory=list)

    def step(self, code: int | None, at: int) -> tuple[bool, bool]:
        """Return whether the receiver was at rest before, and whether it is to be disabled now."""
        was_at_rest = len(self.run_of_failures) >= 10
        if code in range(200, 300):
            self.run_of_failures.clear()
            return was_at_rest, False
        self.run_of_failures.append(at)
        is_at_rest = len(self.run_of_failures) >= 10
        return was_at_rest, code == 410 or (is_at_rest and at - self.run_of_failures[0] >= 3 * 24 * 3600 * 1000)


def attempt(code: int | None, at: int) -> Attempt:
    return Attempt(at, code, 0)


@given(answers)
def test_deliveries_and_receivers_fare_as_in_the_model(said: list[tuple[int | None, int, float]]) -> None:
    model, health, due, now, spent = Model(), Health(), NEW, 0, 0
    for code, pause, chance in said:
        now += pause
        made = attempt(code, now)
        tried = SCHEDULE.tried(due, made, health, chance)
        health = health.after(made)
        was_at_rest, is_disabled = model.step(code, now)
        assert (tried.disable is not None) == is_disabled
        assert health.failures == len(model.run_of_failures)
        spent += check(tried, code, now, was_at_rest=was_at_rest, spent=spent)
        if tried.status is DeliveryStatus.PENDING:
            due = replace(due, tries=due.tries + tried.spends)
        else:
            due, spent = replace(NEW), 0  # the next one of its run


def check(tried: Tried, code: int | None, now: int, *, was_at_rest: bool, spent: int) -> int:
    """Compare one step with what it should be; return how many attempts it costs."""
    if code in range(200, 300):
        assert (tried.status, tried.succeeded, tried.rests_until) == (DeliveryStatus.DELIVERED, True, None)
        return 0
    assert tried.succeeded is False
    if was_at_rest or tried.disable:
        assert tried.status is DeliveryStatus.PENDING, "neither a probe nor the end of its receiver kills a delivery"
        assert not tried.spends
        assert tried.next_attempt_at is not None
        return 0
    assert tried.spends
    if spent + 1 == len(RETRIES):
        assert (tried.status, tried.next_attempt_at) == (DeliveryStatus.DEAD, None)
        assert tried.error
        return 1
    assert tried.status is DeliveryStatus.PENDING
    assert tried.next_attempt_at is not None
    wait = tried.next_attempt_at - now
    assert RETRIES[spent + 1] <= wait <= RETRIES[spent + 1] * 1.1
    return 1


def test_rest_begins_with_the_tenth_failure_and_probes_come_ever_more_seldom() -> None:
    health, waits, now = Health(), list[int | None](), 0
    for _ in range(RESTS_FROM + 12):
        tried = SCHEDULE.tried(NEW, attempt(503, now), health, 0)
        health = health.after(attempt(503, now))
        waits.append(None if tried.rests_until is None else tried.rests_until - now)
        now = tried.rests_until or now
    assert waits[: RESTS_FROM - 1] == [None] * (RESTS_FROM - 1)
    probes = [each for each in waits[RESTS_FROM - 1 :] if each is not None]
    assert probes[:4] == [FIRST_PROBE_MS, FIRST_PROBE_MS, FIRST_PROBE_MS, 1.5 * FIRST_PROBE_MS]
    assert probes == sorted(probes)
    assert probes[-1] == LAST_PROBE_MS


def test_three_days_of_rest_without_a_success_disable_and_one_success_begins_anew() -> None:
    health = Health(failures=RESTS_FROM - 1, since=0)
    assert SCHEDULE.tried(NEW, attempt(500, FAILING_MS - 1), health, 0).disable is None
    assert SCHEDULE.tried(NEW, attempt(500, FAILING_MS), health, 0).disable == "failing"
    again = health.after(attempt(200, FAILING_MS - 1))
    assert SCHEDULE.tried(NEW, attempt(500, FAILING_MS), again, 0).disable is None


def test_a_few_failures_of_a_receiver_that_is_seldom_told_anything_disable_nothing() -> None:
    seldom = Health(failures=RESTS_FROM - 2, since=0)
    assert SCHEDULE.tried(NEW, attempt(500, 9 * FAILING_MS), seldom, 0).disable is None


def test_what_is_dead_names_no_address_and_no_answer() -> None:
    tried = SCHEDULE.tried(replace(NEW, tries=5), Attempt(0, 500, 3, "https://u:p@h/?token=1"), Health(), 0)
    assert tried.error == (
        "Webhook whsub_1 wasn't told of workflow.instance.halted (del_1) in 6 attempts; the last was answered with 500."
    )
