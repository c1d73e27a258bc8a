"""Which pages of other origins a browser lets talk to the server over HTTP.

Laws:
- The rule is that of the socket (`interlock.auth.origins`): `INTERLOCK_ALLOWED_ORIGINS`, or, without it, pages on this
  machine where the server is bound to it. Pages of the server's own origin need nothing of this.
- It lets a page read answers, and gives it no rights: those come with a token, which a page has to have. Cookies are
  never asked for.
- Every answer has these headers, errors too: a page has to be able to read why it was refused.

Source: the Fetch standard, section 3.2 "CORS protocol"; `docs/settings.md`.
"""

from __future__ import annotations

from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from interlock.auth import is_loopback, origin_allowed
from interlock.settings import Settings

METHODS: Final = ("GET", "HEAD", "POST", "DELETE")
ASKED: Final = ("Authorization", "Idempotency-Key", "Last-Event-ID", "traceparent", "tracestate")
"""The headers that a page may send, besides those that any may."""

TOLD: Final = ("Allow", "Retry-After", "WWW-Authenticate")
"""The headers of an answer that a page may read, besides those that any may."""


class Cors(CORSMiddleware):
    """Answers preflights, and marks each answer as readable by pages that may talk to this server."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(
            app,
            allow_origins=settings.allowed_origins,
            allow_methods=METHODS,
            allow_headers=ASKED,
            expose_headers=TOLD,
        )
        self._listed = settings.allowed_origins
        self._bound = settings.host

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether pages of this origin may read what is answered.

        The server's own origin isn't looked for: to a browser, that is no cross-origin request.
        """
        here = "localhost" if is_loopback(self._bound) else None
        return origin_allowed(origin, here, self._listed, bound=self._bound)
