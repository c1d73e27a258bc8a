"""A certified OpenID provider from a package, and a person's way through its pages without a browser."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.services import free_port, running, until_ready

WEB = Path(__file__).parents[2] / "clients/web"
CLIENT_ID = "interlock"
CLIENT_SECRET = "a-secret-of-the-client"


@contextmanager
def openid_provider(folder: Path, *redirects: str) -> Iterator[str]:
    """The issuer's address, while it runs. It sends browsers back to these addresses."""
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules/oidc-provider").is_dir():
        pytest.skip("There is no OpenID provider here: `make web` installs it, with Node 20 or later.")
    port, log = free_port(), folder / "openid.log"
    command = [node, "test/provider.mjs", str(port), *redirects]
    with running(command, log, signal.SIGTERM, cwd=WEB) as process:
        until_ready("the OpenID provider", process, lambda: b"ready" in log.read_bytes(), log)
        yield f"http://127.0.0.1:{port}"


async def signed_in_there(client: httpx.AsyncClient, address: str, name: str) -> str:
    """Sign in at the provider, agree to what it asks, and return where it sends the browser back to."""
    home = urlsplit(address).netloc
    answer = await client.get(address)
    for _ in range(12):
        if answer.is_redirect:
            following = answer.headers["location"]
            if urlsplit(following).netloc not in ("", home):
                return str(following)
            answer = await client.get(answer.url.join(following))
            continue
        assert answer.status_code == 200, answer.text
        action = re.search(r'action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="([^"]+)"', answer.text)
        assert action is not None
        assert prompt is not None
        fields = {"prompt": prompt[1], "login": name, "password": "anything"}
        answer = await client.post(answer.url.join(action[1]), data=fields)
    raise AssertionError("the provider sends nobody back")
