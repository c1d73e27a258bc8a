"""A task whose server is killed while it is under way: it runs again, with its key, and its effect is there once."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from tests.faults.machines import NOTHING
from tests.http.v1.conftest import FREE
from tests.http.v1.test_secrets import MANAGER, TOKENS
from tests.http.v1.test_tasks import machine
from tests.support.api_v1 import api
from tests.support.foreign import foreign
from tests.support.foreign import json as json_answer
from tests.support.live import eventually, served

LOGIC = {
    "type": "task",
    "task": "github_issue",
    "integration": "forge",
    "input": {"repository": "o/r", "title": "Order ${input.id} failed"},
    "output": "issue",
}


async def test_an_issue_is_opened_once_though_the_server_is_killed_before_it_hears_of_it(tmp_path: Path) -> None:
    issues: list[dict[str, Any]] = []
    forever = asyncio.Event()

    async def of_repository(writer: asyncio.StreamWriter) -> None:
        asked = there.last
        if asked.method == "GET":
            writer.write(json_answer(json.dumps(issues)))
            return
        issues.append({"number": 1, "html_url": "https://e/1", "id": 10, **json.loads(asked.body)})
        await forever.wait()  # it is opened, and the answer never comes

    async with foreign({"/user": json_answer("{}"), "/repos/o/r/issues": of_repository}) as there:
        server = served(NOTHING, tmp_path, tokens=json.dumps(TOKENS), http_allow="127.0.0.1", **FREE)
        with server.start() as process:
            async with api(server, MANAGER) as ada:
                forge = {"name": "forge", "provider": "github", "base_url": f"http://127.0.0.1:{there.port}"}
                await ada.post("/integrations", {**forge, "credentials": {"token": "a-token-of-the-tests"}}, 201)
                version = await ada.post("/workflows", machine("report", LOGIC), 201)
                await ada.post(f"/workflows/report/versions/{version['version_id']}/publish")
                creating = asyncio.create_task(ada.ask("POST", "/workflows/report/instances", {"input": {"id": "A-7"}}))
                await eventually(lambda: issues)
                os.kill(process.pid, 9)
                await asyncio.gather(creating, return_exceptions=True)
        with server.start():
            async with api(server, MANAGER) as ada:

                async def ended() -> Any:
                    (instance,) = (await ada.get("/workflows/instances"))["instances"]
                    return instance["status"] == "completed" and instance

                instance = await eventually(ended)
                shown = await ada.get(f"/workflows/instances/{instance['id']}")
    assert shown["workflow_data"]["issue"] == {"number": 1, "url": "https://e/1", "id": 10}
    assert [each["title"] for each in issues] == ["Order A-7 failed"]
