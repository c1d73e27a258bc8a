"""The documents are true: their links resolve, and their tables have all that there is and no more."""

from __future__ import annotations

import os
import re
import tomllib
from typing import Any

import pytest
import typer
from tests.docs.reading import DOCUMENTS, ROOT, read, section, table, ticked

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
from interlock.following.on_connection import MAX_LISTS
from interlock.http.bodies import MAX_FIELDS
from interlock.log.port import PAGE_BYTES
from interlock.process.connections import MAX_HEAD_BYTES, MAX_HEADERS, MAX_LINE_BYTES
from interlock.ratelimit.connection import MAX_REFUSALS
from interlock.ratelimit.counter import AWAY_SECONDS, SHARED_SECONDS
from interlock.settings import PREFIX, Settings
from interlock.socket.answers import MAX_WAITING_BYTES
from interlock.socket.transport import LIVE_BYTES, SMALL_FRAMES, SMALL_FRAMES_PER_SECOND, STRANGERS_BYTES
from interlock.workflow.declare.arguments import MAX_REFERENCES
from interlock_protocol.limits import (
    MAX_CLIENT_DEPTH,
    MAX_FAULTS,
    MAX_LIST,
    MAX_QUOTED,
    MAX_UNAUTHENTICATED_BYTES,
    MAX_UNAUTHENTICATED_DEPTH,
    MAX_VALUES,
)

WRITTEN_LATER = {"docs/benchmarks.md"}
"""What `make bench` writes: a checkout may be without it."""


# ── Reading documents ───────────────────────────────────────────────────────────────────────────────────


def prose(document: str) -> str:
    """A document without its blocks."""
    return re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)


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
    assert bounds["lists and inboxes that a connection follows"] == str(MAX_LISTS)
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
    if isinstance(default, tuple):
        return f"`{','.join(each if isinstance(each, str) else f'{each:g}' for each in default)}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_settings_page_lists_the_scopes() -> None:
    rows = table(read("docs/settings.md"), "scope")
    scopes = [scope for first, *_ in rows for scope in ticked(first)]
    assert set(scopes) == ALL_SCOPES
    assert set(scopes[:4]) == USER_SCOPES
    useless = {scope for first, may in rows if may == "nothing yet" for scope in ticked(first)}
    used = {scope for rules in RULES.values() for scope, _ in rules}
    assert useless == ALL_SCOPES - used - {"admin"}


# ── The command line ────────────────────────────────────────────────────────────────────────────────────


COMMANDS: dict[str, Any] = dict(typer.main.get_command(command_line).commands)  # type: ignore[attr-defined]


def test_command_line_page_has_a_section_for_each_command() -> None:
    sections = re.findall(r"^## interlock (\S+)$", read("docs/cli.md"), re.MULTILINE)
    assert sorted(sections) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_line_page_has_the_options_of_each_command(name: str) -> None:
    command = COMMANDS[name]
    params = [each for part in (command, *getattr(command, "commands", {}).values()) for each in part.params]
    flags = {flag for each in params for flag in (*each.opts, *each.secondary_opts)}
    options = {flag for flag in flags if flag.startswith("-")} - {"--help"}
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
