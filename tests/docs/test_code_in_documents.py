"""The code in the documents runs, and does what they say."""

from __future__ import annotations

import ast
import asyncio
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from inspect import isawaitable, signature
from pathlib import Path
from typing import Any

import pytest
from tests.docs.reading import DOCUMENTS, HERE, Block, blocks, contract, folder, live, read, section, table, ticked
from tests.support.live import ALICE, Live

import interlock.testing
import interlock_client
from interlock import Ask, Choose, Confirm, Review, Step, StepInput
from interlock.testing import Run, running
from interlock.workflow.declare.expressions import NAMES
from interlock.workflow.declare.reviews import MADE_BY_MACHINES, ON_CONFIRM, ON_REVIEW, REVIEWS_OF
from interlock_client import connect

__all__ = ["folder", "live"]


# ── Python ──────────────────────────────────────────────────────────────────────────────────────────────


PYTHON = [block for document in DOCUMENTS for block in blocks(document, "python")]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


# ── docs/workflows.md ───────────────────────────────────────────────────────────────────────────────────


Answers = Callable[[Run], Awaitable[None]]


async def no_answers(run: Run) -> None:
    """Nothing is asked."""


async def confirmed(run: Run) -> None:
    await (await run.paused()).confirm()


async def deployment(run: Run) -> None:
    deploy = await run.paused("deploy")
    assert (deploy.on_reject, deploy.allowed_on_reject) == ("cancel", ("cancel",))
    await deploy.confirm()
    public = await run.paused("public?")
    assert public.allowed_on_reject == ("else", "skip", "cancel")
    await public.reject()


async def trip(run: Run) -> None:
    book = await run.paused("book")
    assert [(each.name, each.field_type) for each in book.fields] == [
        ("city", "str"),
        ("nights", "int"),
        ("travel_class", "str"),
    ]
    with pytest.raises(interlock.testing.Refusal, match="nights"):
        await book.submit(city="Ghent", nights=0)
    await book.submit(city="Ghent")
    await (await run.paused("bill")).submit(payer="Ada")


async def sign_in(run: Run) -> None:
    await (await run.paused()).submit(user="ann", password="hunter-2")
    await run.until("StepContinued")
    assert "hunter-2" not in str(run.events)


async def contact(run: Run) -> None:
    await (await run.paused()).choose("write", "call")


async def publishing(run: Run) -> None:
    await (await run.paused()).confirm()
    await (await run.paused()).submit(section="sport")


async def poem(run: Run) -> None:
    await (await run.paused("draft")).reject("by the sea")
    await run.until("StepOutputReview", count=2)
    again = await run.paused("draft")
    assert (again.output, again.retry_count, again.max_retries) == ("A poem about tides, by the sea", 1, 2)
    await again.confirm()
    await (await run.paused("polishing")).reject()
    await run.until("StepOutputReview", step="polishing", count=2)
    await (await run.paused("polishing")).confirm(edited_output="Tides!")


async def gift(run: Run) -> None:
    await (await run.as_user("bob").paused()).confirm()


async def newsletter(run: Run) -> None:
    await run.paused("write")
    await run.advance(days=7)
    await run.paused("send")
    await run.advance(hours=1)


async def tally(run: Run) -> None:
    await run.completed()
    assert await (await run.again(message="pears")).completed() == "2: apples, pears"


async def salary(run: Run) -> None:
    await run.advance(minutes=1)
    pause = await run.as_user("dora", groups=["accounting"]).paused("pay")
    assert (pause.kind, pause.error, pause.error_type) == ("error_decision", "the account is closed", "ConnectionError")
    await pause.decide("retry")


