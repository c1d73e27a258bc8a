"""Authentication and authorization: who is asking, and what they may do.

Laws:
- A `Principal` comes from an authenticator (`interlock.auth.tokens`) and from nowhere else.
- Only `may()` decides; no other code compares scopes or owners.
- Nothing here knows a web framework.

The modules imported below import nothing but the protocol, so that `interlock.settings` can use them; code that needs
the settings is in `interlock.auth.tokens` and `interlock.auth.local_token`.
"""

from interlock.auth.errors import AuthError, AuthUnavailable, ExpiredToken, InvalidToken
from interlock.auth.may import RequirementFacts, RunFacts, Verb, may, may_give, scopes_for
from interlock.auth.origins import is_loopback, origin_allowed
from interlock.auth.principal import ALL_SCOPES, Kind, Principal

__all__ = [
    "ALL_SCOPES",
    "AuthError",
    "AuthUnavailable",
    "ExpiredToken",
    "InvalidToken",
    "Kind",
    "Principal",
    "RequirementFacts",
    "RunFacts",
    "Verb",
    "is_loopback",
    "may",
    "may_give",
    "origin_allowed",
    "scopes_for",
]
