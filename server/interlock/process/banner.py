"""The banner for the person who starts a server in a terminal: the server's address, and what to type next.

Law: a printed command works when it is pasted, in this folder, with this environment.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from interlock.http.web import is_built
from interlock.settings import DEFAULT_DATA_DIR, Settings
from interlock.socket.endpoint import SOCKET_PATH

MOST_NAMED = 20
"""How many workflows are named."""


def banner(workflows: Sequence[str], settings: Settings, port: int, token: str | None) -> str:
    """Return the banner's text.

    Args:
        workflows: the ids of the served workflows; there may be none, as long as none is published.
        port: the port on which the server listens.
        token: the generated token; None if tokens are configured.
    """
    address = f"{_bracketed(settings.host)}:{port}"
    lines = [
        f"Interlock serves {_named(workflows)} on ws://{address}{SOCKET_PATH}",
        f"  Health: http://{address}/health/live   Workflows: http://{address}/workflows",
    ]
    if settings.web_app and is_built():
        lines.insert(1, f"  Open    http://{address}/{'' if token is None else f'#token={token}'} in a browser")
    where = "in another terminal, with one of your tokens as INTERLOCK_TOKEN"
    if token is not None:
        lines += [f"  Token:  {token}", f"  (kept in {settings.data_dir / 'token'}; the command line finds it there)"]
        where = "in another terminal, in this folder"
    command = [*_command_line(), "chat" if workflows else "publish", *_address_option(settings.host, port)]
    command += [workflows[0], "--message"] if workflows else []
    lines += [
        f"Next, {where}:",
        f"  {''.join(_variables(settings, token))}{shlex.join(command)} {'TEXT' if workflows else 'FILE'}",
        "Ctrl-C stops the server; runs go on when it is back.",
    ]
    return "\n".join(lines)


def _named(workflows: Sequence[str]) -> str:
    """The workflows, or the first of them, as a part of a sentence."""
    more = f" and {len(workflows) - MOST_NAMED} more" if len(workflows) > MOST_NAMED else ""
    return ", ".join(workflows[:MOST_NAMED]) + more or "no workflows yet"


def _command_line() -> list[str]:
    """Return how to call this installation's command line from a shell in this folder."""
    script = shutil.which("interlock", path=sysconfig.get_path("scripts"))
    if script is None:
        return [sys.executable, "-m", "interlock.cli"]
    found = shutil.which("interlock")
    if found is not None and os.path.samefile(found, script):  # noqa: PTH121 - there are two strings
        return ["interlock"]
    path = Path(script)
    below = path.is_relative_to(Path.cwd()) and path.parent != Path.cwd()
    return [str(path.relative_to(Path.cwd()) if below else path)]


def _address_option(host: str, port: int) -> list[str]:
    """Return the option that tells the command line the server's address, if its default would be wrong."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    if (reached, port) == ("127.0.0.1", 7777) and not os.environ.get("INTERLOCK_URL"):
        return []
    return ["--url", f"http://{_bracketed(reached)}:{port}"]


def _variables(settings: Settings, token: str | None) -> list[str]:
    """Return the variables with which the command line finds the generated token, if it would look elsewhere."""
    found: list[str] = []
    if token is not None and os.environ.get("INTERLOCK_TOKEN"):
        found.append("INTERLOCK_TOKEN= ")
    if token is not None and (str(settings.data_dir) != DEFAULT_DATA_DIR or os.environ.get("INTERLOCK_DATA_DIR")):
        found.append(f"INTERLOCK_DATA_DIR={shlex.quote(str(settings.data_dir))} ")
    return found


def _bracketed(host: str) -> str:
    """A host in the form that it has in a URL."""
    return f"[{host}]" if ":" in host else host
