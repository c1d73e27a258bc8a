"""`expense-approval`, on real CSV files, with two people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from examples import expense_approval
from interlock.testing import ErrorCode, Refusal, Run, running

WORKFLOW = expense_approval.workflow
SAMPLE = Path(expense_approval.__file__).with_name("data") / "expenses.csv"
FIRST, SECOND = expense_approval.FIRST, expense_approval.SECOND


@pytest.fixture
def csv_file(tmp_path: Path) -> Any:
    """Writes rows below the right first line, and returns the path as a message."""

    def write(*rows: str, first: str = "employee,date,category,amount,purpose") -> str:
        file = tmp_path / "expenses.csv"
        file.write_text("\n".join([first, *rows, ""]))
        return str(file)

    return write


def row(amount: str) -> str:
    return f"Mei Tanaka,2025-03-06,software,{amount},Tool"


async def sign_both(run: Run) -> None:
    await (await run.paused(FIRST)).confirm()
    await (await run.as_user("bob").paused(SECOND)).confirm()


async def test_sample_takes_all_three_routes_to_a_report() -> None:
    async with running(WORKFLOW, message=str(SAMPLE), user="alice") as run:
        manager = await run.paused()
        assert (manager.step_name, manager.assignees) == ("manager", ())
        await manager.confirm()
        await sign_both(run)
        report = await run.completed()
        assert report.startswith("# Expense report\n\n## Approved: 8877.65\n\n- Amara Okafor, 2025-03-03")
        assert report.count("\n- ") == 7
        assert "Not approved" not in report
        (routed,) = run.steps("approval")
        assert routed.events[0]["selected_steps"] == ["automatic", "manager", "two signatures"]


async def test_small_expenses_ask_nobody(csv_file: Any) -> None:
    async with running(WORKFLOW, message=csv_file(row("100"), row("0.01"))) as run:
        assert (await run.completed()).startswith("# Expense report\n\n## Approved: 100.01\n")
        assert [step.name for step in run.steps()] == ["expenses", "approval", "automatic", "report"]


@pytest.mark.parametrize(
    ("amount", "route"),
    [
        ("100.00", "automatic"),
        ("100.01", "manager"),
        ("1000.00", "manager"),
        ("1000.01", "two signatures"),
    ],
)
async def test_amount_decides_the_route(csv_file: Any, amount: str, route: str) -> None:
    async with running(WORKFLOW, message=csv_file(row(amount))) as run:
        selected = await run.until("RouterExecutionStarted")
        assert selected["selected_steps"] == [route]


async def test_what_the_manager_rejects_is_left_out(csv_file: Any) -> None:
    async with running(WORKFLOW, message=csv_file(row("50"), row("500"))) as run:
        await (await run.paused()).reject()
        report = await run.completed()
        assert "## Approved: 50.00" in report
        assert "## Not approved: 500.00" in report


# ── Two signatures ──────────────────────────────────────────────────────────────────────────────────────


async def test_both_signatures_are_asked_at_once_and_given_in_any_order(csv_file: Any) -> None:
    async with running(WORKFLOW, message=csv_file(row("5000")), user="alice") as run:
        await run.paused(FIRST)
        await (await run.as_user("bob").paused(SECOND)).confirm()
        await (await run.paused(FIRST)).confirm()
        assert "## Approved: 5000.00" in await run.completed()
        assert [step.content for step in (*run.steps(FIRST), *run.steps(SECOND))] == ["Signed for 5000.00."] * 2


@pytest.mark.parametrize("rejected", [FIRST, SECOND])
async def test_one_signature_is_not_enough(csv_file: Any, rejected: str) -> None:
    async with running(WORKFLOW, message=csv_file(row("5000")), user="alice") as run:
        for name in (FIRST, SECOND):
            pause = await run.as_user("bob" if name == SECOND else "alice").paused(name)
            await (pause.reject() if name == rejected else pause.confirm())
        assert await run.completed() == (
            "# Expense report\n\n## Not approved: 5000.00\n\n- Mei Tanaka, 2025-03-06, Tool: 5000.00"
        )


async def test_whoever_started_it_cant_give_the_second_signature(csv_file: Any) -> None:
    async with running(WORKFLOW, message=csv_file(row("5000")), user="alice") as run:
        with pytest.raises(Refusal) as refused:
            await (await run.paused(SECOND)).confirm()
        assert refused.value.code is ErrorCode.FORBIDDEN


async def test_somebody_in_finance_may_give_the_second_signature(csv_file: Any) -> None:
    async with running(WORKFLOW, message=csv_file(row("5000")), user="alice") as run:
        await (await run.paused(FIRST)).confirm()
        carol = run.as_user("carol", groups=["finance"])
        await (await carol.paused(SECOND)).confirm()
        assert "## Approved: 5000.00" in await run.completed()


async def test_for_a_stranger_the_run_doesnt_exist(csv_file: Any) -> None:
    async with running(WORKFLOW, message=csv_file(row("5000")), user="alice") as run:
        with pytest.raises(Refusal) as refused:
            await (await run.as_user("mallory").paused(SECOND)).confirm()
        assert refused.value.code is ErrorCode.RUN_NOT_FOUND


async def test_signatures_survive_the_death_of_the_process(csv_file: Any) -> None:
    async with running(WORKFLOW, message=csv_file(row("5000")), user="alice") as run:
        await (await run.paused(FIRST)).confirm()
        await run.restart()
        await (await run.as_user("bob").paused()).confirm()
        assert "## Approved: 5000.00" in await run.completed()


# ── Files that can't be used ────────────────────────────────────────────────────────────────────────────


async def test_every_bad_row_is_named_in_one_error(csv_file: Any) -> None:
    rows = (
        row("12,50"),
        row("-1"),
        row("NaN"),
        row("1.005"),
        "Mei Tanaka,03/06/2025,software,1,Tool",
        "Mei Tanaka,2025-03-06,yachts,1,Boat",
        "Mei Tanaka,2025-03-06,software,1",
    )
    async with running(WORKFLOW, message=csv_file(*rows)) as run:
        assert (await run.failed()).splitlines() == [
            "Line 2: more values than columns; put a value with a comma in quotes.",
            "Line 3: '-1' isn't an amount; write it as 123.45, greater than zero.",
            "Line 4: 'NaN' isn't an amount; write it as 123.45, greater than zero.",
            "Line 5: '1.005' isn't an amount; write it as 123.45, greater than zero.",
            "Line 6: '03/06/2025' isn't a date; write it as 2025-03-31.",
            "Line 7: 'yachts' isn't a category; use one of: equipment, meals, software, training, travel.",
            "Line 8: purpose is empty.",
        ]


async def test_many_bad_rows_are_counted(csv_file: Any) -> None:
    async with running(WORKFLOW, message=csv_file(*[row("x")] * 25)) as run:
        lines = (await run.failed()).splitlines()
        assert (len(lines), lines[-1]) == (11, "And 15 more.")


async def test_file_without_the_columns_or_rows_fails_with_a_sentence(csv_file: Any) -> None:
    async with running(WORKFLOW, message=csv_file(first="employee,amount")) as run:
        assert await run.failed() == "The first line must name the columns; missing: date, category, purpose."
    async with running(WORKFLOW, message=csv_file()) as run:
        assert await run.failed() == "The file has no expenses: only its first line, or nothing."
    async with running(WORKFLOW, message=csv_file('"unfinished')) as run:
        assert (await run.failed()).startswith("After line 1: this isn't CSV: ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe\x00", "isn't UTF-8 text"),
        (b"x" * (expense_approval.MAX_BYTES + 1), "is larger than 256 KiB"),
        (None, "There is no file"),
    ],
)
async def test_file_that_cant_be_read_fails_with_a_sentence(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "expenses.csv"
    if content is not None:
        file.write_bytes(content)
    async with running(WORKFLOW, message=str(file)) as run:
        assert sentence in await run.failed()


async def test_message_that_isnt_a_path_fails_with_a_sentence() -> None:
    async with running(WORKFLOW, message=["a", "b"]) as run:
        assert (await run.failed()).startswith("The message must be the path of a CSV file")
