"""Grants, refresh tokens, wrong passwords and signing keys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, delete, insert, select, text, update
from sqlalchemy.sql.dml import ReturningDelete

from interlock.store.directory_tables import grants, refresh_tokens, sign_in_attempts, signing_keys

from .parameters import AT_MOST, NOW

_OF_GRANT = bindparam("of_grant", type_=Text)
_OF_DIGEST = bindparam("of_digest", type_=Text)
_OF_KEY = bindparam("of_key", type_=Text)
_LASTS = (grants.c.expires_at > NOW) & grants.c.revoked_at.is_(None)

KEEP_GRANT = insert(grants)
KEEP_TOKEN = insert(refresh_tokens)
GRANT = select(grants).where(grants.c.grant_id == _OF_GRANT, _LASTS)
# A grant's row is the lock of its tokens.
LOCK_GRANT = GRANT.with_for_update()
TOKEN = select(refresh_tokens).where(refresh_tokens.c.digest == _OF_DIGEST)
USE_TOKEN = (
    update(refresh_tokens)
    .where(refresh_tokens.c.digest == _OF_DIGEST)
    .values(used_at=NOW, nonce=bindparam("new_nonce", type_=Text))
)
# Those that were used before this one: their successors were used, so nobody needs them again.
FORGET_NONCES = (
    update(refresh_tokens)
    .where(
        refresh_tokens.c.grant_id == _OF_GRANT,
        refresh_tokens.c.nonce.is_not(None),
        refresh_tokens.c.used_at <= bindparam("used_before", type_=BigInteger),
    )
    .values(nonce=None)
)
REVOKE_GRANT = update(grants).where(grants.c.grant_id == _OF_GRANT, _LASTS).values(revoked_at=NOW)
REVOKED = select(grants.c.grant_id).where(grants.c.revoked_at >= bindparam("since", type_=BigInteger))

ATTEMPT = select(sign_in_attempts).where(sign_in_attempts.c.key == _OF_KEY).with_for_update()
# In the words of both dialects: of two that come first at once, the second finds the row of the first.
ADD_ATTEMPT = text("INSERT INTO sign_in_attempts (key, count, last_at) VALUES (:of_key, 0, 0) ON CONFLICT DO NOTHING")
COUNT_ATTEMPT = (
    update(sign_in_attempts).where(sign_in_attempts.c.key == _OF_KEY).values(count=bindparam("new_count"), last_at=NOW)
)
END_ATTEMPTS = delete(sign_in_attempts).where(sign_in_attempts.c.key == _OF_KEY)

SIGNING_KEYS = (
    select(signing_keys).where(signing_keys.c.ends_at > NOW).order_by(signing_keys.c.signs_from, signing_keys.c.kid)
)
LAST_KEY = (
    select(signing_keys.c.kid)
    .where(signing_keys.c.ends_at > NOW)
    .order_by(signing_keys.c.signs_from.desc(), signing_keys.c.kid.desc())
    .limit(1)
)
KEEP_KEY = insert(signing_keys)
RESEAL_KEY = (
    update(signing_keys)
    .where(
        signing_keys.c.kid == bindparam("of_kid", type_=Text),
        signing_keys.c.sealed == bindparam("was_sealed", type_=Text),
    )
    .values(sealed=bindparam("new_sealed", type_=Text))
    .returning(signing_keys.c.kid)
)


def _forget(table: Any, key: Any, at: Any) -> ReturningDelete[Any]:
    """Delete at most so many rows that are older than `now`; like `_forget_tickets` for tickets."""
    old = select(key).where(at <= NOW).order_by(at).limit(AT_MOST).with_for_update(skip_locked=True).cte("old")
    return delete(table).where(key.in_(select(old.c[key.name]))).returning(key)


FORGET_GRANTS = _forget(grants, grants.c.grant_id, grants.c.expires_at)
FORGET_TOKENS_OF = delete(refresh_tokens).where(refresh_tokens.c.grant_id.in_(bindparam("of_grants", expanding=True)))
FORGET_ATTEMPTS = _forget(sign_in_attempts, sign_in_attempts.c.key, sign_in_attempts.c.last_at)
FORGET_KEYS = _forget(signing_keys, signing_keys.c.kid, signing_keys.c.ends_at)
