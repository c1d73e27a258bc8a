"""Every door that a decision may come in by leads to the same judgement: none skips who is asked, or the policy.

The doors of the server are enumerated twice: by what its code calls, and by asking a real server through each.
"""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.api_v1 import api
from tests.support.live import ALICE, BOB, CAROL, READER, ROOT, Live, live_server

import interlock
from interlock import Confirm, Halting, Machine, Quorum, State, Step, Transition, Workflow

SOURCES = Path(interlock.__file__).parent

GOVERNED: dict[str, Any] = {
    "assignees": ["alice", "bob", "group:reviewers"],
    "policy": Quorum(2),
    "exclude_starter": True,
    "timeout": 3600,
}
GATE = Workflow("gate", steps=[Step("deploy", lambda _: "deployed", human_review=Confirm("Go?", **GOVERNED))])
HALT = Workflow(
    "halt",
    steps=[
        Machine(
            "halt",
            {
                "ask": State(halt=Halting(accepts={"type": "object"}, **GOVERNED), transitions=[Transition("done")]),
                "split": State(threads={"a": "ask"}, transitions=[Transition("end")]),
                "done": State(is_terminal=True),
                "end": State(is_terminal=True),
            },
            initial_state="split",
        )
    ],
)


def called_in(name: str) -> set[str]:
    """The files of the server that call a method or a function of this name."""
    found = set[str]()
    for path in SOURCES.rglob("*.py"):
        calls = (node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        names = {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in calls}
        if name in names:
            found.add(str(path.relative_to(SOURCES)))
    return found


def test_each_door_is_known_here_and_leads_to_the_one_judgement() -> None:
    doors = {
        "socket/actions.py",
        "http/runs.py",
        "http/v1/instance_work.py",
        "http/projects/interaction_work.py",
    }
    beside = {"engine/engine.py", "testing/runs.py", "docs/transcripts.py"}
    assert called_in("continue_run") == doors | beside, "a new door? add it here, and to the table of doors below"
    # What people decide is judged in `Decide`; what a timeout does is no decision of anybody's, and is in `Expire`.
    drafts = {"engine/commands/decide.py", "engine/commands/expire.py"}
    assert called_in("continued") - {"workflow/program.py", "bridges/agentos/routes.py"} == drafts
    judging = {"workflow/decide/decide.py", "workflow/decide/attend.py"}
    assert called_in("check_may_decide") == called_in("check_in_time") == called_in("check_unclaimed") == judging
    assert called_in("resolve") >= {"workflow/decide/votes.py"}


# ── Through each door of a real server ──────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server([GATE, HALT], data_dir=tmp_path_factory.mktemp("doors"), agentos="beside") as server:
        yield server


Answer = tuple[str, dict[str, Any]]
"""The code of a refusal, or "", and what is beside it."""


async def by_socket(live: Live, token: str, asked: dict[str, Any], **more: Any) -> Answer:
    async with live.talk(token) as talk:
        named = {"workflow_id": asked["workflow_id"], "run_id": asked["run_id"]}
        await talk.send(action="continue-workflow", request_id="1", **named, **body_of(asked), **more)
        said = (await talk.until("ack", "error"))[-1]
        return said.get("code", ""), said


async def by_http(live: Live, token: str, asked: dict[str, Any], *, stream: bool = False, **more: Any) -> Answer:
    path = f"/workflows/{asked['workflow_id']}/runs/{asked['run_id']}/continue"
    return await _post(live, token, path, {**body_of(asked), "stream": stream, **more})


async def by_stream(live: Live, token: str, asked: dict[str, Any], **more: Any) -> Answer:
    return await by_http(live, token, asked, stream=True, **more)


async def by_agentos(live: Live, token: str, asked: dict[str, Any], **more: Any) -> Answer:
    path = f"/agentos/workflows/{asked['workflow_id']}/runs/{asked['run_id']}/continue"
    return await _post(live, token, path, {**body_of(asked), "stream": False, **more})


async def by_resume(live: Live, token: str, asked: dict[str, Any], thread: str = "", **more: Any) -> Answer:
    async with api(live, token) as client:
        path = f"/workflows/instances/{asked['run_id']}{thread}/resume"
        answer = await client.ask("POST", path, {"input": {"ok": True}, **more})
        body = answer.json()
        return body.get("error", {}).get("code", ""), body


async def by_thread(live: Live, token: str, asked: dict[str, Any], **more: Any) -> Answer:
    return await by_resume(live, token, asked, "/threads/thread_a", **more)


def body_of(asked: dict[str, Any]) -> dict[str, Any]:
    given = {"confirmed": True} if asked["workflow_id"] == "gate" else {"user_input": {"ok": True}}
    return {"step_requirements": [{"id": asked["id"], **given}]}


async def _post(live: Live, token: str, path: str, body: dict[str, Any]) -> Answer:
    async with httpx.AsyncClient(base_url=live.http_url, headers={"Authorization": f"Bearer {token}"}) as client:
        answer = await client.post(path, json=body)
        said = answer.json() if "json" in answer.headers["content-type"] else {}
        code = said.get("code") or (said.get("error") or {}).get("code") or "refused"
        return ("" if answer.is_success else str(code)), said


DOORS: dict[str, tuple[str, Callable[..., Awaitable[Answer]]]] = {
    "socket, and whoever speaks it: the clients, the CLI": ("gate", by_socket),
    "HTTP": ("gate", by_http),
    "the stream over HTTP": ("gate", by_stream),
    "AgentOS": ("gate", by_agentos),
    "a machine's halt over the socket": ("halt", by_socket),
    "the resume of an instance": ("halt", by_resume),
    "the resume of a thread": ("halt", by_thread),
}


@pytest.mark.parametrize("door", DOORS)
async def test_no_door_skips_who_is_asked_nor_the_policy(live: Live, door: str) -> None:
    workflow, decide = DOORS[door]
    async with live.talk(ALICE) as talk:
        run_id = await talk.start(workflow)
        paused = (await talk.until_pause(run_id))[-1]
        [requirement] = paused["step_requirements"]
        assert requirement["voters"] == ["bob", "carol"], "the starter isn't asked"
        asked = {"workflow_id": workflow, "run_id": run_id, "id": requirement["id"]}
        for token in (ALICE, READER, ROOT):  # the starter and owner; a stranger; an admin
            code, said = await decide(live, token, asked)
            assert code in ("forbidden", "run_not_found", "workflow_not_found", "instance_not_found", "refused"), said
        code, _ = await decide(live, ROOT, asked, on_behalf_of="alice", reason="She is away.")
        assert code in ("forbidden", "refused"), "nor for somebody who may not"
        code, said = await decide(live, BOB, asked)
        assert code == "", said
        [voted] = [each for each in await talk.until("InteractionResponded") if each.get("number")]
        assert (voted["responded_by"], voted["needed"]) == ("bob", 1), "nothing of the refused is counted"
        code, said = await decide(live, ROOT, asked, on_behalf_of="carol", reason="She said yes by phone.")
        assert code == "", said
        resolved = (await talk.until("StepContinued"))[-1]
        assert (resolved["outcome"], resolved["resolved_by"]) == (
            "approved" if workflow == "gate" else "completed",
            "root",
        )
        await talk.until_end(run_id)
    assert CAROL
