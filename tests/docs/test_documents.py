"""The documents are true: their code runs, their links resolve, and their tables have all that there is and no more."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from inspect import isawaitable, signature
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import typer
from tests.support.live import ALICE, Live, live_server
from tests.testing.agents import Clerk

import examples
import interlock.testing
import interlock_client
from interlock import Ask, Choose, Confirm, Review, Step, StepInput, Workflow
from interlock.auth.may import RULES
from interlock.auth.principal import ALL_SCOPES, USER_SCOPES
from interlock.cli.commands import app as command_line
from interlock.cli.exits import ExitCode
from interlock.engine.commands.runs import CACHED_FACTS
from interlock.engine.driving.pool import KEPT_STATES
from interlock.engine.driving.writer import BATCH_BYTES, BATCH_EVENTS, BATCH_SECONDS
from interlock.engine.work.functions import THREAD_AHEAD
from interlock.following.feed import KEPT, PAGE
from interlock.following.hub import TAIL_BYTES, TAILS_BYTES
from interlock.following.lists import MAX_LISTS
from interlock.http.bodies import MAX_FIELDS
from interlock.http.errors import STATUS_OF
from interlock.http.openapi import whole
from interlock.log.port import PAGE_BYTES
from interlock.process.connections import MAX_HEAD_BYTES, MAX_HEADERS, MAX_LINE_BYTES
from interlock.ratelimit.connection import MAX_REFUSALS
from interlock.ratelimit.counter import AWAY_SECONDS, SHARED_SECONDS
from interlock.settings import PREFIX, Settings
from interlock.socket.answers import MAX_WAITING_BYTES
from interlock.socket.transport import LIVE_BYTES, SMALL_FRAMES, SMALL_FRAMES_PER_SECOND, STRANGERS_BYTES
from interlock.testing import Run, running
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock.workflow.declare.arguments import MAX_REFERENCES
from interlock.workflow.declare.expressions import NAMES
from interlock.workflow.declare.forms import UserInputField
from interlock.workflow.declare.reviews import ON_CONFIRM, ON_REVIEW, REVIEWS_OF
from interlock_client import connect
from interlock_protocol.limits import (
    MAX_CLIENT_DEPTH,
    MAX_FAULTS,
    MAX_LIST,
    MAX_QUOTED,
    MAX_UNAUTHENTICATED_BYTES,
    MAX_UNAUTHENTICATED_DEPTH,
    MAX_VALUES,
)

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")),
)
WRITTEN_LATER = {"docs/benchmarks.md"}
"""What `make bench` writes: a checkout may be without it."""

HERE = "http://127.0.0.1:7777"
"""Where the documents say that the server is."""


# ── Reading documents ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: str
    language: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    def run(self, namespace: dict[str, Any]) -> Any:
        """Execute it as a module. What it awaits at the top is returned, to be awaited."""
        source = "\n" * (self.line - 1) + self.text  # so that a traceback tells the line of the document
        code = compile(source, self.document, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        return eval(code, namespace)


def read(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def blocks(document: str, language: str) -> list[Block]:
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", read(document), re.MULTILINE | re.DOTALL)
    listed = [Block(document, each[1], read(document).count("\n", 0, each.start(2)) + 1, each[2]) for each in found]
    return [each for each in listed if each.language == language]


def prose(document: str) -> str:
    """A document without its blocks."""
    return re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)


def section(document: str, heading: str) -> str:
    """What stands under a heading, up to the next of its rank or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", read(document), re.MULTILINE)
    assert found, f"{document} has no section {heading!r}"
    rest = read(document)[found.end() :]
    return re.split(rf"^#{{1,{len(found[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def table(text: str, first_head: str) -> list[list[str]]:
    """The cells of the table whose first column has this head."""
    lines = iter(text.splitlines())
    assert any(line.startswith(f"| {first_head} |") for line in lines), f"there is no table of {first_head!r}"
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return rows


def ticked(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


def anchors(document: str) -> set[str]:
    """The fragments by which GitHub finds a document's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", each) is not None for each in found)
        found.add(f"{slug}-{number}" if number else slug)
    return found


# ── Links and files ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if re.match(r"https?:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (ROOT / document).parent.joinpath(path) if path else ROOT / document
        name = os.path.relpath(file, ROOT)
        assert file.exists() or name in WRITTEN_LATER, f"{document}: there is no {target}"
        if fragment and file.exists():
            assert fragment in anchors(name), f"{document}: there is no heading for {target}"


def test_headings_that_the_code_names_are_there() -> None:
    named = re.compile(r"`?(docs/\w+\.md)`?, (?:\"(\w[^\"]*)\"|law (\d+))")
    for file in [path for folder in ("protocol", "server", "clients") for path in ROOT.glob(f"{folder}/**/*.py")]:
        for document, heading, law in named.findall(file.read_text("utf-8")):
            line = rf"^#+ {re.escape(heading)}$" if heading else rf"^{law}\. "
            where = f"{file.relative_to(ROOT)}: {document}, {heading or law}"
            assert re.search(line, read(document), re.MULTILINE), where


def test_readme_is_short() -> None:
    assert read("README.md").count("\n") < 200


def test_contributing_names_folders_and_commands_that_exist() -> None:
    text = read("CONTRIBUTING.md")
    for first, *_ in table(text, "folder"):
        for path in ticked(first):
            assert (ROOT / "server/interlock" / path).exists() or (ROOT / path).exists(), path
    for folder in (ROOT / "tests").iterdir():
        if any(folder.glob("*.py")):
            assert f"`tests/{folder.name}/`" in text
    makefile = read("Makefile")
    for command, *_ in table(text, "command"):
        assert f"\n{command.strip('`').removeprefix('make ')}:" in makefile, command


def test_architecture_names_the_import_contracts() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    assert [first for first, *_ in table(read("docs/architecture.md"), "contract")] == [
        each["id"] for each in contracts
    ]


def test_architecture_names_the_bounds() -> None:
    bounds = dict(table(read("docs/architecture.md"), "what"))
    assert bounds["states kept of runs that nobody works on"] == str(KEPT_STATES)
    assert bounds["facts kept to say who may do what"] == f"of {CACHED_FACTS:,} runs"
    assert bounds["the tail of a followed run in memory"] == f"{TAIL_BYTES // 1024} KiB"
    assert bounds["the tails of all followed runs in memory"].startswith(f"about {TAILS_BYTES // 1024**2} MiB,")
    assert bounds["a page that is read from the log"] == f"about {PAGE_BYTES // 1024} KiB"
    batch = f"{BATCH_EVENTS} events, {BATCH_BYTES // 1024} KiB or {BATCH_SECONDS * 1000:g} ms"
    assert bounds["a batch that is being filled"].startswith(batch)
    assert bounds["a generator in a thread"] == f"{THREAD_AHEAD} items ahead"
    waiting = bounds["control messages that wait for a client"]
    assert waiting.startswith(f"{MAX_WAITING_BYTES // 1024} KiB,")
    small = next(bound for what, bound in bounds.items() if what.startswith("small frames that aren't messages"))
    assert small == f"{SMALL_FRAMES:,} at once, then {SMALL_FRAMES_PER_SECOND} a second"
    assert bounds["a message of a client that hasn't authenticated"].startswith(f"{STRANGERS_BYTES // 1024} KiB")
    head = f"{MAX_HEAD_BYTES // 1024} KiB, {MAX_HEADERS} headers, {MAX_LINE_BYTES // 1024} KiB a line"
    assert bounds["the head of a request"] == head
    assert bounds["lists that a connection follows"] == str(MAX_LISTS)
    assert bounds["changes of runs in memory, in all"] == f"{2 * KEPT:,}"
    assert bounds["a page of changes"] == str(PAGE)
    assert bounds["refusals for that, before a connection is closed"] == f"{MAX_REFUSALS} in a minute"
    waits = f"{SHARED_SECONDS:g} s; then the node counts for itself, and asks again after {AWAY_SECONDS:g} s"
    assert bounds["waiting for Redis to count that"] == waits
    of_message = f"`INTERLOCK_MAX_MESSAGE_BYTES`, {MAX_CLIENT_DEPTH} deep, {MAX_VALUES:,} values"
    assert bounds["a client's message"] == f"{of_message}; a list in it {MAX_LIST:,} elements"
    early = f"{MAX_UNAUTHENTICATED_BYTES // 1024} KiB, {MAX_UNAUTHENTICATED_DEPTH} deep"
    assert bounds["a client's message before authentication"] == early
    assert bounds["faults that an answer names"] == str(MAX_FAULTS)
    followed = bounds["references of a tool's JSON schema that are followed to check edited arguments"]
    assert followed.startswith(f"{MAX_REFERENCES:,},")
    assert f"{LIVE_BYTES // 1024} KiB" in bounds["how long a pong may take"]


def test_protocol_names_the_limits() -> None:
    limits = {first: most for first, most, *_ in table(read("docs/protocol.md").partition("## Limits")[2], "what")}
    (values,) = (most for first, most in limits.items() if first.startswith("values in a message"))
    (elements,) = (most for first, most in limits.items() if first.startswith("elements of each list"))
    assert (values, elements) == (f"{MAX_VALUES:,}", f"{MAX_LIST:,}")
    assert limits["depth"] == str(MAX_CLIENT_DEPTH)
    early = limits["a message before authentication, or while a token is expired"]
    assert (early, limits["its depth"]) == (f"{MAX_UNAUTHENTICATED_BYTES // 1024} KiB", str(MAX_UNAUTHENTICATED_DEPTH))
    assert limits["a form over HTTP: its fields"].startswith(f"{MAX_FIELDS},")
    text = " ".join(read("docs/protocol.md").split())
    assert f"names at most {MAX_FAULTS} faults" in text
    assert f"at most {MAX_QUOTED} characters" in text


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


async def contract(run: Run) -> None:
    await (await run.paused("ours")).confirm()
    await (await run.as_user("carol", groups=["legal"]).paused("theirs")).confirm()


SCENARIOS: dict[str, tuple[Any, Answers, Any]] = {
    "greeting": ("Ada", no_answers, "HELLO, ADA!"),
    "forms": ("", no_answers, {"verdict": "fine"}),
    "shopping": ({"fruit": "apples"}, no_answers, "1 x apples"),
    "payment": ({"amount": 5}, no_answers, "5 charged"),
    "invoice": ("", no_answers, "Nothing to pay."),
    "parcel": ("plums", confirmed, "a box of plums, labelled"),
    "offer": ("", confirmed, "7 pieces at 120"),
    "address": ("", no_answers, "Berlin"),
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
        "Parallel, Race, Steps": ["Parallel", "Race", "Steps"],
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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a server that has made up a token, as the current one."""
    (tmp_path / ".interlock").mkdir()
    (tmp_path / ".interlock/token").write_text(f"{ALICE}\n")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    return tmp_path


def readme_workflow() -> Workflow:
    namespace: dict[str, Any] = {"__name__": "notices"}
    blocks("README.md", "python")[0].run(namespace)
    workflow = namespace["workflow"]
    assert isinstance(workflow, Workflow)
    return workflow


async def title(step_input: StepInput) -> Any:
    """Streams the title that it was given."""
    yield step_input.user_input["title"]


REPORT = Workflow(
    "report",
    steps=[
        Step("title", title, human_review=Ask([UserInputField("title")], "Which title?")),
        Step("publish", lambda given: given.previous_step_content, human_review=Confirm("Publish it?")),
    ],
)
"""The first workflow of docs/python-client.md."""


def jam_once(step_input: StepInput) -> str:
    if step_input.attempt == 1:
        raise OSError("paper jam")
    return str(step_input.previous_step_content)


OFFICE = Workflow(
    "office",
    steps=[
        Step(
            "clerk",
            agent=Clerk(
                [
                    [ToolRequest(Tool("call-1", "look")), ToolRequest(Tool("call-2", "touch"))],
                    [ToolRequest(Tool("call-3", "forecast", {"city": "Paris"}), external_execution=True)],
                ]
            ),
        ),
        Step("letter", lambda _: "All is well.", human_review=Review("Shall it go out?")),
        Step("print", jam_once, on_error="pause"),
    ],
)
"""The workflow of its section about tools."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the workflows of the documents, and the examples."""
    workflows = [readme_workflow(), REPORT, OFFICE, *examples.workflows]
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("documents")) as server:
        yield server


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


# ── The transcript of the README ────────────────────────────────────────────────────────────────────────

QUESTION = re.compile(r"^(version \[str\]|channel \[str, stable\]|\[y/n\])[ ]?(.*)$")


def without_particulars(text: str) -> list[str]:
    """Lines without what is different each time: ids, hashes, durations."""
    text = re.sub(r"run-[0-9a-f]{32}", "RUN", text)
    text = re.sub(r"\b[0-9a-f]{7,12}\b", "HASH", text)
    text = re.sub(r"\d+(\.\d)? m?s\b", "TIME", text)
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.skipif(shutil.which("git") is None, reason="the example needs git")
def test_transcript_of_the_readme_is_what_happens(live: Live, folder: Path) -> None:
    (script, _), (_, transcript, *_) = blocks("README.md", "bash"), blocks("README.md", "text")
    repository = folder / "cookbook"
    make = script.text.replace("/tmp/cookbook", str(repository))
    subprocess.run(["bash", "-euc", make], check=True, capture_output=True)

    command, *lines = transcript.text.splitlines()
    assert command == "$ .venv/bin/interlock chat release-review --message /tmp/cookbook"
    asked = [QUESTION.match(line) for line in lines]
    typed = "".join(f"{question[2]}\n" for question in asked if question)
    expected = [question[1] if question else line for question, line in zip(asked, lines, strict=True)]

    done = subprocess.run(
        [sys.executable, "-m", "interlock.cli", "chat", "release-review", "--message", str(repository)],
        env={**os.environ, "INTERLOCK_URL": live.http_url, "TERM": "dumb", "COLUMNS": "120"},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = without_particulars(done.stdout.replace(str(repository), "/tmp/cookbook"))
    assert said == without_particulars("\n".join(expected))


# ── HTTP ────────────────────────────────────────────────────────────────────────────────────────────────


async def paused_run(live: Live) -> str:
    """A run of the README's workflow that waits, written in the list of runs."""
    async with connect(live.http_url, token=ALICE) as client:
        run = await client.start("notice", message="neighbours")
        async for _ in run:
            if run.status == "PAUSED":
                break
    for _ in range(200):
        if get(live, "/runs?status=PAUSED&workflow_id=notice")["runs"]:
            break
        await asyncio.sleep(0.01)
    return run.run_id


def get(live: Live, path: str) -> Any:
    request = Request(f"{live.http_url}{path}", headers={"Authorization": f"Bearer {ALICE}"})
    with urlopen(request, timeout=10) as response:
        return json.load(response)


def shape(value: Any) -> Any:
    """The keys of objects, at every depth; of lists, the first item's."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value[:1]] if isinstance(value, list) else None


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples need curl")
@pytest.mark.parametrize("document", ["README.md", "docs/http.md"])
async def test_curl_examples_work(live: Live, folder: Path, document: str) -> None:
    run_id = await paused_run(live)
    scripts = [block.text for block in blocks(document, "bash") if "curl " in block.text]
    script = "".join(scripts).replace(HERE, live.http_url).replace("RUN_ID", run_id)
    strict = 'curl() { command curl --silent --show-error --fail "$@"; echo; }\n' + script
    command = ["bash", "-euo", "pipefail", "-c", strict]
    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line.removeprefix("data: ")) for line in done.stdout.splitlines() if "{" in line]
    assert {"status": "live"} in said
    assert "notice" in [each["id"] for answer in said for each in answer.get("workflows", ())]
    assert run_id in [each["run_id"] for answer in said for each in answer.get("runs", ())]
    assert "PAUSED" in [answer["output"]["status"] for answer in said if "output" in answer]
    assert ("/continue" in script) is ("event: WorkflowCompleted" in done.stdout)
    assert ("/cancel" in script) is ("CANCELLED" in [answer.get("status") for answer in said])


async def test_json_of_the_http_page_has_the_real_keys(live: Live) -> None:
    await paused_run(live)
    workflows, runs, error = (json.loads(block.text) for block in blocks("docs/http.md", "json"))
    assert shape(workflows) == shape(get(live, "/workflows"))
    assert workflows["workflows"][0] == get(live, "/workflows")["workflows"][0]
    assert shape(runs) == shape(get(live, "/runs?status=PAUSED&workflow_id=notice"))
    assert error["code"] == "run_not_found"


def test_http_page_lists_the_routes_and_statuses() -> None:
    routes = {f"{method.upper()} {path}" for path, item in whole()["paths"].items() for method in item}
    text = read("docs/http.md")
    assert {ticked(first)[0] for first, *_ in table(text, "request")} == routes
    listed = {code: int(status) for status, codes in table(text, "status") for code in ticked(codes)}
    assert listed == {code.value: status for code, status in STATUS_OF.items()}


# ── Settings ────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_page_lists_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    rows = table(read("docs/settings.md"), "variable")
    settings = Settings()
    assert [(ticked(variable), ticked(option), default) for variable, option, default, _ in rows] == [
        ([f"{PREFIX}{name.upper()}"], [f"--{name.replace('_', '-')}"], _shown(getattr(settings, name)))
        for name in Settings.model_fields
    ]


def _shown(default: Any) -> str:
    if default in (None, ()):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_settings_page_lists_the_scopes() -> None:
    rows = table(read("docs/settings.md"), "scope")
    scopes = [scope for first, *_ in rows for scope in ticked(first)]
    assert set(scopes) == ALL_SCOPES
    assert set(scopes[:3]) == USER_SCOPES
    (useless,) = [first for first, may in rows if may == "nothing yet"]
    used = {scope for rules in RULES.values() for scope, _ in rules}
    assert set(ticked(useless)) == ALL_SCOPES - used - {"admin"}


# ── The command line ────────────────────────────────────────────────────────────────────────────────────

COMMANDS: dict[str, Any] = dict(typer.main.get_command(command_line).commands)  # type: ignore[attr-defined]


def test_command_line_page_has_a_section_for_each_command() -> None:
    sections = re.findall(r"^## interlock (\S+)$", read("docs/cli.md"), re.MULTILINE)
    assert sorted(sections) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_line_page_has_the_options_of_each_command(name: str) -> None:
    options = {flag for each in COMMANDS[name].params for flag in each.opts if flag.startswith("-")} - {"--help"}
    shared = {"--url", "--token"}
    assert shared <= set(ticked(section("docs/cli.md", "Which server, and as whom")))
    text = section("docs/cli.md", f"interlock {name}")
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))
    if name == "serve":
        # Its options are the settings, which have a page of their own.
        assert options == {f"--{setting.replace('_', '-')}" for setting in Settings.model_fields}
        assert named <= options | shared
    else:
        assert options - shared <= set(ticked(text))
        assert named - shared <= options


def test_command_line_page_lists_the_exit_codes() -> None:
    assert [int(code) for code, _ in table(read("docs/cli.md"), "code")] == sorted(ExitCode)
