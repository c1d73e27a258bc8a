"""The audit over HTTP: decisions, votes and cancellations of real runs, in every form, for whoever may read the run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from tests.support.live import ALICE, BOB, CAROL, NOBODY, READER, ROOT, Live, eventually, live_server

from interlock import Confirm, Halting, Machine, Quorum, State, Step, Transition, Workflow
from interlock.audit.chain import broken
from interlock.audit.checkpoints import checkpoint_line, outdated, read_checkpoints
from interlock.audit.files import entry_in, read_file
from interlock.http.projects.app import whole

DOCUMENT = whole()
ASKED: Any = {"assignees": ["bob", "group:reviewers"], "timeout": 3600, "bind": True}
DEPLOY = Workflow(
    "deploy",
    steps=[
        Step("plan", lambda _: "planned", human_review=Confirm("Plan?", bind=True)),
        Step("deploy", lambda _: "deployed", human_review=Confirm("Go?", policy=Quorum(2), **ASKED)),
        Step("bill", lambda _: "billed", human_review=Confirm("Pay?")),
    ],
)
HALT = Workflow(
    "halt",
    steps=[
        Machine(
            "halt",
            {
                "ask": State(halt=Halting(accepts={"type": "object"}, bind=True), transitions=[Transition("done")]),
                "done": State(is_terminal=True),
            },
            initial_state="ask",
        )
    ],
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server([DEPLOY, HALT], data_dir=tmp_path_factory.mktemp("audit")) as server:
        yield server


@pytest.fixture
async def http(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=live.http_url, timeout=45) as client:
        yield client


async def asked(
    http: httpx.AsyncClient, method: str, path: str, token: str, *, json: Any = None, accept: str | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", **({} if accept is None else {"Accept": accept})}
    return await http.request(method, path, json=json, headers=headers)


async def decide(http: httpx.AsyncClient, run: Any, token: str, *, digest: str | None = None) -> httpx.Response:
    """Say yes to what the run asks, as it is shown or on something else."""
    (requirement,) = run["step_requirements"]
    given = {**requirement, "confirmed": True, **({} if digest is None else {"digest": digest})}
    path = f"/workflows/deploy/runs/{run['run_id']}/continue"
    return await asked(http, "POST", path, token, json={"step_requirements": [given], "stream": False})


async def audited(http: httpx.AsyncClient, run_id: str, token: str = ALICE, **more: Any) -> Any:
    answer = await asked(http, "GET", f"/v1/projects/user_alice/runs/{run_id}/audit", token, **more)
    return answer.json()["data"] if answer.is_success and answer.headers["content-type"][-4:] == "json" else answer


async def decided_run(http: httpx.AsyncClient) -> Any:
    """A run that was planned by alice, deployed by bob and carol, and cancelled."""
    started = await asked(http, "POST", "/workflows/deploy/runs", ALICE, json={"message": "x", "stream": False})
    run = started.json()
    stale = await decide(http, run, ALICE, digest="0" * 64)
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_view")
    assert stale.json()["details"]["digest"] == run["step_requirements"][0]["digest"]
    run = (await decide(http, run, ALICE)).json()
    run = (await decide(http, run, BOB)).json()
    run = (await decide(http, run, CAROL)).json()
    path = f"/workflows/deploy/runs/{run['run_id']}/cancel"
    return (await asked(http, "POST", path, ALICE, json={"reason": "enough"})).json()


async def whole_audit(http: httpx.AsyncClient, run_id: str) -> Any:
    """The audit once the cancellation is settled, too."""

    async def is_whole() -> Any:
        page = await audited(http, run_id)
        return page if page["count"] == 5 else None

    return await eventually(is_whole)


async def test_every_decision_vote_and_cancellation_is_in_the_chain_in_every_form(http: httpx.AsyncClient) -> None:
    run_id = (await decided_run(http))["run_id"]
    page = await whole_audit(http, run_id)
    contents = [each["content"] for each in page["entries"]]
    said = [(each["kind"], each.get("by"), each.get("voter")) for each in contents]
    assert said == [
        ("decided", "alice", None),
        ("responded", "bob", "bob"),
        ("responded", "carol", "carol"),
        ("decided", "carol", None),
        ("cancelled", "alice", None),
    ]
    assert all(len(each["digest"]) == 64 for each in contents[:4])
    assert contents[4]["reason"] == "enough"
    entries = [entry_in(each) for each in page["entries"]]
    assert broken(run_id, entries) is None
    for accept, path in (
        ("application/jsonl", ""),
        ("text/csv, */*", ""),
        (None, "?format=csv"),
        (None, "?format=jsonl"),
    ):
        file = await asked(http, "GET", f"/v1/projects/user_alice/runs/{run_id}/audit{path}", ALICE, accept=accept)
        (chain,) = read_file(file.text)
        assert (chain.count, chain.entries) == (5, entries)
    schema = DOCUMENT["paths"]["/projects/{project}/runs/{run_id}/audit"]["get"]["responses"]["200"]["content"]
    described = {**schema["application/json"]["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(described).validate({"data": page})


async def test_who_got_what_they_may_decide_is_told_with_the_time(live: Live, http: httpx.AsyncClient) -> None:
    started = await asked(http, "POST", "/workflows/deploy/runs", ALICE, json={"message": "x", "stream": False})
    run = (await decide(http, started.json(), ALICE)).json()
    (requirement,) = run["step_requirements"]
    async with live.talk(BOB) as talk:
        await talk.send(action="follow-runs", list="mine", filter={"waiting_for_me": True}, request_id="1")
        await talk.until("runs_listed")

        async def is_told() -> Any:
            return (await audited(http, run["run_id"]))["people"]

        (told,) = await eventually(is_told)
    assert (told["user_id"], told["requirement_id"], told["seen_at"]) == ("bob", requirement["id"], None)
    assert told["delivered_at"] > 0


async def test_pages_follow_each_other_and_an_interaction_shows_no_more_than_is_about_it(
    http: httpx.AsyncClient,
) -> None:
    run_id = (await decided_run(http))["run_id"]
    page = await whole_audit(http, run_id)
    found: list[Any] = []
    after: int | None = 0
    while after is not None:
        path = f"/v1/projects/user_alice/runs/{run_id}/audit?limit=2&after={after}"
        some = (await asked(http, "GET", path, ALICE)).json()["data"]
        found, after = [*found, *some["entries"]], some["next_after"]
    assert found == page["entries"]
    requirement_id = page["entries"][1]["content"]["requirement_id"]
    path = f"/v1/projects/user_alice/interactions/{requirement_id}.{run_id}/audit"
    answer = await asked(http, "GET", path, BOB)
    of_one = answer.json()["data"]
    assert [each["content"] is None for each in of_one["entries"]] == [True, False, False, False, False]
    assert broken(run_id, [entry_in(each) for each in of_one["entries"]]) is None


async def test_whoever_may_not_read_the_run_doesnt_learn_of_it(http: httpx.AsyncClient) -> None:
    run_id = (await decided_run(http))["run_id"]
    for token, project, code in (
        (READER, "user_alice", "run_not_found"),
        (ALICE, "other", "run_not_found"),
        (NOBODY, "user_alice", "forbidden"),
    ):
        for path in (f"runs/{run_id}", f"interactions/req-1.{run_id}"):
            answer = await asked(http, "GET", f"/v1/projects/{project}/{path}/audit", token)
            assert answer.json()["error"]["code"] == code
    missing = await asked(http, "GET", "/v1/projects/user_alice/interactions/nothing/audit", ALICE)
    assert missing.json()["error"]["code"] == "run_not_found"
    assert (await audited(http, run_id, ROOT))["count"] == 5, "an admin reads every run"


async def test_halt_that_is_bound_shows_the_digest_that_its_resume_needs(http: httpx.AsyncClient) -> None:
    started = await asked(http, "POST", "/workflows/halt/runs", ALICE, json={"message": "x", "stream": False})
    (requirement,) = started.json()["step_requirements"]
    assert (requirement["bind"], len(requirement["digest"])) == (True, 64)
    path = f"/workflows/halt/runs/{started.json()['run_id']}/continue"
    given: dict[str, Any] = {"id": requirement["id"], "user_input": {"ok": True}}
    without = await asked(http, "POST", path, ALICE, json={"step_requirements": [given], "stream": False})
    assert without.json()["code"] == "invalid_decision"
    given["digest"] = requirement["digest"]
    done = await asked(http, "POST", path, ALICE, json={"step_requirements": [given], "stream": False})
    assert done.json()["status"] == "COMPLETED"


async def test_run_in_which_nobody_decided_has_an_empty_audit(http: httpx.AsyncClient) -> None:
    started = await asked(http, "POST", "/workflows/deploy/runs", ALICE, json={"message": "x", "stream": False})
    page = await audited(http, started.json()["run_id"])
    assert (page["count"], page["entries"], page["people"], page["next_after"]) == (0, [], [], None)


async def test_admin_gets_the_servers_signed_word_of_how_far_the_chains_have_come(http: httpx.AsyncClient) -> None:
    run_id = (await decided_run(http))["run_id"]
    entries = [entry_in(each) for each in (await whole_audit(http, run_id))["entries"]]
    page = (await asked(http, "GET", "/v1/audit/checkpoint", ROOT)).json()["data"]
    heads = read_checkpoints(checkpoint_line(page["statement"], page["keys"]))
    assert heads[run_id] == [(5, entries[-1].hash)]
    assert outdated(run_id, entries[:-1], heads) is not None
    assert page["next_after"] is None
    assert (await asked(http, "GET", "/v1/audit/checkpoint", ALICE)).status_code == 403
    assert (await asked(http, "GET", "/v1/audit/checkpoint", page["statement"])).status_code == 401, "it is no token"
