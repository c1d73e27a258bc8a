"""Reading the message that starts a run from the command line.

Laws:
- It is given once: as text, as JSON, or in a file.
- A message that the wire can't carry is a usage error, reported before anything is tried.
"""

from __future__ import annotations

import sys
from pathlib import Path

from interlock.cli.answers import carried, from_json_text
from interlock.cli.chat import NotGiven
from interlock.cli.exits import ExitCode, Failure
from interlock_protocol.types import JsonValue


def message_of(text: str | None, as_json: str | None, file: str | None) -> JsonValue | NotGiven:
    """Return the message of `--message`, `--message-json` or `--file`.

    Raises:
        Failure: more than one is given, or the message can't be read or sent.
    """
    given = [each for each in (text, as_json, file) if each is not None]
    if not given:
        return NotGiven()
    if len(given) > 1:
        raise Failure("Give one of --message, --message-json and --file.", ExitCode.USAGE)
    try:
        if text is not None:
            return carried(text)
        return from_json_text(as_json) if as_json is not None else _in_file(given[0])
    except (OSError, ValueError) as error:
        raise Failure(f"The message can't be used: {error}", ExitCode.USAGE) from None


def _in_file(name: str) -> JsonValue:
    if name == "-":
        return carried(sys.stdin.read())
    path = Path(name)
    text = path.read_text("utf-8")
    return from_json_text(text) if path.suffix == ".json" else carried(text)
