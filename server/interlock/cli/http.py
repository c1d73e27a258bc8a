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
from interlock_protocol.types import JsonObject

_SECONDS = 30.0


def get_json(target: Target, path: str, **query: str | int | None) -> dict[str, Any]:
    """GET `path` and return the JSON object in the answer; parameters that are None are left out.

    Raises:
        Failure: the server can't be reached, refuses, or isn't an Interlock server.
    """
    asked = urlencode({name: value for name, value in query.items() if value is not None})
    status, page = _answered(target, "GET", f"{path}?{asked}")
    if status >= 400:
        raise _refused(status, page)
    return page


class ApiRefused(Failure):
    """The server refuses a request to its API below `/api/v1`.

    Attributes:
        reason: the error's code, such as `workflow_not_found`.
        details: what the error has in detail; None if nothing.
    """

    def __init__(self, sentence: str, reason: str, details: Any) -> None:
        code = ExitCode.ERROR if reason in _FAULTS else ExitCode.UNREACHABLE
        super().__init__(harmless(sentence), code)
        self.reason = reason
        self.details = details


_FAULTS = ("invalid_request", "invalid_workflow", "invalid_webhook", "workflow_exists", "name_taken")
"""Refusals of what was sent, not of the sender."""


def call_api(target: Target, method: str, path: str, body: JsonObject | None = None) -> dict[str, Any]:
    """Make a request to the API below `/api/v1`, and return the `data` of the answer; {} if it has none.

    Raises:
        ApiRefused: the server refuses.
        Failure: it can't be reached, or isn't an Interlock server.
    """
    return _data(target, *_answered(target, method, f"/api/v1{path}", body))


def call_v1(target: Target, method: str, path: str, body: JsonObject | None = None) -> dict[str, Any]:
    """As `call_api`, of what is below `/v1`."""
    return _data(target, *_answered(target, method, f"/v1{path}", body))


def _data(target: Target, status: int, page: dict[str, Any]) -> dict[str, Any]:
    """What is in an answer.

    Raises:
        ApiRefused, Failure: as `call_api`.
    """
    error, data = page.get("error"), {} if status == 204 else page.get("data")
    if isinstance(error, dict):
        sentence = str(error.get("message"))
        advice = " Set INTERLOCK_TOKEN, or pass --token." if status == 401 else ""
        raise ApiRefused(f"{sentence}{advice}", str(error.get("code")), error.get("details"))
    if status == 204:
        return {}
    if status >= 400 or not isinstance(data, dict):
        raise _not_ours(http_url(target.url))
    return data


def _answered(target: Target, method: str, path: str, body: JsonObject | None = None) -> tuple[int, dict[str, Any]]:
    """Make a request, and return the status and the JSON object of the answer.

    Raises:
        Failure: the server can't be reached, or isn't an Interlock server.
    """
    base = http_url(target.url)
    headers = {"Accept": "application/json", "Authorization": f"Bearer {target.token}"}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = Request(f"{base}{path}", data, headers, method=method)  # noqa: S310 - `http_url` allows http and https only
    try:
        with urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - as above
            return response.status, _object(base, response.read(), {} if response.status == 204 else None)
    except HTTPError as error:
        with error:
            return error.code, _object(base, error.read(), {})
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise Failure(
            f"No answer from {base} ({_words(reason)}). Start a server with `interlock serve`, or set INTERLOCK_URL.",
            ExitCode.UNREACHABLE,
        ) from None


def _object(base: str, text: bytes, otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
    """The object in an answer; `otherwise`, if that isn't None and there is none."""
    try:
        page = json.loads(text)
    except ValueError:
        page = None
    if isinstance(page, dict):
        return page
    if otherwise is None:
        raise _not_ours(base)
    return otherwise


def _not_ours(base: str) -> Failure:
    return Failure(f"{base} doesn't answer like an Interlock server; check the address.", ExitCode.UNREACHABLE)


def _refused(status: int, page: dict[str, Any]) -> Failure:
    sentence = str(page.get("error", f"The server answered with HTTP status {status}."))
    advice = " Set INTERLOCK_TOKEN, or pass --token." if status == 401 else ""
    return Failure(f"{harmless(sentence)}{advice}", ExitCode.USAGE if status == 422 else ExitCode.UNREACHABLE)


def _words(reason: object) -> str:
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
