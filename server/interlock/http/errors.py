"""The exceptions that refuse a request over HTTP; `interlock.http.api` turns them into answers.

Unauthorized      there is no token, or it isn't accepted
RefusedRequest    a refusal, with the `request_id` of the refused request
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
    ErrorCode.CLAIMED: 409,
    ErrorCode.STALE_VIEW: 409,
    ErrorCode.INVALID_DECISION: 422,
    ErrorCode.INVALID_TRANSITION: 422,
    ErrorCode.UNKNOWN_INTERACTION: 400,
    ErrorCode.CONFLICT: 409,
    ErrorCode.BUSINESS_KEY_TAKEN: 409,
    ErrorCode.SIGNALS_FULL: 429,
    ErrorCode.TOPIC_BOUND: 409,
    ErrorCode.NAMESPACE_QUOTA_EXCEEDED: 429,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}
"""The HTTP status of each error code."""


def headers_of(refusal: Refusal) -> dict[str, str]:
    """The headers for a refusal: `Retry-After`, in whole seconds (RFC 9110, section 10.2.3)."""
    if refusal.code is not ErrorCode.RATE_LIMITED or not isinstance(refusal.details, dict):
        return {}
    return {"Retry-After": str(math.ceil(refusal.details["retry_after"]))}


class Unauthorized(Exception):  # noqa: N818 - turned into an answer
    """There is no token, or it isn't accepted; answered with 401, or 503 if it can't be checked."""

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
    """Add the `request_id`, if there is one, to a refusal raised in the block."""
    try:
        yield
    except Refusal as refusal:
        if isinstance(request_id, str) and len(request_id) <= MAX_REQUEST_ID:
            raise RefusedRequest(refusal, request_id) from refusal
        raise
