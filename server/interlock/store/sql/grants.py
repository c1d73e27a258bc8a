"""Grants, refresh tokens, wrong passwords and signing keys in SQL.

Law: whoever uses a refresh token locks its grant first, so of two uses at once the second sees the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from pydantic_core import from_json
from sqlalchemy import Connection

from interlock.store.ports.directory import By
from interlock.store.ports.grants import Grant, Outcome, Refreshed, SigningKey, Waits
from interlock.store.statements import grants as sql
from interlock.store.writes import Parameters

from .directory import next_revision, record
from .rows import text_of
from .transactions import SqlTransactions

DAY_MS: Final = 24 * 60 * 60 * 1000


class SqlGrants(SqlTransactions):
    """`Grants`."""

    async def keep_grant(self, grant: Grant, digest: str) -> None:
        await self._write(partial(_keep_grant, grant, digest))

    async def refresh(self, digest: str, nonce: str, successor: str, now: int, grace_ms: int) -> Refreshed:
        return await self._write(partial(_refresh, digest, nonce, successor, now, grace_ms))

    async def grant_of(self, digest: str) -> Grant | None:
        return await self._read(partial(_grant_of, digest, self._clock()))

    async def grant(self, grant_id: str) -> Grant | None:
        parameters = {"of_grant": grant_id, "now": self._clock()}
        return await self._read(partial(_grant, parameters), one_statement=True)

    async def revoke_grant(self, grant_id: str, now: int) -> None:
        await self._write(partial(_revoke_grant, grant_id, now))

    async def revoked_grants(self, since: int) -> Sequence[str]:
        return await self._read(partial(_revoked_grants, since), one_statement=True)

    async def forget_grants(self, limit: int = 1000) -> int:
        return await self._write(partial(_forget_grants, self._clock() - DAY_MS, limit))

    async def begin_attempt(self, key: str, now: int, waits: Waits) -> int:
        return await self._write(partial(_begin_attempt, key, now, waits))

    async def end_attempts(self, key: str) -> None:
        await self._write(partial(_end_attempts, key), one_statement=True)

    async def forget_attempts(self, limit: int = 1000) -> int:
        work = partial(_forget, sql.FORGET_ATTEMPTS, self._clock() - DAY_MS, limit)
        return await self._write(work, one_statement=True)

    async def signing_keys(self, now: int) -> Sequence[SigningKey]:
        return await self._read(partial(_signing_keys, now), one_statement=True)

    async def keep_signing_key(self, key: SigningKey, *, after: str | None) -> bool:
        return await self._write(partial(_keep_signing_key, key, after))

    async def reseal_signing_key(self, key: SigningKey, sealed: str) -> bool:
        parameters = {"of_kid": key.kid, "was_sealed": key.sealed, "new_sealed": sealed}
        return await self._write(partial(_reseal_signing_key, parameters), one_statement=True)

    async def forget_signing_keys(self, limit: int = 1000) -> int:
        return await self._write(partial(_forget, sql.FORGET_KEYS, self._clock(), limit), one_statement=True)


def _keep_grant(grant: Grant, digest: str, connection: Connection) -> None:
    scopes = None if grant.scopes is None else text_of(sorted(grant.scopes))
    said = None if grant.said is None else text_of(dict(grant.said))
    connection.execute(sql.KEEP_GRANT, asdict(grant) | {"scopes": scopes, "revoked_at": None, "said": said})
    connection.execute(sql.KEEP_TOKEN, _token_row(digest, grant.grant_id, grant.created_at))


def _token_row(digest: str, grant_id: str, at: int) -> Parameters:
    return {"digest": digest, "grant_id": grant_id, "issued_at": at, "used_at": None, "nonce": None}


def _refresh(digest: str, nonce: str, successor: str, now: int, grace_ms: int, connection: Connection) -> Refreshed:
    token = connection.execute(sql.TOKEN, {"of_digest": digest}).mappings().first()
    if token is None:
        return Refreshed(Outcome.UNKNOWN)
    of = {"of_grant": token["grant_id"], "of_digest": digest, "now": now}
    row = connection.execute(sql.LOCK_GRANT, of).mappings().first()
    token = connection.execute(sql.TOKEN, of).mappings().first()  # as it is now that its grant is locked
    if row is None or token is None:
        return Refreshed(Outcome.UNKNOWN)
    if token["used_at"] is None:
        connection.execute(sql.FORGET_NONCES, of | {"used_before": now - grace_ms})
        connection.execute(sql.USE_TOKEN, of | {"new_nonce": nonce})
        connection.execute(sql.KEEP_TOKEN, _token_row(successor, token["grant_id"], now))
        return Refreshed(Outcome.ROTATED, _grant_in(row), nonce)
    if now - token["used_at"] <= grace_ms and token["nonce"] is not None:
        return Refreshed(Outcome.ROTATED, _grant_in(row), token["nonce"])
    _revoke_grant(token["grant_id"], now, connection, why="refresh_token_reused")
    return Refreshed(Outcome.REUSED, _grant_in(row))


def _grant_of(digest: str, now: int, connection: Connection) -> Grant | None:
    token = connection.execute(sql.TOKEN, {"of_digest": digest}).mappings().first()
    return None if token is None else _grant({"of_grant": token["grant_id"], "now": now}, connection)


def _grant(parameters: Parameters, connection: Connection) -> Grant | None:
    row = connection.execute(sql.GRANT, parameters).mappings().first()
    return None if row is None else _grant_in(row)


def _grant_in(row: Mapping[Any, Any]) -> Grant:
    scopes = None if row["scopes"] is None else frozenset(from_json(row["scopes"]))
    ids = row["grant_id"], row["account"], row["user_id"]
    said = None if row["said"] is None else from_json(row["said"])
    return Grant(*ids, scopes, row["generation"], row["created_at"], row["expires_at"], said)


def _revoke_grant(grant_id: str, now: int, connection: Connection, *, why: str = "signed_out") -> None:
    of = {"of_grant": grant_id, "now": now}
    row = connection.execute(sql.GRANT, of).mappings().first()
    if row is None or connection.execute(sql.REVOKE_GRANT, of).rowcount == 0:
        return
    by = By(row["user_id"], now)
    record(row["account"], row["user_id"], "grant_revoked", {"grant": grant_id, "why": why}, by, connection)


def _revoked_grants(since: int, connection: Connection) -> Sequence[str]:
    return [row[0] for row in connection.execute(sql.REVOKED, {"since": since})]


def _forget_grants(before: int, limit: int, connection: Connection) -> int:
    gone = [row[0] for row in connection.execute(sql.FORGET_GRANTS, {"now": before, "at_most": limit})]
    if gone:
        connection.execute(sql.FORGET_TOKENS_OF, {"of_grants": gone})
    return len(gone)


def _begin_attempt(key: str, now: int, waits: Waits, connection: Connection) -> int:
    connection.execute(sql.ADD_ATTEMPT, {"of_key": key})
    row = connection.execute(sql.ATTEMPT, {"of_key": key}).mappings().one()
    count = row["count"] if now - row["last_at"] < waits.kept else 0
    if count >= waits.free:
        due = row["last_at"] + min(waits.first * 2 ** min(count - waits.free, 20), waits.most)
        if now < due:
            return int(due - now)
    connection.execute(sql.COUNT_ATTEMPT, {"of_key": key, "new_count": count + 1, "now": now})
    return 0


def _end_attempts(key: str, connection: Connection) -> None:
    connection.execute(sql.END_ATTEMPTS, {"of_key": key})


def _forget(statement: Any, before: int, limit: int, connection: Connection) -> int:
    return len(connection.execute(statement, {"now": before, "at_most": limit}).all())


def _signing_keys(now: int, connection: Connection) -> Sequence[SigningKey]:
    return [SigningKey(**row) for row in connection.execute(sql.SIGNING_KEYS, {"now": now}).mappings()]


def _keep_signing_key(key: SigningKey, after: str | None, connection: Connection) -> bool:
    next_revision(connection)  # the lock
    if connection.execute(sql.LAST_KEY, {"now": key.created_at}).scalar() != after:
        return False
    connection.execute(sql.KEEP_KEY, asdict(key))
    return True


def _reseal_signing_key(parameters: Parameters, connection: Connection) -> bool:
    return connection.execute(sql.RESEAL_KEY, parameters).scalar() is not None
