"""What a reader needs to know to compare: this machine, and versions."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.bench.client import BenchError


def machine() -> list[str]:
    """What a reader needs to know about this machine to compare with another."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"client: websockets {version('websockets')}; load average before: {load}",
    ]


def first_line(binary: Path) -> str:
    """The first words of what a program says of its version."""
    return " ".join(output_of(binary, "--version").splitlines()[0].split()[:3])


def output_of(*command: str | Path) -> str:
    """What a command prints, or, where it fails, a `BenchError` with the end of what it complained about."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise BenchError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1000:]}")
    return done.stdout


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
