"""Apprise, by which rooms and telephones are told: its services speak over the guarded transport.

Laws:
- The library is imported when it is first used: that takes a while.
- What a service of it asks of `requests` goes, in a call of `send_by`, to the transport, with no redirects, no proxies,
  and no choice to trust other certificates. Elsewhere in the process, the library is as it was.
- Only services whose requests all go that way are used: those of `channels.KINDS`, as a test shows of each.
- A call of it blocks, so it has a thread of its own, and a deadline by which it is left alone.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import httpx

from interlock.aio.threads import in_thread
from interlock.outgoing.channels import Channel
from interlock.outgoing.guarded import request_to
from interlock.outgoing.letters import Letter, NotSent, sentence_of

if TYPE_CHECKING:
    import requests

MAX_ANSWER: Final = 64 * 1024
SECONDS: Final = 20.0
"""How long a service may take for one request."""


@cache
def _asset() -> Any:
    from apprise import AppriseAsset

    return AppriseAsset(
        app_id="Interlock",
        app_desc="Interlock",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        async_mode=False,
        interpret_emojis=False,
        allow_templates=False,
        storage_mode="memory",
    )


def plugin_for(url: str) -> Any:
    """Return the service of a URL. It blocks: the first time, the library is imported.

    Raises:
        NotSent: the URL isn't one.
    """
    with _quietly():
        plugin = _instantiated(url)
    if plugin is None:
        raise NotSent("the channel's URL isn't written as its service wants it")
    return plugin


def _instantiated(url: str) -> Any:
    import apprise

    return apprise.Apprise.instantiate(url, asset=_asset())


_is_ours: contextvars.ContextVar[bool] = contextvars.ContextVar("interlock_calls_apprise", default=False)


@cache
def _silence() -> None:
    from apprise.logger import logger

    logger.addFilter(lambda _: not _is_ours.get())


@contextmanager
def _quietly() -> Iterator[None]:
    """Have the library log nothing of what is done for this server: its lines quote addresses."""
    _silence()
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


class Line:
    """What a service's requests go over, while it is called.

    Attributes:
        trouble: why the last request failed, in words for the operator; None if none did.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self.trouble: str | None = None

    def send(self, request: requests.PreparedRequest) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request from the thread of a service.

        Raises:
            ConnectionError: it can't be sent.
        """
        try:
            status, headers, content = self._sent(request)
        except (httpx.HTTPError, TimeoutError) as error:
            self.trouble = sentence_of(error)
            raise ConnectionError(self.trouble) from None
        if status >= 300:
            self.trouble = f"the service answered {status}"
        return status, headers, content

    def _sent(self, request: requests.PreparedRequest) -> tuple[int, Mapping[str, str], bytes]:
        asked = self._send(request)
        try:
            sending = asyncio.run_coroutine_threadsafe(asked, self._loop)
        except RuntimeError:  # the loop is closed: the server has stopped
            asked.close()
            raise TimeoutError from None
        try:
            return sending.result(2 * SECONDS)
        finally:
            sending.cancel()

    async def _send(self, asked: requests.PreparedRequest) -> tuple[int, Mapping[str, str], bytes]:
        body = asked.body.encode() if isinstance(asked.body, str) else asked.body
        if not isinstance(body, bytes | None):
            raise httpx.LocalProtocolError("a file isn't sent")
        headers = [(str(name), str(value)) for name, value in asked.headers.items() if name.lower() not in _OURS]
        headers.append(("Accept-Encoding", "identity"))
        request = request_to(str(asked.method), str(asked.url), headers, body)
        async with asyncio.timeout(SECONDS):
            answer = await self._transport.handle_async_request(request)
            content = bytearray()
            try:
                async for part in answer.stream:  # type: ignore[union-attr] # ours is one that is read so
                    content += part
                    if len(content) > MAX_ANSWER:
                        break
            finally:
                await answer.aclose()
        return answer.status_code, dict(answer.headers), bytes(content[:MAX_ANSWER])


_OURS: Final = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding"})
_line: contextvars.ContextVar[Line | None] = contextvars.ContextVar("interlock_line", default=None)


@cache
def _instead() -> Any:
    """What stands for `requests` in the modules of services."""
    import requests
    from requests.adapters import BaseAdapter

    class Adapter(BaseAdapter):
        def __init__(self, line: Line) -> None:
            super().__init__()
            self._line = line

        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            try:
                status, headers, content = self._line.send(request)
            except ConnectionError as error:
                raise requests.ConnectionError(str(error)) from None
            answer = requests.Response()
            answer.status_code, answer._content, answer.request, answer.url = status, content, request, str(request.url)
            answer.headers.update(headers)
            return answer

        def close(self) -> None:
            pass

    class Instead:
        """The library, but for its requests."""

        def __getattr__(self, name: str) -> Any:
            if name in _METHODS and _line.get() is not None:
                return partial(self.request, name)
            return getattr(requests, name)

        def request(self, method: str, url: str, **options: Any) -> requests.Response:
            line = _line.get()
            if line is None:
                return requests.request(method, url, **options)  # noqa: S113 - the caller's own
            with requests.Session() as session:
                session.trust_env = False
                session.adapters.clear()
                for scheme in ("http://", "https://"):
                    session.mount(scheme, Adapter(line))
                kept = {name: value for name, value in options.items() if name not in _NOT_THEIRS}
                return session.request(method, url, allow_redirects=False, **kept)

    return Instead()


_METHODS: Final = frozenset({"delete", "get", "head", "options", "patch", "post", "put"})
_NOT_THEIRS: Final = frozenset({"allow_redirects", "cert", "proxies", "stream", "timeout", "verify"})


@contextmanager
def _over(line: Line, plugin: Any) -> Iterator[None]:
    for each in type(plugin).__mro__:
        module = vars(sys.modules[each.__module__])
        if getattr(module.get("requests"), "__name__", None) == "requests":
            module["requests"] = _instead()
    token = _line.set(line)
    try:
        yield
    finally:
        _line.reset(token)


async def send_by(transport: httpx.AsyncBaseTransport, channel: Channel, address: str, letter: Letter) -> None:
    """Send a letter to a channel that isn't e-mail: to a person's address, or to the room.

    Raises:
        NotSent: it wasn't taken.
    """
    line = Line(transport, asyncio.get_running_loop())
    is_taken = await in_thread(lambda _: _notified(line, channel, address, letter), None)
    if not is_taken:
        raise NotSent(line.trouble or "the service doesn't take it")


def _notified(line: Line, channel: Channel, address: str, letter: Letter) -> bool:
    plugin = plugin_for(channel.to(address))
    body, written_in = letter.chat_text, "text"
    if channel.kind.is_markdown:
        body, written_in = body.replace(letter.link, f"[{letter.link}]({letter.link})"), "markdown"
    try:
        with _over(line, plugin), _quietly():
            return bool(plugin.notify(body=body, title=letter.chat_subject, body_format=written_in))
    except Exception as error:
        raise NotSent(f"the library that sends it failed ({type(error).__name__})") from error
