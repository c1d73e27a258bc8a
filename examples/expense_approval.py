"""Expenses from a CSV file, approved by as many people as their amounts call for.

    interlock chat expense-approval --message examples/data/expenses.csv

The message is the path of a CSV file on the machine where the server runs. Its columns are employee, date
(YYYY-MM-DD), category, amount and purpose. Each expense takes one of three routes:

- up to 100.00 it is approved automatically;
- up to 1000.00 whoever started the run confirms;
- above, two people sign, at the same time: whoever started the run, and bob or somebody in the group `finance`.

What is rejected is left out, and the report at the end says so.

To see two people sign, serve it to two users:

    export INTERLOCK_TOKENS='[
      {"token": "alice-0123456789abcdef", "user_id": "alice"},
      {"token": "bob-0123456789abcdef", "user_id": "bob", "groups": ["finance"]}]'
    interlock serve examples:workflows

In a second terminal alice starts it, and confirms what is hers to confirm:

    INTERLOCK_TOKEN=alice-0123456789abcdef interlock chat expense-approval --message examples/data/expenses.csv

and in a third bob gives the second signature (the run's id is in alice's terminal):

    INTERLOCK_TOKEN=bob-0123456789abcdef interlock chat --run RUN_ID

With the token that the server makes up for itself you are an admin, who may sign for bob, and says why:

    interlock chat --run RUN_ID --as bob --reason "he signed on paper"
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypedDict

from examples.samples import copy_of, example, message_of
from interlock import Confirm, Parallel, Router, Step, StepInput, Workflow

COLUMNS = ("employee", "date", "category", "amount", "purpose")
CATEGORIES = ("equipment", "meals", "software", "training", "travel")
AUTOMATIC_UP_TO = Decimal(100)
MANAGER_UP_TO = Decimal(1000)
MAX_BYTES = 256 * 1024
MAX_PROBLEMS = 10

AUTOMATIC, MANAGER, TWO_SIGNATURES = "automatic", "manager", "two signatures"
FIRST, SECOND = "first signature", "second signature"


class BadExpenses(Exception):  # noqa: N818 - a sentence for people, not a programming error
    """The file can't be used."""


class Expense(TypedDict):
    """One row. The amount is text with two decimals: a float would not add up."""

    line: int
    employee: str
    date: str
    category: str
    amount: str
    purpose: str


# ── The steps ───────────────────────────────────────────────────────────────────────────────────────────


def read_expenses(step_input: StepInput) -> dict[str, list[Expense]]:
    """The rows of the file by the route they take, or everything that is wrong with them at once."""
    expenses = _parsed(_text(message_of(step_input, copy_of("expenses.csv"))))
    routes: dict[str, list[Expense]] = {AUTOMATIC: [], MANAGER: [], TWO_SIGNATURES: []}
    for expense in expenses:
        routes[_route(Decimal(expense["amount"]))].append(expense)
    return routes


def needed_routes(step_input: StepInput) -> list[str]:
    """Which routes have anything to approve."""
    return [route for route, expenses in step_input.previous_step_content.items() if expenses]


def approve_small(step_input: StepInput) -> str:
    return _approved(step_input, AUTOMATIC)


def approve_medium(step_input: StepInput) -> str:
    return _approved(step_input, MANAGER)


def sign(step_input: StepInput) -> str:
    return f"Signed for {_total(_expenses(step_input, TWO_SIGNATURES))}."


def report(step_input: StepInput) -> str:
    """What was approved, what was not, and how much it comes to."""
    paid: list[Expense] = []
    refused: list[Expense] = []
    for route in (AUTOMATIC, MANAGER, TWO_SIGNATURES):
        (paid if _is_approved(step_input, route) else refused).extend(_expenses(step_input, route))
    parts = ["# Expense report", *_section("Approved", paid), *_section("Not approved", refused)]
    return "\n\n".join(parts)


workflow = Workflow(
    "expense-approval",
    name="Expense approval",
    examples=[example("A month of expenses")],
    description="Reads expenses from a CSV file and has them approved: automatically, by one person or by two.",
    steps=[
        Step("expenses", read_expenses),
        Router(
            "approval",
            [
                Step(AUTOMATIC, approve_small),
                Step(MANAGER, approve_medium, human_review=Confirm("Approve the expenses up to 1000.00?")),
                Parallel(
                    TWO_SIGNATURES,
                    [
                        Step(FIRST, sign, human_review=Confirm("Sign for the expenses above 1000.00?")),
                        Step(
                            SECOND,
                            sign,
                            human_review=Confirm(
                                "Give the second signature for the expenses above 1000.00?",
                                assignees=["bob", "group:finance"],
                            ),
                        ),
                    ],
                ),
            ],
            selector=needed_routes,
        ),
        Step("report", report),
    ],
)


