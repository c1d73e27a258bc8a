"""The first admin of an account, written into the database of a server that doesn't run."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.http.workflows import workflows
from tests.support.live import live_server
from typer.testing import CliRunner

from interlock.cli.commands import app
from interlock.cli.exits import Failure

PASSWORD = "correct horse battery"


def add(folder: Path, *arguments: str, said: str = PASSWORD) -> tuple[int, str]:
    """The exit code, and what was said."""
    url = f"sqlite:///{folder}/interlock.db"
    result = CliRunner().invoke(app, ["users", "add", *arguments, "--database-url", url], input=f"{said}\n")
    if isinstance(result.exception, Failure):
        return int(result.exception.code), str(result.exception)
    return result.exit_code, result.stdout.strip()


def test_first_admin_of_an_account_signs_in_and_is_admin_there_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, user_id = add(tmp_path, "grace", "--account", "acme", "--admin")
    assert (code, user_id[:4]) == (0, "usr_")
    assert add(tmp_path, "Grace", "--account", "acme", "--admin")[0] == 1
    assert add(tmp_path, "grace", "--admin", "--id", "grace") == (0, "grace")
    for wrong in (["grace", "--account", "a/b", "--admin"], ["system:x", "--admin"], ["ada", "--account", "acme"]):
        assert add(tmp_path, *wrong)[0] == 2, wrong
    assert add(tmp_path, "ada", "--admin", "--scope", "workflows:read")[0] == 2
    assert add(tmp_path, "ada", "--admin", said="short")[0] == 2
    with live_server(workflows, data_dir=tmp_path) as live:
        assert add(tmp_path, "ada", "--admin")[0] != 0, "a server has the file"
        with httpx.Client(base_url=live.http_url) as client:
            body = {"username": "grace", "password": PASSWORD, "account": "acme"}
            token = (client.post("/login", json=body)).json()["token"]
            headers = {"Authorization": f"Bearer {token}"}
            found = (client.get("/api/v1/users", headers=headers)).json()["data"]["users"]
            assert [(each["id"], each["scopes"]) for each in found] == [(user_id, ["admin"])]
            assert (client.get("/metrics", headers=headers)).status_code == 403
