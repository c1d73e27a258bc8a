"""`interlock doctor`: checks whether a server would run here, and says what to do if not.

Laws:
- It exits with 0 if nothing fails, and with 1 otherwise; warnings don't count.
- Standard output has the findings and nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from interlock.cli.checks import Finding, Verdict, examine
from interlock.cli.exits import ExitCode

_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def doctor(console: Console, *, as_json: bool) -> ExitCode:
    """Run all checks, print the findings, and return the exit code."""
    findings = asyncio.run(examine())
    healthy = all(each.verdict is not Verdict.FAIL for each in findings)
    if as_json:
        console.print_json(json.dumps({"ok": healthy, "findings": [asdict(each) for each in findings]}), indent=2)
    else:
        _show(console, findings)
    return ExitCode.COMPLETED if healthy else ExitCode.ERROR


def _show(console: Console, findings: Sequence[Finding]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("check", "", "found"):
        table.add_column(head, overflow="fold")
    for each in findings:
        found = Text(each.found)
        if each.advice:
            found.append(f"\n→ {each.advice}")
        table.add_row(each.check, Text(each.verdict.value, _STYLES[each.verdict]), found)
    console.print(table)
