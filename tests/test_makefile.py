"""`make test`: every part runs, and the end says how each of them went."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parent.parent / "Makefile"
PARTS = ("first", "second", "last")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def made(folder: Path, failing: tuple[str, ...]) -> tuple[int, list[str]]:
    """The exit code of `make test` with these parts, of which some fail, and the lines that it says."""
    recipes = "".join(f"{part}:\n\t@echo ran {part}; exit {int(part in failing)}\n" for part in PARTS)
    (folder / "Makefile").write_text(f"include {MAKEFILE}\ntest-tools:\n\t@true\n{recipes}")
    command = ["make", "test", f"TEST_PARTS={' '.join(PARTS)}"]
    without = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # of the one that runs us
    done = subprocess.run(command, cwd=folder, env=without, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("failing", [(), PARTS[:1], PARTS[1:2], PARTS[-1:], PARTS])
def test_every_part_runs_and_the_end_says_how_each_went(tmp_path: Path, failing: tuple[str, ...]) -> None:
    status, said = made(tmp_path, failing)
    assert [line for line in said if line.startswith("ran ")] == [f"ran {part}" for part in PARTS]
    assert said[-len(PARTS) :] == [f"{part}: {'FAILED' if part in failing else 'passed'}" for part in PARTS]
    assert (status == 0) is (not failing)
