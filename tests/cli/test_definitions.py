"""`interlock validate`, `publish` and `diagram`, on files and on a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.conftest import Cli
from tests.cli.test_serve import serving
from tests.support.live import ALICE, READER, ROOT, Live

from interlock.cli.exits import ExitCode


def machine(name: str, *, said: str = "hello") -> dict[str, Any]:
    """A definition that waits for an answer, and ends."""
    asked = {"presentation": {"type": "message", "message": said}, "accepts": {"type": "object"}}
    ask = {"type": "halting", **asked, "transitions": [{"target": "done"}]}
    states = {"ask": ask, "done": {"type": "terminal"}}
    return {"name": name, "initial_state": "ask", "states": states}


AS_YAML = """\
name: {}
initial_state: ask
states:
  ask:
    type: halting
    presentation: {{type: message, message: hello}}
    accepts: {{type: object}}
    transitions:
      - target: done
  done:
    type: terminal
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes a file into the folder of the command."""

    def written(name: str, definition: Any) -> str:
        text = definition if isinstance(definition, str) else json.dumps(definition)
        (tmp_path / name).write_text(text)
        return name

    return written


def versions(live: Live, name: str) -> list[dict[str, Any]]:
    url = f"{live.http_url}/api/v1/workflows/{name}/versions"
    found: list[dict[str, Any]] = httpx.get(url, headers={"Authorization": f"Bearer {ALICE}"}).json()["data"][
        "versions"
    ]
    return found


def test_validate_says_all_that_is_wrong_in_all_files(cli: Cli, write: Any) -> None:
    wrong = machine("orders")
    wrong["states"]["ask"]["transitions"][0]["target"] = "dnoe"
    wrong["states"]["done"]["type"] = "\x1b[2Jend"
    files = [write("a.json", wrong), write("b.json", "{"), write("c.yaml", AS_YAML.format("fine")), "nothing.json"]
    done = cli("validate", *files, INTERLOCK_TOKEN=None, INTERLOCK_URL=None)
    lines = done.stdout.splitlines()
    assert done.returncode == ExitCode.ERROR
    assert [line for line in lines if line.startswith("a.json: states.ask.transitions[0].target: ")]
    assert [line for line in lines if line.startswith("a.json: states.done.type: ")]
    assert [line for line in lines if line.startswith("b.json: It isn't JSON: ") and "line 1, column 2" in line]
    assert "c.yaml is valid." in lines
    assert [line for line in lines if line.startswith("nothing.json: It can't be read")]
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_a_script_that_does_not_parse_is_a_fault_with_its_line(cli: Cli, write: Any) -> None:
    scripted = machine("orders")
    logic = {"type": "script", "code": "const a = 1;\nreturn {a: };"}
    scripted["states"]["start"] = {"type": "action", "logic": logic, "transitions": [{"target": "ask"}]}
    scripted["initial_state"] = "start"
    done = cli("validate", write("a.json", scripted))
    assert done.returncode == ExitCode.ERROR
    (line,) = done.stdout.splitlines()
    assert line.startswith("a.json: states.start.logic.code: ")
    assert "line 2" in line


def test_a_warning_is_said_and_is_no_fault(cli: Cli, write: Any) -> None:
    unreachable = machine("orders")
    unreachable["states"]["lost"] = {"type": "terminal"}
    done = cli("validate", write("a.json", unreachable))
    assert done.returncode == ExitCode.COMPLETED, done.stdout
    assert any(line.startswith("a.json: warning: states.lost: ") for line in done.stdout.splitlines())
    assert "a.json is valid." in done.stdout


def test_publish_makes_a_version_of_what_has_changed_and_of_nothing_else(cli: Cli, live: Live, write: Any) -> None:
    files = [write("a.json", machine("cli_orders")), write("b.yaml", AS_YAML.format("cli_notes"))]
    done = cli("publish", *files, INTERLOCK_TOKEN=ROOT)
    assert done.returncode == ExitCode.COMPLETED, done.stdout + done.stderr
    (orders,), (notes,) = versions(live, "cli_orders"), versions(live, "cli_notes")
    assert done.stdout.splitlines() == [
        f"cli_orders: {orders['version_id']} is published.",
        f"cli_notes: {notes['version_id']} is published.",
    ]
    assert orders["status"] == "published"
    write("a.json", machine("cli_orders", said="again"))
    done = cli("publish", *files, INTERLOCK_TOKEN=ROOT)
    newest = versions(live, "cli_orders")[0]
    assert done.stdout.splitlines() == [
        f"cli_orders: {newest['version_id']} is published.",
        f"cli_notes: {notes['version_id']} is published already, with the same definition.",
    ]
    assert (len(versions(live, "cli_orders")), len(versions(live, "cli_notes"))) == (2, 1)


def test_publish_sends_nothing_if_anything_is_wrong(cli: Cli, live: Live, write: Any) -> None:
    done = cli(
        "publish", write("a.json", machine("cli_unsent")), write("b.json", {"name": "cli_wrong"}), INTERLOCK_TOKEN=ROOT
    )
    assert done.returncode == ExitCode.ERROR
    assert "b.json: " in done.stdout
    url = f"{live.http_url}/api/v1/workflows/cli_unsent"
    assert httpx.get(url, headers={"Authorization": f"Bearer {ALICE}"}).status_code == 404


def test_publish_says_why_the_server_refuses(cli: Cli, write: Any) -> None:
    file = write("a.json", machine("cli_refused"))
    for variables, says in (
        ({"INTERLOCK_TOKEN": READER}, "workflows:write"),
        ({"INTERLOCK_TOKEN": "wrong"}, "Set INTERLOCK_TOKEN, or pass --token."),
        ({"INTERLOCK_URL": "http://127.0.0.1:1"}, "No answer from http://127.0.0.1:1"),
    ):
        done = cli("publish", file, **{"INTERLOCK_TOKEN": ROOT, **variables})
        assert done.returncode == ExitCode.UNREACHABLE
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_name_that_python_has_is_taken(cli: Cli, live: Live, write: Any) -> None:
    answer = httpx.get(f"{live.http_url}/workflows", headers={"Authorization": f"Bearer {ALICE}"})
    python = answer.json()["workflows"][0]["id"]
    done = cli("publish", write("a.json", machine(python)), INTERLOCK_TOKEN=ROOT)
    assert done.returncode == ExitCode.ERROR
    assert python in done.stderr


def test_diagram_is_drawn_of_a_file_and_of_what_a_server_has(cli: Cli, write: Any) -> None:
    file = write("a.yaml", AS_YAML.format("cli_drawn"))
    of_file = cli("diagram", file, INTERLOCK_TOKEN=None, INTERLOCK_URL=None)
    assert of_file.returncode == ExitCode.COMPLETED, of_file.stderr
    assert of_file.stdout.startswith("stateDiagram-v2\n")
    assert cli("publish", file, INTERLOCK_TOKEN=ROOT).returncode == ExitCode.COMPLETED
    assert cli("diagram", "cli_drawn").stdout == of_file.stdout
    unknown = cli("diagram", "cli_unknown")
    assert unknown.returncode == ExitCode.UNREACHABLE
    assert "cli_unknown" in unknown.stderr
    unreadable = cli("diagram", write("b.json", "["))
    assert unreadable.returncode == ExitCode.ERROR
    assert unreadable.stderr.startswith("b.json: It isn't JSON")


def test_serve_publishes_a_folder_and_needs_no_python(tmp_path: Path, write: Any) -> None:
    (tmp_path / "flows" / "more").mkdir(parents=True)
    write("flows/orders.json", machine("orders"))
    write("flows/more/notes.yaml", AS_YAML.format("notes"))
    with serving(tmp_path, "--definitions", "flows", "--port", "0", target=()) as server:
        assert server.said[0].startswith("Interlock serves notes, orders on ws://")
    assert server.log.count("definition_published") == 2
    with serving(tmp_path, "--port", "0", target=()) as server:
        assert server.said[0].startswith("Interlock serves notes, orders on ws://")
        assert any(" chat " in line and " notes " in line for line in server.said)
    with serving(tmp_path, "--port", "0", "--data-dir", "empty", target=()) as server:
        assert server.said[0].startswith("Interlock serves no workflows yet on ws://")
        assert any(line.endswith(" FILE") and " publish " in line for line in server.said)


def test_serve_says_all_that_is_wrong_in_a_folder_and_does_not_start(cli: Cli, tmp_path: Path, write: Any) -> None:
    (tmp_path / "flows").mkdir()
    write("flows/a.json", {"name": "orders", "initial_state": "nowhere", "states": {}})
    write("flows/b.json", "{")
    write("flows/c.json", machine("fine"))
    done = cli("serve", "--definitions", "flows", "--port", "0")
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert lines[0] == "--definitions has definitions that can't be published:"
    assert {line.split(": ")[0] for line in lines[1:]} == {"flows/a.json", "flows/b.json"}
    assert any(line.startswith("flows/a.json: states: ") for line in lines)
    missing = cli("serve", "--definitions", "nothing", "--port", "0")
    assert missing.stderr.startswith("--definitions must be the path of a folder that can be read: ")
    assert not (tmp_path / ".interlock" / "interlock.db").exists(), "nothing was begun"
