"""Why a token was refused.

    InterlockError
    └── AuthError
        ├── InvalidToken       this token will never be accepted here
        ├── ExpiredToken       it was, and no longer is
        └── AuthUnavailable    nobody can say at the moment: the token may be good

Laws:
- The message is for whoever holds the token: it says what to do, and never repeats the token.
- "Can't tell" is never reported as "no".
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
