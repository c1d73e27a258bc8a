"""What a request over HTTP can be refused with; `interlock.http.api` answers it.

Unauthorized      no token, or one that isn't accepted
RefusedRequest    a refusal, and the `request_id` of what was refused
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from interlock_protocol.errors import AuthErrorCode, ErrorCode, Refusal
from interlock_protocol.limits import MAX_REQUEST_ID

STATUS_OF = {
    ErrorCode.INVALID_JSON: 400,
    ErrorCode.INVALID_MESSAGE: 422,
    ErrorCode.UNKNOWN_ACTION: 400,
    ErrorCode.MESSAGE_TOO_LARGE: 413,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.WORKFLOW_NOT_FOUND: 404,
    ErrorCode.WORKFLOW_MISMATCH: 409,
    ErrorCode.RUN_NOT_FOUND: 404,
    ErrorCode.RUN_FINISHED: 409,
    ErrorCode.RUN_NOT_PAUSED: 409,
    ErrorCode.REQUIREMENT_NOT_FOUND: 404,
    ErrorCode.REQUIREMENT_EXPIRED: 409,
    ErrorCode.INVALID_DECISION: 422,
    ErrorCode.CONFLICT: 409,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}
"""The HTTP status of each error code."""


def headers_of(refusal: Refusal) -> dict[str, str]:
    """What HTTP has a header for: `Retry-After`, in whole seconds (RFC 9110, section 10.2.3)."""
    if refusal.code is not ErrorCode.RATE_LIMITED or not isinstance(refusal.details, dict):
        return {}
    return {"Retry-After": str(math.ceil(refusal.details["retry_after"]))}


class Unauthorized(Exception):  # noqa: N818 - turned into an answer
    """There is no token, or it isn't accepted; answered with 401, or 503 when nobody can tell."""

    def __init__(self, code: AuthErrorCode, error: str) -> None:
        super().__init__(error)
        self.code = code


class RefusedRequest(Exception):  # noqa: N818 - turned into an answer
    """A refusal of a request that had a `request_id`."""

    def __init__(self, refusal: Refusal, request_id: str) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.request_id = request_id


@contextlib.contextmanager
def about(request_id: object) -> Iterator[None]:
    """A refusal in the block says which request it is about, where that is something to be said."""
    try:
        yield
    except Refusal as refusal:
        if isinstance(request_id, str) and len(request_id) <= MAX_REQUEST_ID:
            raise RefusedRequest(refusal, request_id) from refusal
        raise
