"""The errors of the protocol, and stable codes for programs.

    InterlockError
    ├── Refusal            a client misbehaved, or asked for something impossible: answered with an `error` event
    ├── ProtocolViolation  the server misbehaved, as its client sees it: nothing to answer, so close
    └── ProtocolMisuse     *you* misused this library: a bug in the calling code

Laws:
- A code is never renamed and never reused; the sentence beside it may change.
- A refusal changes nothing: code that raises one has had no effect yet.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """The `code` of an `error` event (`docs/protocol.md`, "Error codes")."""

    INVALID_JSON = "invalid_json"
    INVALID_MESSAGE = "invalid_message"
    UNKNOWN_ACTION = "unknown_action"
    MESSAGE_TOO_LARGE = "message_too_large"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    WORKFLOW_NOT_FOUND = "workflow_not_found"
    WORKFLOW_MISMATCH = "workflow_mismatch"
    RUN_NOT_FOUND = "run_not_found"
    RUN_FINISHED = "run_finished"
    RUN_NOT_PAUSED = "run_not_paused"
    REQUIREMENT_NOT_FOUND = "requirement_not_found"
    REQUIREMENT_EXPIRED = "requirement_expired"
    CLAIMED = "claimed"
    INVALID_DECISION = "invalid_decision"
    INVALID_TRANSITION = "invalid_transition"
    STALE_VIEW = "stale_view"
    UNKNOWN_INTERACTION = "unknown_interaction"
    CONFLICT = "conflict"
    BUSINESS_KEY_TAKEN = "business_key_taken"
    NAMESPACE_QUOTA_EXCEEDED = "namespace_quota_exceeded"
    SIGNALS_FULL = "signals_full"
    TOPIC_BOUND = "topic_bound"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class AuthErrorCode(StrEnum):
    """The `code` of `auth_error` and `auth_required`."""

    INVALID_TOKEN = "invalid_token"  # noqa: S105 - a code, not a secret
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - a code, not a secret
    SERVER_ERROR = "server_error"
    AUTH_REQUIRED = "auth_required"


RETRYABLE = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.RATE_LIMITED, ErrorCode.SIGNALS_FULL})


class InterlockError(Exception):
    """Something went wrong in Interlock."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class ProtocolMisuse(InterlockError):  # noqa: N818 - says who is at fault, which "Error" would not
    """The protocol object was called in a state that doesn't allow it; this is a bug in the caller."""


class ProtocolViolation(InterlockError):  # noqa: N818 - says who is at fault, which "Error" would not
    """The server sent what the protocol doesn't allow; close the connection and reconnect."""


class Refusal(InterlockError):  # noqa: N818 - a refusal is an answer, not a failure
    """The request can't be carried out; nothing was changed.

    Args:
        code: what programs branch on.
        message: a sentence for people that says what to do.
        details: JSON-ready facts: each wrong field, or the decision that won.
        run_id: the run it is about, where there is one.
    """

    def __init__(self, code: ErrorCode, message: str, *, details: Any = None, run_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.run_id = run_id

    @property
    def retryable(self) -> bool:
        """True if the same request may succeed when it is sent again later."""
        return self.code in RETRYABLE
