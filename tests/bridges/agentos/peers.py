"""The peer's published client, each of its lines in an environment of its own, which is made once and kept.

An environment is a folder beside `.venv`, named after what is in it. Nothing of the peer is part of this project.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LINES = {"2.9": ("agno>=2.9,<2.10",), "3.1": ("agno>=3.1,<3.2",)}
"""The lines of releases that are tried, and what is installed of each beside what its client imports."""

NEEDED = ("fastapi", "httpx", "pydantic", "python-multipart", "sqlalchemy", "websockets")
FOLDER = Path(__file__).resolve().parents[3]
SECONDS = 240


class NoPeer(Exception):  # noqa: N818 - a state of the world: the registry can't be reached
    """The peer's client can't be installed here."""


def python(line: str) -> Path:
    """The interpreter of the environment of one line.

    Raises:
        NoPeer: it isn't there, and can't be installed.
    """
    venv, wanted = FOLDER / f".venv-peer-{line}", " ".join((*LINES[line], *NEEDED))
    interpreter, installed = venv / "bin" / "python", venv / ".installed"
    if installed.exists() and installed.read_text() == wanted:
        return interpreter
    try:
        _run(sys.executable, "-m", "venv", "--clear", str(venv))
        _run(
            str(interpreter), "-m", "pip", "install", "--quiet", "--no-compile", "--retries", "1", *LINES[line], *NEEDED
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise NoPeer(f"Agno {line} can't be installed here (is there a package registry?): {_said(error)}") from None
    installed.write_text(wanted)
    return interpreter


def _run(*command: str) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS, env=environment)


def _said(error: Exception) -> str:
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def run(interpreter: Path, program: Path, *arguments: str, seconds: float = 60) -> str:
    """What a program of ours prints that runs in the peer's environment; it must end well."""
    command = [str(interpreter), "-P", str(program), *arguments]
    environment = {**os.environ, "AGNO_TELEMETRY": "false", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
