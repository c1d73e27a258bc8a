"""The server that a command talks to, and the token that it uses.

Laws:
- The command line wins over the environment, which wins over the token that the server left in the data folder.
- No message shows a token.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from interlock.auth.local_token import TOKEN_FILE, find_token
from interlock.cli.exits import ExitCode, Failure
from interlock_client import (
    ActionRefused,
    AuthenticationFailed,
    Client,
    ConnectionEnded,
    InterlockError,
    ProtocolMisuse,
    connect,
)
from interlock_client.address import http_url, token_in

DEFAULT_URL = "http://127.0.0.1:7777"
DEFAULT_DATA_DIR = ".interlock"

UrlOption = Annotated[str, typer.Option("--url", envvar="INTERLOCK_URL", help="The server's address.", metavar="URL")]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        help="The token; by default INTERLOCK_TOKEN, or the one that a server started in this folder made.",
        metavar="TOKEN",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Target:
    """A server and a token for it."""

    url: str
    token: str

    @classmethod
    def find(cls, url: str, token: str | None) -> Target:
        """Find the target from the options, the environment and the data folder.

        Raises:
            Failure: there is no token anywhere.
            ProtocolMisuse: the address is invalid.
        """
        http_url(url)  # reports an invalid address before anything is tried
        data_dir = Path(os.environ.get("INTERLOCK_DATA_DIR") or DEFAULT_DATA_DIR)
        found = token or token_in(url) or find_token(data_dir)
        if not found:
            raise _no_token(data_dir)
        return cls(url, found)

    def connect(self, **options: Any) -> Client:
        return connect(self.url, token=self.token, **options)


def _no_token(data_dir: Path) -> Failure:
    return Failure(
        f"There is no token in {data_dir.absolute() / TOKEN_FILE}, INTERLOCK_TOKEN, INTERLOCK_TOKENS, --token or --url:"
        " start `interlock serve` in this folder (it makes one), go to the folder where it was started, name its data"
        " folder with INTERLOCK_DATA_DIR, or pass a token of the server as INTERLOCK_TOKEN.",
        ExitCode.UNREACHABLE,
    )


def finish(work: Callable[[], Coroutine[Any, Any, ExitCode]], target: Target) -> None:
    """Run a command to its end, and exit with its code.

    Raises:
        Failure: an expected failure.
    """
    try:
        code = asyncio.run(work())
    except BrokenPipeError:
        _stop_writing()
        code = ExitCode.LEFT
    except InterlockError as error:
        raise failure(error, target) from error
    raise typer.Exit(code)


def failure(error: InterlockError, target: Target) -> Failure:
    """Convert an error of the client to a sentence and an exit code."""
    sentence = str(error)
    if isinstance(error, ProtocolMisuse):
        return Failure(sentence, ExitCode.USAGE)
    if isinstance(error, AuthenticationFailed):
        advice = "Set INTERLOCK_TOKEN, or pass --token."
        return Failure(f"{_stop(sentence)} {advice}", ExitCode.UNREACHABLE)
    if isinstance(error, ConnectionEnded):
        advice = f"Is a server at {http_url(target.url)}? Start one with `interlock serve`, or set INTERLOCK_URL."
        return Failure(f"{_stop(sentence)} {advice}", ExitCode.UNREACHABLE)
    if isinstance(error, ActionRefused):
        return Failure(_stop(sentence), ExitCode.UNREACHABLE)
    return Failure(_stop(sentence), ExitCode.ERROR)


def _stop_writing() -> None:
    """Redirect stdout to nowhere: its reader has closed it (`| head`), and Python must not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(sentence: str) -> str:
    sentence = sentence[:1].upper() + sentence[1:]
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
