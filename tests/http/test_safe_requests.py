"""A link decides nothing by being fetched: whatever GET or HEAD of whatever route, by whomever, nothing is changed.

Mail scanners and previews fetch links, browsers fetch ahead. So what is stored is compared before and after: all rows
of all tables, the logs among them.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from tests.support.live import CAROL, ROOT, Live, last_output, live_server

from interlock import Confirm, Step, Workflow, create_app
from interlock.http.v1.app import whole
from interlock.http.v1.frame import PREFIX
from interlock.settings import Settings

ASKING = Workflow("asking", steps=[Step("ask", lambda _: "x", human_review=Confirm("Go on?", assignees=["carol"]))])
MACHINE = {
    "name": "halting",
    "initial_state": "ask",
    "states": {
        "ask": {
            "type": "halting",
            "presentation": {"type": "message", "message": "Go on?"},
            "transitions": [{"target": "end"}],
        },
        "end": {"type": "terminal"},
    },
}
SECONDS = 0.2
"""How long an answer that has no end is listened to."""


def routes(found: Any, prefix: str = "") -> Iterator[str]:
    """The paths that can be fetched of an application's routes, but for what is mounted."""
    for route in found:
        if (inner := getattr(route, "original_router", None)) is not None:
            yield from routes(inner.routes, prefix)
        elif "GET" in (getattr(route, "methods", None) or ()):
            yield prefix + route.path


def paths() -> list[str]:
    """All paths that can be fetched."""
    settings = Settings(tokens="secret", metrics="open", agentos="beside")
    below = [PREFIX + path for path, methods in whole()["paths"].items() if "get" in methods]
    return sorted(
        {*routes(create_app(ASKING, settings).routes), *below, f"{PREFIX}/openapi.json", "/agentos/health"}
        - _OF_LIBRARIES
    )


def stored(folder: Path, copies: Path) -> dict[str, list[Any]]:
    """All rows of all tables."""
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    for each in folder.glob("interlock.db*"):
        shutil.copy(each, copies)
    with sqlite3.connect(copies / "interlock.db") as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(map(repr, database.execute(f'SELECT * FROM "{name}"'))) for name in names}


async def waiting(live: Live) -> dict[str, str]:
    """Let runs wait for somebody; return what stands for the parameters of paths."""
    async with live.talk() as talk:
        await talk.send({"action": "start-workflow", "workflow_id": "asking", "message": ""})
        output = last_output(await talk.until("WorkflowRunOutput"))
    headers = {"Authorization": f"Bearer {ROOT}"}
    async with httpx.AsyncClient(base_url=live.http_url + PREFIX, headers=headers) as root:

        async def done(method: str, path: str, body: Any = None) -> Any:
            return (await root.request(method, path, json=body)).raise_for_status().json()["data"]

        version = (await done("POST", "/workflows", MACHINE))["version_id"]
        await done("POST", f"/workflows/halting/versions/{version}/publish")
        instance = await done("POST", "/workflows/halting/instances", {"input": {}})
        user = await done("POST", "/users", {"username": "dora"})
        history = await done("GET", f"/workflows/instances/{instance['id']}/history")
    return {
        "run_id": output["run_id"],
        "workflow_id": "asking",
        "session_id": output["session_id"],
        "name": "halting",
        "version_id": version,
        "instance_id": instance["id"],
        "event_id": history["events"][0]["id"],
        "thread_id": "thread_main",
        "user_id": user["id"],
    }


async def fetch(client: httpx.AsyncClient, method: str, path: str, token: str | None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        async with client.stream(method, path, headers=headers, follow_redirects=False) as answer:
            async for _ in answer.aiter_raw():
                break  # of a stream, there is more
    except httpx.ReadTimeout:
        return 200  # a stream
    return answer.status_code


async def test_nothing_is_changed_by_fetching_whatever_there_is(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with live_server([ASKING], data_dir=folder, metrics="open", agentos="beside", notifiers=_CHANNELS) as live:
        values = await waiting(live)
        before = stored(folder, tmp_path / "copies")
        assert before["runs"], "there is something that could change"
        answers: dict[str, set[int]] = {}
        async with httpx.AsyncClient(base_url=live.http_url, timeout=httpx.Timeout(60, read=SECONDS)) as client:
            for path in paths():
                filled = re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values.get(found[1], "x"), path)
                for method, token in (("GET", None), ("GET", CAROL), ("GET", ROOT), ("HEAD", ROOT)):
                    status = await fetch(client, method, filled + (_SAYS_YES if token else ""), token)
                    answers.setdefault(path, set()).add(status)
        assert not any(status >= 500 for statuses in answers.values() for status in statuses)
        assert all(statuses & {200, 307} for path, statuses in answers.items() if path in _MUST_ANSWER), answers
        assert stored(folder, tmp_path / "copies") == before


_OF_LIBRARIES = {"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"}
_SAYS_YES = "?confirmed=true&decision=confirm&action=continue-workflow&_method=POST"
_CHANNELS = '{"mail": "mailto://smtp.example.com?from=robot@example.com&to={address}"}'
_MUST_ANSWER = {"/health/live", "/metrics", f"{PREFIX}/me/notifications", f"{PREFIX}/me/absence", f"{PREFIX}/workflows"}
