"""`interlock audit` on a real server: what is exported is verified, there and in a file, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.support.live import ALICE, Live

from interlock.cli.exits import ExitCode


@pytest.fixture
async def run(live: Live) -> str:
    """A run of alice's that she decided, and cancelled."""
    async with live.talk(ALICE) as talk:
        run_id = await talk.start("confirmed")
        requirement = (await talk.until_pause(run_id))[-1]["step_requirements"][0]
        named = {"workflow_id": "confirmed", "run_id": run_id}
        await talk.send(action="continue-workflow", step_requirements=[{**requirement, "confirmed": True}], **named)
        await talk.until_end(run_id)
    return run_id


def test_exported_files_are_verified_and_what_was_changed_is_named(cli: Cli, run: str, tmp_path: Path) -> None:
    named = ("--project", "user_alice")
    for format_ in ("jsonl", "csv"):
        file = tmp_path / f"audit.{format_}"
        done = cli("audit", "export", run, *named, "--format", format_, "-o", str(file))
        assert done.returncode == ExitCode.COMPLETED, done.stderr
        whole = cli("audit", "verify", str(file), INTERLOCK_URL="http://127.0.0.1:1")
        assert (whole.returncode, whole.stdout) == (0, f"{run}: 1 entries, and nothing was changed.\n")
        file.write_text(file.read_text("utf-8").replace("alice", "mallory"), "utf-8")
        changed = cli("audit", "verify", str(file))
        assert changed.returncode == ExitCode.ERROR
        assert f"{run}: entry 1: its content isn't what was hashed." in changed.stdout
    there = cli("audit", "verify", "--run", run, *named)
    assert (there.returncode, there.stdout) == (0, whole.stdout)
    printed = cli("audit", "export", run, *named)
    piped = cli("audit", "verify", "-", piped=printed.stdout)
    assert piped.returncode == ExitCode.COMPLETED
    entry = json.loads(printed.stdout.splitlines()[0])
    cut = cli("audit", "verify", "-", piped=json.dumps({**entry, "of": 2}))
    assert (cut.returncode, "entry 2: it is missing" in cut.stdout) == (ExitCode.ERROR, True)


@pytest.mark.parametrize(
    ("arguments", "piped", "told", "code"),
    [
        (("verify", "-"), "", "nothing to verify", ExitCode.ERROR),
        (("verify", "-"), "hello", "no exported audit", ExitCode.ERROR),
        (("verify", "nothing.csv"), "", "can't be read", ExitCode.USAGE),
        (("verify",), "", "either a FILE", ExitCode.USAGE),
        (("verify", "--run", "x"), "", "--project", ExitCode.USAGE),
        (("export", "x", "--project", "user_alice"), "", "", ExitCode.UNREACHABLE),
    ],
)
def test_what_cant_be_verified_is_told(
    cli: Cli, arguments: tuple[str, ...], piped: str, told: str, code: ExitCode
) -> None:
    done = cli("audit", *arguments, piped=piped)
    assert told in done.stderr
    assert done.returncode == code
