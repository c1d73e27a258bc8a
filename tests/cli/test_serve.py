"""`interlock serve`: what it says at the start, what it logs, and why it can't start."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from tests.cli.conftest import COMMAND, Cli, environment_of
from tests.cli.test_commands import FLOWS
from tests.support import nursery
from tests.support.live import PATIENCE
from tests.support.services import free_port

from interlock import Step, Workflow, create_app
from interlock.process import banner as banner_module
from interlock.process.banner import banner
from interlock.process.logs import configure_logging
from interlock.settings import Settings

SCRIPT = Path(sysconfig.get_path("scripts")) / "interlock"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder, and a PATH, without an `interlock`; no variables of Interlock's."""
    for name in ("URL", "TOKEN", "TOKENS", "DATA_DIR", "HOST", "PORT"):
        monkeypatch.delenv(f"INTERLOCK_{name}", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)


def next_line(port: int = 7777, token: str | None = "made-up", **settings: str) -> str:
    """The command that the banner advises."""
    lines = banner(["one", "two"], Settings(**settings), port, token).splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("Next, "))
    return lines[at + 1].strip()


# ── The banner ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("alone")
def test_command_is_called_by_its_name_only_where_that_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert next_line() == f"{SCRIPT} chat one --message TEXT"
    monkeypatch.chdir(SCRIPT.parents[2])
    assert next_line() == f"{SCRIPT.relative_to(SCRIPT.parents[2])} chat one --message TEXT"
    another = tmp_path / "interlock"
    another.write_text("#!/bin/sh\n")
    another.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert next_line() == f"{SCRIPT.relative_to(SCRIPT.parents[2])} chat one --message TEXT"
    monkeypatch.setenv("PATH", str(SCRIPT.parent))
    assert next_line() == "interlock chat one --message TEXT"
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path / "nothing"))
    assert next_line() == f"{sys.executable} -m interlock.cli chat one --message TEXT"


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("host", "port", "option"),
    [
        ("127.0.0.1", 7777, ""),
        ("127.0.0.1", 7778, "--url http://127.0.0.1:7778 "),
        ("localhost", 7777, "--url http://localhost:7777 "),
        ("::1", 7777, "--url 'http://[::1]:7777' "),
        ("0.0.0.0", 7778, "--url http://127.0.0.1:7778 "),
    ],
)
def test_address_is_named_where_the_command_wouldn_t_look(host: str, port: int, option: str) -> None:
    assert next_line(port, host=host) == f"{SCRIPT} chat {option}one --message TEXT"


@pytest.mark.usefixtures("alone")
def test_what_the_environment_says_otherwise_is_said_right(monkeypatch: pytest.MonkeyPatch) -> None:
    assert next_line(data_dir="my data").startswith("INTERLOCK_DATA_DIR='my data' ")
    monkeypatch.setenv("INTERLOCK_URL", "http://elsewhere:1")
    assert "--url http://127.0.0.1:7777 " in next_line()
    monkeypatch.setenv("INTERLOCK_TOKEN", "another-server-s")
    assert next_line().startswith("INTERLOCK_TOKEN= ")


@pytest.mark.usefixtures("alone")
def test_tokens_that_are_configured_are_not_printed() -> None:
    said = banner(["one"], Settings(tokens="configured-token"), 7777, None)
    assert "configured-token" not in said
    assert "with one of your tokens as INTERLOCK_TOKEN" in said


@pytest.mark.usefixtures("alone")
def test_web_app_is_opened_with_the_token_that_was_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    link = "http://127.0.0.1:7777/"
    monkeypatch.setattr(banner_module, "is_built", lambda: True)
    assert f"{link}#token=made-up in a browser" in banner(["one"], Settings(), 7777, "made-up")
    assert f"{link} in a browser" in banner(["one"], Settings(), 7777, None)
    assert "browser" not in banner(["one"], Settings(web_app=False), 7777, "made-up")
    monkeypatch.setattr(banner_module, "is_built", lambda: False)
    assert "browser" not in banner(["one"], Settings(), 7777, "made-up")


@dataclass
class Started:
    """A server in a process of its own; `said` is its banner, `log` what came on standard error once it has ended."""

    process: subprocess.Popen[str]
    said: list[str]
    log: str = ""


