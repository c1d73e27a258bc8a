"""CORS: the pages of other origins that browsers let talk to the server over HTTP.

Laws:
- The rule is that of the socket (`interlock.auth.origins`): `INTERLOCK_ALLOWED_ORIGINS`, or, without it, pages on this
  machine if the server is bound to loopback. Pages of the server's own origin don't need this.
- CORS lets a page read answers, and gives it no rights: those come from the page's token. Cookies are never used.
- Every answer has these headers, including errors: a page has to be able to read why it was refused.

Source: the Fetch standard, section 3.2 "CORS protocol"; `docs/settings.md`.
"""

from __future__ import annotations

from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from interlock.auth import is_loopback, origin_allowed
from interlock.http.v1.callers import RATE_HEADERS
from interlock.settings import Settings

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ASKED: Final = (
    *("Authorization", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer", "X-Request-Id"),
    *("traceparent", "tracestate"),
)
"""The headers that a page may send, besides those that are always allowed."""

TOLD: Final = ("Allow", "Retry-After", "WWW-Authenticate", "Preference-Applied", "X-Request-Id", *RATE_HEADERS)
"""The headers of an answer that a page may read, besides those that are always readable."""


class Cors(CORSMiddleware):
    """Answers preflights, and marks each answer as readable by the pages that may talk to this server."""

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
        """Return True if pages of this origin may read the answers.

        The server's own origin isn't checked: to a browser, that is no cross-origin request.
        """
        here = "localhost" if is_loopback(self._bound) else None
        return origin_allowed(origin, here, self._listed, bound=self._bound)
