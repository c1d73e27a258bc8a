"""Reading the documents: their sections, tables and blocks of code."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import ALICE, Live, live_server
from tests.testing.agents import Clerk

import examples
from interlock import Ask, Confirm, Review, Step, StepInput, Workflow
from interlock.settings import PREFIX
from interlock.testing import Run
from interlock.workflow.declare.agents import Tool, ToolRequest
from interlock.workflow.declare.forms import UserInputField

ROOT = Path(__file__).parents[2]


DOCUMENTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")),
)


HERE = "http://127.0.0.1:7777"
"""Where the documents say that the server is."""


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


async def contract(run: Run) -> None:
    await (await run.paused("ours")).confirm()
    await (await run.as_user("carol", groups=["legal"]).paused("theirs")).confirm()


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
