"""The deployment files agree with each other and with the server, as far as can be told without running them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from interlock.auth.token_list import parse_tokens
from interlock.cli.commands import app as command_line
from interlock.cli.serve import load
from interlock.settings import PREFIX, Settings
from interlock_protocol.limits import MAX_MESSAGE_BYTES

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OF_CLIENTS = {"INTERLOCK_URL", "INTERLOCK_TOKEN"}
DEFAULTS: dict[str, Any] = {name: field.default for name, field in Settings.model_fields.items()}
PORT = DEFAULTS["port"]


def read(name: str) -> str:
    return (DEPLOY / name).read_text("utf-8")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(read("docker-compose.yml"))
    return parsed


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text.removesuffix("s"))


# ── All of them ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [*sorted(DEPLOY.iterdir()), ROOT / "docs/deployment.md"], ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bINTERLOCK_[A-Z_]+\b", path.read_text("utf-8"))) <= settings | OF_CLIENTS


def test_whoever_kills_waits_as_long_as_a_stop_may_take(services: dict[str, Any]) -> None:
    unit = read("interlock.service")
    longest = 3 * DEFAULTS["shutdown_grace_seconds"] + 15
    grace = f"INTERLOCK_SHUTDOWN_GRACE_SECONDS={DEFAULTS['shutdown_grace_seconds']}"
    assert f"Environment={grace}\n" in unit
    assert f"\nTimeoutStopSec={longest:g}\n" in unit
    assert "\nKillSignal=SIGTERM\n" in unit
    for name in ("interlock-1", "interlock-2"):
        assert seconds(services[name]["stop_grace_period"]) == longest
        given = services[name]["environment"]["INTERLOCK_SHUTDOWN_GRACE_SECONDS"]
        assert f"INTERLOCK_SHUTDOWN_GRACE_SECONDS={given}" == grace
    assert "STOPSIGNAL SIGTERM" in read("Dockerfile")


def test_commands_are_the_command_line_s(services: dict[str, Any]) -> None:
    known = set(get_command(command_line).commands)  # type: ignore[attr-defined]
    entry, default = re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", read("Dockerfile"), re.MULTILINE)
    assert yaml.safe_load(entry) == ["interlock"]
    commands = [yaml.safe_load(default), *(services[name]["command"] for name in ("migrate", "interlock-1"))]
    (unit,) = re.findall(r"^ExecStart=/opt/interlock/bin/interlock (.+)$", read("interlock.service"), re.MULTILINE)
    commands.append(unit.split())
    assert {command[0] for command in commands} <= known
    assert [command[1:] for command in commands if command[0] == "serve"] == [["flows:workflows"]] * 3


def test_workflows_that_are_served_are_there(monkeypatch: pytest.MonkeyPatch, services: dict[str, Any]) -> None:
    assert "./flows.py:/app/flows.py:ro" in services["interlock-1"]["volumes"]
    monkeypatch.chdir(DEPLOY)
    monkeypatch.syspath_prepend(str(DEPLOY))
    monkeypatch.delitem(__import__("sys").modules, "flows", raising=False)
    assert [each.id for each in load("flows:workflows")] == ["notice"]


# ── The image ───────────────────────────────────────────────────────────────────────────────────────────


PAGES = ("clients/typescript", "clients/web")

IN_THE_APP = "examples/machines"
"""What the web app has in it besides."""


def test_image_has_what_the_package_is_built_from() -> None:
    dockerfile = read("Dockerfile")
    lines = re.findall(r"^COPY (?!--)(.+)$", dockerfile, re.MULTILINE)
    copied = {source for line in lines for source in line.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    pages = {source for source in copied if source.startswith(("clients/typescript", "clients/web"))}
    locks = {f"{folder}/package-lock.json" for folder in PAGES}
    assert pages == {*PAGES, *locks, *(lock.replace("-lock", "") for lock in locks)}
    assert "\nCOPY --from=web /src/server/interlock/web server/interlock/web\n" in dockerfile
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    packages = re.findall(r"^packages = \[(.+)\]$", project, re.MULTILINE)[0]
    needed = {"requirements", "pyproject.toml", "README.md", "LICENSE", *re.findall(r'"([^"]+)"', packages)}
    assert copied - pages - {IN_THE_APP} == needed
    assert re.findall(r"pip install (?!--no-deps|--require-hashes)", dockerfile) == []
    ignored = (ROOT / ".dockerignore").read_text("utf-8")
    assert {line.removeprefix("!") for line in ignored.splitlines() if line.startswith("!")} == {
        *needed,
        *PAGES,
        IN_THE_APP,
    }


def test_image_runs_as_nobody_special_on_a_pinned_base() -> None:
    dockerfile = read("Dockerfile")
    assert "\nUSER interlock\n" in dockerfile
    for image in re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE):
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+|node:\d+\.\d+\.\d+-\w+-slim", image)
    assert f"\nEXPOSE {PORT}\n" in dockerfile
    assert f"os.environ.get('INTERLOCK_PORT', '{PORT}') + '/health/ready'" in dockerfile


# ── Compose ─────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_of_the_nodes_can_be_used(monkeypatch: pytest.MonkeyPatch, services: dict[str, Any]) -> None:
    for name in ("interlock-1", "interlock-2", "migrate"):
        environment = {
            variable: re.sub(r"\$\{(\w+):\?[^}]+\}", "0123456789abcdef", value)
            for variable, value in services[name]["environment"].items()
        }
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        settings = Settings()
        assert settings.tokens is not None
        assert len(parse_tokens(settings.tokens.get_secret_value())) == 1
        assert settings.database_url == "postgresql+asyncpg://interlock:0123456789abcdef@postgres/interlock"
        assert settings.redis_url == "redis://redis:6379/0"


def test_secrets_have_no_default(services: dict[str, Any]) -> None:
    text = read("docker-compose.yml")
    assert set(re.findall(r"\$\{(\w+)[^}]*\}", text)) == {"POSTGRES_PASSWORD", "INTERLOCK_TOKENS"}
    assert all(":?" in each for each in re.findall(r"\$\{[^}]*\}", text))


def test_services_are_pinned_wait_for_each_other_and_are_healthy_first(services: dict[str, Any]) -> None:
    assert set(services) == {"migrate", "interlock-1", "interlock-2", "nginx", "redis", "postgres"}
    for name, service in services.items():
        if "build" not in service:
            assert re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?-alpine", service["image"]), name
        for other, rule in service.get("depends_on", {}).items():
            has_check = "healthcheck" in services[other] or "build" in services[other]  # the image has one
            assert rule["condition"] == "service_completed_successfully" or has_check
    assert services["interlock-1"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["migrate"]["restart"] == "no"


def test_redis_is_one_that_the_server_takes(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"


def test_ports_agree(services: dict[str, Any]) -> None:
    listens = re.findall(r"listen (\d+);", read("nginx.conf"))
    assert services["nginx"]["ports"] == [f"127.0.0.1:{listens[0]}:{listens[0]}"]
    servers = re.findall(r"server ([\w-]+):(\d+) ", read("nginx.conf"))
    assert servers == [("interlock-1", str(PORT)), ("interlock-2", str(PORT))]
    assert services["interlock-1"]["expose"] == [str(PORT)]
    assert services["interlock-1"]["environment"]["INTERLOCK_PUBLIC_URL"].endswith(f":{listens[0]}")


# ── nginx and systemd ───────────────────────────────────────────────────────────────────────────────────


def test_proxy_outwaits_heartbeats_and_takes_the_largest_message() -> None:
    configuration = read("nginx.conf")
    for name in ("read", "send"):
        (timeout,) = re.findall(rf"proxy_{name}_timeout (\d+)s;", configuration)
        assert int(timeout) > 3 * DEFAULTS["heartbeat_seconds"]
    (body,) = re.findall(r"client_max_body_size (\d+)m;", configuration)
    assert int(body) * 1024 * 1024 > MAX_MESSAGE_BYTES


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    program = tmp_path / "interlock"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "interlock.service"
    unit.write_text(read("interlock.service").replace("/opt/interlock/bin/interlock", str(program)))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
