"""`interlock widgets`: the bundles of widgets on a server.

Laws:
- A bundle that is the current version already isn't added again.
- Nothing of a server's answer is an instruction to the terminal.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.target import DEFAULT_URL, Target, TokenOption, UrlOption
from interlock_protocol.limits import KIB

widgets = typer.Typer(help="Manage the bundles of widgets.", no_args_is_help=True, rich_markup_mode=None)


@widgets.command(name="add")
def add_widget(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the bundle.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.js", help="Its script.")],
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Add a bundle, or a version of one, which is the current one from then on."""
    raise typer.Exit(_add(Target.find(url, token), name, file, sys.stdout))


@widgets.command(name="list")
def list_widgets(url: UrlOption = DEFAULT_URL, token: TokenOption = None) -> None:
    """List the bundles and their versions, of each the current one first."""
    raise typer.Exit(_list(Target.find(url, token), sys.stdout))


def _add(target: Target, name: str, file: Path, out: IO[str]) -> ExitCode:
    from interlock.cli.http import call_api
    from interlock.cli.words import harmless

    try:
        source = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise Failure(f"{file} isn't a text in UTF-8; give a script.", ExitCode.USAGE) from None
    except OSError as error:
        raise Failure(f"{file} can't be read: {error.strerror or error}.", ExitCode.USAGE) from None
    added = call_api(target, "POST", "/widgets", {"name": name, "source": source})
    print(harmless(f"{added['name']}: {added['version']} is the current version."), file=out)
    return ExitCode.COMPLETED


def _list(target: Target, out: IO[str]) -> ExitCode:
    from interlock.cli.http import call_api
    from interlock.cli.words import harmless

    for each in call_api(target, "GET", "/widgets")["widgets"]:
        print(harmless(_line(each)), file=out)
    return ExitCode.COMPLETED


def _line(each: dict[str, Any]) -> str:
    current = "  current" if each["is_current"] else ""
    return f"{each['name']}  {each['version']}  {each['bytes'] / KIB:,.1f} KiB  {each['added_at']}{current}"
