"""A small receiver of the notifications that the example `purchase_approval` sends: it prints each of them.

    python -m examples.receiver [--port 7790] [COMMAND ...]

With a command, the process becomes that command, and the receiver runs beside it until it ends: so `make run` serves
the examples. It listens on loopback only, takes what anybody on this machine sends, and keeps nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PORT = 7790
PATH = "/notifications"
MAX_BYTES = 64 * 1024
LONGEST_SECONDS = 10.0
"""How long one notification may take to come."""


class Notifications(ThreadingHTTPServer):
    """Receives notifications, and prints them.

    Args:
        port: where to listen on loopback; 0 chooses a free port.

    Attributes:
        received: the notifications so far, the first one first; only the latest are kept.
    """

    daemon_threads = True
    kept = 100

    def __init__(self, port: int = PORT) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.received: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{PATH}"

    def take(self, notification: Any) -> None:
        self.received = [*self.received, notification][-self.kept :]
        print(f"Notification: {json.dumps(notification)}", flush=True)


class _Handler(BaseHTTPRequestHandler):
    server: Notifications
    timeout = LONGEST_SECONDS

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != PATH:
            self._answer(404, {"error": f"POST to {PATH}."})
        elif not length.isascii() or not length.isdigit() or int(length) > MAX_BYTES:
            self._answer(413, {"error": f"Send at most {MAX_BYTES} bytes, with their Content-Length."})
        else:
            self._take(self.rfile.read(int(length)))

    def _take(self, content: bytes) -> None:
        try:
            notification = json.loads(content)
        except (ValueError, RecursionError):
            self._answer(400, {"error": "Send JSON."})
            return
        self.server.take(notification)
        self._answer(200, {"received": True})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has there
        """Say nothing of requests; `take` says what came."""


def _until_gone(process: int) -> None:
    """Return once this process isn't a child of that one any more."""
    while os.getppid() == process:
        time.sleep(0.2)


def main() -> None:
    """Receive notifications, alone or beside a command."""
    parser = argparse.ArgumentParser(description="Receive the notifications of the examples, and print them.")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--beside", type=int, help=argparse.SUPPRESS)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if given.command:
        arguments = ["--port", str(given.port), "--beside", str(os.getpid())]
        subprocess.Popen([sys.executable, "-m", "examples.receiver", *arguments], cwd=Path(__file__).parents[1])
        os.execvp(given.command[0], given.command)  # noqa: S606 - it is what was asked for
    try:
        server = Notifications(given.port)
    except OSError as error:
        sys.exit(f"No notifications are received: port {given.port} of this machine: {error.strerror}.")
    if given.beside is None:
        server.serve_forever()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _until_gone(given.beside)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
