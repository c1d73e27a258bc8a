"""The page about machines: its tutorial happens, its definitions are valid, and its tables have all that there is."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.docs.reading import HERE, Block, blocks, read, section, table, ticked
from tests.support import nursery
from tests.support.live import ROOT, Live, live_server

import interlock
from interlock.agents import instructions
from interlock.definitions import machine_checks
from interlock.definitions.checks import logic, states
from interlock.definitions.machine_checks import check, scripts_in
from interlock.definitions.machine_json import CALL_MS, compiled
from interlock.engine.work import http_answer, http_call, script, script_process
from interlock.engine.work.logic import MAX_TEXT
from interlock.settings import PREFIX, Settings
from interlock.tasks.builtin import BUILT_IN
from interlock.testing import running
from interlock.workflow.containers.machine import declaration, halt, machine
from interlock.workflow.declare import conditions, inputs, presentation_fields, presentations, templates
from interlock.workflow.run import history
from interlock_protocol.limits import KIB, MAX_LIST, MAX_NESTING, MIB
from interlock_protocol.types import JsonObject

PAGE = "docs/machines.md"
TRIP, *FRAGMENTS = blocks(PAGE, "json")

MOST_INSTANCES = Settings.model_fields["max_active_instances"].default


def definition_of(block: Block) -> dict[str, Any]:
    """A definition of the page; of some states, one that begins with the first, with an end where they lead further."""
    given: dict[str, Any] = json.loads(block.text)
    if "states" in given:
        return given
    targets = re.findall(r'"(?:target|to)": "(\w+)"', block.text)
    ends = {name: {"type": "terminal"} for name in targets if name not in given}
    return {"name": "page", "initial_state": next(iter(given)), "states": {**given, **ends}}


# ── The tutorial ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the tutorial, as the current one."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/trip.json").write_text(TRIP.text)
    (tmp_path / ".interlock").mkdir()
    (tmp_path / ".interlock/token").write_text(f"{ROOT}\n")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def live(folder: Path) -> Iterator[Live]:
    """The server of the tutorial, on a free port."""
    serve = blocks(PAGE, "bash")[0].text
    assert serve == "INTERLOCK_DEFINITIONS=flows interlock serve\n"
    with live_server([], data_dir=folder / ".interlock", definitions="flows") as server:
        yield server


PROMPT = re.compile(r"^(approved \[y/n\]|comment \[text, optional\])[ ]?(.*)$")


def without_particulars(text: str) -> list[str]:
    """Lines without what is different each time: ids, durations, who is signed in."""
    text = re.sub(r"\b(inst|v|req)[_-][0-9a-f]{20,32}\b", "ID", text)
    text = re.sub(r"\d+(\.\d)? m?s\b", "TIME", text)
    text = text.replace("  root: ", "  admin: ")
    return [line.rstrip() for line in text.strip().splitlines()]


def said(command: str, typed: str, live: Live) -> str:
    program, *arguments = shlex.split(command)
    assert program == "interlock"
    done = nursery.run(
        [sys.executable, "-m", "interlock.cli", *arguments],
        env={**os.environ, "INTERLOCK_URL": live.http_url, "TERM": "dumb", "COLUMNS": "200"},
        input=typed,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_tutorial_is_what_happens(live: Live, folder: Path) -> None:
    run_id = ""
    sessions = [block.text for block in blocks(PAGE, "text") if block.text.startswith("$ interlock ")]
    assert [each.split()[2] for each in sessions] == ["validate", "chat", "follow", "publish", "validate"]
    for session in sessions:
        command, *lines = session.removeprefix("$ ").splitlines()
        asked = [PROMPT.match(line) for line in lines]
        typed = "".join(f"{prompt[2]}\n" for prompt in asked if prompt)
        expected = [prompt[1] if prompt else line for prompt, line in zip(asked, lines, strict=True)]
        if "publish" in command:
            change(folder / "flows/trip.json", "500", "1000")
        if "wrong.json" in command:
            shutil.copy(folder / "flows/trip.json", folder / "wrong.json")
            change(
                folder / "wrong.json",
                '"booked", "condition": {"field": "cost"',
                '"boked", "condition": {"field": "cost"',
            )
        output = said(re.sub(r"inst_\w+", run_id, command), typed, live)
        run_id = run_id or next(iter(re.findall(r"inst_\w+", output)), "")
        assert without_particulars(output) == without_particulars("\n".join(expected))
    direct = said(r"""interlock chat trip --message-json '{"city": "Ghent", "nights": 3, "fare": 240}'""", "", live)
    assert "approval" not in direct
    assert "Completed" in direct


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples need curl")
async def test_curl_examples_do_what_they_say(live: Live, folder: Path) -> None:
    change(folder / "flows/trip.json", "500", "1000")  # as it is by then
    _, instances, definitions = blocks(PAGE, "bash")
    answers = [await answered(live, folder, each) for each in (instances, definitions)]
    resumed, shown, told = answers[0]
    assert (resumed["status"], resumed["current_state"]) == ("completed", "booked")
    assert [each["state"] for each in shown["history"]] == ["estimate", "approval", "booked"]
    assert [each["subtype"] for each in told["events"]][-1] == "completed"
    created = json.loads((folder / "trip.out").read_text())["data"]
    assert (created["status"], created["halting_presentation"]["title"]) == ("halted", "5 nights in Porto, for 1080")
    validated, published, versions = answers[1]
    assert validated == {"valid": True}
    assert published["status"] == "published"
    assert [each["version_id"] for each in versions["versions"]].index(published["version_id"]) == 0


async def answered(live: Live, folder: Path, block: Block) -> list[Any]:
    strict = 'curl() { command curl --silent --show-error --fail "$@"; echo; }\n'
    command = ["bash", "-euo", "pipefail", "-c", strict + block.text.replace(HERE, live.http_url)]
    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["data"] for line in done.stdout.splitlines() if line]


# ── Definitions ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("block", [TRIP, *FRAGMENTS], ids=str)
def test_definitions_of_the_page_are_valid(block: Block) -> None:
    definition = definition_of(block)
    warned = [each.path for each in check(definition, types=BUILT_IN)]
    assert warned == []
    assert compiled(definition, version_id="v_1", types=BUILT_IN).id == definition["name"]


async def test_scripts_of_the_page_can_be_read() -> None:
    scripts = script.Scripts()
    try:
        codes = [code for block in (TRIP, *FRAGMENTS) for code in scripts_in(definition_of(block))]
        assert len(codes) == 3
        assert [await scripts.check(code) for code in codes] == [None] * 3
    finally:
        await scripts.aclose()


def test_folder_of_the_page_has_what_it_says() -> None:
    files = sorted(path.name for path in (Path(__file__).parents[2] / "examples/machines").glob("*.json"))
    assert len(files) == 5
    assert "has five more machines" in read(PAGE)


# ── Tables ──────────────────────────────────────────────────────────────────────────────────────────────


def names(text: str, head: str) -> list[str]:
    """What stands in backticks in the first column of a table."""
    return [name for first, *_ in table(text, head) for name in ticked(first)]


def types_in(text: str, head: str, kinds: list[str]) -> dict[str, set[str]]:
    """Which fields each type has, by a table with a column for each type."""
    rows = table(text, head)
    return {
        kind: {name for row in rows if row[at] == "yes" for name in ticked(row[0])} for at, kind in enumerate(kinds, 1)
    }


def without(fields: Mapping[str, Any], *left_out: str) -> set[str]:
    return set(fields) - set(left_out)


def test_table_of_definitions_is_complete() -> None:
    assert set(names(section(PAGE, "Definitions"), "field")) == set(machine_checks._DEFINITION.table)


def test_table_of_states_is_complete() -> None:
    kinds = ["action", "halting", "wait", "parallel", "terminal"]
    assert {*kinds} == set(states.TYPES)
    listed = types_in(section(PAGE, "States"), "field", kinds)
    # A terminal state may have transitions only as an empty list.
    assert listed == {
        kind: without(states.TYPES[kind], *(["transitions"] if kind == "terminal" else [])) for kind in kinds
    }


def test_table_of_transitions_is_complete() -> None:
    known = {"target", "to", "condition", "key", "label", "description"}
    assert set(names(section(PAGE, "Transitions"), "field")) | {"to"} == known


def test_table_of_operators_is_complete() -> None:
    assert names(section(PAGE, "Conditions"), "operator") == list(conditions.OPERATORS)
    for *_, written in table(section(PAGE, "Conditions"), "operator"):
        assert list(conditions.faults_in(json.loads(ticked(written)[0]), "condition")) == []


def test_table_of_roots_is_complete() -> None:
    assert set(names(section(PAGE, "Templates"), "begins with")) == logic.HTTP_ROOTS


def test_table_of_logic_is_complete() -> None:
    kinds = ["script", "http", "task"]
    assert {*kinds} == set(logic.TYPES)
    text = section(PAGE, "Logic")
    assert types_in(text, "field", kinds) == {kind: set(logic.TYPES[kind]) for kind in kinds}
    (methods,) = [said for name, *_, said in table(text, "field") if name == "`method`"]
    assert set(ticked(methods)) == set(logic.METHODS)


def test_tables_of_presentations_are_complete() -> None:
    text = section(PAGE, "Presentations")
    assert names(text, "type") == list(presentations.TYPES)
    fields = table(text, "type of a field")
    assert {ticked(first)[0]: set(ticked(own)) for first, own, _ in fields} == {
        kind: set(own) for kind, own in presentation_fields.PROPERTIES.items()
    }
    (shown,) = (json.loads(each.text) for each in FRAGMENTS if '"review"' in each.text)
    assert [state["presentation"]["type"] for state in shown.values()] == list(presentations.TYPES)
    assert {each["type"] for each in shown["review"]["presentation"]["fields"]} == set(presentation_fields.PROPERTIES)


def test_table_of_errors_is_complete() -> None:
    rows = table(section(PAGE, "Errors"), "code")
    assert [ticked(code)[0] for code, _, handled in rows if handled == "yes" and code.startswith("`")] == list(
        states.CODES
    )
    source = Path(machine.__file__).read_text()
    assert {ticked(code)[0] for code, _, handled in rows if handled == "no"} == set(
        re.findall(r'Fail\(\s*"(\w+)"', source)
    ) - set(states.CODES)


def test_table_of_joins_is_complete() -> None:
    assert names(section(PAGE, "Threads"), "`join`") == ["all", "any", "none"]


def test_table_of_history_is_complete() -> None:
    rows = table(section(PAGE, "History"), "type")
    assert {ticked(first)[0] for first, *_ in rows} == set(history.KINDS)
    source = Path(history.__file__).read_text()
    told = set(re.findall(r'"(?:lifecycle|transition|step|halt|error)", "(\w+)"', source))
    subtypes = {name for _, said, _ in rows for name in ticked(said)}
    assert told - set(history.KINDS) <= subtypes
    assert all(f'"{name}"' in source for name in subtypes)


def test_limits_are_those_of_the_code() -> None:
    assert dict(table(section(PAGE, "Limits"), "what")) == {
        "states of a definition": str(machine_checks.MAX_STATES),
        "transitions of a state": str(states.MAX_TRANSITIONS),
        "name of a machine": "64 characters",
        "a script": f"{logic.MAX_SCRIPT_BYTES // KIB} KB",
        "fields of a form": str(presentations.MAX_FIELDS),
        "a definition, as JSON": f"{machine_checks.MAX_DEFINITION_BYTES // MIB} MB",
        "the data of a run": f"{declaration.MAX_DATA_BYTES // KIB} KB",
        "an input, of a run or of a halt over `/api/v1`": f"{inputs.MAX_INPUT_BYTES // KIB} KB",
        "threads that run at once, beside the main one": str(declaration.MAX_THREADS),
        "files of a field": str(presentation_fields.MAX_FILES),
        "handlers of errors of a state": str(states.MAX_HANDLERS),
        "transitions in a row without a person, a timeout or a wait": f"{machine.MAX_AUTOMATIC:,}",
        "transitions of a run in all, which bounds its log": f"{machine.MAX_TRANSITIONS:,}",
        "what a halt asks, with its templates filled in": f"{halt.MAX_ASKED_BYTES // MIB} MB",
        "active runs of a namespace": f"{MOST_INSTANCES:,}, or as [set](settings.md)",
        "templates in the texts of one value": str(templates.MAX_TEMPLATES),
        "parts of a condition": f"{MAX_LIST:,}, nested {MAX_NESTING} deep",
        "options of a select or a choice": f"{presentation_fields.MAX_OPTIONS:,}",
        "headers of a call": str(logic.MAX_HEADERS),
    }
    text = " ".join(read(PAGE).split())
    for words in (
        f"5 seconds, {script_process.MEMORY_BYTES // MIB} MiB, a result of {script_process.RESULT_BYTES // KIB} KiB as"
        f" JSON, nested {script_process.RESULT_DEPTH} deep",
        f"It logs {script.MOST_LINES} lines of {script.LINE_BYTES // KIB} KiB",
        f"An answer has {http_answer.MAX_ANSWER_BYTES // MIB} MB, a request {http_call.MAX_REQUEST_BYTES // MIB} MB",
        f"{CALL_MS}, and at most {logic.MAX_CALL_MS}",
        f"{instructions.MAX_DATA_BYTES // KIB} KiB of them",
        f"{MAX_TEXT:,} characters at most",
    ):
        assert words in text, words


# ── Python ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_machine_in_python_does_what_it_says() -> None:
    namespace: dict[str, Any] = {"__name__": "flows"}
    blocks(PAGE, "python")[0].run(namespace)
    workflow = namespace["workflow"]
    cheap: JsonObject = {"city": "Ghent", "nights": 1, "fare": 40}
    dear: JsonObject = {"city": "Porto", "nights": 5, "fare": 480}
    async with running(workflow, message=cheap) as run:
        assert await run.completed() == "Ghent: booked"
    async with running(workflow, message=dear) as run:
        await (await run.paused("ask")).submit(approved=True)
        assert await run.completed() == "Porto: booked"
    async with running(workflow, message=dear) as run:
        await run.paused("ask")
        await run.advance(days=1)
        assert await run.completed() == "Porto: declined"


def test_page_names_what_python_has_for_machines() -> None:
    text = section(PAGE, "Machines in Python")
    for name in ("Halting", "Handler", "HttpLogic", "Machine", "Retry", "ScriptLogic", "State", "Transition"):
        assert hasattr(interlock, name)
        assert f"{name}(" in text or f"`{name}`" in text, name


# ── README.md ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_granted", [True, False])
async def test_machine_of_the_readme_goes_where_it_says(is_granted: bool) -> None:
    definition = json.loads(blocks("README.md", "json")[0].text)
    assert check(definition) == []
    async with running(compiled(definition, version_id="v_1"), message={"who": "Ada", "days": 3}) as run:
        pause = await run.paused("ask")
        assert pause.message == "3 days off for Ada?"
        await pause.submit(granted=is_granted)
        assert await run.completed() == {"granted": is_granted}
        assert (await run.until("MachineExecutionCompleted"))["state"] == ("granted" if is_granted else "refused")
