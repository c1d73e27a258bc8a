"""HTTP requests to a server, for commands that need no socket.

Laws:
- An expected failure is a `Failure`, with a sentence that says what to do.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.target import Target
from interlock.cli.words import harmless
from interlock_client.address import http_url

_SECONDS = 30.0


def get_json(target: Target, path: str, **query: str | int | None) -> dict[str, Any]:
    """GET `path` and return the JSON object in the answer; parameters that are None are left out.

    Raises:
        Failure: the server can't be reached, refuses, or isn't an Interlock server.
    """
    base = http_url(target.url)
    asked = urlencode({name: value for name, value in query.items() if value is not None})
    headers = {"Accept": "application/json", "Authorization": f"Bearer {target.token}"}
    request = Request(f"{base}{path}?{asked}", headers=headers)  # noqa: S310 - `http_url` allows http and https only
    try:
        with urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - as above
            page = json.load(response)
    except HTTPError as error:
        with error:
            raise _refused(error.code, error.read()) from None
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise Failure(
            f"No answer from {base} ({_words(reason)}). Start a server with `interlock serve`, or set INTERLOCK_URL.",
            ExitCode.UNREACHABLE,
        ) from None
    except ValueError:
        page = None
    if not isinstance(page, dict):
        raise Failure(f"{base} doesn't answer like an Interlock server; check the address.", ExitCode.UNREACHABLE)
    return page


def _refused(status: int, body: bytes) -> Failure:
    try:
        sentence = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        sentence = f"The server answered with HTTP status {status}."
    advice = " Set INTERLOCK_TOKEN, or pass --token." if status == 401 else ""
    return Failure(f"{harmless(sentence)}{advice}", ExitCode.USAGE if status == 422 else ExitCode.UNREACHABLE)


def _words(reason: object) -> str:
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
