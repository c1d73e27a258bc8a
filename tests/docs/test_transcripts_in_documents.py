"""What the documents show of the wire is what a server says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tests.docs.reading import HERE, blocks, folder, live, read, table, ticked
from tests.support.live import ALICE, Live

from interlock.http.errors import STATUS_OF
from interlock.http.openapi import whole
from interlock_client import connect

__all__ = ["folder", "live"]


# ── The transcript of the README ────────────────────────────────────────────────────────────────────────


QUESTION = re.compile(r"^(version \[str\]|channel \[str, stable\]|\[y/n\])[ ]?(.*)$")


def without_particulars(text: str) -> list[str]:
    """Lines without what is different each time: ids, hashes, durations."""
    text = re.sub(r"run-[0-9a-f]{32}", "RUN", text)
    text = re.sub(r"\b[0-9a-f]{7,12}\b", "HASH", text)
    text = re.sub(r"\d+(\.\d)? m?s\b", "TIME", text)
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.skipif(shutil.which("git") is None, reason="the example needs git")
def test_transcript_of_the_readme_is_what_happens(live: Live, folder: Path) -> None:
    (script, _), (_, transcript, *_) = blocks("README.md", "bash"), blocks("README.md", "text")
    repository = folder / "cookbook"
    make = script.text.replace("/tmp/cookbook", str(repository))
    subprocess.run(["bash", "-euc", make], check=True, capture_output=True)

    command, *lines = transcript.text.splitlines()
    assert command == "$ .venv/bin/interlock chat release-review --message /tmp/cookbook"
    asked = [QUESTION.match(line) for line in lines]
    typed = "".join(f"{question[2]}\n" for question in asked if question)
    expected = [question[1] if question else line for question, line in zip(asked, lines, strict=True)]

    done = subprocess.run(
        [sys.executable, "-m", "interlock.cli", "chat", "release-review", "--message", str(repository)],
        env={**os.environ, "INTERLOCK_URL": live.http_url, "TERM": "dumb", "COLUMNS": "120"},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = without_particulars(done.stdout.replace(str(repository), "/tmp/cookbook"))
    assert said == without_particulars("\n".join(expected))


# ── HTTP ────────────────────────────────────────────────────────────────────────────────────────────────


async def paused_run(live: Live) -> str:
    """A run of the README's workflow that waits, written in the list of runs."""
    async with connect(live.http_url, token=ALICE) as client:
        run = await client.start("notice", message="neighbours")
        async for _ in run:
            if run.status == "PAUSED":
                break
    for _ in range(200):
        if get(live, "/runs?status=PAUSED&workflow_id=notice")["runs"]:
            break
        await asyncio.sleep(0.01)
    return run.run_id


def get(live: Live, path: str) -> Any:
    request = Request(f"{live.http_url}{path}", headers={"Authorization": f"Bearer {ALICE}"})
    with urlopen(request, timeout=10) as response:
        return json.load(response)


def shape(value: Any) -> Any:
    """The keys of objects, at every depth; of lists, the first item's."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value[:1]] if isinstance(value, list) else None


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples need curl")
@pytest.mark.parametrize("document", ["README.md", "docs/http.md"])
async def test_curl_examples_work(live: Live, folder: Path, document: str) -> None:
    run_id = await paused_run(live)
    scripts = [block.text for block in blocks(document, "bash") if "curl " in block.text]
    script = "".join(scripts).replace(HERE, live.http_url).replace("RUN_ID", run_id)
    strict = 'curl() { command curl --silent --show-error --fail "$@"; echo; }\n' + script
    command = ["bash", "-euo", "pipefail", "-c", strict]
    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line.removeprefix("data: ")) for line in done.stdout.splitlines() if "{" in line]
    assert {"status": "live"} in said
    assert "notice" in [each["id"] for answer in said for each in answer.get("workflows", ())]
    assert run_id in [each["run_id"] for answer in said for each in answer.get("runs", ())]
    assert "PAUSED" in [answer["output"]["status"] for answer in said if "output" in answer]
    assert ("/continue" in script) is ("event: WorkflowCompleted" in done.stdout)
    assert ("/cancel" in script) is ("CANCELLED" in [answer.get("status") for answer in said])


async def test_json_of_the_http_page_has_the_real_keys(live: Live) -> None:
    await paused_run(live)
    workflows, runs, error = (json.loads(block.text) for block in blocks("docs/http.md", "json"))
    assert shape(workflows) == shape(get(live, "/workflows"))
    assert workflows["workflows"][0] == get(live, "/workflows")["workflows"][0]
    assert shape(runs) == shape(get(live, "/runs?status=PAUSED&workflow_id=notice"))
    assert error["code"] == "run_not_found"


def test_http_page_lists_the_routes_and_statuses() -> None:
    routes = {f"{method.upper()} {path}" for path, item in whole()["paths"].items() for method in item}
    text = read("docs/http.md")
    assert {ticked(first)[0] for first, *_ in table(text, "request")} == routes
    listed = {code: int(status) for status, codes in table(text, "status") for code in ticked(codes)}
    assert listed == {code.value: status for code, status in STATUS_OF.items()}
