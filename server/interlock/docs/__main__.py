"""Write the generated documents, or check them.

    python -m interlock.docs            writes what isn't current
    python -m interlock.docs --check    changes nothing; exits with 1 where something isn't current

Laws:
- The same code makes the same bytes: no times, no ids but those that are the same in every run.
- What a page shows of a run comes from a run; see `transcripts`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from interlock.docs.approvals import with_outcomes
from interlock.docs.diagrams import diagrams
from interlock.docs.refusals import refusals
from interlock.docs.task_types import with_task_types
from interlock.docs.transcripts import with_transcript

PAUSES = Path("docs/pauses")
DIAGRAMS = Path("docs/diagrams")
APPROVALS = Path("docs/approvals.md")
GRAPHS = Path("docs/graphs.md")


async def documents(root: Path) -> dict[Path, str]:
    """Every generated document of the checkout at `root`, as it should be."""
    made = {root / DIAGRAMS / name: text for name, text in diagrams().items()}
    made[root / PAUSES / "refused.md"] = refusals()
    for page, completed in ((APPROVALS, with_outcomes), (GRAPHS, with_task_types)):
        if (root / page).exists():
            made[root / page] = completed((root / page).read_text("utf-8"))
    for path in sorted((root / PAUSES).glob("*.md")):
        if path not in made:
            made[path] = await with_transcript(path.read_text("utf-8"))
    return made


def main(arguments: list[str] | None = None, *, say: Callable[[str], object] = sys.stdout.write) -> int:
    """Writes the documents, or checks them. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="interlock.docs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if not current")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[3], help="the checkout")
    options = parser.parse_args(arguments)
    made = asyncio.run(documents(options.root))
    stale = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        say(f"{'not current' if options.check else 'written'}: {path.relative_to(options.root)}\n")
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], "utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