SCENARIOS: dict[str, tuple[Any, Answers, Any]] = {
    "greeting": ("Ada", no_answers, "HELLO, ADA!"),
    "forms": ("", no_answers, {"verdict": "fine"}),
    "shopping": ({"fruit": "apples"}, no_answers, "1 x apples"),
    "payment": ({"amount": 5}, no_answers, "5 charged"),
    "invoice": ("", no_answers, "Nothing to pay."),
    "parcel": ("plums", confirmed, "a box of plums, labelled"),
    "offer": ("", confirmed, "7 pieces at 120"),
    "address": ("", no_answers, "Berlin"),
    "figures": ("", no_answers, {"profit": 40}),
    "letters": ({"people": [{"name": "Ada"}]}, confirmed, ["Sent: Ada is fine"]),
    "claim": ({"amount": 5}, no_answers, "waved through"),
    "delivery": ("ada@example.org", no_answers, "sent by e-mail"),
    "halving": (20, no_answers, 0.625),
    "article": ("locks", confirmed, "An article about locks (translated) (proofread)"),
    "triage": ({"priority": 1, "mail": "ada@example.org"}, no_answers, "written!!!"),
    "deployment": ("", deployment, "archived"),
    "trip": ("", trip, "1 nights in Ghent, second class, paid by Ada"),
    "sign-in": ("", sign_in, "ann is in, with 8 characters"),
    "contact": ("", contact, "called, then written"),
    "poem": ("tides", poem, "Tides!"),
    "publishing": ("", publishing, "published in sport"),
    "newsletter": ("tides", newsletter, "News about tides"),
    "gift": ("", gift, "wrapped"),
    "contract": ("", contract, {"ours": "signed", "theirs": "signed"}),
    "tally": ("apples", tally, "1: apples"),
    "salary": ("Ada", salary, "Ada paid, at attempt 4."),
    "crunching": (3, no_answers, "3 rows, at attempt 1"),
}
"""The message each workflow of the page is started with, who answers, and what it comes to."""


@pytest.mark.parametrize("block", blocks("docs/workflows.md", "python"), ids=str)
async def test_workflow_of_the_page_does_what_it_says(block: Block) -> None:
    namespace: dict[str, Any] = {"__name__": "flows"}
    block.run(namespace)
    workflow = namespace.get("workflow")
    if workflow is None:
        assert "assert" in block.text
        return
    message, answers, result = SCENARIOS[workflow.id]
    async with running(workflow, message=message) as run:
        await answers(run)
        assert await run.completed() == result


def test_every_scenario_is_of_the_page() -> None:
    ids = [
        re.findall(r'^workflow = Workflow\(\s*"([^"]+)"', each.text, re.MULTILINE)
        for each in blocks("docs/workflows.md", "python")
    ]
    assert [name for names in ids for name in names] == list(SCENARIOS)


def test_workflows_page_says_what_each_kind_may_ask() -> None:
    kinds = {
        "Step with an executor or an agent": ["Step"],
        "Step with a nested workflow": ["Workflow"],
        "Graph, Machine, Map, Parallel, Ports, Race, Steps": [
            *("Graph", "Machine", "Map", "Parallel", "Ports", "Race", "Steps")
        ],
    }
    in_the_table = (Confirm, Ask, Choose, Review)
    listed: dict[str, tuple[list[str], list[str], list[str]]] = {}
    for name, *asked, on_confirm, on_review in table(read("docs/workflows.md"), "kind of node"):
        reviews = [each.__name__ for each, said in zip(in_the_table, asked, strict=True) if said.startswith("yes")]
        for kind in kinds.get(name, [name]):
            listed[kind] = (reviews, ticked(on_confirm), ticked(on_review))
    assert listed == {
        kind: (
            [each.__name__ for each in reviews if each in in_the_table],
            list(ON_CONFIRM[kind]),
            list(ON_REVIEW.get(kind, ())),
        )
        for kind, reviews in REVIEWS_OF.items()
        if kind not in MADE_BY_MACHINES
    }


def test_workflows_page_names_everything_that_an_expression_may_speak_of() -> None:
    rows = table(section("docs/workflows.md", "Expressions"), "name")
    assert [name for first, _ in rows for name in ticked(first)] == list(NAMES)