@contextmanager
def serving(
    folder: Path, *options: str, target: Sequence[str] = ("flows:many",), **variables: str | None
) -> Iterator[Started]:
    """`interlock serve` in this folder, from its banner on."""
    (folder / "flows.py").write_text(FLOWS)
    given = {"INTERLOCK_URL": None, "INTERLOCK_TOKEN": None, "PYTHONUNBUFFERED": "1", **variables}
    process = nursery.Popen(
        [*COMMAND, "serve", *target, *options],
        cwd=folder,
        env=environment_of("", given),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = Started(process, [])
    try:
        assert process.stdout is not None
        for line in process.stdout:
            started.said.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        yield started
    finally:
        process.send_signal(signal.SIGINT)
        _, started.log = process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("data_dir", [".interlock", "my data"])
def test_next_line_works_as_it_is_printed(tmp_path: Path, data_dir: str) -> None:
    with serving(tmp_path, "--port", "0", "--data-dir", data_dir) as server:
        command = server.said[server.said.index("Next, in another terminal, in this folder:") + 1]
        environment = environment_of("", {"INTERLOCK_URL": None, "INTERLOCK_TOKEN": None})
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "Completed" in done.stdout


# ── A port that is taken ────────────────────────────────────────────────────────────────────────────────


def test_port_in_use_is_one_sentence_that_says_what_to_do(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli("serve", "flows:one", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Interlock can't start: something listens on 127.0.0.1:{port} already.")
    assert "--port" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / ".interlock" / "interlock.db").exists(), "nothing was begun"


def test_framework_that_isn_t_installed_is_one_sentence_that_names_the_extra(cli: Cli, tmp_path: Path) -> None:
    missing = """raise ModuleNotFoundError("No module named 'pydantic_ai'", name="pydantic_ai")"""
    (tmp_path / "pydantic_ai.py").write_text(missing)
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    done = cli("serve", "examples:workflows", PYTHONPATH=path, INTERLOCK_EXAMPLE_MODEL="test")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "`pip install 'interlock[pydantic-ai]'`" in done.stderr


def test_address_of_another_machine_is_one_sentence(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    # An address of the block for documentation: no machine has it.
    done = cli("serve", "flows:one", "--host", "192.0.2.1", "--port", str(free_port()), INTERLOCK_TOKENS="a" * 32)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "--host" in done.stderr


# ── Logging ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def structlog_as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("structlog_as_it_was")
@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("error", ["error"]),
        ("critical", []),
    ],
)
def test_log_level_reaches_the_server_s_own_messages(
    capsys: pytest.CaptureFixture[str], level: str, heard: list[str]
) -> None:
    configure_logging(level)
    logger = structlog.get_logger("interlock")
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)(f"an-{name}-message")
    said = capsys.readouterr()
    assert re.findall(r"an-(\w+)-message", said.err) == heard
    assert said.out == ""


@pytest.mark.usefixtures("structlog_as_it_was")
def test_traceback_is_without_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    password = "pass" + "word-in-a-variable"
    try:
        raise ValueError(len(password))
    except ValueError:
        structlog.get_logger().exception("it_failed")
    said = capsys.readouterr().err
    assert "ValueError" in said
    assert "password-in-a-variable" not in said


def test_application_that_is_mounted_leaves_logging_alone(tmp_path: Path) -> None:
    before = structlog.get_config()
    workflow = Workflow("one", steps=[Step("hello", lambda _: "hello")])
    create_app(workflow, Settings(data_dir=tmp_path, log_level="critical"))
    assert structlog.get_config() == before


def test_no_token_is_logged_at_any_level(cli: Cli, tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0", "--log-level", "debug") as server:
        found = re.search(r"on ws://(127\.0\.0\.1:\d+)", server.said[0])
        assert found
        token = (tmp_path / ".interlock" / "token").read_text().strip()
        done = cli("chat", "two", "--url", f"http://{found[1]}/?token={token}", INTERLOCK_TOKEN=None)
        assert done.returncode == 0, done.stderr
        assert cli("runs", "--url", f"http://{found[1]}", INTERLOCK_TOKEN=token).returncode == 0
    assert "Started server process" in server.log, "the web server logs at that level too"
    assert token not in server.log
    assert "authenticate" not in server.log
