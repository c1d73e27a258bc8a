"""The command line: `interlock serve`, `chat`, `follow`, `runs`, `token`, `migrate`, `doctor`,
`validate`, `publish`, `diagram`, `secrets`, `audit`, `users`, `groups`, `clients`.

Laws:
- Expected failures are one sentence on standard error and an exit code; see `interlock.cli.exits`.
"""

from __future__ import annotations

import io
import sys

from interlock.cli.importing import importing

__all__ = ["main"]


def main() -> None:
    """The entry point of the `interlock` script."""
    try:
        import typer  # noqa: F401 - only checks that it is installed
    except ModuleNotFoundError:
        sys.exit("The command line needs the server's libraries; install them: pip install 'interlock[server]'")
    _replace_what_cant_be_printed()
    with importing():
        from interlock.cli.commands import app
        from interlock.cli.exits import ExitCode, Failure
        from interlock_protocol.errors import InterlockError

    try:
        app()
    except Failure as failure:
        _complain(str(failure))
        sys.exit(failure.code)
    except InterlockError as error:
        _complain(str(error))
        sys.exit(ExitCode.USAGE)


def _complain(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201 - this is what a command line does


def _replace_what_cant_be_printed() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
