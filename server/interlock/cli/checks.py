"""The checks of `interlock doctor`.

Laws:
- Checks change nothing: they create no file, table or key, and roll back what they try in a database.
- A check that fails to run is a finding, never an error, so the other checks run as well.
- A finding that isn't ok says what to do. No finding repeats a value that may be a secret.

Source: `docs/operations.md`, "interlock doctor".
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import stat
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

from sqlalchemy import Connection, make_url, text

from interlock.auth.local_token import TOKEN_FILE
from interlock.auth.origins import is_loopback
from interlock.database import Database, DatabaseInUse, DatabaseUnavailable, open_database
from interlock.errors import SettingsError
from interlock.log.port import LogUnavailable, LogUnfit
from interlock.log.redis import RedisLog, refuse_unfit
from interlock.log.redis_link import RedisLink
from interlock.notices.words import Words
from interlock.outgoing.channels import Channel, channels_in
from interlock.outgoing.letters import NotSent
from interlock.outgoing.notifier import check as check_channel
from interlock.process.redaction import Redactor
from interlock.process.serving import NoAddress, check_address
from interlock.settings import PREFIX, Settings
from interlock.store.migrate import SchemaOutdated, check_current
from interlock.store.sql import SqlStore

SKEW_SECONDS: Final = 1.0
"""How far a store's clock may be off this machine's before that is a finding."""

FREE_BYTES: Final = 1024**3
"""How much free disk space SQLite should have."""

FULL_SHARE: Final = 0.8
"""The share of its memory that Redis may have used before that is a finding."""

_OF_CLIENTS: Final = frozenset({"INTERLOCK_URL", "INTERLOCK_TOKEN"})
_OF_EXAMPLES: Final = "INTERLOCK_EXAMPLE_"


class Verdict(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to do about it; `advice` is empty if there is nothing to do."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


async def examine(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Check everything that a server with this process's environment depends on."""
    try:
        settings = Settings()
    except SettingsError as error:
        advice = "Correct it; the other checks need the settings."
        return [Finding("settings", Verdict.FAIL, sentence, advice) for sentence in str(error).splitlines()]
    of_parts = _of_database(settings), _of_redis(settings), _of_port(settings), _of_notifiers(settings)
    groups = await asyncio.gather(*of_parts)
    found = [*_of_settings(settings, environ), *_of_token(settings), *[each for group in groups for each in group]]
    redact = Redactor.of(settings)
    return [Finding(each.check, each.verdict, redact(each.found), each.advice) for each in found]


# ── Settings ────────────────────────────────────────────────────────────────────────────────────────────


def _of_settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    ours = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    given = {name for name, value in environ.items() if name.startswith(PREFIX) and value}
    yield Finding("settings", Verdict.OK, f"{len(given & ours)} of {len(ours)} are given, and can be used.")
    for name in sorted(given - ours - _OF_CLIENTS):
        if not name.startswith(_OF_EXAMPLES):
            advice = "Correct its name, or remove it; docs/settings.md lists those that there are."
            yield Finding("settings", Verdict.WARN, f"{name} is given, and isn't a setting.", advice)
    yield _guard(settings)
    is_sqlite = settings.database_url.startswith("sqlite")
    if is_sqlite == (settings.redis_url is not None):
        missing = "INTERLOCK_DATABASE_URL of a PostgreSQL" if is_sqlite else "INTERLOCK_REDIS_URL"
        yield Finding("nodes", Verdict.WARN, "This serves one node only.", f"For several, set {missing} too.")


def _guard(settings: Settings) -> Finding:
    if settings.tokens or settings.jwt_secret or settings.jwt_jwks_url:
        return Finding("authentication", Verdict.OK, "Tokens are configured.")
    if is_loopback(settings.host):
        return Finding("authentication", Verdict.OK, "The server makes a token, and listens on loopback only.")
    advice = "Set INTERLOCK_TOKENS, INTERLOCK_JWT_SECRET or INTERLOCK_JWT_JWKS_URL."
    return Finding("authentication", Verdict.FAIL, "Nothing guards a server that others can reach.", advice)


