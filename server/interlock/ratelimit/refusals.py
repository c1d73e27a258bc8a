"""The refusal `rate_limited`."""

from __future__ import annotations

import math

from limits import RateLimitItem

from interlock_protocol.errors import ErrorCode, Refusal


def refusal(limit: RateLimitItem, of: str, wait: float) -> Refusal:
    """Return the refusal `rate_limited`. Its `details` name the limit, and the seconds until a retry (never 0).

    Args:
        of: whose limit it is: `user`, `connection` or `address`.
        wait: the number of seconds after which there may be room.
    """
    retry_after = max(math.ceil(wait * 1000) / 1000, 0.001)
    sentence = f"Too much at once: one {of} may do {limit}; send it again in {math.ceil(retry_after)} s."
    details = {"retry_after": retry_after, "limit": str(limit), "of": of}
    return Refusal(ErrorCode.RATE_LIMITED, sentence, details=details)
