"""The errors of `/api/v1`: their codes with their HTTP statuses, and what each refusal of the engine is called here.

Laws:
- A code is never renamed and never reused; the sentence beside it may change.
- Every code has one status.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from interlock.http.errors import headers_of
from interlock_protocol.errors import ErrorCode, InterlockError, Refusal


class Code(StrEnum):
    """The `code` of an error."""

    INVALID_REQUEST = "invalid_request"
    INVALID_WORKFLOW = "invalid_workflow"
    INVALID_INPUT = "invalid_input"
    INVALID_TRANSITION = "invalid_transition"
    UNKNOWN_INTERACTION = "unknown_interaction"
    ALREADY_PUBLISHED = "already_published"
    WORKFLOW_NOT_PUBLISHED = "workflow_not_published"
    INSTANCE_NOT_HALTED = "instance_not_halted"
    INSTANCE_NOT_ACTIVE = "instance_not_active"
    INSTANCE_NOT_FAILED = "instance_not_failed"
    THREAD_REQUIRED = "thread_required"
    DATA_TOO_LARGE = "data_too_large"
    INVALID_WEBHOOK = "invalid_webhook"
    INCOMPATIBLE_MODE = "incompatible_mode"
    EMPTY_GROUP = "empty_group"
    INVALID_RESPONSE = "invalid_response"
    CREDENTIAL_NOT_ACCEPTED = "credential_not_accepted"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    RUN_NOT_FOUND = "run_not_found"
    WORKFLOW_NOT_FOUND = "workflow_not_found"
    VERSION_NOT_FOUND = "version_not_found"
    INSTANCE_NOT_FOUND = "instance_not_found"
    THREAD_NOT_FOUND = "thread_not_found"
    EVENT_NOT_FOUND = "event_not_found"
    USER_NOT_FOUND = "user_not_found"
    GROUP_NOT_FOUND = "group_not_found"
    CLIENT_NOT_FOUND = "client_not_found"
    SECRET_NOT_FOUND = "secret_not_found"  # noqa: S105 - a code
    PROVIDER_NOT_FOUND = "provider_not_found"
    INTEGRATION_NOT_FOUND = "integration_not_found"
    FILE_NOT_FOUND = "file_not_found"
    INTERACTION_NOT_FOUND = "interaction_not_found"
    SUBSCRIPTION_NOT_FOUND = "subscription_not_found"
    DELIVERY_NOT_FOUND = "delivery_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    WORKFLOW_EXISTS = "workflow_exists"
    NAME_TAKEN = "name_taken"
    RUN_FINISHED = "run_finished"
    TOPIC_BOUND = "topic_bound"
    ALREADY_RESOLVED = "already_resolved"
    VERSION_IN_USE = "version_in_use"
    FILE_IN_USE = "file_in_use"
    SUBSCRIPTION_DISABLED = "subscription_disabled"
    CLAIMED = "claimed"
    CONCURRENT_MODIFICATION = "concurrent_modification"
    NO_SECRETS_KEY = "no_secrets_key"
    STALE_VIEW = "stale_view"
    BUSINESS_KEY_TAKEN = "business_key_taken"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    RATE_LIMITED = "rate_limited"
    SIGNALS_FULL = "signals_full"
    FILE_QUOTA_EXCEEDED = "file_quota_exceeded"
    NAMESPACE_QUOTA_EXCEEDED = "namespace_quota_exceeded"
    INTERNAL_ERROR = "internal_error"
    SCRIPT_ERROR = "script_error"
    SCRIPT_TIMEOUT = "script_timeout"
    HTTP_ERROR = "http_error"
    HTTP_TIMEOUT = "http_timeout"
    SECRET_NOT_ALLOWED = "secret_not_allowed"  # noqa: S105 - a code
    UNAVAILABLE = "unavailable"


STATUS_OF: Final[Mapping[Code, int]] = {
    Code.INVALID_REQUEST: 400,
    Code.INVALID_WORKFLOW: 400,
    Code.INVALID_INPUT: 400,
    Code.INVALID_TRANSITION: 400,
    Code.UNKNOWN_INTERACTION: 400,
    Code.ALREADY_PUBLISHED: 400,
    Code.WORKFLOW_NOT_PUBLISHED: 400,
    Code.INSTANCE_NOT_HALTED: 400,
    Code.INSTANCE_NOT_ACTIVE: 400,
    Code.INSTANCE_NOT_FAILED: 400,
    Code.THREAD_REQUIRED: 400,
    Code.DATA_TOO_LARGE: 400,
    Code.INVALID_WEBHOOK: 400,
    Code.INCOMPATIBLE_MODE: 400,
    Code.EMPTY_GROUP: 400,
    Code.INVALID_RESPONSE: 400,
    Code.CREDENTIAL_NOT_ACCEPTED: 400,
    Code.UNAUTHORIZED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.RUN_NOT_FOUND: 404,
    Code.WORKFLOW_NOT_FOUND: 404,
    Code.VERSION_NOT_FOUND: 404,
    Code.INSTANCE_NOT_FOUND: 404,
    Code.THREAD_NOT_FOUND: 404,
    Code.EVENT_NOT_FOUND: 404,
    Code.USER_NOT_FOUND: 404,
    Code.GROUP_NOT_FOUND: 404,
    Code.CLIENT_NOT_FOUND: 404,
    Code.SECRET_NOT_FOUND: 404,
    Code.PROVIDER_NOT_FOUND: 404,
    Code.INTEGRATION_NOT_FOUND: 404,
    Code.FILE_NOT_FOUND: 404,
    Code.INTERACTION_NOT_FOUND: 404,
    Code.SUBSCRIPTION_NOT_FOUND: 404,
    Code.DELIVERY_NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.WORKFLOW_EXISTS: 409,
    Code.NAME_TAKEN: 409,
    Code.RUN_FINISHED: 409,
    Code.TOPIC_BOUND: 409,
    Code.ALREADY_RESOLVED: 409,
    Code.VERSION_IN_USE: 409,
    Code.FILE_IN_USE: 409,
    Code.SUBSCRIPTION_DISABLED: 409,
    Code.CLAIMED: 409,
    Code.CONCURRENT_MODIFICATION: 409,
    Code.STALE_VIEW: 409,
    Code.NO_SECRETS_KEY: 409,
    Code.BUSINESS_KEY_TAKEN: 409,
    Code.IDEMPOTENCY_KEY_REUSED: 409,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.RANGE_NOT_SATISFIABLE: 416,
    Code.RATE_LIMITED: 429,
    Code.SIGNALS_FULL: 429,
    Code.FILE_QUOTA_EXCEEDED: 429,
    Code.NAMESPACE_QUOTA_EXCEEDED: 429,
    Code.INTERNAL_ERROR: 500,
    Code.SCRIPT_ERROR: 500,
    Code.SCRIPT_TIMEOUT: 500,
    Code.HTTP_ERROR: 500,
    Code.HTTP_TIMEOUT: 500,
    Code.SECRET_NOT_ALLOWED: 500,
    Code.UNAVAILABLE: 503,
}

_CODE_OF: Final[Mapping[ErrorCode, Code]] = {
    ErrorCode.INVALID_JSON: Code.INVALID_REQUEST,
    ErrorCode.INVALID_MESSAGE: Code.INVALID_REQUEST,
    ErrorCode.UNKNOWN_ACTION: Code.NOT_FOUND,
    ErrorCode.MESSAGE_TOO_LARGE: Code.PAYLOAD_TOO_LARGE,
    ErrorCode.FORBIDDEN: Code.FORBIDDEN,
    ErrorCode.RATE_LIMITED: Code.RATE_LIMITED,
    ErrorCode.WORKFLOW_NOT_FOUND: Code.WORKFLOW_NOT_FOUND,
    ErrorCode.WORKFLOW_MISMATCH: Code.VERSION_NOT_FOUND,
    ErrorCode.RUN_NOT_FOUND: Code.INSTANCE_NOT_FOUND,
    ErrorCode.RUN_FINISHED: Code.INSTANCE_NOT_ACTIVE,
    ErrorCode.RUN_NOT_PAUSED: Code.INSTANCE_NOT_HALTED,
    ErrorCode.REQUIREMENT_NOT_FOUND: Code.INSTANCE_NOT_HALTED,
    ErrorCode.REQUIREMENT_EXPIRED: Code.INSTANCE_NOT_HALTED,
    ErrorCode.INVALID_DECISION: Code.INVALID_INPUT,
    ErrorCode.INVALID_TRANSITION: Code.INVALID_TRANSITION,
    ErrorCode.CLAIMED: Code.CLAIMED,
    ErrorCode.STALE_VIEW: Code.STALE_VIEW,
    ErrorCode.UNKNOWN_INTERACTION: Code.UNKNOWN_INTERACTION,
    ErrorCode.CONFLICT: Code.CONCURRENT_MODIFICATION,
    ErrorCode.BUSINESS_KEY_TAKEN: Code.BUSINESS_KEY_TAKEN,
    ErrorCode.NAMESPACE_QUOTA_EXCEEDED: Code.NAMESPACE_QUOTA_EXCEEDED,
    ErrorCode.SIGNALS_FULL: Code.SIGNALS_FULL,
    ErrorCode.TOPIC_BOUND: Code.TOPIC_BOUND,
    ErrorCode.UNAVAILABLE: Code.UNAVAILABLE,
    ErrorCode.INTERNAL: Code.INTERNAL_ERROR,
}
"""What a refusal of the engine is called here, where the route doesn't know better."""


class ApiError(InterlockError):
    """A request is answered with an error.

    Args:
        message: a sentence for people that says what to do.
        details: JSON-ready facts.
        headers: of the answer.
    """

    def __init__(
        self, code: Code, message: str, details: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        return STATUS_OF[self.code]


def refused(refusal: Refusal, code: Code | None = None) -> ApiError:
    """The error that a refusal is here.

    Args:
        code: what it is called, if the route knows better.
    """
    known = code or _CODE_OF.get(refusal.code, Code.INVALID_REQUEST)
    return ApiError(known, refusal.message, refusal.details, headers=headers_of(refusal))


def not_there(code: Code, what: str) -> ApiError:
    """The answer for what doesn't exist, or what the caller may not know of.

    Args:
        what: such as "Workflow 'orders'".
    """
    return ApiError(code, f"{what} not found")


def no_version(name: str, version_id: str) -> ApiError:
    """The answer for a version that the caller's account doesn't have."""
    return not_there(Code.VERSION_NOT_FOUND, f"Version {version_id!r} of workflow {name!r}")
