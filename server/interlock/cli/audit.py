"""`interlock audit`: exports the audit of a run from a server, and verifies it, there or in a file.

Laws:
- What is verified is what is exported; a file is verified without any server.
- The first entry that doesn't fit is named, and the exit code is 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from interlock.audit.chain import Entry, broken
from interlock.audit.checkpoints import Heads, UnreadableCheckpoint, checkpoint_line, outdated, read_checkpoints
from interlock.audit.files import Chain, UnreadableFile, csv_lines, entry_in, json_lines, read_file
from interlock.cli.exits import ExitCode, Failure
from interlock.cli.http import call_v1
from interlock.cli.target import DEFAULT_URL, Target, TokenOption, UrlOption
from interlock.cli.words import harmless
from interlock_client.rest import path

app = typer.Typer(help="The audit of runs: exported, and verified.", no_args_is_help=True)

ProjectOption = Annotated[
    str | None, typer.Option("--project", help="The namespace of the run.", metavar="NAME", show_default=False)
]


@app.command(name="export")
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    project: ProjectOption = None,
    format_: Annotated[Literal["jsonl", "csv"], typer.Option("--format", help="Of the file.")] = "jsonl",
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it.", metavar="PATH", show_default=False)
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Write the audit of a run to a file, or print it."""
    chain, people = _of_server(Target.find(url, token), _named(project), run)
    if format_ == "csv":
        lines = csv_lines(chain.entries, chain.count)
    else:
        lines = json_lines(chain.entries, chain.count, people)
    _write("".join(lines), file)


@app.command(name="checkpoint")
def checkpoint(
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it.", metavar="PATH", show_default=False)
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Get the server's signed word of how far all chains have come, to be kept elsewhere."""
    pages = _pages(Target.find(url, token), path("audit", "checkpoint"))
    text = "".join(checkpoint_line(each["statement"], each["keys"]) for each in pages)
    _write(text, file)


def _write(text: str, file: Path | None) -> None:
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, "utf-8", newline="")
    except OSError as error:
        raise Failure(f"{file} can't be written: {error.strerror}.", ExitCode.USAGE) from None


@app.command(name="verify")
def verify(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="What was exported. - is the input.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="A run on the server instead.", metavar="RUN")] = None,
    project: ProjectOption = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="What `checkpoint` gave before.", metavar="PATH", show_default=False),
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Check that nothing in an audit was changed, taken out, put in or moved."""
    if (file is None) == (run is None):
        raise typer.BadParameter("name either a FILE, or a --run on the server")
    if run is not None:
        chains: Sequence[Chain] = [_of_server(Target.find(url, token), _named(project), run)[0]]
    else:
        chains = _in_file(file or Path("-"))
    heads = {} if checkpoints is None else _checkpoints_in(checkpoints)
    faults = [fault for each in chains if (fault := _fault(each, heads)) is not None]
    for each in chains if not faults else ():
        _say(f"{each.run_id}: {each.count} entries, and nothing was changed.")
    for fault in faults:
        _say(fault)
    if faults:
        raise typer.Exit(ExitCode.ERROR)


def _named(project: str | None) -> str:
    if project is None:
        raise typer.BadParameter("say by --project in which namespace the run is")
    return project


def _fault(chain: Chain, heads: Heads) -> str | None:
    """What is wrong with a chain; None if nothing is."""
    fault = broken(chain.run_id, chain.entries) or outdated(chain.run_id, chain.entries, heads)
    if fault is not None:
        return f"{chain.run_id}: entry {fault.seq}: {fault.reason}."
    if len(chain.entries) != chain.count:
        return f"{chain.run_id}: entry {len(chain.entries) + 1}: it is missing; there should be {chain.count}."
    return None


def _in_file(file: Path) -> Sequence[Chain]:
    try:
        chains = read_file(_text_of(file))
    except UnreadableFile as error:
        raise Failure(f"{file} is no exported audit. {error}", ExitCode.ERROR) from None
    if not chains:
        raise Failure(f"{file} has no entries, so there is nothing to verify.", ExitCode.ERROR)
    return chains


def _checkpoints_in(file: Path) -> Heads:
    try:
        return read_checkpoints(_text_of(file))
    except UnreadableCheckpoint as error:
        raise Failure(f"{file} has no checkpoints. {error}", ExitCode.ERROR) from None


def _text_of(file: Path) -> str:
    try:
        return (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode()
    except OSError as error:
        raise Failure(f"{file} can't be read: {error.strerror}.", ExitCode.USAGE) from None
    except UnicodeDecodeError:
        raise Failure(f"{file} isn't text in UTF-8; export it anew.", ExitCode.ERROR) from None


def _of_server(target: Target, project: str, run: str) -> tuple[Chain, Sequence[Any]]:
    """The whole chain of a run, page by page, and who got and saw what."""
    pages = list(_pages(target, path("projects", project, "runs", run, "audit")))
    try:
        entries: list[Entry] = [entry_in(each) for page in pages for each in page["entries"]]
        return Chain(run, pages[-1]["count"], entries), pages[0]["people"]
    except (KeyError, TypeError):
        sentence = "The server answered with no audit; is it as new as this command?"
        raise Failure(sentence, ExitCode.UNREACHABLE) from None


def _pages(target: Target, where: str) -> Iterator[dict[str, Any]]:
    after: Any = ""
    while after is not None:
        page = call_v1(target, "GET", f"{where}?after={after}" if after else where)
        yield page
        after = page.get("next_after")


def _say(sentence: str) -> None:
    print(harmless(sentence), flush=True)  # noqa: T201 - this is what a command line does
