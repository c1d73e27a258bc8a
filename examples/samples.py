"""What the examples can be tried with at one click: data of their own, in a folder of each run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interlock import Example, StepInput

SAMPLE = "sample"
DATA = Path(__file__).parent / "data"
COMMITS = (
    "Add a lamp that turns by itself",
    "fix: keep the horn quiet while the sun shines",
    "Support fog of more than one thickness",
)


def example(title: str) -> Example:
    """The example that begins with this module's data."""
    return Example(title, SAMPLE)


def message_of(step_input: StepInput, make: Callable[[Path], Path]) -> Any:
    """The message of a run; where that is the sample, the path of what `make` puts into a folder of the run's own."""
    if step_input.input != SAMPLE:
        return step_input.input
    folder = Path(tempfile.gettempdir(), f"interlock-sample-{step_input.run_id}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(make(folder))


def copy_of(name: str) -> Callable[[Path], Path]:
    """Puts a copy of one of the files in `data` there."""
    return lambda folder: Path(shutil.copy(DATA / name, folder))


def downloads(folder: Path) -> Path:
    """A folder with things to tidy; made once."""
    made = folder / "downloads"
    if not made.exists():
        made.mkdir()
        for name, size in {
            "photos.zip.part": 7340,
            "minutes.md": 2000,
            "budget.csv": 500,
            "budget copy.csv": 500,
        }.items():
            text = "budget" if name.startswith("budget") else name
            (made / name).write_bytes((text * size).encode()[:size])
    return made


def repository(folder: Path) -> Path:
    """A git repository with a few commits; made once."""
    made = folder / "lighthouse"
    if not (made / ".git").exists():
        git = ["git", "-C", str(made), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", "init", "--quiet", str(made)], check=True)
        for subject in COMMITS:
            subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", subject], check=True)
    return made
