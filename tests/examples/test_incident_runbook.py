"""`incident-runbook`, on real logs, with two people and a clock that is moved."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import pytest

from examples import incident_runbook
from interlock.testing import ErrorCode, Refusal, Run, running

WORKFLOW = incident_runbook.workflow
SAMPLE = Path(incident_runbook.__file__).with_name("data") / "incident.log"
RESTART, TELL = incident_runbook.RESTART, incident_runbook.TELL


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return Path(shutil.copy(SAMPLE, tmp_path))


def evidence_of(log: Path) -> Path:
    return log.with_name("incident.log.2025-03-31T021250Z.gz")


async def agree(run: Run) -> None:
    """bob and carol confirm."""
    await (await run.as_user("bob").paused(RESTART)).confirm()
    await (await run.as_user("carol").paused(TELL)).confirm()


async def test_both_measures_are_taken_and_written_down(log: Path) -> None:
    async with running(WORKFLOW, message=str(log), user="alice") as run:
        await agree(run)
        timeline = await run.completed()
    assert timeline.splitlines() == [
        "# Incident in payments, 2025-03-31T02:12:50Z",
        "",
        "- 2025-03-31T02:12:50Z: the first of 29 errors, mostly: no free connection to db-2 after 5000 ms",
        "- 2025-03-31T02:26:00Z: the last one in the log",
        f"- Restart: ordered, by {log.with_name('restart-payments')}",
        "- Customers: Since 2025-03-31T02:12:50Z some requests to payments fail. We are working on it.",
        f"- Evidence: 73 entries in {evidence_of(log)}",
    ]
    packed = gzip.decompress(evidence_of(log).read_bytes()).decode()
    assert "PoolExhausted: 100 of 100 connections are in use" in packed
    assert log.with_name("status.txt").read_text() == (
        "Since 2025-03-31T02:12:50Z some requests to payments fail. We are working on it.\n"
    )


async def test_incident_is_described_before_anybody_is_asked(log: Path) -> None:
    async with running(WORKFLOW, message=str(log)) as run:
        pause = await run.paused(RESTART)
        assert pause.requirement is not None
        assert pause.requirement.step_input["previous_step_content"] == (  # type: ignore[index, call-overload]
            "payments has 29 errors between 2025-03-31T02:12:50Z and 2025-03-31T02:26:00Z, mostly: "
            "no free connection to db-2 after 5000 ms. Errors in checkout, mail may follow from them."
        )


@pytest.fixture
def calm_log(tmp_path: Path) -> Path:
    log = tmp_path / "calm.log"
    log.write_text("2025-03-31T02:00:00Z ERROR mail relay refused\n2025-03-31T02:00:01Z INFO mail sent\n")
    return log


async def test_few_errors_ask_nobody(calm_log: Path) -> None:
    async with running(WORKFLOW, message=str(calm_log)) as run:
        assert await run.completed() == f"Errors among the 2 entries of {calm_log}: 1. Nothing to do."
        assert [step.name for step in run.steps()] == ["incident", "is it one?", "calm"]


# ── Who decides ─────────────────────────────────────────────────────────────────────────────────────────


async def test_each_measure_is_for_those_who_are_named(log: Path) -> None:
    async with running(WORKFLOW, message=str(log), user="alice") as run:
        for user, step in (("alice", RESTART), ("carol", RESTART), ("bob", TELL)):
            with pytest.raises(Refusal) as refused:
                await (await run.as_user(user).paused(step)).confirm()
            assert refused.value.code is ErrorCode.FORBIDDEN
        await (await run.as_user("dora", groups=["on-call"]).paused(RESTART)).confirm()
        await (await run.as_user("eric", groups=["communications"]).paused(TELL)).confirm()
        await run.completed()


async def test_what_is_turned_down_isnt_done(log: Path) -> None:
    async with running(WORKFLOW, message=str(log)) as run:
        await (await run.as_user("bob").paused(RESTART)).reject("It heals by itself.")
        await (await run.as_user("carol").paused(TELL)).reject()
        timeline = await run.completed()
    assert "- Restart: turned down\n- Customers: not told" in timeline
    assert not log.with_name("restart-payments").exists()
    assert not log.with_name("status.txt").exists()


# ── Nobody is there ─────────────────────────────────────────────────────────────────────────────────────


async def test_customers_are_told_when_nobody_objects_in_time(log: Path) -> None:
    async with running(WORKFLOW, message=str(log)) as run:
        await (await run.as_user("bob").paused(RESTART)).confirm()
        await run.paused(TELL)
        await run.advance(minutes=5)
        assert "- Customers: Since" in await run.completed()
        told = await run.until("StepContinued", step=TELL)
        assert told["resolved_by"] == "timeout"


async def test_restart_that_nobody_approves_in_time_cancels_the_run(log: Path) -> None:
    async with running(WORKFLOW, message=str(log)) as run:
        await (await run.as_user("carol").paused(TELL)).confirm()
        await run.paused(RESTART)
        await run.restart()
        await run.advance(minutes=15)
        assert await run.cancelled() == "Nobody decided on Step 'restart' in time"
        assert not log.with_name("restart-payments").exists()


# ── What goes wrong ─────────────────────────────────────────────────────────────────────────────────────


async def test_evidence_that_cant_be_written_waits_for_a_person(log: Path) -> None:
    evidence_of(log).mkdir()  # something stands in its way
    async with running(WORKFLOW, message=str(log), user="alice") as run:
        await agree(run)
        pause = await run.paused()
        assert (pause.kind, pause.step_name) == ("error_decision", "evidence")
        assert pause.error == f"{evidence_of(log)} can't be written: Is a directory."
        assert [event["will_retry"] for event in run.events if event["event"] == "StepError"] == [True, False]

        await run.restart()
        evidence_of(log).rmdir()
        await (await run.paused()).decide("retry")
        assert "- Evidence: 73 entries" in await run.completed()


async def test_evidence_may_be_gone_without(log: Path) -> None:
    evidence_of(log).mkdir()
    async with running(WORKFLOW, message=str(log), user="alice") as run:
        await agree(run)
        await (await run.paused()).decide("skip")
        assert (await run.completed()).endswith("- Evidence: not kept")


async def test_evidence_is_gone_without_after_an_hour(log: Path) -> None:
    evidence_of(log).mkdir()
    async with running(WORKFLOW, message=str(log), user="alice") as run:
        await agree(run)
        await run.paused()
        await run.advance(minutes=60)
        assert (await run.completed()).endswith("- Evidence: not kept")


async def test_approvals_survive_a_restart(log: Path) -> None:
    async with running(WORKFLOW, message=str(log)) as run:
        await (await run.as_user("bob").paused(RESTART)).confirm()
        await run.until("StepCompleted", step=RESTART)
        await run.restart()
        await (await run.as_user("carol").paused(TELL)).confirm()
        await run.completed()
        assert [step.attempt for step in run.steps(RESTART)] == [1]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no file"),
        ("hello\n", "No line of it looks like"),
        ("x" * (incident_runbook.MAX_BYTES + 1), "is larger than 8 MiB"),
    ],
)
async def test_log_that_cant_be_used_fails_after_three_tries(
    tmp_path: Path, content: str | None, sentence: str
) -> None:
    file = tmp_path / "some.log"
    if content is not None:
        file.write_text(content)
    async with running(WORKFLOW, message=str(file)) as run:
        assert sentence in await run.failed()
        (step,) = run.steps("incident")
        assert step.attempt == 3


@pytest.mark.parametrize("message", ["", 7, None, "a\x00b"])
async def test_message_that_isnt_a_path_fails_with_a_sentence(message: Any) -> None:
    async with running(WORKFLOW, message=message) as run:
        assert (await run.failed()).startswith("The message must be the path of a log")