def _of_token(settings: Settings) -> Iterator[Finding]:
    path = settings.data_dir / TOKEN_FILE
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        advice = "Run this as the server's user, or correct the folder's mode."
        yield Finding("token file", Verdict.WARN, f"{path} can't be looked at: {error.strerror}.", advice)
        return
    mode = stat.S_IMODE(found.st_mode)
    if os.name == "posix" and mode & 0o077:
        advice = f"chmod 600 {path}; others may have read it: delete it, and the server makes another."
        yield Finding("token file", Verdict.FAIL, f"{path} has mode {mode:04o}: others may use it.", advice)
    elif os.name == "posix" and found.st_uid not in (os.geteuid(), 0):
        advice = "Make it the server's user's, or delete it."
        yield Finding("token file", Verdict.FAIL, f"{path} belongs to another user, who knows it.", advice)
    else:
        yield Finding("token file", Verdict.OK, f"{path} is for its owner's eyes only.")


# ── The port ────────────────────────────────────────────────────────────────────────────────────────────


async def _of_port(settings: Settings) -> list[Finding]:
    place = f"{settings.host}:{settings.port}"
    try:
        await check_address(settings)
    except NoAddress as error:
        if await asyncio.to_thread(_is_interlock, settings):
            return [Finding("port", Verdict.OK, f"An Interlock listens on {place} already.")]
        advice = "Stop what listens there, or choose another with INTERLOCK_HOST and INTERLOCK_PORT."
        return [Finding("port", Verdict.FAIL, str(error).partition(". ")[0] + ".", advice)]
    return [Finding("port", Verdict.OK, f"{place} can be listened on.")]


