"""The receiver of notifications that the examples bring along."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.receiver import MAX_BYTES, PATH, Notifications
from tests.support.live import PATIENCE
from tests.support.services import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture
def receiver() -> Iterator[Notifications]:
    with Notifications(0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE)


def posted(receiver: Notifications, content: bytes, path: str = PATH) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.server_port, timeout=PATIENCE)
    connection.request("POST", path, content)
    status = connection.getresponse().status
    connection.close()
    return status


def test_what_is_sent_is_printed(receiver: Notifications, capsys: pytest.CaptureFixture[str]) -> None:
    assert posted(receiver, b'{"status": "approved"}') == 200
    assert receiver.received == [{"status": "approved"}]
    assert capsys.readouterr().out == 'Notification: {"status": "approved"}\n'


def test_only_the_latest_are_kept(receiver: Notifications) -> None:
    receiver.kept = 2
    assert [posted(receiver, b"%d" % each) for each in range(3)] == [200] * 3
    assert receiver.received == [1, 2]


@pytest.mark.parametrize(
    ("content", "path", "status"),
    [(b"{", PATH, 400), (b"[" * 60_000, PATH, 400), (b"1", "/", 404), (b" " * (MAX_BYTES + 1), PATH, 413)],
)
def test_what_is_no_notification_is_refused(receiver: Notifications, content: bytes, path: str, status: int) -> None:
    assert posted(receiver, content, path) == status
    assert receiver.received == []


COMMAND = """
import http.client, os, sys, time
deadline = time.monotonic() + 10
while True:
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    try:
        connection.request("POST", "/notifications", b'"hello"')
        break
    except ConnectionRefusedError:
        assert time.monotonic() < deadline
        time.sleep(0.01)
assert connection.getresponse().status == 200
print(os.getpid(), flush=True)
sys.exit(7)
"""


def test_receiver_runs_beside_a_command_and_ends_with_it() -> None:
    port = free_port()
    command = [sys.executable, "-m", "examples.receiver", "--port", str(port), sys.executable, "-c", COMMAND, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=3 * PATIENCE)  # until nobody holds the pipe, the receiver too
    assert process.returncode == 7
    assert set(said.splitlines()) == {f"Notification: {json.dumps('hello')}", str(process.pid)}


def test_command_runs_also_where_its_port_is_taken(receiver: Notifications) -> None:
    port = str(receiver.server_port)
    command = [sys.executable, "-m", "examples.receiver", "--port", port, sys.executable, "-c", "print('at work')"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3 * PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "at work\n")
