"""Measure Interlock beside its peer and the floor, print the table, and write docs/benchmarks.md."""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from tests.bench.facts import machine
from tests.bench.measures import MEASURES, Measure, warm_up
from tests.bench.memory import many_files
from tests.bench.report import ROWS, Pass, document, table
from tests.bench.sizes import FULL, QUICK, Sizes
from tests.bench.systems import ROOT, SYSTEMS, System

DOCUMENT = ROOT / "docs" / "benchmarks.md"
KEYS = tuple(dict.fromkeys(row.key.partition(" ")[0] for row in ROWS))
MEASURE_SECONDS = 180.0


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    many_files()
    sizes, facts, bench = QUICK if options.quick else FULL, machine(), Bench()
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder, ExitStack() as stack:
        for name in options.systems:
            bench.start(name, Path(folder), stack)
        asyncio.run(bench.measure(options.only, sizes, options.repeat))
    bench.console.print(table(bench.passes, sizes))
    complete = set(options.only) == set(KEYS) and set(options.systems) == set(SYSTEMS) and not bench.failed
    if options.output or (complete and not options.quick):
        output = options.output or DOCUMENT
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(document(bench.passes, sizes, facts, bench.about))
        bench.console.print(f"Written to {output}.")
    else:
        bench.console.print(f"{DOCUMENT.name} is left as it is: only a complete run at full size writes it.")
    return 1 if bench.failed else 0


class Bench:
    """The systems that run, and what was measured so far. One that fails doesn't end the others' run."""

    def __init__(self) -> None:
        self.console = Console(width=None if sys.stdout.isatty() else 130)
        self.systems: list[System] = []
        self.passes: list[Pass] = []
        self.failed = False

    @property
    def about(self) -> dict[str, str]:
        return {system.name: system.about for system in self.systems}

    def start(self, name: str, folder: Path, stack: ExitStack) -> None:
        self.console.print(f"Starting {name} …")
        home = folder / name
        home.mkdir()
        try:
            self.systems.append(stack.enter_context(SYSTEMS[name].started(home)))
        except Exception as error:
            self._fail(f"{name} does not start", error)

    async def measure(self, keys: list[str], sizes: Sizes, repeat: int) -> None:
        for system in list(self.systems):
            try:
                async with asyncio.timeout(MEASURE_SECONDS):
                    await warm_up(system, sizes)
            except Exception as error:
                self._fail(f"{system.name} does not warm up", error)
                self.systems.remove(system)
        for number in range(repeat):
            self.passes.append({system.name: {} for system in self.systems})
            for measure in MEASURES:
                if measure.rows & set(keys) and (not measure.once or number == repeat - 1):
                    await self._measure_each(measure, sizes, number)

    async def _measure_each(self, measure: Measure, sizes: Sizes, number: int) -> None:
        able = [system for system in self.systems if measure.needs in system.kind.does]
        first = number % len(able) if able else 0
        for system in able[first:] + able[:first]:
            name = f"pass {number + 1}, {measure.name}, {system.name}"
            try:
                async with asyncio.timeout(MEASURE_SECONDS):
                    figures = await measure.work(system, sizes)
            except Exception as error:
                self._fail(name, error)
                continue
            self.passes[-1][system.name] |= figures
            shown = ", ".join(f"{key} {value:,.4g}" for key, values in figures.items() for value in values)
            self.console.print(f"{name}: {shown}")

    def _fail(self, what: str, error: Exception) -> None:
        self.failed = True
        causes = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
        self.console.print(f"{what}: {type(causes[0]).__name__}: {causes[0]}", style="red", markup=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    option = parser.add_argument
    option("--quick", action="store_true", help="smaller sizes: to see that it works")
    option("--only", type=_some_of(KEYS), default=list(KEYS), metavar="ROWS", help=f"of {','.join(KEYS)}")
    every = list(SYSTEMS)
    option("--systems", type=_some_of(every), default=every, metavar="NAMES", help=f"of {','.join(every)}")
    option("--repeat", type=int, default=3, metavar="N", help="passes to take the median of (default 3)")
    option("--output", type=Path, metavar="FILE", help="write the document here, however narrow the run")
    return parser.parse_args()


def _some_of(known: tuple[str, ...] | list[str]) -> Callable[[str], list[str]]:
    def chosen(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
        return names

    return chosen


if __name__ == "__main__":
    sys.exit(main())
