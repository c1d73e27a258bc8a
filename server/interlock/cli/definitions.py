"""`interlock validate`, `publish` and `diagram`: definitions of workflows in files, and on a server.

Laws:
- All files are read and checked before anything is sent; all that is wrong in all of them is printed, a line each.
- What is the current version on the server is not published again.
- Nothing of a file or of a server's answer is an instruction to the terminal.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.http import ApiRefused, call_api
from interlock.cli.target import Target
from interlock.cli.words import harmless
from interlock.definitions.checking import ScriptCheck, faults_of
from interlock.definitions.diagram import diagram
from interlock.definitions.files import SUFFIXES, UnreadableFile, definition_in
from interlock.engine.work.script import Scripts
from interlock.tasks.registry import task_types
from interlock.workflow.activities import LogicError
from interlock_protocol.types import JsonObject


def validate(files: Sequence[Path], *, out: IO[str]) -> ExitCode:
    """Print all that is wrong with the definitions in these files, or that nothing is.

    Warnings are printed, too, and are no reason to fail.
    """
    read = asyncio.run(_read(files, out))
    for path, definition in zip(files, read, strict=True):
        if definition is not None:
            _say(out, f"{path} is valid.")
    return ExitCode.COMPLETED if all(each is not None for each in read) else ExitCode.ERROR


def publish(target: Target, files: Sequence[Path], *, out: IO[str]) -> ExitCode:
    """Publish the definitions in these files; none, if anything is wrong with one.

    Raises:
        Failure: the server can't be reached, or refuses for another reason than what is wrong with a definition.
    """
    read = asyncio.run(_read(files, out))
    definitions = [each for each in read if each is not None]
    if len(definitions) < len(files):
        return ExitCode.ERROR
    for path, definition in zip(files, definitions, strict=True):
        try:
            _say(out, _published(target, definition))
        except ApiRefused as refused:
            faults = _faults_in(refused.details)
            if not faults:
                raise
            for fault in faults:
                _say(out, f"{path}: {fault}")
            return ExitCode.ERROR
    return ExitCode.COMPLETED


def drawn(what: str, find: Callable[[], Target]) -> str:
    """The diagram of the definition in a file, or of the one on a server that has this name.

    Args:
        find: finds the server.

    Raises:
        Failure: there is no such definition, or the server can't be reached.
    """
    path = Path(what)
    if path.suffix in SUFFIXES or path.exists():
        try:
            return diagram(definition_in(path))
        except UnreadableFile as error:
            raise Failure(harmless(f"{path}: {error}"), ExitCode.ERROR) from None
    return diagram(call_api(find(), "GET", _path_of(what)).get("definition"))


async def _read(files: Sequence[Path], out: IO[str]) -> list[JsonObject | None]:
    """The definitions in these files; None for each that can't be published. What is wrong with them is printed.

    Raises:
        Failure: scripts can't be read now.
    """
    scripts = Scripts()
    try:
        return [await _checked(path, scripts.check, out) for path in files]
    except LogicError as error:
        raise Failure(f"The scripts can't be checked: {error}. Try again.", ExitCode.ERROR) from None
    finally:
        await scripts.aclose()


async def _checked(path: Path, check_script: ScriptCheck, out: IO[str]) -> JsonObject | None:
    try:
        definition = definition_in(path)
    except UnreadableFile as error:
        _say(out, f"{path}: {error}")
        return None
    faults = await faults_of(definition, check_script, task_types(), are_all_types=False)
    for fault in faults:
        where = f"{fault.path}: " if fault.path else ""
        _say(out, f"{path}: {'warning: ' if fault.is_warning else ''}{where}{fault.message}")
    return definition if all(fault.is_warning for fault in faults) else None


def _published(target: Target, definition: JsonObject) -> str:
    """Publish a definition, and say what was done."""
    name = str(definition["name"])
    if (current := _current(target, name, definition)) is not None:
        return f"{name}: {current} is published already, with the same definition."
    version = str(call_api(target, "POST", "/workflows", definition)["version_id"])
    call_api(target, "POST", f"{_path_of(name)}/versions/{quote(version, safe='')}/publish")
    return f"{name}: {version} is published."


def _current(target: Target, name: str, definition: JsonObject) -> str | None:
    """The id of the server's current version, if it has this definition."""
    try:
        found = call_api(target, "GET", _path_of(name))
    except ApiRefused as refused:
        if refused.reason != "workflow_not_found":
            raise
        return None
    current = found.get("published_version_id")
    is_same = json.dumps(found.get("definition")) == json.dumps(definition)
    return str(current) if current is not None and is_same else None


def _path_of(name: str) -> str:
    return f"/workflows/{quote(name, safe='')}"


def _faults_in(details: Any) -> list[str]:
    errors = details.get("errors") if isinstance(details, dict) else None
    return [
        f"{each['path']}: {each.get('message')}" if each.get("path") else str(each.get("message"))
        for each in (errors if isinstance(errors, list) else ())
        if isinstance(each, dict)
    ]


def _say(out: IO[str], line: str) -> None:
    print(harmless(line).replace("\n", " "), file=out, flush=True)
