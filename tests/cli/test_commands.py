"""`interlock follow`, `runs`, `token` and `serve`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import COMMAND, Cli, OpenTerminal, environment_of
from tests.cli.test_chat import run_id_in
from tests.support.live import ALICE, BOB, PATIENCE, Live

from interlock.cli.serve import load
from interlock.settings import Settings
from interlock.tasks.own import forget
from interlock.tasks.registry import task_types

# ── follow ──────────────────────────────────────────────────────────────────────────────────────────────


def test_follow_prints_one_line_for_each_event(cli: Cli) -> None:
    run_id = run_id_in(cli("chat", "draft").stdout)
    done = cli("follow", run_id)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(8))
    assert lines[2].split(maxsplit=3)[1:] == ["RunResponseContentEvent", "draft", '"Dear "']
    rest = cli("follow", run_id, "--from", "5").stdout.splitlines()
    assert rest == lines[5:]


def test_follow_prints_json_and_nothing_else(cli: Cli) -> None:
    run_id = run_id_in(cli("chat", "confirmed", piped="y\n").stdout)
    events = [json.loads(line) for line in cli("follow", run_id, "--json").stdout.splitlines()]
    assert [event["event_index"] for event in events] == list(range(len(events)))
    paused = next(event for event in events if event["event"] == "StepPaused")
    assert paused["requires_confirmation"] is True
    assert paused["requires_user_input"] is False
    assert "user_input_schema" not in paused


def test_follow_ends_with_the_run_s_exit_code(cli: Cli) -> None:
    assert cli("follow", run_id_in(cli("chat", "broken").stdout)).returncode == 1
    assert cli("follow", run_id_in(cli("chat", "confirmed", piped="n\ncancel\n\n").stdout)).returncode == 3


def test_follow_of_a_run_that_isn_t_there_is_one_sentence(cli: Cli) -> None:
    done = cli("follow", "nothing")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.count("\n") == 1


def test_follow_is_left_with_ctrl_c(cli: Cli, terminal: OpenTerminal) -> None:
    run_id = run_id_in(cli("chat", "confirmed").stdout)
    with terminal("follow", run_id) as screen:
        screen.expect("PAUSED")
        screen.interrupt()
        screen.expect(f"interlock follow {run_id} --from 3")
        assert screen.end() == 4


# ── signal ──────────────────────────────────────────────────────────────────────────────────────────────


def test_signal_is_sent_once_for_each_key_and_its_id_is_printed(live: Live, cli: Cli) -> None:
    token = {"Authorization": f"Bearer {ALICE}"}
    started = httpx.post(f"{live.http_url}/workflows/signalled/runs", json={"stream": False}, headers=token, timeout=60)
    run_id = started.json()["run_id"]
    assert cli("signal", run_id, "not a topic").returncode == 2
    assert cli("signal", run_id, "go", "{no json").returncode == 2
    early = [cli("signal", run_id, "later", "1", "--key", "k") for _ in range(2)]
    assert [each.returncode for each in early] == [0, 0]
    assert early[0].stdout == early[1].stdout
    assert early[0].stdout.startswith("sig-")
    assert cli("signal", run_id, "later", "2", "--key", "k").returncode == 5
    assert cli("signal", run_id, "go", '{"amount": 3}').returncode == 0
    followed = cli("follow", run_id)
    assert followed.returncode == 0
    assert "signal go" in followed.stdout
    assert '"amount": 3' in followed.stdout
    assert cli("signal", run_id, "go").returncode == 5, "it has ended"


def test_follow_into_a_pipe_that_closes_is_quiet(live: Live, cli: Cli) -> None:
    run_id = run_id_in(cli("chat", "slow", piped="").stdout)
    command = f"{' '.join(COMMAND)} follow {run_id} | head -1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=environment_of(live.http_url, {}), check=False
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_are_a_table_of_what_this_user_may_see(cli: Cli) -> None:
    paused = run_id_in(cli("chat", "confirmed").stdout)
    finished = run_id_in(cli("chat", "draft").stdout)
    table = cli("runs", "--limit", "2").stdout.splitlines()
    assert table[0].split() == ["run", "workflow", "status", "waits", "for", "user", "age"]
    assert [row.split()[:3] for row in table[1:]] == [
        [finished, "draft", "COMPLETED"],
        [paused, "confirmed", "PAUSED"],
    ]
    assert table[2].split()[3:5] == ["publish", "alice"]
    assert cli("runs", INTERLOCK_TOKEN=BOB).stdout.count(paused) == 0


def test_runs_are_filtered_and_limited(cli: Cli) -> None:
    for _ in range(3):
        cli("chat", "confirmed")
    table = cli("runs", "--status", "paused", "--workflow", "confirmed", "--limit", "2").stdout.splitlines()
    assert len(table) == 3
    assert all(row.split()[1:3] == ["confirmed", "PAUSED"] for row in table[1:])
    assert cli("runs", "--workflow", "nothing").stdout.startswith("No runs.")
    assert cli("runs", "--namespace", "user_bob").stdout.startswith("No runs.")
    assert "confirmed" in cli("runs", "--namespace", "user_alice", "--limit", "2").stdout
    assert cli("runs", "--status", "nothing").returncode == 2


@pytest.mark.parametrize("command", [["runs"], ["chat", "draft"], ["follow", "x"]])
def test_what_can_be_expected_to_fail_is_one_sentence_that_says_what_to_do(cli: Cli, command: list[str]) -> None:
    for variables, sentence in (
        ({"INTERLOCK_TOKEN": "wrong"}, "Set INTERLOCK_TOKEN, or pass --token."),
        ({"INTERLOCK_TOKEN": None}, "There is no token in "),
        ({"INTERLOCK_URL": "http://127.0.0.1:1"}, "set INTERLOCK_URL"),
    ):
        done = cli(*command, **variables)
        assert (done.returncode, done.stdout) == (5, "")
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
    done = cli(*command, INTERLOCK_URL="nonsense://x")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("command", [["runs"], ["chat", "draft"], ["follow", "x"], ["token"]])
def test_where_no_token_is_found_it_is_said_where_it_was_looked_for(
    cli: Cli, tmp_path: Path, command: list[str]
) -> None:
    nowhere = "http://127.0.0.1:1"  # nobody is asked
    done = cli(*command, INTERLOCK_URL=nowhere, INTERLOCK_TOKEN=None, INTERLOCK_DATA_DIR="elsewhere")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (5, "", 1)
    for place in (f"{tmp_path}/elsewhere/token", "INTERLOCK_TOKEN,", "INTERLOCK_TOKENS", "--token", "--url"):
        assert place in done.stderr
    assert "start `interlock serve`" in done.stderr


# ── token ───────────────────────────────────────────────────────────────────────────────────────────────


def test_token_is_alone_on_standard_output(cli: Cli, live: Live) -> None:
    done = cli("token")
    assert (done.returncode, done.stdout) == (0, f"{ALICE}\n")
    assert f"{live.http_url}/?token={ALICE}" in done.stderr


def test_token_of_the_server_in_this_folder_is_found(cli: Cli, tmp_path: Path) -> None:
    done = cli("token", INTERLOCK_TOKEN=None)
    assert (done.returncode, done.stdout) == (5, "")
    assert "interlock serve" in done.stderr
    folder = tmp_path / ".interlock"
    folder.mkdir()
    (folder / "token").write_text("secret\n")
    assert cli("token", INTERLOCK_TOKEN=None).stdout == "secret\n"
    assert cli("token", "--token", "other", INTERLOCK_TOKEN=None).stdout == "other\n"


# ── serve ───────────────────────────────────────────────────────────────────────────────────────────────

FLOWS = """
from interlock import Step, Workflow

