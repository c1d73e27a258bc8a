"""Why a token was refused.

    InterlockError
    └── AuthError
        ├── InvalidToken       the token will never be accepted here
        ├── ExpiredToken       the token was valid, and has expired
        └── AuthUnavailable    tokens can't be checked at the moment: the token may be valid

Laws:
- The message is for the holder of the token: it says what to do, and never repeats the token.
- A token that can't be checked is never reported as invalid.
"""

from __future__ import annotations

from typing import ClassVar

from interlock_protocol.errors import AuthErrorCode, InterlockError


class AuthError(InterlockError):
    """The token was refused; get a new one and authenticate again."""

    code: ClassVar[AuthErrorCode]


class InvalidToken(AuthError):  # noqa: N818 - the name of its code
    """The token isn't one that this server accepts; check it, or get a new one, and authenticate again."""

    code = AuthErrorCode.INVALID_TOKEN


class ExpiredToken(AuthError):  # noqa: N818 - the name of its code
    """The token has expired; get a new one and authenticate again."""

    code = AuthErrorCode.EXPIRED_TOKEN


class AuthUnavailable(AuthError):  # noqa: N818 - the name of its state
    """The server can't check tokens at the moment; try again with the same token in a few seconds."""

    code = AuthErrorCode.SERVER_ERROR
