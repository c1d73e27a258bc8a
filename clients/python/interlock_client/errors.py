"""What can go wrong for a client.

    InterlockError
    ├── ClientError
    │   ├── ActionRefused               the server said no, and nothing was changed; the connection is fine
    │   │   ├── Conflict                somebody else's decision won
    │   │   ├── InvalidDecision         the answer doesn't fit the question
    │   │   ├── Forbidden               not for this user
    │   │   ├── NotFound                no such workflow, run or requirement (or not for this user)
    │   │   └── TooLate                 the run has ended, or the requirement has expired
    │   ├── RequestFailed               a request over HTTP got no answer; it may have been carried out
    │   ├── ConnectionEnded             there is no connection, and none will be made again
    │   │   ├── Disconnected            a final close code, a server out of reach, or one that isn't Interlock
    │   │   ├── AuthenticationFailed    the token was refused, has expired, or is missing
    │   │   └── ClientClosed            this client was closed by its own program
    │   └── BrokenStream                the server skips events, and did so again when asked
    └── ProtocolMisuse                  a bug in the calling code

Laws:
- A refusal and a lost connection are different things. Losing a connection that can be had again is no error at all.
- Whoever waits when the connection ends for good gets the same error, whether for an ack or for an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock_protocol.errors import ErrorCode, InterlockError
from interlock_protocol.messages import ErrorMessage


class ClientError(InterlockError):
    """The client couldn't do what it was asked."""


class ActionRefused(ClientError):  # noqa: N818 - a refusal is an answer, not a failure
    """The server refused the action; nothing was changed.

    Attributes:
        code: what programs branch on; one of `interlock_protocol.errors.ErrorCode`, or a later server's.
        message: a sentence for people.
        details: JSON-ready facts about it.
        run_id: the run it is about, where there is one.
        retryable: whether the same action may succeed later.
        status: the HTTP status, if it was asked for over HTTP.
        request_id: what the server's log calls the request, if it was asked for over HTTP.
        retry_after: how long the server asks to wait before the next try, in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Any = None,
        run_id: str | None = None,
        retryable: bool = False,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.run_id = run_id
        self.retryable = retryable
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    def _detail(self, name: str) -> Any:
        return self.details.get(name) if isinstance(self.details, dict) else None


class _Decided(ActionRefused):
    """Somebody, or something, was faster."""

    @property
    def decision(self) -> dict[str, Any] | None:
        """The decision that stands, where there is one."""
        found = self._detail("decision")
        return found if isinstance(found, dict) else None

    @property
    def resolved_by(self) -> str | None:
        """Who made it: a user id, or `timeout`."""
        found = self._detail("resolved_by")
        return found if isinstance(found, str) else None


class Conflict(_Decided):
    """Another decision won, an idempotency key was used again for something else, or an active run has the business key
    (`business_key_taken`)."""


class InvalidDecision(ActionRefused):
    """The decision doesn't fit the requirement: `details` lists each wrong field. Or nothing follows from it
    (`invalid_transition`): no transition of the state that a machine is in."""


class Forbidden(ActionRefused):
    """This user may not do that."""


class NotFound(ActionRefused):
    """There is no such workflow, run or requirement, or none that this user may see."""


class TooLate(_Decided):
    """A timeout has decided (`requirement_expired`, with its `decision`), or the run has ended (`run_finished`)."""


class StaleView(ActionRefused):
    """The decision was made on something else than what is asked: look at it anew. `digest` is that of what is."""

    @property
    def digest(self) -> str | None:
        """The digest of what is asked now."""
        found = self._detail("digest")
        return found if isinstance(found, str) else None


class RequestFailed(ClientError):  # noqa: N818 - what happened
    """A request over HTTP got no answer, or none of Interlock's; nobody knows whether it was carried out."""


class ConnectionEnded(ClientError):  # noqa: N818 - what happened, expected or not
    """There is no connection to the server, and none will be made again."""


class Disconnected(ConnectionEnded):
    """The connection can't be had, or can't be had again.

    Attributes:
        close_code: the server's final close code, where it sent one.
    """

    def __init__(self, message: str | None = None, *, close_code: int | None = None) -> None:
        super().__init__(message)
        self.close_code = close_code


class AuthenticationFailed(ConnectionEnded):
    """The server doesn't accept the token; get a new one and connect again.

    Attributes:
        code: one of `interlock_protocol.errors.AuthErrorCode`.
    """

    def __init__(self, message: str | None = None, *, code: str = "invalid_token") -> None:
        super().__init__(message)
        self.code = code


class ClientClosed(ConnectionEnded):
    """This client is closed."""


class BrokenStream(ClientError):  # noqa: N818 - what was found
    """The server skipped events of a run, and did so again when it was asked for them."""


_BY_CODE: dict[str, type[ActionRefused]] = {
    ErrorCode.CONFLICT: Conflict,
    ErrorCode.CLAIMED: Conflict,
    ErrorCode.BUSINESS_KEY_TAKEN: Conflict,
    ErrorCode.INVALID_DECISION: InvalidDecision,
    ErrorCode.INVALID_TRANSITION: InvalidDecision,
    ErrorCode.FORBIDDEN: Forbidden,
    ErrorCode.WORKFLOW_NOT_FOUND: NotFound,
    ErrorCode.RUN_NOT_FOUND: NotFound,
    ErrorCode.REQUIREMENT_NOT_FOUND: NotFound,
    ErrorCode.RUN_FINISHED: TooLate,
    ErrorCode.REQUIREMENT_EXPIRED: TooLate,
    ErrorCode.STALE_VIEW: StaleView,
    # Of the HTTP API:
    "version_not_found": NotFound,
    "instance_not_found": NotFound,
    "event_not_found": NotFound,
    "secret_not_found": NotFound,
    "subscription_not_found": NotFound,
    "delivery_not_found": NotFound,
    "workflow_exists": Conflict,
    "subscription_disabled": Conflict,
    "concurrent_modification": Conflict,
    "idempotency_key_reused": Conflict,
    "invalid_input": InvalidDecision,
    "instance_not_active": TooLate,
}


def refusal(message: ErrorMessage) -> ActionRefused:
    """The exception that stands for an `error` event."""
    kind = _BY_CODE.get(message.code, ActionRefused)
    return kind(
        message.code,
        message.error,
        details=message.details,
        run_id=message.run_id,
        retryable=message.retryable,
    )


def refusal_of(error: Mapping[str, Any], *, status: int, retry_after: float | None = None) -> ActionRefused:
    """The exception that stands for the `error` of an answer over HTTP."""
    code, details = str(error.get("code") or "internal"), error.get("details")
    found = details.get("instance_id") if isinstance(details, dict) else None
    request_id = error.get("request_id")
    return _BY_CODE.get(code, ActionRefused)(
        code,
        str(error.get("message") or code),
        details=details,
        run_id=found if isinstance(found, str) else None,
        retryable=status == 429,
        status=status,
        request_id=request_id if isinstance(request_id, str) else None,
        retry_after=retry_after,
    )