def _is_interlock(settings: Settings) -> bool:
    """Return True if an Interlock server answers at this one's address."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared
    bracketed = f"[{reached}]" if ":" in reached else reached
    try:
        with urlopen(f"http://{bracketed}:{settings.port}/health/live", timeout=2) as answer:
            return bool(answer.read(100) == b'{"status":"live"}')
    except (OSError, HTTPError, ValueError):
        return False


# ── Notifiers ───────────────────────────────────────────────────────────────────────────────────────────


async def _of_notifiers(settings: Settings) -> list[Finding]:
    if settings.notifiers is None:
        return []
    found = [await _of_channel(each) for each in channels_in(settings.notifiers.get_secret_value()).values()]
    try:
        await asyncio.to_thread(Words, settings.notifiers_templates, str)
    except SettingsError as error:
        sentence, _, advice = str(error).partition(": ")
        found.append(Finding("notifiers", Verdict.FAIL, f"{sentence}.", advice[:1].upper() + advice[1:]))
    if settings.public_url is None:
        advice = "Set INTERLOCK_PUBLIC_URL to where people reach the server."
        found.append(Finding("notifiers", Verdict.WARN, "Their links lead to this machine only.", advice))
    return found


async def _of_channel(channel: Channel) -> Finding:
    try:
        await check_channel(channel)
    except NotSent as error:
        advice = "Correct it in INTERLOCK_NOTIFIERS; docs/notices.md shows how each kind is written."
        return Finding("notifiers", Verdict.FAIL, f"{channel.name}: {error}.", advice)
    if channel.url.startswith(("mailto://", "ntfy://", "json://", "gotify://", "mmost://", "rocket://")):
        advice = f"Let its URL begin with {channel.url.partition('://')[0]}s://, where its server has TLS."
        found = f"{channel.name} ({channel.kind.name}) is written to without encryption."
        return Finding("notifiers", Verdict.WARN, found, advice)
    return Finding("notifiers", Verdict.OK, f"{channel.name} ({channel.kind.name}) is a channel.")


# ── The database ────────────────────────────────────────────────────────────────────────────────────────


async def _of_database(settings: Settings) -> list[Finding]:
    if settings.database_url.startswith("sqlite"):
        return await _of_sqlite(_path_in(settings.database_url))
    return await _whole(_of_postgres(settings.database_url), "database", "INTERLOCK_DATABASE_URL")


def _path_in(url: str) -> Path:
    return Path(make_url(url).database or "").expanduser().absolute()


async def _of_sqlite(path: Path) -> list[Finding]:
    if not os.path.exists(path):  # noqa: ASYNC240, PTH110 - a single stat
        return _of_folder(path)
    try:
        database = open_database(f"sqlite:///{path}")
    except DatabaseInUse:
        return [Finding("database", Verdict.OK, f"{path} is in use by a server, which has checked it."), *_room(path)]
    except DatabaseUnavailable as error:
        return [Finding("database", Verdict.FAIL, str(error), "Give the server's user the file, or another one.")]
    try:
        return [
            Finding("database", Verdict.OK, f"{path} opens."),
            await _tables(database, "The server brings them up to date when it starts."),
            await _writable(database),
            *_room(path),
        ]
    finally:
        await database.close()


def _of_folder(path: Path) -> list[Finding]:
    """Check the folder of a database file that the first start will create."""
    folder = next(each for each in path.parents if each.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        advice = "Let the server's user write there, or choose another folder with INTERLOCK_DATA_DIR."
        return [Finding("database", Verdict.FAIL, f"{path} can't be made: {folder} isn't writable.", advice)]
    return [Finding("database", Verdict.OK, f"{path} isn't there yet; the first start makes it."), *_room(folder)]


def _room(path: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(path if path.is_dir() else path.parent).free
    if free < FREE_BYTES:
        advice = "Make room: a full disk refuses every start and decision."
        yield Finding("disk", Verdict.WARN, f"There are {free // 1024**2} MiB left beside the database.", advice)
    else:
        yield Finding("disk", Verdict.OK, f"There are {free / 1024**3:.0f} GiB left beside the database.")


async def _of_postgres(url: str) -> AsyncIterator[Finding]:
    database = open_database(url)
    try:
        parsed = make_url(url)
        began = time.monotonic()
        version = await database.read(lambda connection: connection.execute(text("SHOW server_version")).scalar_one())
        took = 1000 * (time.monotonic() - began)
        place = f"{parsed.host or 'localhost'}:{parsed.port or 5432}"
        yield Finding("database", Verdict.OK, f"PostgreSQL {version} at {place} answered in {took:.0f} ms.")
        tables = await _tables(database, "")
        yield tables
        if tables.verdict is Verdict.OK:
            yield await _writable(database)
        before = time.time()
        there = (await SqlStore(database).now_ms()) / 1000
        yield _skew("database clock", there, before, time.time())
    finally:
        await database.close()


async def _tables(database: Database, when_old: str) -> Finding:
    try:
        await check_current(database)
    except SchemaOutdated as error:
        is_mended = bool(when_old) and "newer" not in str(error)
        sentence = str(error).partition(": ")[0] + "."
        if is_mended:
            return Finding("tables", Verdict.OK, sentence, when_old)
        advice = "Upgrade this Interlock." if "newer" in str(error) else "Run `interlock migrate`."
        return Finding("tables", Verdict.FAIL, sentence, advice)
    return Finding("tables", Verdict.OK, "They are today's.")


class _Undone(Exception):  # noqa: N818 - raised to roll back, not an error
    """Rolls back a test write."""


async def _writable(database: Database) -> Finding:
    def write(connection: Connection) -> None:
        connection.execute(text("INSERT INTO session_marks (run_id, event_index) VALUES ('interlock doctor', 0)"))
        raise _Undone

    try:
        await database.write(write)
    except _Undone:
        return Finding("writing", Verdict.OK, "The database takes what is written.")
    except Exception as error:
        advice = "It may be a standby, full, or its user may not write: see its own log."
        return Finding("writing", Verdict.FAIL, f"The database refuses to write: {_said(error)}", advice)
    raise AssertionError


# ── Redis ───────────────────────────────────────────────────────────────────────────────────────────────


async def _of_redis(settings: Settings) -> list[Finding]:
    if settings.redis_url is None:
        return []
    return await _whole(_of_nodes(settings, settings.redis_url), "redis", "INTERLOCK_REDIS_URL")


async def _of_nodes(settings: Settings, url: str) -> AsyncIterator[Finding]:
    link = RedisLink(url)
    try:
        began = time.monotonic()
        await link.find_cluster()
        took = 1000 * (time.monotonic() - began)
        nodes = await link.info()
        kind = "a Cluster of several" if len(nodes) > 1 else "single"
        versions = ", ".join(sorted({node["redis_version"] for node in nodes}))
        yield Finding("redis", Verdict.OK, f"Redis {versions}, {kind}, answered in {took:.0f} ms.")
        for node in nodes:
            for finding in _of_node(node, allow_volatile=settings.allow_volatile_redis):
                yield finding
        yield _shards(await link.command("GET", f"{_log_default('prefix')}:{{s0}}:shards"))
        before = time.time()
        for seconds, micros in _times(await link.command("TIME")):
            yield _skew("redis clock", int(seconds) + int(micros) / 1e6, before, time.time())
    finally:
        await link.close()


def _of_node(node: Mapping[str, str], *, allow_volatile: bool) -> Iterator[Finding]:
    try:
        refuse_unfit(node)
    except LogUnfit as error:
        verdict = Verdict.FAIL
        if allow_volatile and _is_fit(node):
            verdict = Verdict.WARN
        sentence, _, advice = str(error).partition(": ")
        yield Finding("durability", verdict, f"{sentence}.", advice[:1].upper() + advice[1:])
    else:
        yield Finding("durability", Verdict.OK, "It keeps an append-only file, and drops nothing when it is full.")
    if node.get("role", "master") != "master":
        yield Finding("redis", Verdict.FAIL, "It is a replica, and can't be written to.", "Name its master instead.")
    if node.get("aof_last_write_status", "ok") != "ok":
        yield Finding(
            "durability", Verdict.FAIL, "Its last write to disk failed.", "See its log; its disk may be full."
        )
    used, most = int(node.get("used_memory", "0")), int(node.get("maxmemory", "0"))
    if most and used > FULL_SHARE * most:
        yield Finding("memory", Verdict.WARN, f"{100 * used // most} % of its memory is used.", "Raise `maxmemory`.")


def _is_fit(node: Mapping[str, str]) -> bool:
    """Return True if `allow_volatile` would accept this node."""
    try:
        refuse_unfit(node, allow_volatile=True)
    except LogUnfit:
        return False
    return True


def _shards(known: Any) -> Finding:
    wanted = int(_log_default("shards"))
    if known is None:
        return Finding("shards", Verdict.OK, f"No log is kept there yet; there will be {wanted} shards.")
    if int(known) != wanted:
        advice = "Use the Interlock that made this log, or another Redis."
        return Finding("shards", Verdict.FAIL, f"Its log has {int(known)} shards, not {wanted}.", advice)
    return Finding("shards", Verdict.OK, f"Its log has {wanted} shards.")


def _log_default(name: str) -> Any:
    return inspect.signature(RedisLog).parameters[name].default


def _times(answer: Any) -> list[tuple[Any, Any]]:
    """The answer of a single node, or those of several."""
    return list(answer.values()) if isinstance(answer, dict) else [answer]


# ── Helpers ─────────────────────────────────────────────────────────────────────────────────────────────


async def _whole(findings: AsyncIterator[Finding], check: str, setting: str) -> list[Finding]:
    """Return all findings; if a check raises, its error becomes the last one."""
    found: list[Finding] = []
    try:
        async for each in findings:
            found.append(each)  # noqa: PERF401 - keeps the findings before an error
    except Exception as error:
        found.append(Finding(check, Verdict.FAIL, _said(error), f"Check {setting}, and whether it runs."))
    return found


def _said(error: Exception) -> str:
    """Describe an error: by its message if that is written for people, otherwise by its type."""
    if isinstance(error, DatabaseUnavailable | LogUnavailable | ValueError):
        sentence = " ".join(str(error).split())
        return sentence if sentence.endswith(".") else f"{sentence}."
    return f"It failed with {type(error).__name__}."


def _skew(check: str, there: float, before: float, after: float) -> Finding:
    """Compare another clock with this machine's, which was read before and after."""
    ahead = max(0.0, there - after) - max(0.0, before - there)
    if abs(ahead) <= SKEW_SECONDS:
        return Finding(check, Verdict.OK, "It agrees with this machine's.")
    sentence = f"It is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's."
    return Finding(check, Verdict.WARN, sentence, "Have both kept by NTP: tokens and timeouts end by these clocks.")