# ── The file ────────────────────────────────────────────────────────────────────────────────────────────


def _text(message: Any) -> str:
    if not isinstance(message, str) or not message.strip() or "\x00" in message:
        raise BadExpenses("The message must be the path of a CSV file, such as examples/data/expenses.csv.")
    file = Path(message.strip()).expanduser().absolute()
    if not file.is_file():
        raise BadExpenses(f"There is no file {file} on the server's machine.")
    if file.stat().st_size > MAX_BYTES:
        raise BadExpenses(f"{file} is larger than {MAX_BYTES // 1024} KiB; split it.")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadExpenses(f"{file} isn't UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise BadExpenses(f"{file} can't be read: {error.strerror}.") from error


def _parsed(text: str) -> list[Expense]:
    rows = csv.DictReader(io.StringIO(text, newline=""), restkey="too many", strict=True)
    try:
        missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise BadExpenses(f"The first line must name the columns; missing: {', '.join(missing)}.")
        checked = [_checked(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise BadExpenses(f"After line {rows.line_num}: this isn't CSV: {error}.") from error
    problems = [each for each in checked if isinstance(each, str)]
    if problems:
        more = [f"And {len(problems) - MAX_PROBLEMS} more."] if len(problems) > MAX_PROBLEMS else []
        raise BadExpenses("\n".join([*problems[:MAX_PROBLEMS], *more]))
    if not checked:
        raise BadExpenses("The file has no expenses: only its first line, or nothing.")
    return [each for each in checked if not isinstance(each, str)]


def _checked(line: int, row: dict[str, Any]) -> Expense | str:
    """The expense of a row, or a sentence about the first thing that is wrong with it."""
    if "too many" in row:
        return f"Line {line}: more values than columns; put a value with a comma in quotes."
    values = {column: (row[column] or "").strip() for column in COLUMNS}
    for column, value in values.items():
        if not value:
            return f"Line {line}: {column} is empty."
    if values["category"] not in CATEGORIES:
        return f"Line {line}: {values['category']!r} isn't a category; use one of: {', '.join(CATEGORIES)}."
    try:
        day = date.fromisoformat(values["date"])
    except ValueError:
        return f"Line {line}: {values['date']!r} isn't a date; write it as 2025-03-31."
    amount = _amount(values["amount"])
    if amount is None:
        return f"Line {line}: {values['amount']!r} isn't an amount; write it as 123.45, greater than zero."
    return Expense(
        line=line,
        employee=values["employee"],
        date=day.isoformat(),
        category=values["category"],
        amount=f"{amount:.2f}",
        purpose=values["purpose"],
    )


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 < amount < 10**9 or amount != round(amount, 2):
        return None
    return amount


# ── Amounts and words ───────────────────────────────────────────────────────────────────────────────────


def _route(amount: Decimal) -> str:
    if amount <= AUTOMATIC_UP_TO:
        return AUTOMATIC
    return MANAGER if amount <= MANAGER_UP_TO else TWO_SIGNATURES


def _expenses(step_input: StepInput, route: str) -> Sequence[Expense]:
    expenses: dict[str, list[Expense]] = step_input.get_step_content("expenses")
    return expenses[route]


def _is_approved(step_input: StepInput, route: str) -> bool:
    """Whether every step that approves this route has run; a rejected one was skipped, and has no content."""
    needed = (FIRST, SECOND) if route == TWO_SIGNATURES else (route,)
    return all(step_input.get_step_content(step) is not None for step in needed)


def _total(expenses: Sequence[Expense]) -> Decimal:
    return sum((Decimal(expense["amount"]) for expense in expenses), Decimal("0.00"))


def _approved(step_input: StepInput, route: str) -> str:
    expenses = _expenses(step_input, route)
    return f"Approved {len(expenses)} of {_total(expenses)} in all."


def _section(title: str, expenses: Sequence[Expense]) -> list[str]:
    if not expenses:
        return []
    lines = [f"- {each['employee']}, {each['date']}, {each['purpose']}: {each['amount']}" for each in expenses]
    return [f"## {title}: {_total(expenses)}", "\n".join(lines)]