def test_workflows_page_names_every_argument_of_a_step() -> None:
    text = read("docs/workflows.md")
    for name in signature(Step).parameters:
        assert f"{name}=" in text or name in ("name", "executor"), name
    for first, _ in table(section("docs/workflows.md", "Errors"), "argument of `Step`"):
        name, _, default = ticked(first)[0].partition("=")
        assert ast.literal_eval(default) == signature(Step).parameters[name].default


def test_workflows_page_names_all_of_a_step_input() -> None:
    rows = table(read("docs/workflows.md"), "attribute of `StepInput`")
    named = {name.partition("(")[0] for first, *_ in rows for name in ticked(first)}
    assert named == {name for name in dir(StepInput("")) if not name.startswith("_")}


# ── docs/testing.md ─────────────────────────────────────────────────────────────────────────────────────


def test_tests_of_the_testing_page_pass(tmp_path: Path) -> None:
    files = [*blocks("docs/testing.md", "toml"), *blocks("docs/testing.md", "python")]
    for block in files:
        name = block.text.partition("\n")[0].removeprefix("# ")
        (tmp_path / name).write_text(block.text, "utf-8")
    count = sum(len(re.findall(r"^async def test_", block.text, re.MULTILINE)) for block in files)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{count} passed" in done.stdout


def test_testing_page_names_everything_public() -> None:
    text = read("docs/testing.md")
    for name in interlock.testing.__all__:
        assert name in text or name in ("StepRun", "Run", "Pause"), name
    for name in (name for name in vars(Run) if not name.startswith("_")):
        assert f"run.{name}" in text, name
    (row,) = [row for row in table(text, "at any time") if "run.steps" in row[0]]
    fields = set(interlock.testing.StepRun.__dataclass_fields__)
    assert fields <= set(ticked(row[1]))


# ── README.md and docs/python-client.md ─────────────────────────────────────────────────────────────────


def at(live: Live, block: Block) -> Block:
    """A block that talks to the live server."""
    text = block.text.replace(HERE, live.http_url).replace('token="…"', f'token="{ALICE}"')
    return Block(block.document, block.language, block.line, text)


@pytest.mark.usefixtures("folder")
def test_client_of_the_readme_prints_what_it_says(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    _, client = blocks("README.md", "python")
    at(live, client).run({"__name__": "__main__"})
    said = capsys.readouterr().out.strip()
    assert said == "COMPLETED Sent: Dear neighbours, the lift works again."
    assert f"prints `{said}`" in read("README.md")


def test_first_client_of_the_page_runs(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = blocks("docs/python-client.md", "python")
    at(live, first).run({"__name__": "__main__"})
    assert capsys.readouterr().out.endswith("COMPLETED The report of March\n")


async def test_other_examples_of_the_page_run_one_after_the_other(live: Live) -> None:
    _, *others = blocks("docs/python-client.md", "python")
    async with asyncio.timeout(30), connect(live.http_url, token=ALICE) as client:
        namespace: dict[str, Any] = {"client": client, "__name__": "page"}
        for block in others:
            waiting = block.run(namespace)
            if isawaitable(waiting):
                await waiting


def test_client_page_names_everything_public() -> None:
    text = read("docs/python-client.md")
    for name in signature(connect).parameters:
        assert f"`{name}`" in text or name == "url", name
    for kind in (interlock_client.Run, interlock_client.Pause, interlock_client.ToolCall, interlock_client.Question):
        fields = getattr(kind, "__dataclass_fields__", {})
        for name in {*vars(kind), *fields}:
            unspoken = name.startswith("_") or name in UNSPOKEN
            assert unspoken or re.search(rf"\b{name}\b", text), f"{kind.__name__}.{name}"
    for name in interlock_client.__all__:
        assert name in text, name


UNSPOKEN = {
    *("ask", "acknowledged", "read", "lost", "fail", "receive", "lag", "hungry", "roomy", "streaming", "wants_events"),
    *("known_workflow_id", "step_id"),
}
"""What the client says to its own parts."""