def hello(step_input):
    return "hello"

one = Workflow("one", steps=[Step("hello", hello)])
many = [one, Workflow("two", steps=[Step("hello", hello)])]
mixed = [one, 3]
none = []
"""


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("flows", "isn't MODULE:ATTR"),
        ("nothing:one", "There is no module 'nothing' here"),
        ("flows:three", "has no attribute 'three'; it has one."),
        ("flows:hello", "flows:hello is of the type function; it must be a Workflow"),
        ("flows:mixed", "is a list with int in it"),
        ("flows:none", "is an empty list"),
        ("wrong:one", "declares what can't be"),
    ],
)
def test_serve_says_what_is_wrong_with_its_target(cli: Cli, tmp_path: Path, target: str, sentence: str) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    (tmp_path / "wrong.py").write_text("from interlock import Workflow\none = Workflow('one', steps=[])\n")
    done = cli("serve", target)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_doesn_t_hide_an_error_inside_the_module(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text("import nowhere_to_be_found\n")
    done = cli("serve", "flows:one")
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in done.stderr


def test_serve_has_a_flag_for_each_setting(cli: Cli) -> None:
    help_text = cli("serve", "--help", COLUMNS="200").stdout
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')} " in help_text


def test_serve_names_a_wrong_setting_by_its_flag(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    done = cli("serve", "flows:one", "--port", "many")
    assert (done.returncode, done.stderr) == (2, "--port must be a number from 0 to 65535.\n")


def test_serve_serves_and_the_other_commands_find_it(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    process = subprocess.Popen(
        [*COMMAND, "serve", "flows:many", "--port", "0"],
        cwd=tmp_path,
        env=environment_of("", {"INTERLOCK_URL": None, "INTERLOCK_TOKEN": None, "PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        greeting = next(line for line in process.stdout if "ws://" in line)
        found = re.search(r"one, two on ws://(127\.0\.0\.1:\d+)", greeting)
        assert found, greeting
        done = cli("chat", "two", INTERLOCK_URL=f"http://{found[1]}", INTERLOCK_TOKEN=None)
        assert done.returncode == 0, done.stderr
        assert "hello" in done.stdout
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


TASKS = """
from pydantic import BaseModel
from interlock import task

class Given(BaseModel):
    name: str

@task("only_a_task")
def only_a_task(inputs: Given) -> str:
    return inputs.name
"""


def test_a_module_that_has_only_tasks_is_served_without_an_attribute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    try:
        assert load("only_tasks") == []
        assert "only_a_task" in task_types()
    finally:
        forget("only_a_task")
