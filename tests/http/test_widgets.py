"""Bundles of widgets, over HTTP: how they are added, and what browsers load."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.http.workflows import workflows
from tests.support.live import ALICE, ROOT, Live, live_server
from typer.testing import CliRunner

from interlock.cli.commands import app
from interlock.errors import SettingsError
from interlock.widgets.bundles import MAX_BYTES, bundles_in

FIRST, SECOND = "export function mount() {}\n", "export function mount() { return {} }\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("widgets")
    (folder / "from-folder.js").write_text(FIRST)
    (folder / "README.md").write_text("no bundle")
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("live"), widgets=folder) as live:
        yield live


@pytest.fixture
def client(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.http_url) as client:
        yield client


def added(client: httpx.Client, name: str, source: str, token: str = ROOT) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return client.post("/api/v1/widgets", json={"name": name, "source": source}, headers=headers)


def test_bundle_is_loaded_under_its_hash_for_good_by_any_page(client: httpx.Client) -> None:
    version = added(client, "kept", FIRST).json()["data"]["version"]
    got = client.get(f"/widgets/kept/{version}.js")
    assert got.text == FIRST
    assert got.headers["content-type"].startswith("text/javascript")
    assert got.headers["access-control-allow-origin"] == "*"
    assert "immutable" in got.headers["cache-control"]
    for path in (
        f"/widgets/kept/{'0' * 32}.js",
        f"/widgets/other/{version}.js",
        "/widgets/other",
        "/widgets/..%2f/x.js",
    ):
        assert client.get(path).status_code == 404, path


def test_last_bundle_added_is_the_current_one_and_earlier_versions_stay(client: httpx.Client) -> None:
    first, second = (added(client, "versions", each).json()["data"] for each in (FIRST, SECOND))
    assert [each["is_current"] for each in (first, second)] == [True, True]
    assert client.get("/widgets/versions").json() == {
        "name": "versions",
        "version": second["version"],
        "versions": [second["version"], first["version"]],
    }
    assert client.get(f"/widgets/versions/{first['version']}.js").text == FIRST
    assert added(client, "versions", FIRST).json()["data"]["version"] == first["version"]
    assert client.get("/widgets/versions").json()["version"] == first["version"]
    listed = client.get("/api/v1/widgets", headers={"Authorization": f"Bearer {ROOT}"}).json()["data"]["widgets"]
    assert [each["is_current"] for each in listed if each["name"] == "versions"] == [True, False]


def test_frame_reaches_nothing_but_its_bundle(client: httpx.Client) -> None:
    version = added(client, "framed", FIRST).json()["data"]["version"]
    got = client.get(f"/widgets/framed/{version}/frame", headers={"Host": "example.com:8080"})
    rules = dict(each.partition(" ")[::2] for each in got.headers["content-security-policy"].split("; "))
    (script,) = re.findall(r"<script>(.*?)</script>", got.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules == {
        "sandbox": "allow-scripts",
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}' http://example.com:8080/widgets/framed/{version}.js",
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert f"../{version}.js" in got.text
    assert got.headers["cache-control"] == "no-cache"


def test_host_that_would_widen_the_policy_is_not_named_in_it(client: httpx.Client) -> None:
    version = added(client, "framed", FIRST).json()["data"]["version"]
    got = client.get(f"/widgets/framed/{version}/frame", headers={"Host": "x * 'unsafe-inline'; a"})
    assert "unsafe-inline'; a" not in got.headers.get("content-security-policy", "")


@pytest.mark.parametrize(
    ("name", "source", "field"),
    [
        ("Upper", FIRST, "name"),
        ("../up", FIRST, "name"),
        ("", FIRST, "name"),
        ("n" * 65, FIRST, "name"),
        ("empty", " \n", "source"),
        ("large", "x" * (MAX_BYTES + 1), "source"),
    ],
)
def test_what_is_no_bundle_is_refused(client: httpx.Client, name: str, source: str, field: str) -> None:
    refused = added(client, name, source)
    assert refused.status_code == 400
    assert [each["field"] for each in refused.json()["error"]["details"]] == [field]


def test_command_line_adds_and_lists_bundles(server: Live, tmp_path: Path) -> None:
    (tmp_path / "cli.js").write_text(FIRST)
    runner = CliRunner()
    of = ["--url", server.http_url, "--token", ROOT]
    added = runner.invoke(app, ["widgets", "add", "by-command", str(tmp_path / "cli.js"), *of])
    assert added.exit_code == 0, added.output
    listed = runner.invoke(app, ["widgets", "list", *of]).output
    assert [line.endswith("current") for line in listed.splitlines() if line.startswith("by-command")] == [True]
    assert runner.invoke(app, ["widgets", "add", "by-command", str(tmp_path / "none.js"), *of]).exit_code != 0


def test_only_operators_add_bundles(client: httpx.Client) -> None:
    assert added(client, "mine", FIRST, ALICE).status_code == 403


def test_bundles_of_a_folder_are_there_from_the_start(client: httpx.Client) -> None:
    version = client.get("/widgets/from-folder").json()["version"]
    assert client.get(f"/widgets/from-folder/{version}.js").text == FIRST


def test_folder_and_application_give_bundles_or_say_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "one.js").write_text(FIRST)
    assert [each.name for each in bundles_in(tmp_path, {"two": tmp_path / "one.js"}, 1)] == ["one", "two"]
    with pytest.raises(SettingsError, match="two bundles 'one'"):
        bundles_in(tmp_path, {"one": tmp_path / "one.js"}, 1)
    with pytest.raises(SettingsError, match="can't be read"):
        bundles_in(None, {"one": tmp_path / "none.js"}, 1)
    with pytest.raises(SettingsError, match="INTERLOCK_WIDGETS"):
        bundles_in(tmp_path / "none", {}, 1)
    (tmp_path / "Big.js").write_text(FIRST)
    with pytest.raises(SettingsError, match="Big"):
        bundles_in(tmp_path, {}, 1)
